// Inline conversions of one SIMD vector, for this room's kernels and for those of other rooms
// (quant, hadamard) that fuse them. Include after <hwy/highway.h> inside a foreach_target file.
// D is a tag of float32 lanes; every class holds its constants in vectors, so make it outside of
// the loop. All results equal scalar.h bit for bit.
//
//   WithEncoder(d, to, options, [&](const auto& encoder) {...})   picks the class for the options:
//     encoder.Encode(x)            float32 vector -> codes, one in each int32 lane, in the low
//                                  bits (integers: two's complement of 32 bits)
//     encoder.Encode(x, random)    the same with one random word a lane; needed where
//     encoder.kUsesRandom          is true (stochastic rounding)
//   NearestEvenEncoder(d, layout, options).Round(x)   float32 -> the nearest value of the format,
//                                  equal to Decode(Encode(x)), in about ten instructions; floating
//                                  formats of 8 bits and less with a mantissa, and float16
//   WithDecoder(d, from, [&](const auto& decoder) {...})
//     decoder.Decode(codes)        int32 lanes -> float32; bits above the format's width ignored
//   LoadFloat<from>(d, p)          float32, or widened bfloat16 / float16 patterns (NaN's sign
//   kept) PackBytes(d, c0, c1, c2, c3)   four vectors of codes -> 4 Lanes(d) bytes in element order
//   LoadCodes(d, p)                Lanes(d) bytes -> int32 lanes, zero-extended
//   RandomWords(stream, first, n, out)   out[i] = random_word(stream, first + i), by vectors
//
// 8-bit and 16-bit targets alike; WithEncoder handles every DType of formats(). Not there when
// HWY_TARGET is HWY_SCALAR (x86 before SSE4): call the scalar body then.
#include <cstdint>

#include "sylvester/formats/options.h"
#include "sylvester/formats/scalar.h"

#if defined(SYLVESTER_SIMD_FORMATS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SYLVESTER_SIMD_FORMATS_INL_H_
#undef SYLVESTER_SIMD_FORMATS_INL_H_
#else
#define SYLVESTER_SIMD_FORMATS_INL_H_
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

// What every floating encoder does after rounding: overflow, sign, NaN.
template <class D>
class Finish {
 public:
  using DI = hn::RebindToSigned<D>;
  using VI = hn::Vec<DI>;
  Finish(D d, const Layout& f, const EncodeOptions& options)
      : max_(hn::Set(DI(), static_cast<std::int32_t>(max_code(f)))),
        sign_code_(hn::Set(DI(), static_cast<std::int32_t>(sign_code(f)))),
        over_(d, overflow_code(false, f, options.overflow),
              overflow_code(true, f, options.overflow)),
        nan_(d, nan_code(false, f, options.nan), nan_code(true, f, options.nan)),
        unsigned_zero_(f.specials == Specials::kFnuz) {}

  // code is the rounded magnitude with unbounded exponent.
  HWY_INLINE VI operator()(VI code, const SignAndMagnitude<D>& x) const {
    VI sign = hn::And(x.sign, sign_code_);
    if (unsigned_zero_) sign = hn::IfThenZeroElse(hn::Eq(code, hn::Zero(DI())), sign);
    const VI result = hn::IfThenElse(hn::Gt(code, max_), over_(x.sign), hn::Or(code, sign));
    return hn::IfThenElse(x.IsNan(), nan_(x.sign), result);
  }
  // The same where code <= the largest finite one and the format has -0.
  HWY_INLINE VI WithoutOverflow(VI code, const SignAndMagnitude<D>& x) const {
    const VI result = hn::Or(code, hn::And(x.sign, sign_code_));
    return hn::IfThenElse(x.IsNan(), nan_(x.sign), result);
  }

 private:
  VI max_, sign_code_;
  BySign<D> over_, nan_;
  bool unsigned_zero_;
};

inline bool ClampsMagnitude(const Layout& f, const EncodeOptions& options) {
  return f.specials != Specials::kFnuz &&
         (options.overflow == Overflow::kSaturate || f.specials == Specials::kFiniteOnly);
}

// Round to nearest even by one float32 addition: |x| + 2^(E + 23 - m) has its last place at
// 2^(E - m), where E is the exponent of x, but at least the smallest normal one, so subnormal
// results need no case. The integer difference of the bits is the mantissa with its implied bit.
// kClamp: |x| is clamped to the largest finite value first and cannot overflow.
// Layouts with 1 <= mantissa_bits, exponent range inside float32's by 2^23: all of 8 bits and
// less, and float16.
template <class D, bool kClamp>
class NearestEvenEncoder {
 public:
  using DI = hn::RebindToSigned<D>;
  using DU = hn::RebindToUnsigned<D>;
  using VF = hn::Vec<D>;
  using VI = hn::Vec<DI>;
  static constexpr bool kUsesRandom = false;

  NearestEvenEncoder(D d, const Layout& f, const EncodeOptions& options)
      : finish_(d, f, options),
        clamp_(hn::Set(DI(), Clamp(f))),
        least_(hn::Set(DI(), (min_exponent(f) + 127) << 23)),
        magic_(hn::Set(DI(), (23 - f.mantissa_bits) << 23)),
        offset_(hn::Set(
            DI(), ((23 - f.mantissa_bits) << 23) + ((min_exponent(f) + 127) << f.mantissa_bits))),
        over_(d, DecodedOverflow(f, options, false), DecodedOverflow(f, options, true)),
        nan_(d, decode_bits(static_cast<std::uint32_t>(nan_code(false, f, options.nan)), f),
             decode_bits(static_cast<std::uint32_t>(nan_code(true, f, options.nan)), f)),
        max_(hn::Set(DI(), static_cast<std::int32_t>(
                               decode_bits(static_cast<std::uint32_t>(max_code(f)), f)))),
        shift_(23 - f.mantissa_bits),
        unsigned_zero_(f.specials == Specials::kFnuz) {}

  HWY_INLINE VI Encode(VF v) const {
    const SignAndMagnitude<D> x(v);
    const VI magnitude = hn::Min(x.magnitude, clamp_);
    const VI power = Power(magnitude);
    const VI sum = hn::BitCast(DI(), Sum(magnitude, power));
    // (sum - magic - power) + ((power >> shift) - (least << m)), constants joined
    const VI code =
        hn::Sub(hn::Add(hn::Sub(sum, power), hn::ShiftRightSame(power, shift_)), offset_);
    return kClamp ? finish_.WithoutOverflow(code, x) : finish_(code, x);
  }
  HWY_INLINE VI Encode(VF v, hn::Vec<DU>) const { return Encode(v); }

  HWY_INLINE VF Round(VF v) const {
    const SignAndMagnitude<D> x(v);
    const VI magnitude = hn::Min(x.magnitude, clamp_);
    const VI power = Power(magnitude);
    const VF magic = hn::BitCast(D(), hn::Add(power, magic_));
    const VI rounded = hn::BitCast(DI(), hn::Sub(Sum(magnitude, power), magic));
    VI sign = hn::ShiftLeft<31>(x.sign);
    if (unsigned_zero_) sign = hn::IfThenZeroElse(hn::Eq(rounded, hn::Zero(DI())), sign);
    VI result = hn::Or(rounded, sign);
    if (!kClamp) result = hn::IfThenElse(hn::Gt(rounded, max_), over_(x.sign), result);
    return hn::BitCast(D(), hn::IfThenElse(x.IsNan(), nan_(x.sign), result));
  }

 private:
  HWY_INLINE VI Power(VI magnitude) const {
    return hn::Max(hn::And(magnitude, hn::Set(DI(), 0x7F800000)), least_);
  }
  HWY_INLINE VF Sum(VI magnitude, VI power) const {
    return hn::Add(hn::BitCast(D(), magnitude), hn::BitCast(D(), hn::Add(power, magic_)));
  }
  static std::int32_t Clamp(const Layout& f) {
    if (kClamp) {
      return static_cast<std::int32_t>(decode_bits(static_cast<std::uint32_t>(max_code(f)), f));
    }
    return (unpack(max_code(f), f).exponent + 1 + 127) << 23;  // the power of two above it
  }
  static std::uint32_t DecodedOverflow(const Layout& f, const EncodeOptions& options,
                                       bool negative) {
    return decode_bits(static_cast<std::uint32_t>(overflow_code(negative, f, options.overflow)), f);
  }

  Finish<D> finish_;
  VI clamp_, least_, magic_, offset_;
  BySign<D> over_, nan_;
  VI max_;
  int shift_;
  bool unsigned_zero_;
};

// Every rounding mode to every floating layout but E8M0, by integer shifts of the significand.
template <class D, bool kStochastic>
class ShiftEncoder {
 public:
  using DI = hn::RebindToSigned<D>;
  using DU = hn::RebindToUnsigned<D>;
  using VF = hn::Vec<D>;
  using VI = hn::Vec<DI>;
  using VU = hn::Vec<DU>;
  static constexpr bool kUsesRandom = kStochastic;

  ShiftEncoder(D d, const Layout& f, const EncodeOptions& options)
      : finish_(d, f, options),
        least_(hn::Set(DI(), min_exponent(f) + 127)),
        clamp_(hn::Set(DI(), unpack(max_code(f), f).exponent >= 127
                                 ? 0x7F800000
                                 : (unpack(max_code(f), f).exponent + 1 + 127) << 23)),
        shift_(hn::Set(DI(), 23 - f.mantissa_bits)),
        mantissa_bits_(f.mantissa_bits) {
    const Rounding r = options.rounding;
    const bool nearest = r == Rounding::kNearestEven || r == Rounding::kNearestAway ||
                         r == Rounding::kNearestTowardNegative || r == Rounding::kNearestTowardZero;
    half_less_one_ = Flag(nearest);
    odd_ = Flag(r == Rounding::kNearestEven, 1);
    negative_ = Flag(r == Rounding::kNearestTowardNegative, 1);
    one_ = Flag(r == Rounding::kNearestAway, 1);
    all_ = Flag(r == Rounding::kUp);
  }

  HWY_INLINE VI Encode(VF v) const { return Encode(v, hn::Zero(DU())); }
  HWY_INLINE VI Encode(VF v, VU random) const {
    const DI di;
    const SignAndMagnitude<D> x(v);
    const VI magnitude = hn::Min(x.magnitude, clamp_);
    const VI one = hn::Set(di, 1);
    const VI field = hn::Max(hn::ShiftRight<23>(magnitude), one);
    const VI implied =
        hn::IfThenElseZero(hn::Gt(magnitude, hn::Set(di, 0x7FFFFF)), hn::Set(di, 0x800000));
    const VI significand = hn::Or(hn::And(magnitude, hn::Set(di, 0x7FFFFF)), implied);
    const VI exponent = hn::Max(field, least_);
    const VI cut = hn::Add(shift_, hn::Sub(exponent, field));  // bits cut off, before capping
    const VI shift = hn::Min(cut, hn::Set(di, 31));
    const VI kept = ShiftRight(significand, shift);
    const VI power_less_one = hn::Sub(ShiftLeft(one, shift), one);
    const VI rest = hn::And(significand, power_less_one);
    const VI code = hn::Add(hn::ShiftLeftSame(hn::Sub(exponent, least_), mantissa_bits_), kept);
    VI up;
    if (kStochastic) {
      const VI zero = hn::Zero(di);
      const VI left = hn::Max(hn::Sub(hn::Set(di, 24), cut), zero);
      const VI right = hn::Min(hn::Max(hn::Sub(cut, hn::Set(di, 24)), zero), hn::Set(di, 31));
      const VI top = ShiftRight(ShiftLeft(rest, left), right);
      const VI draw = hn::BitCast(di, hn::ShiftRight<8>(random));
      up = hn::IfThenElseZero(hn::Lt(draw, top), one);
    } else {
      const VI half_less_one =
          hn::BitCast(di, hn::ShiftRight<1>(hn::BitCast(DU(), power_less_one)));
      VI bias = hn::And(half_less_one, half_less_one_);
      bias = hn::Add(bias, hn::And(code, odd_));
      bias = hn::Add(bias, hn::And(x.sign, negative_));
      bias = hn::Add(bias, hn::Add(hn::And(power_less_one, all_), one_));
      up = ShiftRight(hn::Add(rest, bias), shift);
    }
    return finish_(hn::Add(code, up), x);
  }

 private:
  static VI Flag(bool on, std::int32_t mask = -1) { return hn::Set(DI(), on ? mask : 0); }
  static HWY_INLINE VI ShiftRight(VI v, VI by) {
    return hn::BitCast(DI(), hn::Shr(hn::BitCast(DU(), v), hn::BitCast(DU(), by)));
  }
  static HWY_INLINE VI ShiftLeft(VI v, VI by) {
    return hn::BitCast(DI(), hn::Shl(hn::BitCast(DU(), v), hn::BitCast(DU(), by)));
  }

  Finish<D> finish_;
  VI least_, clamp_, shift_;
  VI half_less_one_, odd_, negative_, one_, all_;
  int mantissa_bits_;
};

// bfloat16 under nearest_even: the carry of one integer addition.
template <class D>
class BFloat16Encoder {
 public:
  using DI = hn::RebindToSigned<D>;
  using DU = hn::RebindToUnsigned<D>;
  using VF = hn::Vec<D>;
  using VI = hn::Vec<DI>;
  static constexpr bool kUsesRandom = false;

  BFloat16Encoder(D d, const EncodeOptions& options)
      : limit_(hn::Set(DI(), options.overflow == Overflow::kSaturate ? 0x7F7F : 0x7F80)),
        nan_(d, nan_code(false, layout(DType::kBFloat16), options.nan),
             nan_code(true, layout(DType::kBFloat16), options.nan)) {}

  HWY_INLINE VI Encode(VF v) const {
    const DI di;
    const SignAndMagnitude<D> x(v);
    const VI odd = hn::And(hn::ShiftRight<16>(x.magnitude), hn::Set(di, 1));
    // NaN may carry into the sign here; it is replaced below.
    const VI sum = hn::Add(x.magnitude, hn::Add(odd, hn::Set(di, 0x7FFF)));
    const VI code = hn::Min(hn::ShiftRight<16>(sum), limit_);
    const VI result = hn::Or(code, hn::And(x.sign, hn::Set(di, 0x8000)));
    return hn::IfThenElse(x.IsNan(), nan_(x.sign), result);
  }
  HWY_INLINE VI Encode(VF v, hn::Vec<DU>) const { return Encode(v); }

 private:
  VI limit_;
  BySign<D> nan_;
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

template <class D, class F>
HWY_INLINE void WithEncoder(D d, DType to, const EncodeOptions& options, const F& f) {
  const Layout layout_to = layout(to);
  const bool even = options.rounding == Rounding::kNearestEven;
  const bool stochastic = options.rounding == Rounding::kStochastic;
  if (layout_to.specials == Specials::kInteger) {
    if (even) return f(IntegerEncoder<D, false, false>(d, layout_to, options));
    if (stochastic) return f(IntegerEncoder<D, true, true>(d, layout_to, options));
    return f(IntegerEncoder<D, true, false>(d, layout_to, options));
  }
  if (layout_to.specials == Specials::kE8m0) {
    if (stochastic) return f(ScaleEncoder<D, true>(d, options));
    return f(ScaleEncoder<D, false>(d, options));
  }
  if (stochastic) return f(ShiftEncoder<D, true>(d, layout_to, options));
  // With no mantissa bit the parity of the float32 addition is not the parity of the code.
  if (!even || layout_to.mantissa_bits == 0) {
    return f(ShiftEncoder<D, false>(d, layout_to, options));
  }
  if (to == DType::kBFloat16) return f(BFloat16Encoder<D>(d, options));
  if (ClampsMagnitude(layout_to, options)) {
    return f(NearestEvenEncoder<D, true>(d, layout_to, options));
  }
  f(NearestEvenEncoder<D, false>(d, layout_to, options));
}

// Floating formats. A normal code moved to float32's mantissa and rebiased is the number; a
// subnormal one is (1 + m) 2^(1-bias) - 2^(1-bias), exact and free of float32 subnormals.
// Specials are compile-time so that formats without them pay nothing.
template <class D, Specials kSpecials>
class FloatDecoder {
 public:
  using DI = hn::RebindToSigned<D>;
  using VF = hn::Vec<D>;
  using VI = hn::Vec<DI>;

  FloatDecoder(D d, const Layout& f)
      : magnitude_mask_(hn::Set(DI(), static_cast<std::int32_t>(sign_code(f) - 1))),
        max_(hn::Set(DI(), static_cast<std::int32_t>(max_code(f)))),
        rebias_(hn::Set(DI(), (127 - f.bias) << 23)),
        subnormal_(hn::Set(DI(), 1 << f.mantissa_bits)),
        one_(hn::BitCast(d, hn::Set(DI(), (128 - f.bias) << 23))),
        mantissa_shift_(23 - f.mantissa_bits),
        sign_shift_(32 - code_bits(f)) {}

  HWY_INLINE VF Decode(VI code) const {
    const D d;
    const DI di;
    const VI magnitude = hn::And(code, magnitude_mask_);
    const VI sign = hn::And(hn::ShiftLeftSame(code, sign_shift_),
                            hn::Set(di, static_cast<std::int32_t>(0x80000000u)));
    const VI normal = hn::Add(hn::ShiftLeftSame(magnitude, mantissa_shift_), rebias_);
    const VF shifted = hn::BitCast(d, hn::Add(normal, hn::Set(di, 1 << 23)));
    const VI subnormal = hn::BitCast(di, hn::Sub(shifted, one_));
    VI bits = hn::IfThenElse(hn::Lt(magnitude, subnormal_), subnormal, normal);
    const VI nan = hn::Set(di, 0x7FC00000);
    if (kSpecials == Specials::kIeee) {
      bits = hn::IfThenElse(hn::Gt(magnitude, max_), hn::Set(di, 0x7F800000), bits);
    }
    bits = hn::Or(bits, sign);
    if (kSpecials == Specials::kIeee) {
      const VI infinity = hn::Add(max_, hn::Set(di, 1));
      bits = hn::IfThenElse(hn::Gt(magnitude, infinity), nan, bits);
    } else if (kSpecials == Specials::kFn) {
      bits = hn::IfThenElse(hn::Gt(magnitude, max_), nan, bits);
    } else if (kSpecials == Specials::kFnuz) {
      const VI negative_zero = hn::Set(di, static_cast<std::int32_t>(0x80000000u));
      bits = hn::IfThenElse(hn::Eq(bits, negative_zero), nan, bits);
    }
    return hn::BitCast(d, bits);
  }

 private:
  VI magnitude_mask_, max_, rebias_, subnormal_;
  VF one_;
  int mantissa_shift_, sign_shift_;
};

template <class D>
class BFloat16Decoder {
 public:
  using DI = hn::RebindToSigned<D>;
  explicit BFloat16Decoder(D) {}
  HWY_INLINE hn::Vec<D> Decode(hn::Vec<DI> code) const {
    const hn::Vec<D> x = hn::BitCast(D(), hn::ShiftLeft<16>(code));
    const hn::Vec<DI> nan = hn::Set(DI(), 0x7FC00000);
    return hn::IfThenElse(hn::IsNaN(x), hn::BitCast(D(), nan), x);
  }
};

template <class D>
class ScaleDecoder {
 public:
  using DI = hn::RebindToSigned<D>;
  explicit ScaleDecoder(D) {}
  HWY_INLINE hn::Vec<D> Decode(hn::Vec<DI> code) const {
    const DI di;
    const hn::Vec<DI> byte = hn::And(code, hn::Set(di, 0xFF));
    hn::Vec<DI> bits = hn::ShiftLeft<23>(byte);
    bits = hn::IfThenElse(hn::Eq(byte, hn::Zero(di)), hn::Set(di, 0x00400000), bits);
    bits = hn::IfThenElse(hn::Eq(byte, hn::Set(di, 0xFF)), hn::Set(di, 0x7FC00000), bits);
    return hn::BitCast(D(), bits);
  }
};

template <class D>
class IntegerDecoder {
 public:
  using DI = hn::RebindToSigned<D>;
  IntegerDecoder(D, const Layout& f) : shift_(32 - code_bits(f)) {}
  HWY_INLINE hn::Vec<D> Decode(hn::Vec<DI> code) const {
    return hn::ConvertTo(D(), hn::ShiftRightSame(hn::ShiftLeftSame(code, shift_), shift_));
  }

 private:
  int shift_;
};

template <class D, class F>
HWY_INLINE void WithDecoder(D d, DType from, const F& f) {
  const Layout layout_from = layout(from);
  if (from == DType::kBFloat16) return f(BFloat16Decoder<D>(d));
  switch (layout_from.specials) {
    case Specials::kIeee:
      return f(FloatDecoder<D, Specials::kIeee>(d, layout_from));
    case Specials::kFn:
      return f(FloatDecoder<D, Specials::kFn>(d, layout_from));
    case Specials::kFnuz:
      return f(FloatDecoder<D, Specials::kFnuz>(d, layout_from));
    case Specials::kFiniteOnly:
      return f(FloatDecoder<D, Specials::kFiniteOnly>(d, layout_from));
    case Specials::kE8m0:
      return f(ScaleDecoder<D>(d));
    case Specials::kInteger:
      return f(IntegerDecoder<D>(d, layout_from));
  }
}

// A source of numbers: float32, or patterns of bfloat16 or float16.
template <DType kFrom, class D>
HWY_INLINE hn::Vec<D> LoadFloat(D d, const void* HWY_RESTRICT p) {
  const hn::RebindToSigned<D> di;
  if constexpr (kFrom == DType::kFloat32) {
    return hn::LoadU(d, static_cast<const float*>(p));
  } else {
    const hn::Rebind<std::uint16_t, D> d16;
    const auto code = hn::PromoteTo(di, hn::LoadU(d16, static_cast<const std::uint16_t*>(p)));
    if constexpr (kFrom == DType::kBFloat16) {
      return hn::BitCast(d, hn::ShiftLeft<16>(code));
    } else {
      const auto magnitude = hn::And(code, hn::Set(di, 0x7FFF));
      const auto sign = hn::ShiftLeft<16>(hn::Xor(code, magnitude));
      const auto normal = hn::Add(hn::ShiftLeft<13>(magnitude), hn::Set(di, 112 << 23));
      const auto shifted = hn::BitCast(d, hn::Add(normal, hn::Set(di, 1 << 23)));
      const auto subnormal = hn::BitCast(di, hn::Sub(shifted, hn::Set(d, 0x1p-14f)));
      const auto special = hn::Or(normal, hn::Set(di, 0x7F800000));
      auto bits = hn::IfThenElse(hn::Lt(magnitude, hn::Set(di, 0x400)), subnormal, normal);
      bits = hn::IfThenElse(hn::Gt(magnitude, hn::Set(di, 0x7BFF)), special, bits);
      return hn::BitCast(d, hn::Or(bits, sign));
    }
  }
}

template <class D>
HWY_INLINE hn::Vec<hn::RebindToSigned<D>> LoadCodes(D, const std::uint8_t* HWY_RESTRICT p) {
  return hn::PromoteTo(hn::RebindToSigned<D>(), hn::LoadU(hn::Rebind<std::uint8_t, D>(), p));
}

// Bytes of the int32 lanes side by side, then a 4 x Lanes transposition: inside each 128-bit
// block by bytes, across blocks by 32-bit lanes.
template <class D, class VI = hn::Vec<hn::RebindToSigned<D>>>
HWY_INLINE hn::Vec<hn::Repartition<std::uint8_t, D>> PackBytes(D, VI c0, VI c1, VI c2, VI c3) {
  const hn::RebindToSigned<D> di;
  const hn::Repartition<std::uint8_t, D> d8;
  const VI byte = hn::Set(di, 0xFF);
  const VI low = hn::Or(hn::And(c0, byte), hn::ShiftLeft<8>(hn::And(c1, byte)));
  const VI high = hn::Or(hn::ShiftLeft<16>(hn::And(c2, byte)), hn::ShiftLeft<24>(c3));
  alignas(16) static constexpr std::uint8_t kInBlock[16] = {0, 4, 8,  12, 1, 5, 9,  13,
                                                            2, 6, 10, 14, 3, 7, 11, 15};
  const auto blocks =
      hn::TableLookupBytes(hn::BitCast(d8, hn::Or(low, high)), hn::LoadDup128(d8, kInBlock));
  constexpr std::size_t kBlocks = hn::MaxLanes(di) / 4;
  if constexpr (kBlocks <= 1) {
    return blocks;
  } else {
    alignas(64) static constexpr std::int32_t kAcross[2][16] = {
        {0, 4, 1, 5, 2, 6, 3, 7}, {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15}};
    const auto indices = hn::SetTableIndices(di, kAcross[kBlocks == 2 ? 0 : 1]);
    return hn::BitCast(d8, hn::TableLookupLanes(hn::BitCast(di, blocks), indices));
  }
}

// Philox blocks, one a lane. Source and counter layout: sylvester/core/philox.h.
template <class DU, class VU = hn::Vec<DU>>
HWY_INLINE void Philox(DU du, const RandomStream& stream, std::uint64_t block, VU (&words)[4]) {
  const hn::RepartitionToWide<DU> dw;
  // The low counter word does not wrap inside a vector: callers see to it.
  words[0] = hn::Iota(du, 0);
  words[0] = hn::Add(words[0], hn::Set(du, static_cast<std::uint32_t>(block)));
  words[1] = hn::Set(du, static_cast<std::uint32_t>(block >> 32));
  words[2] = hn::Set(du, stream.step);
  words[3] = hn::Set(du, stream.tensor);
  const VU m0 = hn::Set(du, 0xD2511F53u), m1 = hn::Set(du, 0xCD9E8D57u);
  std::uint32_t k0 = static_cast<std::uint32_t>(stream.seed);
  std::uint32_t k1 = static_cast<std::uint32_t>(stream.seed >> 32);
  const auto multiply = [&](VU a, VU m, VU& high, VU& low) HWY_ATTR {
    const auto even = hn::MulEven(a, m);
    const auto odd = hn::MulEven(hn::BitCast(du, hn::ShiftRight<32>(hn::BitCast(dw, a))), m);
    high = hn::OddEven(hn::BitCast(du, odd), hn::BitCast(du, hn::ShiftRight<32>(even)));
    low = hn::OddEven(hn::BitCast(du, hn::ShiftLeft<32>(odd)), hn::BitCast(du, even));
  };
  for (int round = 0; round < 10; ++round) {
    VU high0, low0, high1, low1;
    multiply(words[0], m0, high0, low0);
    multiply(words[2], m1, high1, low1);
    words[0] = hn::Xor(hn::Xor(high1, words[1]), hn::Set(du, k0));
    words[1] = low1;
    words[2] = hn::Xor(hn::Xor(high0, words[3]), hn::Set(du, k1));
    words[3] = low0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
}

inline void RandomWords(const RandomStream& stream, std::uint64_t first, std::int64_t n,
                        std::uint32_t* HWY_RESTRICT out) {
  const hn::ScalableTag<std::uint32_t> du;
  const std::int64_t step = 4 * static_cast<std::int64_t>(hn::Lanes(du));
  std::int64_t i = 0;
  for (; i < n && (first + static_cast<std::uint64_t>(i)) % 4 != 0; ++i) {
    out[i] = random_word(stream, first + static_cast<std::uint64_t>(i));
  }
  while (i + step <= n) {
    const std::uint64_t block = (first + static_cast<std::uint64_t>(i)) / 4;
    const std::uint64_t lanes = static_cast<std::uint64_t>(step) / 4;
    if ((block & 0xFFFFFFFFu) + lanes > 0x100000000u) {  // the low counter word wraps here
      for (std::int64_t k = 0; k < step; ++k, ++i) {
        out[i] = random_word(stream, first + static_cast<std::uint64_t>(i));
      }
      continue;
    }
    hn::Vec<decltype(du)> words[4];
    Philox(du, stream, block, words);
    hn::StoreInterleaved4(words[0], words[1], words[2], words[3], du, out + i);
    i += step;
  }
  for (; i < n; ++i) out[i] = random_word(stream, first + static_cast<std::uint64_t>(i));
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace HWY_NAMESPACE
}  // namespace sylvester::detail
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
