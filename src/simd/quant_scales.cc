// Scales of many blocks at once; the bodies are in quant_scales-inl.h.
#include "quant/simd_rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/quant_scales.cc"
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#include <hwy/foreach_target.h>
// After foreach_target.
#include <hwy/highway.h>

#include "simd/quant_scales-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sylvester::detail {
namespace HWY_NAMESPACE {

ScaleFlags AllScales(ScaleKind kind, const ScalePlan& plan, const std::uint32_t* magnitude,
                     std::int64_t n, const ScaleArrays& out) {
  ScaleFlags flags;
  with_scales(kind, plan, [&](const auto& scales) HWY_ATTR { flags = scales(magnitude, n, out); });
  return flags;
}

}  // namespace HWY_NAMESPACE
}  // namespace sylvester::detail
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sylvester::detail {

HWY_EXPORT(AllScales);

ScaleFlags scales_simd(ScaleKind kind, const ScalePlan& plan, const std::uint32_t* magnitude,
                       std::int64_t n, const ScaleArrays& out) noexcept {
  return HWY_DYNAMIC_DISPATCH(AllScales)(kind, plan, magnitude, n, out);
}

}  // namespace sylvester::detail
#endif  // HWY_ONCE
