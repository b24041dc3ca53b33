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
// Columns handled together where K 2^m has a short 2^m.
inline constexpr std::int64_t kShortPanel = 4 * kMaxLanes;

// Floats of work space of the column stages over `count` rows of `width` columns: the panel, one
// vector of padding after every group of rows (cache sets), and one spare vector.
constexpr std::int64_t panel_work(std::int64_t count, std::int64_t width) {
  return count * (width + kMaxLanes) + kMaxLanes;
}
// Columns of one panel of `count` rows: 256 KiB, a quarter of a common second-level cache.
constexpr std::int64_t panel_width(std::int64_t count) {
  if (count <= kMaxLanes) return 1024;
  return std::clamp<std::int64_t>((std::int64_t{1} << 16) / count / kMaxLanes * kMaxLanes,
                                  kMaxLanes, 256);
}
constexpr std::int64_t rows_work(const Axis& axis) {
  const std::int64_t count = std::max<std::int64_t>(1, axis.power / kLeaf);
  const std::int64_t segments = axis.base * (axis.power + kMaxLanes) + axis.order;
  return 2 * axis.length + segments + 2 * axis.base * kShortPanel +
         panel_work(count, panel_width(count));
}
constexpr std::int64_t cols_work(const Axis& axis, std::int64_t width) {
  const std::int64_t padded = (width + kMaxLanes - 1) / kMaxLanes * kMaxLanes;
  return panel_work(axis.power, padded) + axis.order * padded + axis.base * kMaxLanes +
         axis.length * kMaxLanes;
}

// `rows` rows of axis.length; x and y are the same memory or apart. work: rows_work floats,
// 64-byte aligned.
void simd_rows(const Axis& axis, const float* x, std::int64_t x_stride, float* y,
               std::int64_t y_stride, std::int64_t rows, float* work) noexcept;
void simd_rows(const Axis& axis, const std::uint16_t* x, std::int64_t x_stride, std::uint16_t* y,
               std::int64_t y_stride, std::int64_t rows, float* work) noexcept;
// `width` columns of axis.length rows. work: cols_work(axis, width) floats, 64-byte aligned.
void simd_cols(const Axis& axis, const float* x, std::int64_t x_stride, float* y,
               std::int64_t y_stride, std::int64_t width, float* work) noexcept;
void simd_cols(const Axis& axis, const std::uint16_t* x, std::int64_t x_stride, std::uint16_t* y,
               std::int64_t y_stride, std::int64_t width, float* work) noexcept;

}  // namespace sylvester::detail
