// Inputs and comparisons shared by the transform's tests.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "hadamard/definition.h"
#include "sylvester/core/philox.h"
#include "sylvester/core/view.h"

namespace sylvester::test {

// Normal deviates (Box-Muller on Philox words), the same on every machine up to libm.
inline std::vector<double> normal(std::int64_t count, std::uint64_t seed) {
  std::vector<double> out(static_cast<std::size_t>(count));
  const RandomStream stream{seed, 0, 0};
  for (std::int64_t i = 0; i < count; ++i) {
    const double u = (random_word(stream, static_cast<std::uint64_t>(2 * i)) + 0.5) / 4294967296.0;
    const double v =
        (random_word(stream, static_cast<std::uint64_t>(2 * i + 1)) + 0.5) / 4294967296.0;
    out[static_cast<std::size_t>(i)] =
        std::sqrt(-2.0 * std::log(u)) * std::cos(6.283185307179586 * v);
  }
  return out;
}

// Normal values converted to T; bfloat16 patterns for uint16.
template <class T>
std::vector<T> random_values(std::int64_t count, std::uint64_t seed) {
  const std::vector<double> x = normal(count, seed);
  std::vector<T> out(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    if constexpr (std::is_same_v<T, std::uint16_t>) {
      out[i] = detail::round_bfloat16(static_cast<float>(x[i]));
    } else {
      out[i] = static_cast<T>(x[i]);
    }
  }
  return out;
}

// "" when both hold the same bits (a NaN of any payload equals a NaN), else the first difference.
template <class T>
std::string first_difference(const std::vector<T>& got, const std::vector<T>& expected) {
  if (got.size() != expected.size()) return "sizes differ";
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (std::memcmp(&got[i], &expected[i], sizeof(T)) == 0) continue;
    if constexpr (!std::is_integral_v<T>) {
      if (std::isnan(got[i]) && std::isnan(expected[i])) continue;
    }
    return "index " + std::to_string(i) + ": got " + std::to_string(got[i]) + ", expected " +
           std::to_string(expected[i]);
  }
  return "";
}

}  // namespace sylvester::test
