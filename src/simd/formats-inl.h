// Inline conversions of one SIMD vector, for this room's kernels and for those of other rooms
// (quant, hadamard) that fuse them. Include after <hwy/highway.h> inside a foreach_target file.
// D is a tag of float32 lanes; every class holds its constants in vectors, so make it outside of
// the loop, and copy it into a local of the function that stores (else each store may reload it).
// All results equal scalar.h bit for bit.
//
//   WithEncoder(d, to, options, [&](const auto& encoder) {...})   picks the class for the options:
//     EncodeBytes(encoder, v, random)   four vectors -> 4 Lanes(d) code bytes in element order;
//                                  `random`, one word a lane, is read where
//     encoder.kUsesRandom          is true (stochastic rounding)
//   WithFloatEncoder(...)          floating formats, 16-bit ones among them:
//     encoder.Encode(x, random)    float32 vector -> codes, one in each int32 lane
//   PlainEncoder(d, layout)        nearest even of numbers that are not NaN: codes, or the values
//                                  they stand for
//   WithDecoder(d, from, [&](const auto& decoder) {...})
//     decoder.Decode(codes)        int32 lanes -> float32; bits above the format's width ignored
//   WithByteDecoder(d, from, [&](const auto& decoder) {...})
//     decoder.DecodeBytes(p, v)    4 Lanes(d) bytes -> four vectors
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
#include "simd/formats_float-inl.h"
#include "simd/formats_integer-inl.h"
#include "simd/formats_random-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sylvester::detail {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
#if HWY_TARGET != HWY_SCALAR

// Every rounding mode but nearest_even to floating layouts, by integer shifts of the significand:
// slower, for bfloat16, which one float32 addition cannot round.
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
    const bool nearest = r == Rounding::kNearestAway || r == Rounding::kNearestTowardNegative ||
                         r == Rounding::kNearestTowardZero;
    half_less_one_ = Flag(nearest);
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
  VI half_less_one_, negative_, one_, all_;
  int mantissa_bits_;
};

// Layouts without mantissa bits under nearest_even, all of whose numbers are finite: the exponent,
// and whether the significand is beyond the middle, where a tie goes to the even code. Below the
// least power of two every number above its half, which begins the binade, goes up.
template <class D>
class PowerOfTwoEncoder {
 public:
  using DI = hn::RebindToSigned<D>;
  using DU = hn::RebindToUnsigned<D>;
  using VF = hn::Vec<D>;
  using VI = hn::Vec<DI>;
  static constexpr bool kUsesRandom = false;

  PowerOfTwoEncoder(D d, const Layout& f, const EncodeOptions& options)
      : finish_(d, f, options),
        most_(hn::Set(DI(), MaxBits(f))),
        least_(hn::Set(DI(), (min_exponent(f) + 126) << 23)),
        offset_(hn::Set(DI(), min_exponent(f) + 126)) {}

  HWY_INLINE VI Encode(VF v) const {
    const DI di;
    const SignAndMagnitude<D> x(v);
    const VI magnitude = hn::Max(hn::Min(x.magnitude, most_), least_);
    const VI code = hn::Sub(hn::ShiftRight<23>(magnitude), offset_);
    const VI odd = hn::And(code, hn::Set(di, 1));
    const VI fraction = hn::Add(hn::And(magnitude, hn::Set(di, 0x7FFFFF)), odd);
    const VI middle = hn::IfThenZeroElse(hn::Eq(code, hn::Zero(di)), hn::Set(di, 0x400000));
    const VI up = hn::VecFromMask(di, hn::Gt(fraction, middle));  // -1
    return finish_.WithoutOverflow(hn::Sub(code, up), x);
  }
  HWY_INLINE VI Encode(VF v, hn::Vec<DU>) const { return Encode(v); }

 private:
  Finish<D> finish_;
  VI most_, least_, offset_;
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
  if (layout_to.mantissa_bits == 0) return f(PowerOfTwoEncoder<D>(d, layout_to, options));
  f(NearestEvenEncoder<D>(d, layout_to, options));
}

template <class D, class F>
HWY_INLINE void WithEncoder(D d, DType to, const EncodeOptions& options, const F& f) {
  const Layout layout_to = layout(to);
  const bool stochastic = options.rounding == Rounding::kStochastic;
  if (layout_to.specials == Specials::kInteger) {
    if (stochastic) return f(IntegerEncoder<D, true>(d, layout_to, options));
    return f(IntegerEncoder<D, false>(d, layout_to, options));
  }
  if (layout_to.specials == Specials::kE8m0) {
    if (stochastic) return f(ScaleEncoder<D, true>(d, options));
    return f(ScaleEncoder<D, false>(d, options));
  }
  WithFloatEncoder(d, to, options, f);
}

// Four vectors to bytes with any encoder.
template <class E, class VF, class VU>
HWY_INLINE auto EncodeBytes(const E& encoder, const VF (&v)[4], const VU (&random)[4]) {
  if constexpr (requires { encoder.Bytes(v, random); }) {
    return encoder.Bytes(v, random);
  } else {
    return PackBytes(hn::DFromV<VF>(), encoder.Encode(v[0], random[0]),
                     encoder.Encode(v[1], random[1]), encoder.Encode(v[2], random[2]),
                     encoder.Encode(v[3], random[3]));
  }
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace HWY_NAMESPACE
}  // namespace sylvester::detail
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
