#include "hadamard/transpose.h"

#include <cstring>

namespace sylvester::detail {
namespace {

// Sixteen bytes in one register of every target (GCC and Clang vector extension).
using Bytes [[gnu::vector_size(16)]] = std::uint8_t;

// Four rounds of perfect shuffles of the 16 rows turn rows into columns.
void transpose_16x16(const std::uint8_t* in, std::int64_t in_stride, std::uint8_t* out,
                     std::int64_t out_stride) {
  Bytes a[16], b[16];
  for (int i = 0; i < 16; ++i) std::memcpy(&a[i], in + i * in_stride, 16);
  const auto shuffle = [](const Bytes* from, Bytes* to) {
    for (int i = 0; i < 8; ++i) {
      to[2 * i] = __builtin_shufflevector(from[i], from[i + 8], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20,
                                          5, 21, 6, 22, 7, 23);
      to[2 * i + 1] = __builtin_shufflevector(from[i], from[i + 8], 8, 24, 9, 25, 10, 26, 11, 27,
                                              12, 28, 13, 29, 14, 30, 15, 31);
    }
  };
  shuffle(a, b);
  shuffle(b, a);
  shuffle(a, b);
  shuffle(b, a);
  for (int i = 0; i < 16; ++i) std::memcpy(out + i * out_stride, &a[i], 16);
}

}  // namespace

void transpose_bytes(const std::uint8_t* in, std::int64_t in_stride, std::int64_t rows,
                     std::int64_t cols, std::uint8_t* out, std::int64_t out_stride) noexcept {
  // 64 rows give whole cache lines of 16 output rows. They are put together apart and written one
  // line at a time: output rows a power of two apart share cache sets.
  constexpr std::int64_t kLine = 64;
  const std::int64_t line_rows = rows / kLine * kLine;
  const std::int64_t full_rows = rows / 16 * 16, full_cols = cols / 16 * 16;
  alignas(64) std::uint8_t lines[16 * kLine];
  for (std::int64_t i = 0; i < line_rows; i += kLine) {
    for (std::int64_t j = 0; j < full_cols; j += 16) {
      for (std::int64_t k = 0; k < kLine; k += 16) {
        transpose_16x16(in + (i + k) * in_stride + j, in_stride, lines + k, kLine);
      }
      for (std::int64_t r = 0; r < 16; ++r) {
        std::memcpy(out + (j + r) * out_stride + i, lines + r * kLine, kLine);
      }
    }
  }
  for (std::int64_t i = line_rows; i < full_rows; i += 16) {
    for (std::int64_t j = 0; j < full_cols; j += 16) {
      transpose_16x16(in + i * in_stride + j, in_stride, out + j * out_stride + i, out_stride);
    }
  }
  for (std::int64_t i = 0; i < rows; ++i) {
    const std::int64_t begin = i < full_rows ? full_cols : 0;
    for (std::int64_t j = begin; j < cols; ++j) out[j * out_stride + i] = in[i * in_stride + j];
  }
}

}  // namespace sylvester::detail
