// The left transform in vectors: panels of columns, no transpose.
#include "hadamard/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/hadamard_cols.cc"
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)
#include <hwy/foreach_target.h>
// After foreach_target.
#include "simd/hadamard-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sylvester::detail {
namespace HWY_NAMESPACE {

// One block of axis.order rows, `width` a multiple of the lanes.
template <class T>
void ColumnBlock(const Axis& axis, const T* x, std::int64_t x_stride, T* y, std::int64_t y_stride,
                 std::int64_t width, const float* pre, const float* post, std::int64_t post_step,
                 float* work) {
  if (axis.base == 1) {
    Columns(x, x_stride, y, y_stride, axis.power, width, pre, post, post_step, work);
    return;
  }
  const float one = 1.0f;
  float* panel = work + panel_work(axis.power, width);
  const std::int64_t segment = axis.power * width + kLanes;  // padded: cache sets
  for (std::int64_t k = 0; k < axis.base; ++k) {
    const std::int64_t row = k * axis.power;
    Columns(x + row * x_stride, x_stride, panel + k * segment, width, axis.power, width,
            pre != nullptr ? pre + row : nullptr, &one, 0, work);
  }
  for (std::int64_t i = 0; i < axis.power; ++i) {
    BaseStage(panel + i * width, segment, y + i * y_stride, axis.power * y_stride, width,
              axis.terms, axis.base, post + i * post_step, axis.power * post_step);
  }
}

template <class T>
void FullColumns(const Axis& axis, const T* x, std::int64_t x_stride, T* y, std::int64_t y_stride,
                 std::int64_t width, float* work) {
  const bool pre = !axis.signs.empty() && !axis.inverse;
  const bool post = !axis.signs.empty() && axis.inverse;
  for (std::int64_t begin = 0; begin < axis.length; begin += axis.order) {
    ColumnBlock(axis, x + begin * x_stride, x_stride, y + begin * y_stride, y_stride, width,
                pre ? axis.signs.data() + begin : nullptr,
                post ? axis.post.data() + begin : &axis.scale32, post ? 1 : 0, work);
  }
}

template <class T>
void AllColumns(const Axis& axis, const T* x, std::int64_t x_stride, T* y, std::int64_t y_stride,
                std::int64_t width, float* work) {
  const std::int64_t full = width / kLanes * kLanes, rest = width - full;
  if (full > 0) FullColumns(axis, x, x_stride, y, y_stride, full, work);
  if (rest == 0) return;
  // The last few columns as one vector, in a copy.
  T* tail = reinterpret_cast<T*>(work);
  work += axis.length * kLanes;
  const auto bytes = static_cast<std::size_t>(rest) * sizeof(T);
  std::memset(tail, 0, static_cast<std::size_t>(axis.length * kLanes) * sizeof(T));
  for (std::int64_t i = 0; i < axis.length; ++i) {
    std::memcpy(tail + i * kLanes, x + i * x_stride + full, bytes);
  }
  FullColumns(axis, static_cast<const T*>(tail), kLanes, tail, kLanes, kLanes, work);
  for (std::int64_t i = 0; i < axis.length; ++i) {
    std::memcpy(y + i * y_stride + full, tail + i * kLanes, bytes);
  }
}

void ColumnsF32(const Axis& axis, const float* x, std::int64_t x_stride, float* y,
                std::int64_t y_stride, std::int64_t width, float* work) {
  AllColumns(axis, x, x_stride, y, y_stride, width, work);
}
void ColumnsBf16(const Axis& axis, const std::uint16_t* x, std::int64_t x_stride, std::uint16_t* y,
                 std::int64_t y_stride, std::int64_t width, float* work) {
  AllColumns(axis, x, x_stride, y, y_stride, width, work);
}

}  // namespace HWY_NAMESPACE
}  // namespace sylvester::detail
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sylvester::detail {

HWY_EXPORT(ColumnsF32);
HWY_EXPORT(ColumnsBf16);

void simd_cols(const Axis& axis, const float* x, std::int64_t x_stride, float* y,
               std::int64_t y_stride, std::int64_t width, float* work) noexcept {
  HWY_DYNAMIC_DISPATCH(ColumnsF32)(axis, x, x_stride, y, y_stride, width, work);
}
void simd_cols(const Axis& axis, const std::uint16_t* x, std::int64_t x_stride, std::uint16_t* y,
               std::int64_t y_stride, std::int64_t width, float* work) noexcept {
  HWY_DYNAMIC_DISPATCH(ColumnsBf16)(axis, x, x_stride, y, y_stride, width, work);
}

}  // namespace sylvester::detail
#endif  // HWY_ONCE
