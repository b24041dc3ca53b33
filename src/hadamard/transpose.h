// Transposition of one-byte codes.
#pragma once

#include <cstdint>

namespace sylvester::detail {

// out[j * out_stride + i] = in[i * in_stride + j]. Shapes: in [rows][cols].
void transpose_bytes(const std::uint8_t* in, std::int64_t in_stride, std::int64_t rows,
                     std::int64_t cols, std::uint8_t* out, std::int64_t out_stride) noexcept;

}  // namespace sylvester::detail
