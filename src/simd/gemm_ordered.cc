#include "gemm/ordered_kernel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/gemm_ordered.cc"
// Arrays of vectors: SVE has no such; its CPUs take NEON.
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#include <hwy/foreach_target.h>
// After foreach_target.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace sylvester::detail {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
namespace {  // every room has its own N_AVX2 and so on: keep names apart
// SSE4 has no FMA: Highway's MulAdd rounds twice there.
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX2 || (HWY_ARCH_ARM_A64 && HWY_TARGET == HWY_NEON)

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
constexpr int kRows = 4, kVectors = 2;

template <int R>
void panel_rows(const float* HWY_RESTRICT a, const float* HWY_RESTRICT b, std::int64_t K,
                float* HWY_RESTRICT out) {
  const D d;
  const std::int64_t N = hn::Lanes(d);
  V sum[R][kVectors];
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) sum[r][0] = sum[r][1] = hn::Zero(d);
  for (std::int64_t k = 0; k < K; ++k) {
    const V b0 = hn::LoadU(d, b + k * kVectors * N), b1 = hn::LoadU(d, b + (k * kVectors + 1) * N);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const V row = hn::Set(d, a[r * K + k]);
      sum[r][0] = hn::MulAdd(row, b0, sum[r][0]);
      sum[r][1] = hn::MulAdd(row, b1, sum[r][1]);
    }
  }
  const V nan = hn::BitCast(d, hn::Set(hn::RebindToUnsigned<D>(), 0x7FC00000u));
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      hn::StoreU(hn::IfThenElse(hn::IsNaN(sum[r][v]), nan, sum[r][v]), d,
                 out + (r * kVectors + v) * N);
    }
  }
}

void ordered_any(const float* a, const float* b, std::int64_t rows, std::int64_t K, float* out) {
  const std::int64_t width = kVectors * static_cast<std::int64_t>(hn::Lanes(D()));
  std::int64_t r = 0;
  for (; r + kRows <= rows; r += kRows) panel_rows<kRows>(a + r * K, b, K, out + r * width);
  for (; r < rows; ++r) panel_rows<1>(a + r * K, b, K, out + r * width);
}
std::int64_t ordered_columns() { return kVectors * static_cast<std::int64_t>(hn::Lanes(D())); }

#else

void ordered_any(const float*, const float*, std::int64_t, std::int64_t, float*) {}
std::int64_t ordered_columns() { return 0; }

#endif
}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace sylvester::detail
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sylvester::detail {

HWY_EXPORT(ordered_any);
HWY_EXPORT(ordered_columns);

std::int64_t ordered_panel_width() noexcept { return HWY_DYNAMIC_DISPATCH(ordered_columns)(); }
void ordered_panel(const float* a, const float* b, std::int64_t rows, std::int64_t K,
                   float* out) noexcept {
  HWY_DYNAMIC_DISPATCH(ordered_any)(a, b, rows, K, out);
}

}  // namespace sylvester::detail
#endif  // HWY_ONCE
