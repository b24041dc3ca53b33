#include <algorithm>

#include "cuda/check.h"
#include "cuda/fwht_any.cuh"
#include "cuda/int8_product.h"

namespace sylvester::cuda::detail {
namespace {

// 32 x 32 outputs a block, four products a dp4a; sums wrap as int32 does.
template <class Out>
__global__ __launch_bounds__(256) void int8_kernel(const Int8Product p) {
  __shared__ std::int32_t a[32][17], b[32][17];  // 64 codes of K
  const int t = threadIdx.x;
  const std::int64_t m0 = blockIdx.y * std::int64_t{32}, n0 = blockIdx.x * std::int64_t{32};
  std::int32_t sum[4] = {};
  const auto gather = [&](const std::int8_t* from, std::int64_t row, std::int64_t rows,
                          std::int64_t k) {
    std::uint32_t word = 0;
    if (row < rows) {
      for (int i = 0; i < 4; ++i) {
        if (k + i < p.k) {
          word |= static_cast<std::uint32_t>(static_cast<std::uint8_t>(from[row * p.k + k + i]))
                  << (8 * i);
        }
      }
    }
    return static_cast<std::int32_t>(word);
  };
  for (std::int64_t k0 = 0; k0 < p.k; k0 += 64) {
    for (int i = t; i < 32 * 16; i += 256) {
      a[i / 16][i % 16] = gather(p.a, m0 + i / 16, p.m, k0 + i % 16 * 4);
      b[i / 16][i % 16] = gather(p.b, n0 + i / 16, p.n, k0 + i % 16 * 4);
    }
    __syncthreads();
#pragma unroll
    for (int k = 0; k < 16; ++k) {
#pragma unroll
      for (int r = 0; r < 4; ++r) sum[r] = __dp4a(a[t / 32 + 8 * r][k], b[t % 32][k], sum[r]);
    }
    __syncthreads();
  }
  for (int r = 0; r < 4; ++r) {
    const std::int64_t m = m0 + t / 32 + 8 * r, n = n0 + t % 32;
    if (m >= p.m || n >= p.n) continue;
    const float scale = __fmul_rn(p.scale_a[p.rows_a ? m : 0], p.scale_b[p.rows_b ? n : 0]);
    from_float(__fmul_rn(static_cast<float>(sum[r]), scale), static_cast<Out*>(p.c) + m * p.n + n);
  }
}

}  // namespace

void int8_any(const Int8Product& p, cudaStream_t stream) {
  if (p.m == 0 || p.n == 0) return;
  const dim3 grid(static_cast<unsigned>((p.n + 31) / 32), static_cast<unsigned>((p.m + 31) / 32));
  if (p.type == DType::kBFloat16) {
    int8_kernel<__nv_bfloat16><<<grid, 256, 0, stream>>>(p);
  } else {
    int8_kernel<float><<<grid, 256, 0, stream>>>(p);
  }
  check_launch("int8 product");
}

}  // namespace sylvester::cuda::detail
