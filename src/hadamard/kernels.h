// Vector bodies of the transform, one instance for each instruction set. Same bits as
// definition.h.
#pragma once

#include <algorithm>
#include <cstdint>

#include "hadamard/axis.h"

namespace sylvester::detail {

// Lanes of the widest vector (float32), and the longest transform done inside the first cache.
inline constexpr std::int64_t kMaxLanes = 16;
inline constexpr std::int64_t kLeaf = 4096;
// 1.0f in a file of its own, so that products with it stay fused multiply-adds.
extern const float kOpaqueOne;
// Columns handled together along K.
inline constexpr std::int64_t kShortPanel = 4 * kMaxLanes;

// Stages of one trip of the left transform through memory; elements and columns of a strip.
inline constexpr int kTripBits = 9;
inline constexpr std::int64_t kStripElements = std::int64_t{1} << 16;
inline constexpr std::int64_t kMostStrip = 128;
inline constexpr std::int64_t kStripWork = kStripElements + (kMaxLanes << kTripBits);

// Columns of one panel: `order` rows of it are 4 MiB, a part of a common third-level cache.
constexpr std::int64_t panel_width(std::int64_t order) {
  return std::clamp<std::int64_t>((std::int64_t{1} << 20) / order / kShortPanel * kShortPanel,
                                  kShortPanel, 1024);
}
// Work space in floats; `widen`: elements of 16 bits.
constexpr std::int64_t rows_work(const Axis& axis, bool widen) {
  const std::int64_t row = widen ? axis.length + kMaxLanes : 0;
  if (axis.base == 1) return row;
  return row + axis.base * (axis.power + kMaxLanes + 2 * kShortPanel) + axis.order + kMaxLanes;
}
constexpr std::int64_t cols_work(const Axis& axis, std::int64_t width) {
  return axis.base * kShortPanel + kStripWork + axis.order * (width + kMaxLanes) +
         axis.length * kMaxLanes;
}

// `rows` rows of axis.length; x and y are the same memory or apart. work: rows_work floats,
// 64-byte aligned. True where `most`, if given, holds the largest magnitude of every row of y, as
// bits (above those of infinity for NaN): powers of two beyond the registers have it for little.
bool simd_rows(const Axis& axis, const float* x, std::int64_t x_stride, float* y,
               std::int64_t y_stride, std::int64_t rows, float* work,
               std::uint32_t* most = nullptr) noexcept;
void simd_rows(const Axis& axis, const std::uint16_t* x, std::int64_t x_stride, std::uint16_t* y,
               std::int64_t y_stride, std::int64_t rows, float* work) noexcept;
// to = from, around the caches where `to` is aligned. Other threads see it after simd_stream_end().
void simd_stream(const float* from, std::int64_t n, float* to) noexcept;
void simd_stream_end() noexcept;
// `width` columns of axis.length rows. work: cols_work(axis, width) floats, 64-byte aligned.
void simd_cols(const Axis& axis, const float* x, std::int64_t x_stride, float* y,
               std::int64_t y_stride, std::int64_t width, float* work) noexcept;
void simd_cols(const Axis& axis, const std::uint16_t* x, std::int64_t x_stride, std::uint16_t* y,
               std::int64_t y_stride, std::int64_t width, float* work) noexcept;

}  // namespace sylvester::detail
