// Sums of squared errors. The body in src/quant/row_kernels.cc defines the results.
#include <algorithm>

#include "quant/simd_rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/quant_stats.cc"
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#include <hwy/foreach_target.h>
// After foreach_target.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace sylvester::detail {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
#if HWY_TARGET != HWY_SCALAR

void ErrorSums(const float* HWY_RESTRICT x, const float* HWY_RESTRICT values, std::int64_t n,
               StatsSum& sum) {
  const hn::CappedTag<double, 8> dd;
  const hn::Rebind<float, decltype(dd)> df;
  using VD = hn::Vec<decltype(dd)>;
  constexpr std::size_t kWidth = hn::MaxLanes(dd), kVectors = 8 / kWidth;
  VD error2[kVectors], x2[kVectors], most = hn::Zero(dd);
  for (std::size_t v = 0; v < kVectors; ++v) error2[v] = x2[v] = hn::Zero(dd);
  std::int64_t i = 0;
  std::size_t zeros = 0;
  for (; i + 8 <= n; i += 8) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      const auto at = i + static_cast<std::int64_t>(v * kWidth);
      const auto xf = hn::LoadU(df, x + at), vf = hn::LoadU(df, values + at);
      const VD wide = hn::PromoteTo(dd, xf);
      const VD error = hn::Sub(wide, hn::PromoteTo(dd, vf));
      error2[v] = hn::Add(error2[v], hn::Mul(error, error));
      x2[v] = hn::Add(x2[v], hn::Mul(wide, wide));
      most = hn::Max(most, hn::Abs(error));
      const auto zero = hn::Zero(df);
      zeros += hn::CountTrue(df, hn::And(hn::Ne(xf, zero), hn::Eq(vf, zero)));
    }
  }
  double lane_error[8], lane_x[8];
  for (std::size_t v = 0; v < kVectors; ++v) {
    hn::StoreU(error2[v], dd, lane_error + v * kWidth);
    hn::StoreU(x2[v], dd, lane_x + v * kWidth);
  }
  sum.max_error = std::max(sum.max_error, hn::GetLane(hn::MaxOfLanes(dd, most)));
  for (; i < n; ++i) {
    const double wide = x[i], error = wide - static_cast<double>(values[i]);
    lane_error[i % 8] += error * error;
    lane_x[i % 8] += wide * wide;
    sum.max_error = std::max(sum.max_error, error < 0 ? -error : error);
    zeros += x[i] != 0.0f && values[i] == 0.0f ? 1 : 0;
  }
  for (int width = 4; width > 0; width /= 2) {
    for (int lane = 0; lane < width; ++lane) {
      lane_error[lane] += lane_error[lane + width];
      lane_x[lane] += lane_x[lane + width];
    }
  }
  sum.error2 += lane_error[0];
  sum.x2 += lane_x[0];
  sum.zeros += static_cast<std::int64_t>(zeros);
}

#else  // a CPU without any of the instruction sets above

void ErrorSums(const float* x, const float* values, std::int64_t n, StatsSum& sum) {
  scalar::error_sums(x, values, n, sum);
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace HWY_NAMESPACE
}  // namespace sylvester::detail
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sylvester::detail {

HWY_EXPORT(ErrorSums);

void error_sums_simd(const float* x, const float* values, std::int64_t n, StatsSum& sum) noexcept {
  HWY_DYNAMIC_DISPATCH(ErrorSums)(x, values, n, sum);
}

}  // namespace sylvester::detail
#endif  // HWY_ONCE
