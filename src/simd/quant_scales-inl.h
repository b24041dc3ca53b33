// Scales of many blocks at once. The bodies in src/quant/scale.cc define the results. Include after
// <hwy/highway.h> inside a foreach_target file.
#include <algorithm>
#include <limits>

#include "quant/simd_rows.h"

#if defined(SYLVESTER_SIMD_QUANT_SCALES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SYLVESTER_SIMD_QUANT_SCALES_INL_H_
#undef SYLVESTER_SIMD_QUANT_SCALES_INL_H_
#else
#define SYLVESTER_SIMD_QUANT_SCALES_INL_H_
#endif

#include <hwy/highway.h>

#include "simd/formats-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sylvester::detail {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
// One block at a time, by the definition.
template <class F>
ScaleFlags scalar_scales(const std::uint32_t* magnitude, std::int64_t begin, std::int64_t end,
                         const ScaleArrays& out, const F& scale) {
  ScaleFlags flags;
  for (std::int64_t i = begin; i < end; ++i) {
    const BlockScale s = scale(magnitude[i]);
    out.scale[i] = s.scale;
    out.factor[i] = s.factor;
    out.inverse[i] = 1.0f / s.factor;
    out.code[i] = s.code;
    flags.add(ScaleFlags::of(s));
  }
  return flags;
}

#if HWY_TARGET != HWY_SCALAR

using D = hn::ScalableTag<float>;
using DI = hn::RebindToSigned<D>;
using VF = hn::Vec<D>;
using VI = hn::Vec<DI>;

// Scales of n blocks; see ScaleArrays. Each class holds a rule's constants: one constructor for
// many calls.
class Scales {
 public:
  virtual ScaleFlags operator()(const std::uint32_t* HWY_RESTRICT magnitude, std::int64_t n,
                                const ScaleArrays& out) const = 0;

 protected:
  ~Scales() = default;
};

class PowerOfTwoScales final : public Scales {
 public:
  explicit PowerOfTwoScales(const ScalePlan& plan) : plan_(plan), shift_(plan.value_shift) {
    const DI di;
    const auto max_bits = std::bit_cast<std::int32_t>(plan.max);
    // Each rule adds to the magnitude or to its exponent. Subnormals get byte 0 where emax >= 1,
    // and from floor; elsewhere a vector with one of them goes to the definition.
    const bool even = plan.spec.rule == ScaleRule::kEven;
    const bool ceil = plan.spec.rule == ScaleRule::kCeil;
    const bool rceil = plan.spec.rule == ScaleRule::kRceil;
    flushes_ = plan.emax >= 1 || plan.spec.rule == ScaleRule::kFloor;
    ones_ = plan.spec.scale_format != DType::kFloat8E8M0FNU;
    carry_ = hn::Set(di, even ? 1 << (22 - plan.mantissa_bits) : 0);
    threshold_ = hn::Set(di, ceil ? 0 : rceil ? max_bits & 0x7FFFFF : 0x7FFFFF);
    offset_ = hn::Set(di, rceil ? (max_bits >> 23) - 127 : plan.emax);
    value_scale_ = hn::Set(D(), power_of_two(-shift_));
  }

  ScaleFlags operator()(const std::uint32_t* HWY_RESTRICT magnitude, std::int64_t n,
                        const ScaleArrays& out) const override {
    const DI di;
    const hn::Rebind<std::uint8_t, D> d8;
    const auto N = static_cast<std::int64_t>(hn::Lanes(di));
    const VI zero = hn::Zero(di), infinity = hn::Set(di, 0x7F800000);
    // Bytes of factors in [2^-80, 2^100]: only quotients, of fixed-point integers, ask for it.
    const VI least_byte = hn::Set(di, 47 + shift_), most_byte = hn::Set(di, 227 + shift_);
    auto poison = hn::Eq(zero, hn::Set(di, 1)), far = poison;  // none
    ScaleFlags flags;
    for (std::int64_t i = 0; i < n; i += N) {
      const VI m = hn::LoadU(di, reinterpret_cast<const std::int32_t*>(magnitude) + i);
      const auto subnormal = hn::And(hn::Gt(m, zero), hn::Lt(m, hn::Set(di, 1 << 23)));
      if (!flushes_ && !hn::AllFalse(di, subnormal)) {
        flags.add(scalar_scales(magnitude, i, i + N, out,
                                [&](std::uint32_t a) { return scale_of(plan_, {.absmax = a}); }));
        continue;
      }
      VI byte = hn::Sub(hn::ShiftRight<23>(hn::Add(m, carry_)), offset_);
      const auto above = hn::Gt(hn::And(m, hn::Set(di, 0x7FFFFF)), threshold_);
      byte = hn::Sub(byte, hn::VecFromMask(di, above));
      byte = hn::Min(hn::Max(byte, zero), hn::Set(di, 254));
      // 2^-127 is the float32 subnormal 0x400000.
      const VI least = hn::Set(di, 0x400000);
      VI scale = hn::IfThenElse(hn::Eq(byte, zero), least, hn::ShiftLeft<23>(byte));
      const VI opposite = hn::Sub(hn::Set(di, 254), byte);
      VI factor = hn::IfThenElse(hn::Eq(opposite, zero), least, hn::ShiftLeft<23>(opposite));
      VI inverse = factor;
      if (shift_ != 0) {  // fixed-point integers: divided by 2^(e - shift)
        far = hn::Or(far, hn::Or(hn::Lt(byte, least_byte), hn::Gt(byte, most_byte)));
        inverse = hn::ShiftLeft<23>(hn::Add(opposite, hn::Set(di, shift_)));
        scale = hn::BitCast(di, hn::Mul(hn::BitCast(D(), scale), value_scale_));
        factor = scale;
      }
      const VI one = hn::Set(di, 0x3F800000);
      if (ones_) {  // zeros have scale 1
        const auto none = hn::Eq(m, zero);
        scale = hn::IfThenElse(none, one, scale);
        factor = hn::IfThenElse(none, one, factor);
        inverse = hn::IfThenElse(none, one, inverse);
      }
      if (shift_ != 0) hn::StoreU(hn::BitCast(D(), inverse), D(), out.inverse + i);
      const auto bad = hn::Gt(m, hn::Sub(infinity, hn::Set(di, 1)));
      poison = hn::Or(poison, bad);
      scale = hn::IfThenElse(bad, hn::Set(di, 0x7FC00000), scale);
      factor = hn::IfThenElse(bad, one, factor);
      byte = hn::IfThenElse(bad, hn::Set(di, 255), byte);
      hn::StoreU(hn::BitCast(D(), scale), D(), out.scale + i);
      hn::StoreU(hn::BitCast(D(), factor), D(), out.factor + i);
      hn::StoreU(hn::DemoteTo(d8, byte), d8, out.code + i);
    }
    flags.add({.poisoned = !hn::AllFalse(di, poison), .moderate = hn::AllFalse(di, far)});
    return flags;
  }

 private:
  const ScalePlan& plan_;
  int shift_;
  bool flushes_, ones_;
  VI carry_, threshold_, offset_;
  VF value_scale_;
};

// a / divisor, correctly rounded where neither it nor its remainder is subnormal (Markstein; see
// Divide in quant_elements-inl.h).
struct Divisor {
  VF divisor, inverse;
  explicit Divisor(float value)
      : divisor(hn::Set(D(), value)), inverse(hn::Set(D(), 1.0f / value)) {}
  HWY_INLINE VF Quotient(VF a) const {
    if (!HWY_NATIVE_FMA) return hn::Div(a, divisor);
    const VF q = hn::Mul(a, inverse);
    return hn::MulAdd(hn::NegMulAdd(q, divisor, a), inverse, q);
  }
};

// c / s for the numbers s = 2^e (1 + m/8) of E4M3, from the eight quotients by 1 + m/8: powers of
// two scale them exactly.
class InverseOfE4m3 {
 public:
  static constexpr bool kPresent = hn::MaxLanes(D()) >= 8;
  // Divides by RN(product * (1 + m/8)).
  InverseOfE4m3(float numerator, float product) {
    const VF m = hn::ConvertTo(D(), hn::And(hn::Iota(DI(), 0), hn::Set(DI(), 7)));
    const VF s = hn::MulAdd(m, hn::Set(D(), 0.125f), hn::Set(D(), 1.0f));  // exact
    quotients_ = hn::Div(hn::Set(D(), numerator), hn::Mul(hn::Set(D(), product), s));
  }
  // Of normal codes.
  HWY_INLINE VF operator()(VI code) const {
    if constexpr (kPresent) {
      const VI m = hn::And(code, hn::Set(DI(), 7));
      const VF quotient = hn::TableLookupLanes(quotients_, hn::IndicesFromVec(D(), m));
      const VI power = hn::ShiftLeft<20>(hn::Sub(code, m));
      return hn::BitCast(
          D(), hn::Sub(hn::Add(hn::BitCast(DI(), quotient), hn::Set(DI(), 7 << 23)), power));
    }
    return quotients_;  // not called
  }

 private:
  VF quotients_;
};

// Products and quotients in the order of nvfp4_scale and nvfp4_from_code.
class Nvfp4Scales final : public Scales {
 public:
  explicit Nvfp4Scales(const ScalePlan& plan)
      : plan_(plan),
        convention_(plan.spec.convention),
        te_(convention_ == Convention::kTe || convention_ == Convention::kTeFolded),
        quartet2_(convention_ == Convention::kQuartet2),
        moderate_(NearOne(plan.tensor_scale) && NearOne(plan.tensor_encode)),
        e4m3_(D(), layout(DType::kFloat8E4M3FN)),
        max_(quartet2_ ? plan.max : 6.0f),
        tensor_(plan.tensor_scale),
        inverse_(te_ ? 1.0f : plan.tensor_encode, te_ ? plan.tensor_scale : 1.0f),
        encode_(hn::Set(D(), plan.tensor_encode)),
        folded_(hn::Set(D(), plan.tensor_encode * (1.0f / 6.0f))) {}

  ScaleFlags operator()(const std::uint32_t* HWY_RESTRICT magnitude, std::int64_t n,
                        const ScaleArrays& out) const override {
    const D d;
    const DI di;
    const hn::Rebind<std::uint8_t, D> d8;
    const auto N = static_cast<std::int64_t>(hn::Lanes(d));
    // Quartet II's factor may underflow.
    ScaleFlags flags{.regular = !quartet2_, .moderate = false};
    for (std::int64_t i = 0; i < n; i += N) {
      const VI m = hn::LoadU(di, reinterpret_cast<const std::int32_t*>(magnitude) + i);
      if (plan_.tensor_poisoned || !hn::AllFalse(di, hn::Gt(m, hn::Set(di, 0x7F7FFFFF)))) {
        flags.add(scalar_scales(magnitude, i, i + N, out,
                                [&](std::uint32_t a) { return nvfp4_scale(plan_, a); }));
        continue;
      }
      const VF wanted = hn::Min(Wanted(hn::BitCast(d, m)), hn::Set(d, 448.0f));
      VI code = e4m3_.PositiveCode(wanted);
      if (quartet2_) code = hn::IfThenElse(hn::Eq(code, hn::Zero(di)), hn::Set(di, 0x38), code);
      VF s, scale, factor;
      if (hn::AllFalse(di, hn::Lt(code, hn::Set(di, 8)))) {  // all normal
        s = hn::BitCast(d, hn::Add(hn::ShiftLeft<20>(code), hn::Set(di, 120 << 23)));
        scale = hn::Mul(s, tensor_.divisor);
        factor = quartet2_                              ? scale
                 : InverseOfE4m3::kPresent && moderate_ ? inverse_(code)
                                                        : Factor(s, scale);
      } else {
        s = FloatDecoder<D, Specials::kFn>(d, layout(DType::kFloat8E4M3FN)).Decode(code);
        scale = hn::Mul(s, tensor_.divisor);
        factor = quartet2_ ? scale : Factor(s, scale);
      }
      hn::StoreU(scale, d, out.scale + i);
      hn::StoreU(factor, d, out.factor + i);
      hn::StoreU(hn::DemoteTo(d8, code), d8, out.code + i);
    }
    return flags;
  }

 private:
  // Far from overflow and underflow, divisions by the tensor's scale and by E4M3 numbers have a
  // short form. What is tiny all the same ends at the least scale, or at 0.
  static bool NearOne(float x) { return x >= 0x1p-60f && x <= 0x1p60f; }
  // The scale before it is rounded.
  HWY_INLINE VF Wanted(VF a) const {
    if (convention_ == Convention::kTeFolded) return hn::Mul(a, folded_);
    VF s = moderate_ ? max_.Quotient(a) : hn::Div(a, max_.divisor);
    if (te_) return hn::Mul(s, encode_);
    if (plan_.tensor_scale != 1.0f) {
      s = moderate_ ? tensor_.Quotient(s) : hn::Div(s, tensor_.divisor);
    }
    return quartet2_ ? s : hn::Max(s, hn::Set(D(), 0x1p-6f));
  }
  HWY_INLINE VF Factor(VF s, VF scale) const {
    const VF largest = hn::Set(D(), std::numeric_limits<float>::max());
    return hn::Min(te_ ? hn::Div(hn::Set(D(), 1.0f), scale) : hn::Div(encode_, s), largest);
  }

  const ScalePlan& plan_;
  Convention convention_;
  bool te_, quartet2_, moderate_;
  PlainEncoder<D> e4m3_;
  Divisor max_, tensor_;
  InverseOfE4m3 inverse_;
  VF encode_, folded_;
};

// In the order of linear_scale.
class LinearScales final : public Scales {
 public:
  explicit LinearScales(const ScalePlan& plan)
      : reciprocal_(plan.spec.quotient == Quotient::kReciprocal),
        max_(hn::Set(D(), plan.max)),
        least_(hn::Set(D(), plan.spec.least_absmax)),
        margin_(hn::Set(D(), plan.spec.margin)),
        clip_(hn::Set(D(), plan.spec.clip)) {}

  ScaleFlags operator()(const std::uint32_t* HWY_RESTRICT magnitude, std::int64_t n,
                        const ScaleArrays& out) const override {
    const D d;
    const DI di;
    const auto N = static_cast<std::int64_t>(hn::Lanes(d));
    const VF one = hn::Set(d, 1.0f), zero = hn::Zero(d);
    const VF smallest = hn::Set(d, 0x1p-80f), largest = hn::Set(d, 0x1p100f);
    auto poison = hn::Eq(zero, one), far = poison;  // none
    for (std::int64_t i = 0; i < n; i += N) {
      const VI m = hn::LoadU(di, reinterpret_cast<const std::int32_t*>(magnitude) + i);
      const auto bad = hn::RebindMask(d, hn::Gt(m, hn::Set(di, 0x7F7FFFFF)));
      poison = hn::Or(poison, bad);
      const VF a = hn::Max(hn::BitCast(d, hn::Min(m, hn::Set(di, 0x7F7FFFFF))), least_);
      VF s = hn::Mul(hn::Mul(hn::Div(a, max_), margin_), clip_);
      s = hn::IfThenElse(hn::Eq(s, zero), one, s);
      const VF inverse = hn::Div(one, s);
      const VF factor = hn::IfThenElse(bad, one, reciprocal_ ? inverse : s);
      far = hn::Or(far, hn::Or(hn::Lt(factor, smallest), hn::Gt(factor, largest)));
      hn::StoreU(hn::IfThenElse(bad, hn::BitCast(d, hn::Set(di, 0x7FC00000)), s), d, out.scale + i);
      hn::StoreU(factor, d, out.factor + i);
      hn::StoreU(inverse, d, out.inverse + i);
    }
    const bool moderate = hn::AllFalse(d, far);
    return {.poisoned = !hn::AllFalse(d, poison),
            .regular = moderate || !reciprocal_,
            .moderate = moderate};
  }

 private:
  bool reciprocal_;
  VF max_, least_, margin_, clip_;
};

// Calls f(scales) with the class of the kind.
template <class F>
HWY_INLINE void with_scales(ScaleKind kind, const ScalePlan& plan, const F& f) {
  if (kind == ScaleKind::kPowerOfTwo) return f(PowerOfTwoScales(plan));
  if (kind == ScaleKind::kNvfp4) return f(Nvfp4Scales(plan));
  f(LinearScales(plan));
}

#else  // a CPU without any of the instruction sets above

class Scales {
 public:
  Scales(ScaleKind kind, const ScalePlan& plan) : kind_(kind), plan_(plan) {}
  ScaleFlags operator()(const std::uint32_t* magnitude, std::int64_t n,
                        const ScaleArrays& out) const {
    return scalar_scales(magnitude, 0, n, out, [&](std::uint32_t m) {
      return kind_ == ScaleKind::kNvfp4 ? nvfp4_scale(plan_, m) : scale_of(plan_, {.absmax = m});
    });
  }

 private:
  ScaleKind kind_;
  const ScalePlan& plan_;
};

template <class F>
void with_scales(ScaleKind kind, const ScalePlan& plan, const F& f) {
  f(Scales(kind, plan));
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace HWY_NAMESPACE
}  // namespace sylvester::detail
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
