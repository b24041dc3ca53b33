// The left transform in vectors: panels of columns, no transpose.
#include "hadamard/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/hadamard_cols.cc"
// Arrays of vectors: SVE has no such; its CPUs take NEON.
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#include <hwy/foreach_target.h>
// After foreach_target.
#include "simd/hadamard-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sylvester::detail {
namespace HWY_NAMESPACE {

// The stage along K for one row of columns at a time, through a copy that lies together: the K
// rows share cache sets where they are.
template <class T>
void BaseColumnsOf(const Axis& axis, const float* mid, std::int64_t mid_stride, T* y,
                   std::int64_t y_stride, std::int64_t width, const float* post,
                   std::int64_t post_step, float* gathered) {
  constexpr std::int64_t kTile = kTileCols * kLanes;
  for (std::int64_t i = 0; i < axis.power; ++i) {
    for (std::int64_t c = 0; c < width; c += kTile) {
      const std::int64_t tile = std::min(kTile, width - c);
      for (std::int64_t k = 0; k < axis.base; ++k) {
        const float* from = mid + (k * axis.power + i) * mid_stride + c;
        for (std::int64_t j = 0; j < tile; j += kLanes) {
          Store(Load(from + j), gathered + k * kTile + j);
        }
      }
      BaseStage(static_cast<const float*>(gathered), kTile, y + i * y_stride + c,
                axis.power * y_stride, tile, axis.terms, axis.base, post + i * post_step,
                axis.power * post_step);
    }
  }
}

// One block of axis.order rows, `width` a multiple of the lanes.
template <class T>
void ColumnBlock(const Axis& axis, const T* x, std::int64_t x_stride, T* y, std::int64_t y_stride,
                 std::int64_t width, const float* pre, const float* post, std::int64_t post_step,
                 float* work) {
  float* gathered = work;
  float* strip = gathered + axis.base * kShortPanel;
  float* mid = strip + kStripWork;
  std::int64_t mid_stride = width;
  if constexpr (std::is_same_v<T, float>) {
    mid = y;
    mid_stride = y_stride;
  }
  int bits = 0;
  while ((std::int64_t{1} << bits) < axis.power) ++bits;
  if (axis.base == 1) {
    Trips<true>(x, x_stride, mid, mid_stride, y, y_stride, bits, width, pre, post, post_step,
                strip);
    return;
  }
  for (std::int64_t k = 0; k < axis.base; ++k) {
    const std::int64_t row = k * axis.power;
    Trips<false>(x + row * x_stride, x_stride, mid + row * mid_stride, mid_stride,
                 mid + row * mid_stride, mid_stride, bits, width,
                 pre != nullptr ? pre + row : nullptr, post, 0, strip);
  }
  BaseColumnsOf(axis, mid, mid_stride, y, y_stride, width, post, post_step, gathered);
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
