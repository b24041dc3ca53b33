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

#include "simd/formats_decode-inl.h"

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

// True where no |v| exceeds `most`, as bits; NaN does.
template <class D, class VF = hn::Vec<D>>
HWY_INLINE bool AllAtMost(D, const VF (&v)[4], hn::Vec<hn::RebindToSigned<D>> most) {
  const hn::RebindToSigned<D> di;
  const auto magnitude = [](VF x) HWY_ATTR {
    return hn::And(hn::BitCast(hn::RebindToSigned<D>(), x),
                   hn::Set(hn::RebindToSigned<D>(), 0x7FFFFFFF));
  };
  const auto low = hn::Max(magnitude(v[0]), magnitude(v[1]));
  const auto high = hn::Max(magnitude(v[2]), magnitude(v[3]));
  return hn::AllFalse(di, hn::Gt(hn::Max(low, high), most));
}

// int2 ... int8: the number is rounded to an integral float32 by the mode, then converted and
// saturated, four vectors at a time.
template <class D, bool kStochastic>
class IntegerEncoder {
 public:
  using DI = hn::RebindToSigned<D>;
  using DU = hn::RebindToUnsigned<D>;
  using D8 = hn::Repartition<std::uint8_t, D>;
  using DS8 = hn::RebindToSigned<D8>;
  using VF = hn::Vec<D>;
  using VI = hn::Vec<DI>;
  using VU = hn::Vec<DU>;
  static constexpr bool kUsesRandom = kStochastic;

  IntegerEncoder(D d, const Layout& f, const EncodeOptions& options)
      : rounding_(options.rounding),
        most_(hn::Set(d, static_cast<float>(max_code(f)))),
        most_byte_(hn::Set(DS8(), static_cast<std::int8_t>(max_code(f)))),
        least_byte_(hn::Set(DS8(), static_cast<std::int8_t>(-1 - static_cast<int>(max_code(f))))),
        nan_(hn::Set(D8(), static_cast<std::uint8_t>(nan_code(false, f, options.nan)))) {
    // A tie to nearest even is undone where its rest is this half, with the sign of x or without.
    const bool away = rounding_ == Rounding::kNearestAway;
    tie_ = hn::Set(d, away ? 0.5f : -0.5f);
    const bool by_sign = rounding_ != Rounding::kNearestTowardNegative;
    tie_sign_ = hn::Set(DI(), by_sign ? static_cast<std::int32_t>(0x80000000u) : 0);
  }

  HWY_INLINE hn::Vec<D8> Bytes(const VF (&v)[4], const VU (&random)[4]) const {
    VF y[4];
    // The bounds are integers, so clamping first does not change what rounds to them; what lies
    // far below the least one saturates in the conversion.
    for (int k = 0; k < 4; ++k) y[k] = Round(hn::Min(v[k], most_), random[k]);
    const auto bytes =
        hn::Min(hn::Max(SaturatedBytes(D(), y[0], y[1], y[2], y[3]), least_byte_), most_byte_);
    const auto codes = hn::BitCast(D8(), bytes);
    // A sum is NaN where a term is (and of Inf - Inf, which does no harm).
    const VF sum = hn::Add(hn::Add(v[0], v[1]), hn::Add(v[2], v[3]));
    if (HWY_LIKELY(hn::AllFalse(D(), hn::IsNaN(sum)))) return codes;
    const auto is_nan = [](VF x) HWY_ATTR {
      return hn::VecFromMask(DI(), hn::RebindMask(DI(), hn::IsNaN(x)));
    };
    const auto nans = PackBytes(D(), is_nan(v[0]), is_nan(v[1]), is_nan(v[2]), is_nan(v[3]));
    return hn::IfThenElse(hn::MaskFromVec(nans), nan_, codes);
  }

 private:
  HWY_INLINE VF Round(VF x, VU random) const {
    const D d;
    const DI di;
    const VI sign_bit = hn::Set(di, static_cast<std::int32_t>(0x80000000u));
    const VF one = hn::BitCast(d, hn::OrAnd(hn::BitCast(di, hn::Set(d, 1.0f)), hn::BitCast(di, x),
                                            sign_bit));  // with the sign of x
    if (kStochastic) {
      const VF whole = hn::Trunc(x);
      const VF fraction = hn::Mul(hn::Abs(hn::Sub(x, whole)), hn::Set(d, 0x1p24f));
      const VI draw = hn::BitCast(di, hn::ShiftRight<8>(random));
      const auto up = hn::RebindMask(d, hn::Lt(draw, CutToInt(d, fraction)));
      return hn::Add(whole, hn::IfThenElseZero(up, one));
    }
    if (rounding_ == Rounding::kNearestEven) return x;  // as the conversion does
    if (rounding_ == Rounding::kTowardZero || rounding_ == Rounding::kDown) return hn::Trunc(x);
    if (rounding_ == Rounding::kUp) {
      const VF whole = hn::Trunc(x);
      return hn::Add(whole, hn::IfThenElseZero(hn::Ne(x, whole), one));
    }
    const VF nearest = hn::Round(x);
    const VI flip = hn::And(hn::BitCast(di, x), tie_sign_);
    const VF tie = hn::BitCast(d, hn::Xor(hn::BitCast(di, tie_), flip));
    const auto move = hn::Eq(hn::Sub(x, nearest), tie);
    return hn::Add(nearest, hn::IfThenElseZero(move, hn::Add(tie, tie)));
  }

  Rounding rounding_;
  VF most_;
  hn::Vec<DS8> most_byte_, least_byte_;
  hn::Vec<D8> nan_;
  VF tie_;
  VI tie_sign_;
};

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace HWY_NAMESPACE
}  // namespace sylvester::detail
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
