// Where the results of a row transform go: emit() gets kWidth consecutive results of one row.
#pragma once

#include <cstdint>

#include "cuda/fwht_steps.cuh"

namespace sylvester::cuda::detail {

// Rounded once to T and written.
template <class T>
struct StoreOutput {
  T* y;
  std::int64_t stride;

  struct State {};
  __device__ State begin() const { return {}; }
  __device__ void end(State&) const {}
  template <int kWidth>
  __device__ __forceinline__ void emit(State&, std::int64_t row, int col,
                                       const float (&v)[kWidth]) const {
    T* to = y + row * stride + col;
    if constexpr (sizeof(T) == 4) {
      store_floats<kWidth>(reinterpret_cast<float*>(to), v);
    } else if constexpr (kWidth == 8) {
      const T* tag = nullptr;
      *reinterpret_cast<uint4*>(to) = make_uint4(narrow(v[0], v[1], tag), narrow(v[2], v[3], tag),
                                                 narrow(v[4], v[5], tag), narrow(v[6], v[7], tag));
    } else if constexpr (kWidth == 4) {
      const T* tag = nullptr;
      *reinterpret_cast<uint2*>(to) = make_uint2(narrow(v[0], v[1], tag), narrow(v[2], v[3], tag));
    } else if constexpr (kWidth == 2) {
      *reinterpret_cast<std::uint32_t*>(to) = narrow(v[0], v[1], static_cast<const T*>(nullptr));
    } else {
      const std::uint32_t word = narrow(v[0], v[0], static_cast<const T*>(nullptr));
      *reinterpret_cast<std::uint16_t*>(to) = static_cast<std::uint16_t>(word);
    }
  }
};

}  // namespace sylvester::cuda::detail
