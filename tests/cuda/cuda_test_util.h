// Shared by the CUDA tests: skipping without a device, inputs, and comparison by bits.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "sylvester/core/philox.h"
#include "sylvester/cuda/device.h"

// The first line of every test that needs a card.
#define SYLVESTER_NEEDS_DEVICE() \
  if (::sylvester::cuda::device_count() == 0) GTEST_SKIP() << "no CUDA device this build can use"

namespace sylvester::test {

enum class Fill { kRandom, kOutliers, kAdversarial, kZeros };

inline const char* name(Fill fill) {
  constexpr const char* kNames[] = {"random", "outliers", "adversarial", "zeros"};
  return kNames[static_cast<int>(fill)];
}

// Reproducible float32 values. kAdversarial mixes in -0, subnormals, huge and tiny numbers, Inf,
// NaN.
inline std::vector<float> numbers(std::int64_t count, Fill fill, std::uint64_t seed) {
  std::vector<float> out(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    const auto element = static_cast<std::uint64_t>(i);
    const std::uint32_t a = random_word({seed, 1, 1}, element);
    const std::uint32_t b = random_word({seed, 2, 1}, element);
    const double u = (a + 0.5) / 4294967296.0, v = (b + 0.5) / 4294967296.0;
    double x = std::sqrt(-2 * std::log(u)) * std::cos(6.283185307179586 * v);
    if (fill == Fill::kOutliers && a % 97 == 0) x *= 300;
    if (fill == Fill::kZeros) x = b % 2 == 0 ? 0.0 : -0.0;
    auto value = static_cast<float>(x);
    if (fill == Fill::kAdversarial) {
      constexpr float kInf = std::numeric_limits<float>::infinity();
      constexpr float kSpecial[] = {0.0f,   -0.0f,   1e-45f,  -3e-42f, 1.1754942e-38f, 448.0f,
                                    464.0f, -465.0f, 3.4e38f, -1e38f,  1e-30f,         0.5f};
      if (b % 4 == 0) value = kSpecial[a % 12];
      if (b % 4 == 1) value = std::bit_cast<float>(a & 0xBFFFFFFFu);  // no exponent above 1.99
      if (a % 509 == 0) value = kInf;
      if (a % 509 == 1) value = -kInf;
      if (a % 509 == 2) value = std::numeric_limits<float>::quiet_NaN();
    }
    out[static_cast<std::size_t>(i)] = value;
  }
  return out;
}

// Device memory with the given contents.
template <class T>
cuda::DeviceBuffer on_device(const std::vector<T>& host) {
  cuda::DeviceBuffer out(static_cast<std::int64_t>(host.size() * sizeof(T)));
  cuda::upload(host.data(), out.data(), out.size());
  return out;
}
template <class T>
std::vector<T> from_device(const void* data, std::int64_t count) {
  std::vector<T> out(static_cast<std::size_t>(count));
  cuda::download(data, out.data(), count * static_cast<std::int64_t>(sizeof(T)));
  return out;
}

inline bool is_nan_bits(float x) { return std::isnan(x); }
inline bool is_nan_bits(std::uint16_t x) { return (x & 0x7FFF) > 0x7F80; }  // bfloat16
inline bool is_nan_bits(std::uint8_t) { return false; }

// Number of elements whose bits differ; two NaN are equal. The first is printed.
template <class T>
std::int64_t mismatches(const std::vector<T>& got, const std::vector<T>& want,
                        const std::string& what) {
  EXPECT_EQ(got.size(), want.size()) << what;
  if (got.size() != want.size()) return -1;
  std::int64_t count = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (std::memcmp(&got[i], &want[i], sizeof(T)) == 0) continue;
    if (is_nan_bits(got[i]) && is_nan_bits(want[i])) continue;
    if (count++ == 0) {
      ADD_FAILURE() << what << ": first difference at " << i << ": got " << +got[i] << ", want "
                    << +want[i];
    }
  }
  return count;
}

}  // namespace sylvester::test
