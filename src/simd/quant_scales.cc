// Scales of many blocks at once. The bodies in src/quant/scale.cc define the results.
#include <algorithm>
#include <limits>

#include "quant/simd_rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/quant_scales.cc"
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#include <hwy/foreach_target.h>
// After foreach_target.
#include <hwy/highway.h>

#include "simd/formats-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sylvester::detail {
namespace HWY_NAMESPACE {

// One block at a time: the rest of the vectors, and CPUs without instruction sets.
template <class F>
ScaleFlags scalar_scales(const std::uint32_t* magnitude, std::int64_t begin, std::int64_t end,
                         const ScaleArrays& out, const F& scale) {
  ScaleFlags flags{.poisoned = false, .invertible = true};
  for (std::int64_t i = begin; i < end; ++i) {
    const BlockScale s = scale(magnitude[i]);
    out.scale[i] = s.scale;
    out.factor[i] = s.factor;
    out.inverse[i] = 1.0f / s.factor;
    out.code[i] = s.code;
    flags.poisoned = flags.poisoned || s.scale != s.scale;
    flags.invertible = flags.invertible && s.factor >= 0x1p-60f && s.factor <= 0x1p60f;
  }
  return flags;
}

#if HWY_TARGET != HWY_SCALAR

using D = hn::ScalableTag<float>;
using DI = hn::RebindToSigned<D>;
using VF = hn::Vec<D>;
using VI = hn::Vec<DI>;

ScaleFlags PowerOfTwoScales(const ScalePlan& plan, const std::uint32_t* HWY_RESTRICT magnitude,
                            std::int64_t n, const ScaleArrays& out) {
  const DI di;
  const hn::Rebind<std::uint8_t, D> d8;
  const auto N = static_cast<std::int64_t>(hn::Lanes(di));
  const auto max_bits = std::bit_cast<std::int32_t>(plan.max);
  // Each rule adds to the magnitude or to its exponent; emax >= 1 sends every subnormal to byte 0,
  // and so does floor.
  const bool even = plan.spec.rule == ScaleRule::kEven;
  const bool ceil = plan.spec.rule == ScaleRule::kCeil;
  const bool rceil = plan.spec.rule == ScaleRule::kRceil;
  const VI carry = hn::Set(di, even ? 1 << (22 - plan.mantissa_bits) : 0);
  const VI threshold = hn::Set(di, ceil ? 0 : rceil ? max_bits & 0x7FFFFF : 0x7FFFFF);
  const VI offset = hn::Set(di, rceil ? (max_bits >> 23) - 127 : plan.emax);
  const int shift = plan.value_shift;
  const VF value_scale = hn::Set(D(), power_of_two(-shift));
  const VI zero = hn::Zero(di), infinity = hn::Set(di, 0x7F800000);
  auto poison = hn::Eq(zero, hn::Set(di, 1));  // none
  std::int64_t i = 0;
  for (; i + N <= n; i += N) {
    const VI m = hn::LoadU(di, reinterpret_cast<const std::int32_t*>(magnitude) + i);
    VI byte = hn::Sub(hn::ShiftRight<23>(hn::Add(m, carry)), offset);
    const auto above = hn::Gt(hn::And(m, hn::Set(di, 0x7FFFFF)), threshold);
    byte = hn::Sub(byte, hn::VecFromMask(di, above));
    byte = hn::Min(hn::Max(byte, zero), hn::Set(di, 254));
    // 2^-127 is the float32 subnormal 0x400000.
    const VI least = hn::Set(di, 0x400000);
    VI scale = hn::IfThenElse(hn::Eq(byte, zero), least, hn::ShiftLeft<23>(byte));
    const VI inverse = hn::Sub(hn::Set(di, 254), byte);
    VI factor = hn::IfThenElse(hn::Eq(inverse, zero), least, hn::ShiftLeft<23>(inverse));
    if (shift != 0) {  // fixed-point integers: divided by 2^(e - shift)
      scale = hn::BitCast(di, hn::Mul(hn::BitCast(D(), scale), value_scale));
      factor = scale;
    }
    const auto bad = hn::Gt(m, hn::Sub(infinity, hn::Set(di, 1)));
    poison = hn::Or(poison, bad);
    scale = hn::IfThenElse(bad, hn::Set(di, 0x7FC00000), scale);
    factor = hn::IfThenElse(bad, hn::Set(di, 0x3F800000), factor);
    byte = hn::IfThenElse(bad, hn::Set(di, 255), byte);
    hn::StoreU(hn::BitCast(D(), scale), D(), out.scale + i);
    hn::StoreU(hn::BitCast(D(), factor), D(), out.factor + i);
    hn::StoreU(hn::DemoteTo(d8, byte), d8, out.code + i);
  }
  const ScaleFlags rest = scalar_scales(
      magnitude, i, n, out, [&](std::uint32_t m) { return scale_of(plan, {.absmax = m}); });
  return {.poisoned = !hn::AllFalse(di, poison) || rest.poisoned};
}

// Products and quotients in the order of nvfp4_scale and nvfp4_from_code.
ScaleFlags Nvfp4Scales(const ScalePlan& plan, const std::uint32_t* HWY_RESTRICT magnitude,
                       std::int64_t n, const ScaleArrays& out) {
  const D d;
  const DI di;
  const hn::Rebind<std::uint8_t, D> d8;
  const auto N = static_cast<std::int64_t>(hn::Lanes(d));
  const Convention convention = plan.spec.convention;
  const NearestEvenEncoder<D, true> e4m3(d, layout(DType::kFloat8E4M3FN), {});
  const VF six = hn::Set(d, 6.0f), max = hn::Set(d, plan.max), one = hn::Set(d, 1.0f);
  const VF encode = hn::Set(d, plan.tensor_encode), tensor = hn::Set(d, plan.tensor_scale);
  const VF folded = hn::Set(d, plan.tensor_encode * (1.0f / 6.0f));
  const VF largest = hn::Set(d, std::numeric_limits<float>::max());
  std::int64_t i = 0;
  const auto scalar = [&](std::int64_t end) {
    return scalar_scales(magnitude, i, end, out,
                         [&](std::uint32_t m) { return nvfp4_scale(plan, m); });
  };
  if (plan.tensor_poisoned) return {.poisoned = scalar(n).poisoned};
  bool poisoned = false;
  for (; i + N <= n; i += N) {
    const VI m = hn::LoadU(di, reinterpret_cast<const std::int32_t*>(magnitude) + i);
    if (!hn::AllFalse(di, hn::Gt(m, hn::Set(di, 0x7F7FFFFF)))) {
      poisoned = scalar(i + N).poisoned || poisoned;
      continue;
    }
    const VF a = hn::BitCast(d, m);
    VF s;
    if (convention == Convention::kTe) {
      s = hn::Mul(hn::Div(a, six), encode);
    } else if (convention == Convention::kTeFolded) {
      s = hn::Mul(a, folded);
    } else if (convention == Convention::kQuartet2) {
      s = hn::Div(hn::Div(a, max), tensor);
    } else {
      s = hn::Max(hn::Div(hn::Div(a, six), tensor), hn::Set(d, 0x1p-6f));
    }
    VI code = e4m3.Encode(hn::Min(s, hn::Set(d, 448.0f)));
    if (convention == Convention::kQuartet2) {
      code = hn::IfThenElse(hn::Eq(code, hn::Zero(di)), hn::Set(di, 0x38), code);  // 1
    }
    const FloatDecoder<D, Specials::kFn> decoder(d, layout(DType::kFloat8E4M3FN));
    s = decoder.Decode(code);
    const VF scale = hn::Mul(s, tensor);
    VF factor;
    if (convention == Convention::kTe || convention == Convention::kTeFolded) {
      factor = hn::Min(hn::Div(one, scale), largest);
    } else if (convention == Convention::kQuartet2) {
      factor = scale;
    } else {
      factor = hn::Min(hn::Div(encode, s), largest);
    }
    hn::StoreU(scale, d, out.scale + i);
    hn::StoreU(factor, d, out.factor + i);
    hn::StoreU(hn::DemoteTo(d8, code), d8, out.code + i);
  }
  poisoned = scalar(n).poisoned || poisoned;
  return {.poisoned = poisoned};
}

// In the order of linear_scale.
ScaleFlags LinearScales(const ScalePlan& plan, const std::uint32_t* HWY_RESTRICT magnitude,
                        std::int64_t n, const ScaleArrays& out) {
  const D d;
  const DI di;
  const auto N = static_cast<std::int64_t>(hn::Lanes(d));
  const VF max = hn::Set(d, plan.max), least = hn::Set(d, plan.spec.least_absmax);
  const VF margin = hn::Set(d, plan.spec.margin), clip = hn::Set(d, plan.spec.clip);
  const VF one = hn::Set(d, 1.0f), zero = hn::Zero(d);
  const VF smallest = hn::Set(d, 0x1p-60f), largest = hn::Set(d, 0x1p60f);
  const bool reciprocal = plan.spec.quotient == Quotient::kReciprocal;
  auto poison = hn::Eq(zero, one), far = poison;  // none
  std::int64_t i = 0;
  for (; i + N <= n; i += N) {
    const VI m = hn::LoadU(di, reinterpret_cast<const std::int32_t*>(magnitude) + i);
    const auto bad = hn::RebindMask(d, hn::Gt(m, hn::Set(di, 0x7F7FFFFF)));
    poison = hn::Or(poison, bad);
    const VF a = hn::Max(hn::BitCast(d, hn::Min(m, hn::Set(di, 0x7F7FFFFF))), least);
    VF s = hn::Mul(hn::Mul(hn::Div(a, max), margin), clip);
    s = hn::IfThenElse(hn::Eq(s, zero), one, s);
    const VF inverse = hn::Div(one, s);
    const VF factor = hn::IfThenElse(bad, one, reciprocal ? inverse : s);
    far = hn::Or(far, hn::Or(hn::Lt(factor, smallest), hn::Gt(factor, largest)));
    hn::StoreU(hn::IfThenElse(bad, hn::BitCast(d, hn::Set(di, 0x7FC00000)), s), d, out.scale + i);
    hn::StoreU(factor, d, out.factor + i);
    hn::StoreU(inverse, d, out.inverse + i);
  }
  const ScaleFlags rest = scalar_scales(
      magnitude, i, n, out, [&](std::uint32_t m) { return scale_of(plan, {.absmax = m}); });
  return {.poisoned = !hn::AllFalse(d, poison) || rest.poisoned,
          .invertible = hn::AllFalse(d, far) && rest.invertible && !reciprocal};
}

#else

ScaleFlags PowerOfTwoScales(const ScalePlan& plan, const std::uint32_t* magnitude, std::int64_t n,
                            const ScaleArrays& out) {
  return scalar_scales(magnitude, 0, n, out,
                       [&](std::uint32_t m) { return scale_of(plan, {.absmax = m}); });
}
ScaleFlags Nvfp4Scales(const ScalePlan& plan, const std::uint32_t* magnitude, std::int64_t n,
                       const ScaleArrays& out) {
  return scalar_scales(magnitude, 0, n, out, [&](std::uint32_t m) { return nvfp4_scale(plan, m); });
}

ScaleFlags LinearScales(const ScalePlan& plan, const std::uint32_t* magnitude, std::int64_t n,
                        const ScaleArrays& out) {
  return scalar_scales(magnitude, 0, n, out,
                       [&](std::uint32_t m) { return scale_of(plan, {.absmax = m}); });
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace HWY_NAMESPACE
}  // namespace sylvester::detail
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sylvester::detail {

HWY_EXPORT(PowerOfTwoScales);
HWY_EXPORT(Nvfp4Scales);
HWY_EXPORT(LinearScales);

ScaleFlags power_of_two_scales_simd(const ScalePlan& plan, const std::uint32_t* magnitude,
                                    std::int64_t n, const ScaleArrays& out) noexcept {
  return HWY_DYNAMIC_DISPATCH(PowerOfTwoScales)(plan, magnitude, n, out);
}
ScaleFlags nvfp4_scales_simd(const ScalePlan& plan, const std::uint32_t* magnitude, std::int64_t n,
                             const ScaleArrays& out) noexcept {
  return HWY_DYNAMIC_DISPATCH(Nvfp4Scales)(plan, magnitude, n, out);
}

ScaleFlags linear_scales_simd(const ScalePlan& plan, const std::uint32_t* magnitude, std::int64_t n,
                              const ScaleArrays& out) noexcept {
  return HWY_DYNAMIC_DISPATCH(LinearScales)(plan, magnitude, n, out);
}

}  // namespace sylvester::detail
#endif  // HWY_ONCE
