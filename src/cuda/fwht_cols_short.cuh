// Column transforms of order 2^kPower that fit a thread: it owns all rows of two neighbouring
// columns, and a warp 64 columns.
#pragma once

#include "cuda/fwht_steps.cuh"
#include "cuda/row_output.cuh"
#include "cuda/rows_job.h"

namespace sylvester::cuda::detail {

template <class T, int kPower, class Output>
__global__ __launch_bounds__(128) void fwht_cols_short_kernel(const RowsJob job,
                                                              const __grid_constant__ Output output,
                                                              const int cols,
                                                              const std::int64_t blocks) {
  constexpr int kRows = 1 << kPower;
  typename Output::State state = output.begin();
  const std::int64_t pairs = cols / 2;
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < pairs * blocks;
       i += std::int64_t{gridDim.x} * blockDim.x) {
    const std::int64_t row = i / pairs * kRows;
    const int col = static_cast<int>(i % pairs) * 2;
    const T* x = static_cast<const T*>(job.x) + row * job.x_stride + col;
    float f[2 * kRows];
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      if constexpr (sizeof(T) == 2) {
        const auto word = *reinterpret_cast<const std::uint32_t*>(x + r * job.x_stride);
        const float2 p = widen(word, static_cast<const T*>(nullptr));
        f[2 * r] = p.x, f[2 * r + 1] = p.y;
      } else {
        load_floats<2>(x + r * job.x_stride, f + 2 * r);
      }
    }
    const auto flip_rows = [&](const std::uint64_t* words) {
      const std::uint64_t bits = words[row >> 6] >> (row & 63);  // blocks lie in one word
#pragma unroll
      for (int k = 0; k < 2 * kRows; ++k) f[k] = flip(f[k], (bits >> (k / 2) & 1) != 0);
    };
    if (job.signs_before != nullptr) flip_rows(job.signs_before);
#pragma unroll
    for (int b = 0; b < kPower; ++b) butterflies(f, 2 << b);
    if (job.signs_after != nullptr) flip_rows(job.signs_after);
    const OutputSteps<Output> out{output, row, col, 1, 0};
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const float v[2] = {__fmul_rn(f[2 * r], job.scale), __fmul_rn(f[2 * r + 1], job.scale)};
      out.template emit<2>(state, r, v);
    }
  }
  output.end(state);
}

}  // namespace sylvester::cuda::detail
