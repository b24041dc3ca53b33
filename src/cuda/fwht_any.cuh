// Transforms of any shape, stride and alignment, rows or columns: a panel of kWidth vectors side by
// side in shared memory. The fast row kernels take what they can; this takes the rest.
#pragma once

#include "cuda/fwht_steps.cuh"
#include "cuda/rows_job.h"

namespace sylvester::cuda::detail {

// Vectors of length n; element i of vector v of panel p lies at
//   x + (p * kWidth + v) * vector_step + i * element_step  (+ block * n * element_step).
struct AnyJob {
  RowsJob base;
  std::int64_t vectors = 0;
  std::int64_t blocks = 1;  // transforms along one vector, one after the other
  std::int64_t x_vector = 0, x_element = 0;
  std::int64_t y_vector = 0, y_element = 0;
};

__device__ inline float to_float(float x) { return x; }
__device__ inline float to_float(__nv_bfloat16 x) { return __bfloat162float(x); }
__device__ inline float to_float(__half x) { return __half2float(x); }
__device__ inline void from_float(float x, float* to) { *to = x; }
__device__ inline void from_float(float x, __nv_bfloat16* to) { *to = __float2bfloat16_rn(x); }
__device__ inline void from_float(float x, __half* to) { *to = __float2half_rn(x); }

// Row of kWidth numbers, 8 words of padding behind every 16 rows against bank conflicts.
template <int kWidth>
__device__ __forceinline__ int panel_place(int i, int v) {
  return i * kWidth + (i >> 4) * (kWidth >= 8 ? 8 : kWidth) + v;
}
template <int kWidth>
constexpr std::int64_t panel_floats(std::int64_t n) {
  return n * kWidth + (n / 16 + 1) * (kWidth >= 8 ? 8 : kWidth);
}

// Up to kStages stages from `low` on, in place.
template <int kStages, int kWidth>
__device__ __forceinline__ void panel_stages(float* z, int n, int low, int rank, int threads) {
  for (int item = rank; item < (n >> kStages) * kWidth; item += threads) {
    const int v = item % kWidth, group = item / kWidth;
    const int first = (group & ((1 << low) - 1)) | (group >> low << (low + kStages));
    float f[1 << kStages];
#pragma unroll
    for (int r = 0; r < (1 << kStages); ++r) f[r] = z[panel_place<kWidth>(first + (r << low), v)];
#pragma unroll
    for (int b = 0; b < kStages; ++b) butterflies(f, 1 << b);
#pragma unroll
    for (int r = 0; r < (1 << kStages); ++r) z[panel_place<kWidth>(first + (r << low), v)] = f[r];
  }
}

template <class T, int kWidth>
__global__ __launch_bounds__(512) void fwht_any_kernel(const AnyJob job) {
  extern __shared__ __align__(128) float z[];
  const int n = job.base.n, rank = threadIdx.x, threads = blockDim.x;
  const std::int64_t panels = (job.vectors + kWidth - 1) / kWidth;
  for (std::int64_t panel = blockIdx.x; panel < panels * job.blocks; panel += gridDim.x) {
    const std::int64_t vector0 = panel / job.blocks * kWidth;
    const std::int64_t offset = panel % job.blocks * n;  // along the vector
    const int width = static_cast<int>(min(std::int64_t{kWidth}, job.vectors - vector0));
    const T* x =
        static_cast<const T*>(job.base.x) + vector0 * job.x_vector + offset * job.x_element;
    T* y = static_cast<T*>(job.base.y) + vector0 * job.y_vector + offset * job.y_element;
    const auto negative = [&](const std::uint64_t* signs, std::int64_t i) {
      const std::int64_t at = offset + i;
      return signs != nullptr && (signs[at >> 6] >> (at & 63) & 1) != 0;
    };
    // Neighbouring threads read neighbouring addresses, whichever way the vectors run.
    const auto cell = [&](int at, bool along, int& i, int& v) {
      i = along ? at % n : at / kWidth;
      v = along ? at / n : at % kWidth;
    };
    const bool along_x = job.x_element == 1, along_y = job.y_element == 1;
    for (int at = rank; at < n * kWidth; at += threads) {
      int i, v;
      cell(at, along_x, i, v);
      float value = 0.0f;
      if (v < width) value = to_float(x[v * job.x_vector + i * job.x_element]);
      z[panel_place<kWidth>(i, v)] = flip(value, negative(job.base.signs_before, i));
    }
    __syncthreads();
    int low = 0;
    for (; low + 4 <= job.base.power; low += 4) {
      panel_stages<4, kWidth>(z, n, low, rank, threads);
      __syncthreads();
    }
    for (; low < job.base.power; ++low) {
      panel_stages<1, kWidth>(z, n, low, rank, threads);
      __syncthreads();
    }
    for (int at = rank; at < n * kWidth; at += threads) {
      int i, v;
      cell(at, along_y, i, v);
      float sum;
      if (job.base.base == 1) {
        sum = z[panel_place<kWidth>(i, v)];
      } else {
        const int K = job.base.base, out = i >> job.base.power, j = i & ((1 << job.base.power) - 1);
        const std::int8_t* signs = job.base.base_signs + (job.base.transposed_base ? out : out * K);
        const int step = job.base.transposed_base ? K : 1;
        sum = flip(z[panel_place<kWidth>(j, v)], signs[0] < 0);
        for (int k = 1; k < K; ++k) {
          const float term = z[panel_place<kWidth>((k << job.base.power) + j, v)];
          sum = __fadd_rn(sum, flip(term, signs[k * step] < 0));
        }
      }
      sum = flip(__fmul_rn(sum, job.base.scale), negative(job.base.signs_after, i));
      if (v < width) from_float(sum, y + v * job.y_vector + i * job.y_element);
    }
    __syncthreads();
  }
}

}  // namespace sylvester::cuda::detail
