#include "sylvester/formats/convert.h"

#include <bit>
#include <string>

#include "formats/convert_kernels.h"
#include "sylvester/core/error.h"
#include "sylvester/core/parallel.h"
#include "sylvester/core/target.h"
#include "sylvester/formats/scalar.h"

namespace sylvester {
namespace detail {
namespace {

template <class Source, class Bits, class Code>
void encode_loop(const EncodeJob& job) noexcept {
  const auto* x = static_cast<const Source*>(job.x);
  auto* codes = static_cast<Code*>(job.codes);
  const Layout from = layout(job.from), to = layout(job.to);
  const bool stochastic = job.options.rounding == Rounding::kStochastic;
  for (std::int64_t i = 0; i < job.n; ++i) {
    const auto element = job.options.first_element + static_cast<std::uint64_t>(i);
    const std::uint32_t random = stochastic ? random_word(job.options.stream, element) : 0;
    codes[i] =
        static_cast<Code>(encode_bits(std::bit_cast<Bits>(x[i]), from, to, job.options, random));
  }
}

template <class Code>
void encode_from(const EncodeJob& job) noexcept {
  if (job.from == DType::kFloat64) return encode_loop<double, std::uint64_t, Code>(job);
  if (job.from == DType::kFloat32) return encode_loop<float, std::uint32_t, Code>(job);
  encode_loop<std::uint16_t, std::uint16_t, Code>(job);
}

}  // namespace

void encode_scalar(const EncodeJob& job) noexcept {
  if (code_bits(layout(job.to)) > 8) return encode_from<std::uint16_t>(job);
  encode_from<std::uint8_t>(job);
}

void decode_scalar(const DecodeJob& job) noexcept {
  const Layout from = layout(job.from);
  if (code_bits(from) > 8) {
    const auto* codes = static_cast<const std::uint16_t*>(job.codes);
    for (std::int64_t i = 0; i < job.n; ++i) job.x[i] = decode_float(codes[i], from);
  } else {
    const auto* codes = static_cast<const std::uint8_t*>(job.codes);
    for (std::int64_t i = 0; i < job.n; ++i) job.x[i] = decode_float(codes[i], from);
  }
}

void round_to_bfloat16_scalar(const float* x, float* out, std::int64_t n) noexcept {
  for (std::int64_t i = 0; i < n; ++i) {
    const std::uint32_t code = encode_float(x[i], layout(DType::kBFloat16), kIeeeEncode);
    out[i] = std::bit_cast<float>(code << 16);
  }
}

void random_words_scalar(const RandomStream& stream, std::uint64_t first, std::uint32_t* out,
                         std::int64_t n) noexcept {
  for (std::int64_t i = 0; i < n; ++i) {
    out[i] = random_word(stream, first + static_cast<std::uint64_t>(i));
  }
}

}  // namespace detail

namespace {

// Below this many elements a second thread costs more than it saves.
constexpr std::int64_t kGrain = 1 << 16;
// Outputs from this size on are written past the caches: they would evict more than they leave.
constexpr std::int64_t kStreamBytes = 16 << 20;

void check_lengths(const char* function, std::size_t from, std::size_t to) {
  if (from == to) return;
  throw ShapeError(std::string(function) + ": input has " + std::to_string(from) +
                   " elements, output " + std::to_string(to) + "; want the same length");
}

// Code is the type the caller stores codes in.
template <class Code>
void check_width(const char* function, DType dtype) {
  const int bits = format(dtype).bits;
  if ((bits <= 8) == (sizeof(Code) == 1)) return;
  throw ValueError(std::string(function) + ": " + std::string(to_string(dtype)) + " has " +
                   std::to_string(bits) + "-bit codes; want " +
                   (sizeof(Code) == 1 ? "a format of at most 8 bits, or encode16 / decode16"
                                      : "bfloat16 or float16, or encode / decode"));
}

template <class Source, class Code>
void encode_bulk(const char* function, std::span<const Source> x, DType from, DType to,
                 std::span<Code> codes, const EncodeOptions& options) {
  check_lengths(function, x.size(), codes.size());
  check_width<Code>(function, to);
  const bool plain = scalar_target() || from == DType::kFloat64;
  const bool stream_out =
      std::ssize(codes) * static_cast<std::int64_t>(sizeof(Code)) >= kStreamBytes;
  parallel_for(std::ssize(x), kGrain, [&](std::int64_t begin, std::int64_t end) {
    detail::EncodeJob job{x.data() + begin, from,    to,        codes.data() + begin,
                          end - begin,      options, stream_out};
    job.options.first_element += static_cast<std::uint64_t>(begin);
    (plain ? detail::encode_scalar : detail::encode_simd)(job);
  });
}

template <class Code>
void decode_bulk(const char* function, std::span<const Code> codes, DType from,
                 std::span<float> x) {
  check_lengths(function, codes.size(), x.size());
  check_width<Code>(function, from);
  const bool plain = scalar_target();
  const bool stream_out = std::ssize(x) * static_cast<std::int64_t>(sizeof(float)) >= kStreamBytes;
  parallel_for(std::ssize(codes), kGrain, [&](std::int64_t begin, std::int64_t end) {
    (plain ? detail::decode_scalar : detail::decode_simd)(
        {codes.data() + begin, from, x.data() + begin, end - begin, stream_out});
  });
}

}  // namespace

void encode(std::span<const float> x, DType to, std::span<std::uint8_t> codes,
            const EncodeOptions& options) {
  encode_bulk("encode", x, DType::kFloat32, to, codes, options);
}

void encode(std::span<const double> x, DType to, std::span<std::uint8_t> codes,
            const EncodeOptions& options) {
  encode_bulk("encode", x, DType::kFloat64, to, codes, options);
}

void encode(std::span<const std::uint16_t> x, DType from, DType to, std::span<std::uint8_t> codes,
            const EncodeOptions& options) {
  check_width<std::uint16_t>("encode", from);
  encode_bulk("encode", x, from, to, codes, options);
}

void encode16(std::span<const float> x, DType to, std::span<std::uint16_t> codes,
              const EncodeOptions& options) {
  encode_bulk("encode16", x, DType::kFloat32, to, codes, options);
}

void encode16(std::span<const double> x, DType to, std::span<std::uint16_t> codes,
              const EncodeOptions& options) {
  encode_bulk("encode16", x, DType::kFloat64, to, codes, options);
}

void encode16(std::span<const std::uint16_t> x, DType from, DType to,
              std::span<std::uint16_t> codes, const EncodeOptions& options) {
  check_width<std::uint16_t>("encode16", from);
  encode_bulk("encode16", x, from, to, codes, options);
}

void decode(std::span<const std::uint8_t> codes, DType from, std::span<float> x) {
  decode_bulk("decode", codes, from, x);
}

void decode16(std::span<const std::uint16_t> codes, DType from, std::span<float> x) {
  decode_bulk("decode16", codes, from, x);
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
  const bool plain = scalar_target();
  parallel_for(std::ssize(x), kGrain, [&](std::int64_t begin, std::int64_t end) {
    (plain ? detail::round_to_bfloat16_scalar : detail::round_to_bfloat16_simd)(
        x.data() + begin, out.data() + begin, end - begin);
  });
}

void random_words(const RandomStream& stream, std::uint64_t first, std::span<std::uint32_t> out) {
  (scalar_target() ? detail::random_words_scalar : detail::random_words_simd)(
      stream, first, out.data(), std::ssize(out));
}

}  // namespace sylvester
