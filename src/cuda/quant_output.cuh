// Codes of a row transform's results, made in its own kernel.
#pragma once

#include <cstdint>

#include "cuda/quantize_kernels.cuh"

namespace sylvester::cuda::detail {

// Quantization of the results under one scale of the tensor, in two passes of the transform: the
// first finds the absmax, the second writes codes.
template <bool kObserve>  // the first pass
struct QuantOutput {
  FastEncode kind;  // kE4M3, kE5M2 or kInteger
  float low, high;  // kInteger
  QuantJob job;
  ScalePlan plan;
  std::int64_t stride;

  struct State {
    std::uint32_t magnitude;
    UniformQuotient quotient;
    bool poison;
  };
  __device__ State begin() const {
    return kObserve ? State{0, UniformQuotient(1.0f), false}
                    : State{0, UniformQuotient(*job.factors), isnan(*job.scales)};
  }
  // By every thread of every block.
  __device__ void end(State& state) const {
    if (!kObserve) return;
    const std::uint32_t most = __reduce_max_sync(0xFFFFFFFFu, state.magnitude);
    if (threadIdx.x % 32 == 0) atomicMax(job.magnitudes, most);
    __syncthreads();
    if (threadIdx.x == 0) finish_tensor(job, plan);
  }
  __device__ __forceinline__ std::uint32_t code(const State& state, float x) const {
    const float y = state.quotient(x);
    std::uint32_t out;
    if (kind == FastEncode::kE4M3) {
      out = __nv_cvt_float_to_fp8(y, __NV_SATFINITE, __NV_E4M3);
    } else if (kind == FastEncode::kE5M2) {
      out = __nv_cvt_float_to_fp8(y, __NV_SATFINITE, __NV_E5M2);
    } else {
      const int q = __float2int_rn(fminf(fmaxf(y, low), high));
      out = static_cast<std::uint32_t>(y != y ? 0 : q) & 0xFFu;
    }
    return state.poison ? 0 : out;
  }
  template <int kWidth>
  __device__ __forceinline__ void emit(State& state, std::int64_t row, int col,
                                       const float (&v)[kWidth]) const {
    if constexpr (kObserve) {
#pragma unroll
      for (int k = 0; k < kWidth; ++k) {
        state.magnitude = max(state.magnitude, __float_as_uint(v[k]) & 0x7FFFFFFFu);
      }
    } else {
      write(state, job.codes + row * stride + col, v);
    }
  }
  template <int kWidth>
  __device__ __forceinline__ void write(const State& state, std::uint8_t* to,
                                        const float (&v)[kWidth]) const {
    if constexpr (kWidth == 4) {
      *reinterpret_cast<std::uint32_t*>(to) = code(state, v[0]) | code(state, v[1]) << 8 |
                                              code(state, v[2]) << 16 | code(state, v[3]) << 24;
    } else if constexpr (kWidth == 2) {
      *reinterpret_cast<std::uint16_t*>(to) =
          static_cast<std::uint16_t>(code(state, v[0]) | code(state, v[1]) << 8);
    } else {
#pragma unroll
      for (int k = 0; k < kWidth; ++k) to[k] = static_cast<std::uint8_t>(code(state, v[k]));
    }
  }
};

}  // namespace sylvester::cuda::detail
