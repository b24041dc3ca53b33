// Where the results of a transform go: emit() gets kWidth consecutive results of one row. An output
// with a Cursor also takes them by put(), at a place some steps of bytes from another: cheaper
// where a thread has many.
#pragma once

#include <cstdint>

#include "cuda/fwht_steps.cuh"

namespace sylvester::cuda::detail {

// A pass of a quantizer under one scale of the tensor: the first, which wants the largest magnitude
// only, or the second, which writes codes.
template <class Output>
concept Quantizes = requires {
  Output::kSecond;
};
template <class Output>
concept SecondPass = requires {
  requires Output::kSecond;
};
template <class Output>
concept FirstPass = Quantizes<Output> && !SecondPass<Output>;

// Rounded once to T and written.
template <class T>
struct StoreOutput {
  T* y;
  std::int64_t stride;

  struct State {};
  __device__ State begin() const { return {}; }
  __device__ void end(State&) const {}

  using Cursor = char*;
  static constexpr int kBytes = sizeof(T);
  __device__ __forceinline__ Cursor cursor(std::int64_t row, std::int64_t col) const {
    return reinterpret_cast<char*>(y + row * stride + col);
  }
  template <int kWidth>
  __device__ __forceinline__ void put(State&, Cursor at, const float (&v)[kWidth]) const {
    T* to = reinterpret_cast<T*>(at);
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
  template <int kWidth>
  __device__ __forceinline__ void emit(State& state, std::int64_t row, int col,
                                       const float (&v)[kWidth]) const {
    put<kWidth>(state, cursor(row, col), v);
  }
};

// Results of one thread at equal distances: number i at (row + i row_step, col + i col_step).
template <class Output>
struct OutputSteps {
  const Output& output;
  std::int64_t row;
  int col;
  int row_step, col_step;

  template <int kWidth>
  __device__ __forceinline__ void emit(typename Output::State& state, int i,
                                       const float (&v)[kWidth]) const {
    output.template emit<kWidth>(state, row + std::int64_t{i} * row_step, col + i * col_step, v);
  }
};
template <class Output>
requires requires { typename Output::Cursor; }
struct OutputSteps<Output> {
  const Output& output;
  typename Output::Cursor first;
  std::uint32_t step;  // bytes

  __device__ OutputSteps(const Output& out, std::int64_t row, int col, int row_step, int col_step)
      : output(out),
        first(out.cursor(row, col)),
        step(static_cast<std::uint32_t>((row_step * out.stride + col_step) * Output::kBytes)) {}
  template <int kWidth>
  __device__ __forceinline__ void emit(typename Output::State& state, int i,
                                       const float (&v)[kWidth]) const {
    output.template put<kWidth>(state, first + std::uint64_t{step} * static_cast<std::uint32_t>(i),
                                v);
  }
};

}  // namespace sylvester::cuda::detail
