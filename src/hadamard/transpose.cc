#include "hadamard/transpose.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace sylvester::detail {
namespace {

// 8 x 8 bytes in eight words: three exchanges of ever larger corners.
void transpose_8x8(const std::uint8_t* in, std::int64_t in_stride, std::uint8_t* out,
                   std::int64_t out_stride) {
  std::uint64_t w[8];
  for (int i = 0; i < 8; ++i) std::memcpy(&w[i], in + i * in_stride, 8);
  constexpr std::uint64_t kMask[3] = {0x00FF00FF00FF00FFull, 0x0000FFFF0000FFFFull,
                                      0x00000000FFFFFFFFull};
  for (int level = 0; level < 3; ++level) {
    const int step = 1 << level, shift = 8 << level;
    for (int i = 0; i < 8; ++i) {
      if ((i & step) != 0) continue;
      const std::uint64_t swap = ((w[i] >> shift) ^ w[i + step]) & kMask[level];
      w[i] ^= swap << shift;
      w[i + step] ^= swap;
    }
  }
  for (int i = 0; i < 8; ++i) std::memcpy(out + i * out_stride, &w[i], 8);
}

}  // namespace

static_assert(std::endian::native == std::endian::little, "byte i of a row is bits 8 i of a word");

void transpose_bytes(const std::uint8_t* in, std::int64_t in_stride, std::int64_t rows,
                     std::int64_t cols, std::uint8_t* out, std::int64_t out_stride) noexcept {
  const std::int64_t full_rows = rows / 8 * 8, full_cols = cols / 8 * 8;
  for (std::int64_t j = 0; j < full_cols; j += 8) {
    for (std::int64_t i = 0; i < full_rows; i += 8) {
      transpose_8x8(in + i * in_stride + j, in_stride, out + j * out_stride + i, out_stride);
    }
  }
  for (std::int64_t i = 0; i < rows; ++i) {
    const std::int64_t begin = i < full_rows ? full_cols : 0;
    for (std::int64_t j = begin; j < cols; ++j) out[j * out_stride + i] = in[i * in_stride + j];
  }
}

}  // namespace sylvester::detail
