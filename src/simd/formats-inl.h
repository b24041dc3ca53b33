// Inline conversions of one SIMD vector, for this room's kernels and for those of other rooms
// (quant, hadamard) that fuse them. Include after <hwy/highway.h> inside a foreach_target file.
// D is a tag of float32 lanes; every class holds its constants in vectors, so make it outside of
// the loop, and copy it into a local of the function that stores (else each store may reload it).
// All results equal scalar.h bit for bit.
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
//   EncodeBytes(encoder, v0, v1, v2, v3)   four vectors -> 4 Lanes(d) code bytes in element order
//   LoadFloat<from>(d, p)          float32, or widened bfloat16 / float16 (the sign of NaN kept)
//   PackBytes(d, c0, c1, c2, c3)   the low bytes of four vectors of codes, in element order
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

#include "simd/formats_decode-inl.h"
#include "simd/formats_integer-inl.h"
#include "simd/formats_random-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sylvester::detail {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
#if HWY_TARGET != HWY_SCALAR

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

// Rounding by one float32 addition: |x| + 2^(E + 23 - m) has its last place at 2^(E - m), where E
// is the exponent of x, but at least the smallest normal one, so subnormal results need no case.
// The integer difference of the bits is the mantissa with its implied bit.
// kClamp: |x| is clamped to the largest finite value first and cannot overflow.
// Layouts: all floating ones of 8 bits and less with 1 <= mantissa_bits, and float16.
template <class D, bool kClamp>
class AddMagic {
 public:
  using DI = hn::RebindToSigned<D>;
  using VF = hn::Vec<D>;
  using VI = hn::Vec<DI>;
  AddMagic(D, const Layout& f)
      : clamp_(hn::Set(DI(), Clamp(f))),
        least_(hn::Set(DI(), (min_exponent(f) + 127) << 23)),
        magic_(hn::Set(DI(), (23 - f.mantissa_bits) << 23)),
        shift_(23 - f.mantissa_bits) {}

  // What an encoder adds to `Raw` to have the code: -Offset(f).
  static std::int32_t Offset(const Layout& f) {
    return ((23 - f.mantissa_bits) << 23) + ((min_exponent(f) + 127) << f.mantissa_bits);
  }
  HWY_INLINE VI Clamped(VI magnitude) const { return hn::Min(magnitude, clamp_); }
  // 2^E as bits.
  HWY_INLINE VI Power(VI magnitude) const {
    return hn::Max(hn::And(magnitude, hn::Set(DI(), 0x7F800000)), least_);
  }
  HWY_INLINE VF Magic(VI power) const { return hn::BitCast(D(), hn::Add(power, magic_)); }
  HWY_INLINE VF Sum(VI magnitude, VI power) const {
    return hn::Add(hn::BitCast(D(), magnitude), Magic(power));
  }
  // (sum - power - magic) + ((power >> shift) - (least << m)), but for the constants.
  HWY_INLINE VI Raw(VF sum, VI power) const {
    return hn::Add(hn::Sub(hn::BitCast(DI(), sum), power), Field(power));
  }
  HWY_INLINE VI Field(VI power) const { return hn::ShiftRightSame(power, shift_); }

 private:
  static std::int32_t Clamp(const Layout& f) {
    if (kClamp) {
      return static_cast<std::int32_t>(decode_bits(static_cast<std::uint32_t>(max_code(f)), f));
    }
    return (unpack(max_code(f), f).exponent + 1 + 127) << 23;  // the power of two above it
  }
  VI clamp_, least_, magic_;
  int shift_;
};

template <class D, bool kClamp>
class NearestEvenEncoder {
 public:
  using DI = hn::RebindToSigned<D>;
  using DU = hn::RebindToUnsigned<D>;
  using D8 = hn::Repartition<std::uint8_t, D>;
  using VF = hn::Vec<D>;
  using VI = hn::Vec<DI>;
  static constexpr bool kUsesRandom = false;

  NearestEvenEncoder(D d, const Layout& f, const EncodeOptions& options)
      : add_(d, f),
        finish_(d, f, options),
        offset_(hn::Set(DI(), AddMagic<D, kClamp>::Offset(f))),
        plain_(hn::Set(DI(), Plain(f))),
        sign_byte_(hn::Set(DI(), static_cast<std::int32_t>(sign_code(f)))),
        offset_bytes_(hn::Set(D8(), static_cast<std::uint8_t>(AddMagic<D, kClamp>::Offset(f)))),
        over_(d, DecodedOverflow(f, options, false), DecodedOverflow(f, options, true)),
        nan_(d, decode_bits(static_cast<std::uint32_t>(nan_code(false, f, options.nan)), f),
             decode_bits(static_cast<std::uint32_t>(nan_code(true, f, options.nan)), f)),
        max_(hn::Set(DI(), static_cast<std::int32_t>(
                               decode_bits(static_cast<std::uint32_t>(max_code(f)), f)))),
        sign_shift_(32 - code_bits(f)),
        unsigned_zero_(f.specials == Specials::kFnuz) {}

  HWY_INLINE VI Encode(VF v) const {
    const SignAndMagnitude<D> x(v);
    const VI magnitude = add_.Clamped(x.magnitude);
    const VI power = add_.Power(magnitude);
    const VI code = hn::Sub(add_.Raw(add_.Sum(magnitude, power), power), offset_);
    return kClamp ? finish_.WithoutOverflow(code, x) : finish_(code, x);
  }
  HWY_INLINE VI Encode(VF v, hn::Vec<DU>) const { return Encode(v); }

  // Four vectors to bytes, 8-bit layouts and narrower. Where none of the numbers is NaN or
  // overflows (nearly always) the constants and the sign are added to bytes, not to lanes.
  HWY_INLINE hn::Vec<D8> EncodeBytes(VF v0, VF v1, VF v2, VF v3) const {
    const D d;
    const DI di;
    const D8 d8;
    const VI mask = hn::Set(di, 0x7FFFFFFF);
    const VI b0 = hn::BitCast(di, v0), b1 = hn::BitCast(di, v1);
    const VI b2 = hn::BitCast(di, v2), b3 = hn::BitCast(di, v3);
    const VI m0 = hn::And(b0, mask), m1 = hn::And(b1, mask);
    const VI m2 = hn::And(b2, mask), m3 = hn::And(b3, mask);
    const VI most = hn::Max(hn::Max(m0, m1), hn::Max(m2, m3));
    if (HWY_UNLIKELY(!hn::AllFalse(di, hn::Gt(most, plain_)))) {
      return PackBytes(d, Encode(v0), Encode(v1), Encode(v2), Encode(v3));
    }
    auto bytes = PackBytes(d, Plainly(b0, m0), Plainly(b1, m1), Plainly(b2, m2), Plainly(b3, m3));
    bytes = hn::Sub(bytes, offset_bytes_);
    if (unsigned_zero_) {
      bytes = hn::IfThenZeroElse(hn::Eq(bytes, hn::Set(d8, 0x80)), bytes);
    }
    return bytes;
  }

  HWY_INLINE VF Round(VF v) const {
    const SignAndMagnitude<D> x(v);
    const VI magnitude = add_.Clamped(x.magnitude);
    const VI power = add_.Power(magnitude);
    const VI rounded = hn::BitCast(DI(), hn::Sub(add_.Sum(magnitude, power), add_.Magic(power)));
    VI sign = hn::ShiftLeft<31>(x.sign);
    if (unsigned_zero_) sign = hn::IfThenZeroElse(hn::Eq(rounded, hn::Zero(DI())), sign);
    VI result = hn::Or(rounded, sign);
    if (!kClamp) result = hn::IfThenElse(hn::Gt(rounded, max_), over_(x.sign), result);
    return hn::BitCast(D(), hn::IfThenElse(x.IsNan(), nan_(x.sign), result));
  }

 private:
  // Right in the low byte: 2^E has nothing there, so it need not be subtracted from the sum.
  HWY_INLINE VI Plainly(VI bits, VI magnitude) const {
    if (kClamp) magnitude = add_.Clamped(magnitude);
    const VI power = add_.Power(magnitude);
    const VI sum = hn::BitCast(DI(), add_.Sum(magnitude, power));
    const hn::Vec<DU> top = hn::ShiftRightSame(hn::BitCast(DU(), bits), sign_shift_);
    const VI sign = hn::And(hn::BitCast(DI(), top), sign_byte_);
    return hn::Add(hn::Add(sum, add_.Field(power)), sign);
  }
  // The largest magnitude that needs neither NaN nor overflow handling, as bits.
  static std::int32_t Plain(const Layout& f) {
    if (kClamp) return 0x7F800000;
    const auto max =
        static_cast<std::int32_t>(decode_bits(static_cast<std::uint32_t>(max_code(f)), f));
    // Up to the tie above the largest value, which goes to the even code.
    return max + (1 << (22 - f.mantissa_bits)) - static_cast<std::int32_t>(max_code(f) & 1);
  }
  static std::uint32_t DecodedOverflow(const Layout& f, const EncodeOptions& options,
                                       bool negative) {
    return decode_bits(static_cast<std::uint32_t>(overflow_code(negative, f, options.overflow)), f);
  }

  AddMagic<D, kClamp> add_;
  Finish<D> finish_;
  VI offset_, plain_, sign_byte_;
  hn::Vec<D8> offset_bytes_;
  BySign<D> over_, nan_;
  VI max_;
  int sign_shift_;
  bool unsigned_zero_;
};

// The other rounding modes of the same layouts: the sum rounds to nearest even, what it cut off is
// known exactly, and decides whether the code moves by one.
template <class D, bool kStochastic>
class CorrectedEncoder {
 public:
  using DI = hn::RebindToSigned<D>;
  using DU = hn::RebindToUnsigned<D>;
  using VF = hn::Vec<D>;
  using VI = hn::Vec<DI>;
  using VU = hn::Vec<DU>;
  static constexpr bool kUsesRandom = kStochastic;

  CorrectedEncoder(D d, const Layout& f, const EncodeOptions& options)
      : add_(d, f),
        finish_(d, f, options),
        offset_(hn::Set(DI(), AddMagic<D, false>::Offset(f))),
        // 2^(m + 1 - E): the rest in halves of the last place; stochastic: in 2^-24 of it.
        inverse_(hn::Set(DI(), (254 + f.mantissa_bits + (kStochastic ? 24 : 1)) << 23)),
        up_(d, Up(options.rounding, false), Up(options.rounding, true)),
        down_(d, Down(options.rounding, false), Down(options.rounding, true)) {}

  HWY_INLINE VI Encode(VF v) const { return Encode(v, hn::Zero(DU())); }
  HWY_INLINE VI Encode(VF v, VU random) const {
    const D d;
    const DI di;
    const SignAndMagnitude<D> x(v);
    const VI magnitude = add_.Clamped(x.magnitude);
    const VI power = add_.Power(magnitude);
    const VF sum = add_.Sum(magnitude, power);
    VI code = hn::Sub(add_.Raw(sum, power), offset_);
    const VF rest = hn::Sub(hn::BitCast(d, magnitude), hn::Sub(sum, add_.Magic(power)));
    const VF scaled = hn::Mul(rest, hn::BitCast(d, hn::Sub(inverse_, power)));
    if (kStochastic) {
      // A negative rest belongs to the code below; it is then a whole number of 2^-24.
      const VI top = hn::ConvertTo(di, scaled);
      const VI below = hn::ShiftRight<31>(top);
      const VI fraction = hn::Add(top, hn::And(below, hn::Set(di, 1 << 24)));
      const VI draw = hn::BitCast(di, hn::ShiftRight<8>(random));
      code = hn::Sub(hn::Add(code, below), hn::VecFromMask(di, hn::Lt(draw, fraction)));
    } else {
      const VI bits = hn::BitCast(di, scaled);
      const VI flipped = hn::Xor(bits, hn::Set(di, static_cast<std::int32_t>(0x80000000u)));
      code = hn::Sub(code, hn::VecFromMask(di, hn::Gt(bits, up_(x.sign))));
      code = hn::Add(code, hn::VecFromMask(di, hn::Gt(flipped, down_(x.sign))));
    }
    return finish_(code, x);
  }

 private:
  // The code goes up (down) where the rest, in halves of the last place, is above (below minus)
  // this float32, compared as bits: 0 = any rest, just under 1.0 = ties, 2.0 = never.
  static constexpr std::uint32_t kAny = 0, kTie = 0x3F7FFFFF, kNever = 0x40000000;
  static std::uint32_t Up(Rounding r, bool negative) {
    if (r == Rounding::kUp) return kAny;
    if (r == Rounding::kNearestAway) return kTie;
    if (r == Rounding::kNearestTowardNegative && negative) return kTie;
    return kNever;
  }
  static std::uint32_t Down(Rounding r, bool negative) {
    if (r == Rounding::kTowardZero || r == Rounding::kDown) return kAny;
    if (r == Rounding::kNearestTowardZero) return kTie;
    if (r == Rounding::kNearestTowardNegative && !negative) return kTie;
    return kNever;
  }

  AddMagic<D, false> add_;
  Finish<D> finish_;
  VI offset_, inverse_;
  BySign<D> up_, down_;
};

// Every rounding mode to every floating layout but E8M0, by integer shifts of the significand:
// slower, for the layouts that one float32 addition cannot round.
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

// Floating formats but float8_e8m0fnu, 16-bit ones among them.
template <class D, class F>
HWY_INLINE void WithFloatEncoder(D d, DType to, const EncodeOptions& options, const F& f) {
  const Layout layout_to = layout(to);
  const bool even = options.rounding == Rounding::kNearestEven;
  const bool stochastic = options.rounding == Rounding::kStochastic;
  if (to == DType::kBFloat16) {
    if (even) return f(BFloat16Encoder<D>(d, options));
    if (stochastic) return f(ShiftEncoder<D, true>(d, layout_to, options));
    return f(ShiftEncoder<D, false>(d, layout_to, options));
  }
  if (stochastic) return f(CorrectedEncoder<D, true>(d, layout_to, options));
  if (!even) return f(CorrectedEncoder<D, false>(d, layout_to, options));
  // With no mantissa bit the parity of the float32 addition is not the parity of the code.
  if (layout_to.mantissa_bits == 0) return f(ShiftEncoder<D, false>(d, layout_to, options));
  if (ClampsMagnitude(layout_to, options)) {
    return f(NearestEvenEncoder<D, true>(d, layout_to, options));
  }
  f(NearestEvenEncoder<D, false>(d, layout_to, options));
}

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
  WithFloatEncoder(d, to, options, f);
}

// Four vectors to bytes with any encoder that uses no random words.
template <class E, class V>
HWY_INLINE auto EncodeBytes(const E& encoder, V v0, V v1, V v2, V v3) {
  const hn::DFromV<V> d;
  return PackBytes(d, encoder.Encode(v0), encoder.Encode(v1), encoder.Encode(v2),
                   encoder.Encode(v3));
}
template <class D, bool kClamp, class V>
HWY_INLINE auto EncodeBytes(const NearestEvenEncoder<D, kClamp>& encoder, V v0, V v1, V v2, V v3) {
  return encoder.EncodeBytes(v0, v1, v2, v3);
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace HWY_NAMESPACE
}  // namespace sylvester::detail
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
