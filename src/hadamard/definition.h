// The transform as it is defined: which numbers are added in which order. Every kernel must give
// these bits.
#pragma once

#include <bit>
#include <cstdint>

#include "hadamard/axis.h"

namespace sylvester::detail {

// z [order][width], row-major and contiguous: `width` vectors of length n = K 2^m side by side,
// transformed in place. `work` holds K values.
// Order of the additions, for every output: stages 1, 2, 4, ... 2^(m-1) along 2^m, each an a + b
// and an a - b; along K the signed terms added first to last; one multiplication by the scale.
template <class T>
void apply_definition(const Axis& axis, T* z, std::int64_t width, T* work) {
  const std::int64_t n = axis.order;
  for (std::int64_t stage = 1; stage < axis.power; stage *= 2) {
    const std::int64_t run = stage * width;
    for (std::int64_t begin = 0; begin < n * width; begin += 2 * run) {
      T* upper = z + begin;
      T* lower = upper + run;
      for (std::int64_t i = 0; i < run; ++i) {
        const T a = upper[i], b = lower[i];
        upper[i] = a + b;
        lower[i] = a - b;
      }
    }
  }
  if (axis.base > 1) {
    const std::int64_t segment = axis.power * width;
    for (std::int64_t i = 0; i < segment; ++i) {
      for (std::int64_t k = 0; k < axis.base; ++k) work[k] = z[k * segment + i];
      for (std::int64_t out = 0; out < axis.base; ++out) {
        T sum = axis.coefficient(out, 0) > 0 ? work[0] : -work[0];
        for (std::int64_t in = 1; in < axis.base; ++in) {
          sum = axis.coefficient(out, in) > 0 ? sum + work[in] : sum - work[in];
        }
        z[out * segment + i] = sum;
      }
    }
  }
  if (axis.normalize) {
    const T scale = axis.scale<T>();
    for (std::int64_t i = 0; i < n * width; ++i) z[i] *= scale;
  }
}

inline float widen_bfloat16(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

// Nearest, ties to even; NaN becomes the canonical 0x7FC0.
inline std::uint16_t round_bfloat16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return 0x7FC0u;
  return static_cast<std::uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

}  // namespace sylvester::detail
