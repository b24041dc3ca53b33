// The encoders of float8_e8m0fnu and of the integers, and the split of a float's bits with which
// all encoders begin. The interface is described in formats-inl.h.
#include <cstdint>

#include "sylvester/formats/options.h"
#include "sylvester/formats/scalar.h"

#if defined(SYLVESTER_SIMD_FORMATS_INTEGER_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SYLVESTER_SIMD_FORMATS_INTEGER_INL_H_
#undef SYLVESTER_SIMD_FORMATS_INTEGER_INL_H_
#else
#define SYLVESTER_SIMD_FORMATS_INTEGER_INL_H_
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace sylvester::detail {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
#if HWY_TARGET != HWY_SCALAR

// Two constants chosen by the sign of x: `positive`, and `positive ^ flip` where negative.
template <class D>
class BySign {
 public:
  using DI = hn::RebindToSigned<D>;
  using VI = hn::Vec<DI>;
  BySign(D, std::uint64_t positive, std::uint64_t negative)
      : positive_(hn::Set(DI(), static_cast<std::int32_t>(positive))),
        flip_(hn::Set(DI(), static_cast<std::int32_t>(positive ^ negative))) {}
  // `sign` is all ones in negative lanes.
  HWY_INLINE VI operator()(VI sign) const { return hn::Xor(positive_, hn::And(sign, flip_)); }

 private:
  VI positive_, flip_;
};

// The bits of x split: |x|, and all ones where the sign bit is set.
template <class D>
struct SignAndMagnitude {
  using DI = hn::RebindToSigned<D>;
  using VI = hn::Vec<DI>;
  HWY_INLINE explicit SignAndMagnitude(hn::Vec<D> x) {
    const VI bits = hn::BitCast(DI(), x);
    magnitude = hn::And(bits, hn::Set(DI(), 0x7FFFFFFF));
    sign = hn::ShiftRight<31>(bits);
  }
  HWY_INLINE hn::Mask<DI> IsNan() const { return hn::Gt(magnitude, hn::Set(DI(), 0x7F800000)); }
  VI magnitude, sign;
};

// float8_e8m0fnu: the exponent field, and a threshold on the significand.
template <class D, bool kStochastic>
class ScaleEncoder {
 public:
  using DI = hn::RebindToSigned<D>;
  using DU = hn::RebindToUnsigned<D>;
  using VF = hn::Vec<D>;
  using VI = hn::Vec<DI>;
  using VU = hn::Vec<DU>;
  static constexpr bool kUsesRandom = kStochastic;

  ScaleEncoder(D, const EncodeOptions& options)
      : over_(hn::Set(DI(), options.overflow == Overflow::kSaturate ? 254 : 255)),
        positive_only_(options.non_positive == NonPositive::kNan) {
    constexpr std::int32_t kHalf = 0x400000;
    std::int32_t threshold = 0x800000;  // toward zero, down
    if (options.rounding == Rounding::kNearestEven) threshold = kHalf;
    if (options.rounding == Rounding::kNearestAway) threshold = kHalf;
    if (options.rounding == Rounding::kNearestTowardNegative) threshold = kHalf + 1;
    if (options.rounding == Rounding::kNearestTowardZero) threshold = kHalf + 1;
    if (options.rounding == Rounding::kUp) threshold = 1;
    threshold_ = hn::Set(DI(), threshold);
    subnormal_threshold_ =
        hn::Set(DI(), options.rounding == Rounding::kNearestEven ? 1 : threshold);
  }

  HWY_INLINE VI Encode(VF v) const { return Encode(v, hn::Zero(DU())); }
  HWY_INLINE VI Encode(VF v, VU random) const {
    const DI di;
    const SignAndMagnitude<D> x(v);
    const VI one = hn::Set(di, 1);
    const auto subnormal = hn::Lt(x.magnitude, hn::Set(di, 0x800000));
    // Below 2^-126 the numbers are 2^-127 (1 + fraction); below 2^-127 the fraction is negative.
    const VI fraction =
        hn::IfThenElse(subnormal, hn::ShiftLeft<1>(hn::Sub(x.magnitude, hn::Set(di, 0x400000))),
                       hn::And(x.magnitude, hn::Set(di, 0x7FFFFF)));
    VI up;
    if (kStochastic) {
      const VI draw = hn::BitCast(di, hn::ShiftRight<8>(random));
      up = hn::IfThenElseZero(hn::Lt(draw, hn::ShiftLeft<1>(fraction)), one);
    } else {
      const VI threshold = hn::IfThenElse(subnormal, subnormal_threshold_, threshold_);
      up = hn::IfThenElseZero(hn::Gt(fraction, hn::Sub(threshold, one)), one);
    }
    const VI code = hn::Add(hn::ShiftRight<23>(x.magnitude), up);
    VI result = hn::IfThenElse(hn::Gt(code, hn::Set(di, 254)), over_, code);
    const VI nan = hn::Set(di, 255);
    if (positive_only_) {
      const VI zero = hn::Zero(di);
      result = hn::IfThenElse(hn::Eq(x.magnitude, zero), nan, result);
      result = hn::IfThenElse(hn::Lt(x.sign, zero), nan, result);
    }
    return hn::IfThenElse(x.IsNan(), nan, result);
  }

 private:
  VI over_, threshold_, subnormal_threshold_;
  bool positive_only_;
};

// int2 ... int8. kGeneral: every mode but nearest_even, from the exact fraction |x| - trunc|x|.
template <class D, bool kGeneral, bool kStochastic>
class IntegerEncoder {
 public:
  using DI = hn::RebindToSigned<D>;
  using DU = hn::RebindToUnsigned<D>;
  using VF = hn::Vec<D>;
  using VI = hn::Vec<DI>;
  using VU = hn::Vec<DU>;
  static constexpr bool kUsesRandom = kStochastic;

  IntegerEncoder(D d, const Layout& f, const EncodeOptions& options)
      : most_(hn::Set(d, static_cast<float>(max_code(f)))),
        least_(hn::Set(d, -1.0f - static_cast<float>(max_code(f)))),
        nan_(hn::Set(DI(), static_cast<std::int32_t>(nan_code(false, f, options.nan)))) {
    // Up when fraction * 2^24 >= the threshold; ties are at 2^23.
    constexpr std::int32_t kHalf = 1 << 23;
    const Rounding r = options.rounding;
    std::int32_t positive = 1 << 25, negative = 1 << 25;  // never
    if (r == Rounding::kNearestAway) positive = negative = kHalf;
    if (r == Rounding::kNearestTowardZero) positive = negative = kHalf + 1;
    if (r == Rounding::kNearestTowardNegative) positive = kHalf + 1, negative = kHalf;
    if (r == Rounding::kUp) positive = negative = 1;
    thresholds_[0] = hn::Set(d, static_cast<float>(positive));
    thresholds_[1] = hn::Set(d, static_cast<float>(negative));
    any_up_ = r == Rounding::kUp;
  }

  HWY_INLINE VI Encode(VF x) const { return Encode(x, hn::Zero(DU())); }
  HWY_INLINE VI Encode(VF x, VU random) const {
    const D d;
    const DI di;
    const auto is_nan = hn::RebindMask(di, hn::IsNaN(x));
    // The bounds are integers, so clamping first does not change what rounds to them.
    const VF clamped = hn::Max(hn::Min(x, most_), least_);
    VI code;
    if (kGeneral) {
      const VF magnitude = hn::Abs(clamped);
      const VI whole = hn::ConvertTo(di, magnitude);
      const VF fraction = hn::Sub(magnitude, hn::ConvertTo(d, whole));
      const VF scaled = hn::Mul(fraction, hn::Set(d, 0x1p24f));
      const auto negative = hn::Lt(clamped, hn::Zero(d));
      VI up;
      if (kStochastic) {
        const VI draw = hn::BitCast(di, hn::ShiftRight<8>(random));
        up = hn::VecFromMask(di, hn::Lt(draw, hn::ConvertTo(di, scaled)));
      } else if (any_up_) {
        // not "scaled >= 1": the fraction of a small number may lie below 2^-24
        const VI rest = hn::BitCast(di, fraction);
        up = hn::VecFromMask(di, hn::Gt(rest, hn::Zero(di)));
      } else {
        const VF threshold = hn::IfThenElse(negative, thresholds_[1], thresholds_[0]);
        up = hn::VecFromMask(di, hn::RebindMask(di, hn::Ge(scaled, threshold)));
      }
      const VI rounded = hn::Sub(whole, up);
      const VI sign = hn::VecFromMask(di, hn::RebindMask(di, negative));
      code = hn::Sub(hn::Xor(rounded, sign), sign);
    } else {
      code = hn::NearestInt(clamped);
    }
    return hn::IfThenElse(is_nan, nan_, code);
  }

 private:
  VF most_, least_;
  VI nan_;
  VF thresholds_[2];
  bool any_up_;
};

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace HWY_NAMESPACE
}  // namespace sylvester::detail
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
