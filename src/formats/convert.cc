#include "sylvester/formats/convert.h"

#include <bit>
#include <string>

#include "sylvester/core/error.h"
#include "sylvester/core/parallel.h"
#include "sylvester/formats/scalar.h"

namespace sylvester {
namespace {

// Below this many elements a second thread costs more than it saves.
constexpr std::int64_t kGrain = 1 << 16;

void check_lengths(const char* function, std::size_t from, std::size_t to) {
  if (from == to) return;
  throw ShapeError(std::string(function) + ": input has " + std::to_string(from) +
                   " elements, output " + std::to_string(to) + "; want the same length");
}

void check_width(const char* function, DType dtype, std::int64_t bytes) {
  if (format(dtype).bits <= 8 ? bytes == 1 : bytes == 2) return;
  throw ValueError(std::string(function) + ": " + std::string(to_string(dtype)) + " has " +
                   std::to_string(format(dtype).bits) + "-bit codes; want " +
                   (bytes == 1 ? "a format of at most 8 bits, or encode16 / decode16"
                               : "bfloat16 or float16, or encode / decode"));
}

// One loop for every source and code type: Bits is the unsigned type of the source's width.
template <class Source, class Code>
void encode_scalar(std::span<const Source> x, const Layout& from, const Layout& to,
                   std::span<Code> codes, const EncodeOptions& options) {
  parallel_for(std::ssize(x), kGrain, [&](std::int64_t begin, std::int64_t end) {
    const bool stochastic = options.rounding == Rounding::kStochastic;
    for (std::int64_t i = begin; i < end; ++i) {
      std::uint64_t bits = 0;
      if constexpr (sizeof(Source) == 8) {
        bits = std::bit_cast<std::uint64_t>(x[i]);
      } else if constexpr (sizeof(Source) == 4) {
        bits = std::bit_cast<std::uint32_t>(x[i]);
      } else {
        bits = x[i];
      }
      const std::uint32_t random =
          stochastic
              ? random_word(options.stream, options.first_element + static_cast<std::uint64_t>(i))
              : 0;
      codes[i] = static_cast<Code>(encode_bits(bits, from, to, options, random));
    }
  });
}

}  // namespace

void encode(std::span<const float> x, DType to, std::span<std::uint8_t> codes,
            const EncodeOptions& options) {
  check_lengths("encode", x.size(), codes.size());
  check_width("encode", to, 1);
  encode_scalar(x, layout(DType::kFloat32), layout(to), codes, options);
}

void encode(std::span<const double> x, DType to, std::span<std::uint8_t> codes,
            const EncodeOptions& options) {
  check_lengths("encode", x.size(), codes.size());
  check_width("encode", to, 1);
  encode_scalar(x, layout(DType::kFloat64), layout(to), codes, options);
}

void encode(std::span<const std::uint16_t> x, DType from, DType to, std::span<std::uint8_t> codes,
            const EncodeOptions& options) {
  check_lengths("encode", x.size(), codes.size());
  check_width("encode", from, 2);
  check_width("encode", to, 1);
  encode_scalar(x, layout(from), layout(to), codes, options);
}

void encode16(std::span<const float> x, DType to, std::span<std::uint16_t> codes,
              const EncodeOptions& options) {
  check_lengths("encode16", x.size(), codes.size());
  check_width("encode16", to, 2);
  encode_scalar(x, layout(DType::kFloat32), layout(to), codes, options);
}

void encode16(std::span<const double> x, DType to, std::span<std::uint16_t> codes,
              const EncodeOptions& options) {
  check_lengths("encode16", x.size(), codes.size());
  check_width("encode16", to, 2);
  encode_scalar(x, layout(DType::kFloat64), layout(to), codes, options);
}

void decode(std::span<const std::uint8_t> codes, DType from, std::span<float> x) {
  check_lengths("decode", codes.size(), x.size());
  check_width("decode", from, 1);
  const Layout f = layout(from);
  float table[256];
  for (std::uint32_t code = 0; code < 256; ++code) table[code] = decode_float(code, f);
  parallel_for(std::ssize(codes), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) x[i] = table[codes[i]];
  });
}

void decode16(std::span<const std::uint16_t> codes, DType from, std::span<float> x) {
  check_lengths("decode16", codes.size(), x.size());
  check_width("decode16", from, 2);
  const Layout f = layout(from);
  parallel_for(std::ssize(codes), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) x[i] = decode_float(codes[i], f);
  });
}

std::uint32_t encode_one(double x, DType to, const EncodeOptions& options, std::uint32_t random) {
  return encode_bits(std::bit_cast<std::uint64_t>(x), layout(DType::kFloat64),
                     layout(format(to).dtype), options, random);
}

float decode_one(std::uint32_t code, DType from) {
  return decode_float(code, layout(format(from).dtype));
}

void round_to_bfloat16(std::span<const float> x, std::span<float> out) {
  check_lengths("round_to_bfloat16", x.size(), out.size());
  parallel_for(std::ssize(x), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::uint32_t code = encode_float(x[i], layout(DType::kBFloat16), kIeeeEncode);
      out[i] = std::bit_cast<float>(code << 16);
    }
  });
}

}  // namespace sylvester
