// Codes under one scale of the tensor, which a first pass has left, and transposed codes.
#pragma once

#include "cuda/quantize_kernels.cuh"

namespace sylvester::cuda::detail {

__device__ __forceinline__ QuotientBy uniform_quotient(const QuantJob& job) {
  return {__ldcg(job.by), __ldcg(job.by + 1)};
}

template <class T>
__device__ __forceinline__ uint2 encode_eight(const CodeMap& map, const QuotientBy& by,
                                              const Eight<T>& x) {
  float f[8];
  x.widen_to(f);
  const float a[4] = {f[0], f[1], f[2], f[3]}, b[4] = {f[4], f[5], f[6], f[7]};
  return make_uint2(encode_word(map, by, a), encode_word(map, by, b));
}

// Eight numbers a thread; the last ones first, which the first pass left in the L2 cache.
template <class T>
__global__ __launch_bounds__(256) void encode_uniform_kernel(const __grid_constant__ QuantJob job,
                                                             const CodeMap map) {
  constexpr int kAtOnce = sizeof(T) == 2 ? 4 : 2;
  wait_for_predecessor();
  const QuotientBy by = uniform_quotient(job);
  const std::uint32_t keep = by.keep();
  const EightsOf<T> eights(job);
  const std::int64_t count = job.rows * eights.per_row;
  const std::int64_t first =
      count - 1 - (std::int64_t{blockIdx.x} * kAtOnce * blockDim.x + threadIdx.x);
  const std::uint64_t drop = cache_policy(Priority::kDrop);
  Eight<T> x[kAtOnce];
#pragma unroll
  for (int u = 0; u < kAtOnce; ++u) {
    const std::int64_t i = first - u * std::int64_t{blockDim.x};
    if (i >= 0) x[u].load(eights.at(i), drop);
  }
#pragma unroll
  for (int u = 0; u < kAtOnce; ++u) {
    const std::int64_t i = first - u * std::int64_t{blockDim.x};
    if (i < 0) return;
    const uint2 codes = encode_eight(map, by, x[u]);
    *reinterpret_cast<uint2*>(job.codes + i * 8) = make_uint2(codes.x & keep, codes.y & keep);
  }
}

// Codes and transposed codes from one read: tiles of 64 rows and 128 columns, the last ones first,
// as above. Rows are a multiple of 8, columns too.
__global__ __launch_bounds__(256,
                             5) inline void encode_both_kernel(const __grid_constant__ QuantJob job,
                                                               const CodeMap map) {
  __shared__ std::uint32_t tile[64][33];
  wait_for_predecessor();
  const int t = threadIdx.x;
  const std::int64_t row0 = (gridDim.y - 1 - blockIdx.y) * std::int64_t{64};
  const std::int64_t col0 = (gridDim.x - 1 - blockIdx.x) * std::int64_t{128};
  const std::uint64_t drop = cache_policy(Priority::kDrop);
  {
    const std::int64_t row = row0 + t / 16, col = col0 + t % 16 * 8;
    const auto* from = static_cast<const __nv_bfloat16*>(job.x) + row * job.x_stride + col;
    Eight<__nv_bfloat16> x[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      x[i].clear();
      if (row + 16 * i < job.rows && col < job.cols) x[i].load(from + 16 * i * job.x_stride, drop);
    }
    const QuotientBy by = uniform_quotient(job);
    const std::uint32_t keep = by.keep();
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      uint2 codes = encode_eight(map, by, x[i]);
      codes.x &= keep, codes.y &= keep;
      const int r = t / 16 + 16 * i;
      tile[r][t % 16 * 2] = codes.x, tile[r][t % 16 * 2 + 1] = codes.y;
      if (row + 16 * i < job.rows && col < job.cols) {
        *reinterpret_cast<uint2*>(job.codes + (row + 16 * i) * job.cols + col) = codes;
      }
    }
  }
  __syncthreads();
  // Eight rows of four columns a thread; eight threads hold the 64 rows of a column.
  const std::int64_t row = row0 + t % 8 * 8, col = col0 + t / 8 * 4;
  if (row >= job.rows || col >= job.cols) return;
  std::uint32_t w[8];
#pragma unroll
  for (int i = 0; i < 8; ++i) w[i] = tile[t % 8 * 8 + i][t / 8];
  std::uint32_t low[4], high[4];
  turn_four(w, low);
  turn_four(w + 4, high);
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    *reinterpret_cast<uint2*>(job.codes_t + (col + k) * job.rows + row) =
        make_uint2(low[k], high[k]);
  }
}

}  // namespace sylvester::cuda::detail
