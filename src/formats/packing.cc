#include "sylvester/formats/packing.h"

#include <algorithm>
#include <array>
#include <string>

#include "sylvester/core/error.h"
#include "sylvester/core/parallel.h"

namespace sylvester {
namespace {

constexpr std::array<std::string_view, 4> kNames{"bytes", "pairs", "ggml", "sixes"};
constexpr std::int64_t kGgmlBlock = 32;
// Codes of one thread's piece at least; a multiple of every group size.
constexpr std::int64_t kGrain = 1 << 16;

int width(Packing packing) {
  if (packing == Packing::kBytes) return 8;
  return packing == Packing::kSixes ? 6 : 4;
}

void check(const char* function, std::size_t codes, DType dtype, Packing packing,
           std::size_t packed) {
  const int bits = format(dtype).bits;
  if (bits > width(packing)) {
    throw ValueError(std::string(function) + ": " + std::string(to_string(dtype)) + " has " +
                     std::to_string(bits) + " bits; packing '" + std::string(to_string(packing)) +
                     "' holds " + std::to_string(width(packing)));
  }
  const std::int64_t want = packed_bytes(static_cast<std::int64_t>(codes), packing);
  if (static_cast<std::int64_t>(packed) != want) {
    throw ShapeError(std::string(function) + ": " + std::to_string(codes) + " codes packed as '" +
                     std::string(to_string(packing)) + "' take " + std::to_string(want) +
                     " bytes; got " + std::to_string(packed));
  }
}

// f(begin, end) over [0, n) in pieces that start at multiples of `group`.
template <class F>
void in_groups(std::int64_t n, std::int64_t group, F&& f) {
  parallel_for((n + group - 1) / group, kGrain / group, [&](std::int64_t begin, std::int64_t end) {
    f(begin * group, std::min(n, end * group));
  });
}

void pack_pairs(const std::uint8_t* codes, std::int64_t begin, std::int64_t end, std::uint8_t mask,
                std::uint8_t* out) {
  std::int64_t i = begin;
  for (; i + 1 < end; i += 2) {
    out[i / 2] = static_cast<std::uint8_t>((codes[i] & mask) | ((codes[i + 1] & mask) << 4));
  }
  if (i < end) out[i / 2] = codes[i] & mask;
}

void pack_ggml(const std::uint8_t* codes, std::int64_t begin, std::int64_t end, std::uint8_t mask,
               std::uint8_t* out) {
  for (std::int64_t block = begin; block < end; block += kGgmlBlock) {
    for (int i = 0; i < 16; ++i) {
      out[block / 2 + i] = static_cast<std::uint8_t>((codes[block + i] & mask) |
                                                     ((codes[block + i + 16] & mask) << 4));
    }
  }
}

void pack_sixes(const std::uint8_t* codes, std::int64_t begin, std::int64_t end, std::uint8_t mask,
                std::uint8_t* out) {
  for (std::int64_t i = begin; i < end; i += 4) {
    const std::int64_t count = std::min<std::int64_t>(4, end - i);
    std::uint32_t word = 0;
    for (std::int64_t k = 0; k < count; ++k) {
      word |= static_cast<std::uint32_t>(codes[i + k] & mask) << (6 * k);
    }
    for (std::int64_t k = 0; k < (count * 6 + 7) / 8; ++k) {
      out[i / 4 * 3 + k] = static_cast<std::uint8_t>(word >> (8 * k));
    }
  }
}

void unpack_pairs(const std::uint8_t* packed, std::int64_t begin, std::int64_t end,
                  std::uint8_t* out) {
  std::int64_t i = begin;
  for (; i + 1 < end; i += 2) {
    const std::uint8_t byte = packed[i / 2];
    out[i] = byte & 15;
    out[i + 1] = byte >> 4;
  }
  if (i < end) out[i] = packed[i / 2] & 15;
}

void unpack_ggml(const std::uint8_t* packed, std::int64_t begin, std::int64_t end,
                 std::uint8_t* out) {
  for (std::int64_t block = begin; block < end; block += kGgmlBlock) {
    for (int i = 0; i < 16; ++i) {
      const std::uint8_t byte = packed[block / 2 + i];
      out[block + i] = byte & 15;
      out[block + i + 16] = byte >> 4;
    }
  }
}

void unpack_sixes(const std::uint8_t* packed, std::int64_t begin, std::int64_t end,
                  std::uint8_t* out) {
  for (std::int64_t i = begin; i < end; i += 4) {
    const std::int64_t count = std::min<std::int64_t>(4, end - i);
    std::uint32_t word = 0;
    for (std::int64_t k = 0; k < (count * 6 + 7) / 8; ++k) {
      word |= static_cast<std::uint32_t>(packed[i / 4 * 3 + k]) << (8 * k);
    }
    for (std::int64_t k = 0; k < count; ++k) out[i + k] = (word >> (6 * k)) & 63;
  }
}

}  // namespace

Packing parse_packing(std::string_view name) {
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  if (found != kNames.end()) return static_cast<Packing>(found - kNames.begin());
  throw ValueError("packing: '" + std::string(name) + "'; want bytes, pairs, ggml or sixes");
}

std::string_view to_string(Packing packing) noexcept {
  return kNames[static_cast<std::size_t>(packing)];
}

Packing natural_packing(DType dtype) {
  const int bits = format(dtype).bits;
  if (bits <= 4) return Packing::kPairs;
  return bits <= 6 ? Packing::kSixes : Packing::kBytes;
}

std::int64_t packed_bytes(std::int64_t n, Packing packing) {
  if (n < 0 || (packing == Packing::kGgml && n % kGgmlBlock != 0)) {
    throw ShapeError("packing '" + std::string(to_string(packing)) + "': " + std::to_string(n) +
                     " codes; want " +
                     (packing == Packing::kGgml ? "a multiple of 32" : "0 or more"));
  }
  const int bits = width(packing);
  return n / 8 * bits + (n % 8 * bits + 7) / 8;
}

void pack(std::span<const std::uint8_t> codes, DType dtype, Packing packing,
          std::span<std::uint8_t> packed) {
  check("pack", codes.size(), dtype, packing, packed.size());
  const auto mask = static_cast<std::uint8_t>((1 << format(dtype).bits) - 1);
  in_groups(std::ssize(codes), kGgmlBlock, [&](std::int64_t begin, std::int64_t end) {
    switch (packing) {
      case Packing::kBytes:
        std::copy(codes.begin() + begin, codes.begin() + end, packed.begin() + begin);
        break;
      case Packing::kPairs:
        pack_pairs(codes.data(), begin, end, mask, packed.data());
        break;
      case Packing::kGgml:
        pack_ggml(codes.data(), begin, end, mask, packed.data());
        break;
      case Packing::kSixes:
        pack_sixes(codes.data(), begin, end, mask, packed.data());
        break;
    }
  });
}

void unpack(std::span<const std::uint8_t> packed, DType dtype, Packing packing,
            std::span<std::uint8_t> codes) {
  check("unpack", codes.size(), dtype, packing, packed.size());
  const int bits = format(dtype).bits;
  in_groups(std::ssize(codes), kGgmlBlock, [&](std::int64_t begin, std::int64_t end) {
    switch (packing) {
      case Packing::kBytes:
        std::copy(packed.begin() + begin, packed.begin() + end, codes.begin() + begin);
        return;
      case Packing::kPairs:
        unpack_pairs(packed.data(), begin, end, codes.data());
        break;
      case Packing::kGgml:
        unpack_ggml(packed.data(), begin, end, codes.data());
        break;
      case Packing::kSixes:
        unpack_sixes(packed.data(), begin, end, codes.data());
        break;
    }
    if (!is_integer(dtype)) return;
    const int shift = 8 - bits;
    for (std::int64_t i = begin; i < end; ++i) {
      const auto high = static_cast<std::int8_t>(codes[i] << shift);
      codes[i] = static_cast<std::uint8_t>(high >> shift);
    }
  });
}

}  // namespace sylvester
