// Codes of a row transform's results, made in its own kernel.
#pragma once

#include <cstdint>

#include "cuda/quantize_kernels.cuh"
#include "cuda/row_output.cuh"

namespace sylvester::cuda::detail {

// Quantization of the results under one scale of the tensor, in two passes of the transform: the
// first finds the absmax, the second writes codes. kKind: the form of the codes where it is known
// when compiled, which keeps kernels short; such kernels emit nothing while divides(), but call
// emit_divided() for each result.
template <bool kObserve, FastEncode kKind = FastEncode::kGeneral>
struct QuantOutput {
  static constexpr bool kSecond = !kObserve;

  QuantJob job;
  ScalePlan plan;
  CodeMap map;  // kE4M3, kE5M2 or kInteger
  std::int64_t stride;

  struct State {
    float most;
    std::uint32_t keep;
    QuotientBy by;
  };
  __device__ State begin() const {
    if constexpr (kObserve) {
      let_successor_start();
      return State{0.0f, 0u, {0.0f, 0.0f}};
    } else {
      wait_for_predecessor();
      const QuotientBy by{__ldcg(job.by), __ldcg(job.by + 1)};
      return State{0.0f, by.keep(), by};
    }
  }
  // By every thread of every block.
  __device__ void end(State& state) const {
    if constexpr (kObserve) {
      const std::uint32_t most =
          __reduce_max_sync(0xFFFFFFFFu, __float_as_uint(state.most) & 0x7FFFFFFFu);
      if (threadIdx.x % 32 == 0) atomicMax(job.magnitudes, most);
      __syncthreads();
      if (threadIdx.x == 0) finish_tensor(job, plan, map);
    }
  }
  template <int kWidth>
  __device__ __forceinline__ void emit(State& state, std::int64_t row, int col,
                                       const float (&v)[kWidth]) const {
    if constexpr (kObserve) {
#pragma unroll
      for (int k = 0; k < kWidth; ++k) state.most = max_magnitude(state.most, v[k]);
    } else {
      float y[kWidth];
#pragma unroll
      for (int k = 0; k < kWidth; ++k) y[k] = state.by(v[k]);
      if constexpr (kKind == FastEncode::kGeneral) {
        if (state.by.divides()) {
#pragma unroll
          for (int k = 0; k < kWidth; ++k) y[k] = __fdiv_rn(v[k], state.by.high);
        }
      }
      write(state, job.codes + row * stride + col, y);
    }
  }
  __device__ __forceinline__ bool divides(const State& state) const {
    return !kObserve && state.by.divides();
  }
  __device__ __forceinline__ void emit_divided(const State& state, std::int64_t row, int col,
                                               float v) const {
    const float y[1] = {__fdiv_rn(v, state.by.high)};
    write(state, job.codes + row * stride + col, y);
  }

 private:
  template <int kWidth>
  __device__ __forceinline__ void write(const State& state, std::uint8_t* to,
                                        const float (&y)[kWidth]) const {
    if constexpr (kWidth == 4) {
      const std::uint32_t word = __byte_perm(pair(y[0], y[1]), pair(y[2], y[3]), 0x5410);
      *reinterpret_cast<std::uint32_t*>(to) = word & state.keep;
    } else {
      const std::uint32_t word = pair(y[0], y[kWidth - 1]) & state.keep;
      if constexpr (kWidth == 2) {
        *reinterpret_cast<std::uint16_t*>(to) = static_cast<std::uint16_t>(word);
      } else {
        static_assert(kWidth == 1);
        *to = static_cast<std::uint8_t>(word);
      }
    }
  }
  // Two codes in the low half.
  __device__ __forceinline__ std::uint32_t pair(float a, float b) const {
    const FastEncode kind = kKind == FastEncode::kGeneral ? map.kind : kKind;
    if (kind == FastEncode::kE4M3) {
      return __nv_cvt_float2_to_fp8x2(make_float2(a, b), __NV_SATFINITE, __NV_E4M3);
    }
    if (kind == FastEncode::kE5M2) {
      return __nv_cvt_float2_to_fp8x2(make_float2(a, b), __NV_SATFINITE, __NV_E5M2);
    }
    const int p = __float2int_rn(fminf(fmaxf(a, map.low), map.high));
    const int q = __float2int_rn(fminf(fmaxf(b, map.low), map.high));
    return __byte_perm(static_cast<std::uint32_t>(p), static_cast<std::uint32_t>(q), 0x4440);
  }
};

// A first pass that also keeps the results, as float32: for transforms whose additions cost more
// than writing and reading them. The codes are made of these.
struct KeepOutput {
  static constexpr bool kKeeps = true;

  QuantOutput<true> observed;
  StoreOutput<float> kept;

  using State = QuantOutput<true>::State;
  __device__ State begin() const { return observed.begin(); }
  __device__ void end(State& state) const { observed.end(state); }
  template <int kWidth>
  __device__ __forceinline__ void emit(State& state, std::int64_t row, int col,
                                       const float (&v)[kWidth]) const {
    observed.emit<kWidth>(state, row, col, v);
    StoreOutput<float>::State none;
    kept.emit<kWidth>(none, row, col, v);
  }
};

}  // namespace sylvester::cuda::detail
