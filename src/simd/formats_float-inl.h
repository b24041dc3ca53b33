// Encoders of the floating formats by one float32 addition. The interface is described in
// formats-inl.h.
#include <cstdint>

#include "sylvester/formats/options.h"
#include "sylvester/formats/scalar.h"

#if defined(SYLVESTER_SIMD_FORMATS_FLOAT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SYLVESTER_SIMD_FORMATS_FLOAT_INL_H_
#undef SYLVESTER_SIMD_FORMATS_FLOAT_INL_H_
#else
#define SYLVESTER_SIMD_FORMATS_FLOAT_INL_H_
#endif

#include <hwy/highway.h>

#include "simd/formats_decode-inl.h"
#include "simd/formats_integer-inl.h"

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

inline std::int32_t MaxBits(const Layout& f) {
  return static_cast<std::int32_t>(decode_bits(static_cast<std::uint32_t>(max_code(f)), f));
}

// Rounding by one float32 addition: |x| + 2^(E + 23 - m) has its last place at 2^(E - m), where E
// is the exponent of x, but at least the smallest normal one, so subnormal results need no case.
// The integer difference of the bits is the mantissa with its implied bit. The power of two is
// raised by an even number of last places, so that its parity stays, and the low byte of
// sum + (E << m) is the code.
// clamps: |x| is clamped to the largest finite value first and cannot overflow.
// Layouts: all floating ones of 8 bits and less with 1 <= mantissa_bits, and float16.
template <class D>
class AddMagic {
 public:
  using DI = hn::RebindToSigned<D>;
  using VF = hn::Vec<D>;
  using VI = hn::Vec<DI>;
  AddMagic(D, const Layout& f, bool clamps)
      // Without clamping to the largest value, to the power of two above it.
      : clamp_(
            hn::Set(DI(), clamps ? MaxBits(f) : (unpack(max_code(f), f).exponent + 1 + 127) << 23)),
        least_(hn::Set(DI(), (min_exponent(f) + 127) << 23)),
        magic_(hn::Set(DI(), Raised(f))),
        shift_(23 - f.mantissa_bits) {}

  // What an encoder adds to `Raw` to have the code: -Offset(f).
  static std::int32_t Offset(const Layout& f) { return Raised(f) + LeastField(f); }
  HWY_INLINE VI Clamped(VI magnitude) const { return hn::Min(magnitude, clamp_); }
  // |x|, clamped.
  HWY_INLINE VI Magnitude(VF x) const {
    return Clamped(hn::And(hn::BitCast(DI(), x), hn::Set(DI(), 0x7FFFFFFF)));
  }
  HWY_INLINE VI AtLeast(VI magnitude) const { return hn::Max(magnitude, least_); }
  // 2^E as bits.
  HWY_INLINE VI Power(VI magnitude) const {
    return AtLeast(hn::And(magnitude, hn::Set(DI(), 0x7F800000)));
  }
  HWY_INLINE VF Magic(VI power) const { return hn::BitCast(D(), hn::Add(power, magic_)); }
  HWY_INLINE VF Sum(VI magnitude, VI power) const {
    return hn::Add(hn::BitCast(D(), magnitude), Magic(power));
  }
  // (sum - power - magic) + ((power >> shift) - (least << m)), but for the constants.
  HWY_INLINE VI Raw(VF sum, VI power) const { return hn::Sub(LowByte(sum, power), power); }
  // The code in the low byte: 2^E has nothing there.
  HWY_INLINE VI LowByte(VF sum, VI power) const {
    return hn::Add(hn::BitCast(DI(), sum), hn::ShiftRightSame(power, shift_));
  }

 private:
  static std::int32_t LeastField(const Layout& f) {
    return (min_exponent(f) + 127) << f.mantissa_bits;
  }
  static std::int32_t Raised(const Layout& f) {
    return ((23 - f.mantissa_bits) << 23) + (-LeastField(f) & 0xFF);
  }
  VI clamp_, least_, magic_;
  int shift_;
};

// Puts signs to the codes of magnitudes.
template <class D>
class SignBytes {
 public:
  using DI = hn::RebindToSigned<D>;
  using DU = hn::RebindToUnsigned<D>;
  using D8 = hn::Repartition<std::uint8_t, D>;
  using VF = hn::Vec<D>;
  using VI = hn::Vec<DI>;
  explicit SignBytes(const Layout& f)
      : sign_(hn::Set(DI(), static_cast<std::int32_t>((kBytes ? 0x01010101 : 1) * sign_code(f)))),
        shift_((kBytes ? 8 : 32) - code_bits(f)) {}

  // code: one in the low byte of each lane; the signs of x.
  HWY_INLINE hn::Vec<D8> Pack(const VI (&code)[4], const VF (&x)[4]) const {
#if SYLVESTER_VBMI
    const D d;
    const VI bytes = hn::BitCast(DI(), PackBytes(d, code[0], code[1], code[2], code[3]));
    const VI top =
        hn::BitCast(DI(), PackByte<3>(d, hn::BitCast(DI(), x[0]), hn::BitCast(DI(), x[1]),
                                      hn::BitCast(DI(), x[2]), hn::BitCast(DI(), x[3])));
    return hn::BitCast(D8(), WithSign(bytes, top));
#elif SYLVESTER_X86
    const auto byte = [](VI c) HWY_ATTR { return hn::And(c, hn::Set(DI(), 0xFF)); };
    const VI bytes = hn::BitCast(DI(), PackSaturated<std::uint8_t>(byte(code[0]), byte(code[1]),
                                                                   byte(code[2]), byte(code[3])));
    // Saturation keeps the signs of x, whose bits are numbers here.
    const VI top = hn::BitCast(
        DI(), PackSaturated<std::int8_t>(hn::BitCast(DI(), x[0]), hn::BitCast(DI(), x[1]),
                                         hn::BitCast(DI(), x[2]), hn::BitCast(DI(), x[3])));
    return JoinBlocks(hn::BitCast(D8(), WithSign(bytes, top)));
#else
    return PackBytes(
        D(), WithSign(code[0], hn::BitCast(DI(), x[0])), WithSign(code[1], hn::BitCast(DI(), x[1])),
        WithSign(code[2], hn::BitCast(DI(), x[2])), WithSign(code[3], hn::BitCast(DI(), x[3])));
#endif
  }

 private:
  HWY_INLINE VI WithSign(VI code, VI top) const {
    const VI sign = hn::BitCast(DI(), hn::ShiftRightSame(hn::BitCast(DU(), top), shift_));
    return hn::OrAnd(code, sign, sign_);
  }
  static constexpr bool kBytes = SYLVESTER_X86 != 0;  // signs are put to packed bytes
  VI sign_;
  int shift_;
};

// Nearest even and saturating, for numbers that are not NaN, and layouts with -0. A sign is taken
// from a second number, which a quotient whose own sign was lost in a zero may need.
template <class D>
class PlainEncoder {
 public:
  using DI = hn::RebindToSigned<D>;
  using D8 = hn::Repartition<std::uint8_t, D>;
  using VF = hn::Vec<D>;
  using VI = hn::Vec<DI>;

  PlainEncoder(D d, const Layout& f) : add_(d, f, true), sums_(f), signs_(f) {}

  // Layouts of 8 bits and less.
  HWY_INLINE hn::Vec<D8> Bytes(const VF (&v)[4], const VF (&signed_like)[4]) const {
    const VI codes[4] = {LowByte(v[0]), LowByte(v[1]), LowByte(v[2]), LowByte(v[3])};
    return signs_.Pack(codes, signed_like);
  }
  // Of a number >= 0.
  HWY_INLINE VI PositiveCode(VF v) const { return hn::And(LowByte(v), hn::Set(DI(), 0xFF)); }
  HWY_INLINE VF Round(VF v, VF signed_like) const {
    const VI magnitude = add_.Magnitude(v), power = add_.Power(magnitude);
    const VF rounded = hn::Sub(add_.Sum(magnitude, power), add_.Magic(power));
    const VI sign = hn::Set(DI(), static_cast<std::int32_t>(0x80000000u));
    return hn::BitCast(D(),
                       hn::OrAnd(hn::BitCast(DI(), rounded), hn::BitCast(DI(), signed_like), sign));
  }

 private:
  HWY_INLINE VI LowByte(VF v) const {
    const VI magnitude = add_.Magnitude(v);
    if constexpr (Sums::kPresent) return sums_.LowByte(add_, magnitude);
    const VI power = add_.Power(magnitude);
    return add_.LowByte(add_.Sum(magnitude, power), power);
  }

  // What Sum adds, raised by (E << m) last places, for each E: then the sum's low byte is the code.
  struct Sums {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
    static constexpr bool kPresent = true;
    __m512i low, high;  // by the low five bits of the exponent field
    explicit Sums(const Layout& f) {
      const DI di;
      const int least = min_exponent(f) + 127;
      const auto sums = [&](int first) HWY_ATTR {
        // E less the least one, of the entry for it.
        const VI above = hn::And(hn::Iota(di, first - least), hn::Set(di, 31));
        const VI power = hn::Add(above, hn::Set(di, least + 23 - f.mantissa_bits));
        return hn::Add(hn::ShiftLeft<23>(power), hn::ShiftLeftSame(above, f.mantissa_bits)).raw;
      };
      low = sums(0);
      high = sums(16);
    }
    HWY_INLINE VI LowByte(const AddMagic<D>& add, VI magnitude) const {
      const VI field = hn::ShiftRight<23>(add.AtLeast(magnitude));
      const VI sum{_mm512_permutex2var_epi32(low, field.raw, high)};
      return hn::BitCast(DI(), hn::Add(hn::BitCast(D(), magnitude), hn::BitCast(D(), sum)));
    }
#else
    static constexpr bool kPresent = false;
    explicit Sums(const Layout&) {}
#endif
  };

  AddMagic<D> add_;
  Sums sums_;
  SignBytes<D> signs_;
};

template <class D>
class NearestEvenEncoder {
 public:
  using DI = hn::RebindToSigned<D>;
  using DU = hn::RebindToUnsigned<D>;
  using D8 = hn::Repartition<std::uint8_t, D>;
  using VF = hn::Vec<D>;
  using VI = hn::Vec<DI>;
  using VU = hn::Vec<DU>;
  static constexpr bool kUsesRandom = false;

  NearestEvenEncoder(D d, const Layout& f, const EncodeOptions& options)
      : clamps_(ClampsMagnitude(f, options)),
        add_(d, f, clamps_),
        plain_encoder_(d, f),
        finish_(d, f, options),
        offset_(hn::Set(DI(), AddMagic<D>::Offset(f))),
        // Without clamping, up to the tie above the largest value, which goes to the even code.
        plain_(hn::Set(DI(), clamps_ ? 0x7F800000
                                     : MaxBits(f) + (1 << (22 - f.mantissa_bits)) -
                                           static_cast<std::int32_t>(max_code(f) & 1))),
        unsigned_zero_(f.specials == Specials::kFnuz) {}

  HWY_INLINE VI Encode(VF v) const {
    const SignAndMagnitude<D> x(v);
    const VI magnitude = add_.Clamped(x.magnitude);
    const VI power = add_.Power(magnitude);
    const VI code = hn::Sub(add_.Raw(add_.Sum(magnitude, power), power), offset_);
    return clamps_ ? finish_.WithoutOverflow(code, x) : finish_(code, x);
  }
  HWY_INLINE VI Encode(VF v, VU) const { return Encode(v); }

  // Four vectors to bytes, 8-bit layouts and narrower. Nearly always none of the numbers is NaN or
  // overflows.
  HWY_INLINE hn::Vec<D8> Bytes(const VF (&v)[4], const VU (&)[4]) const {
    if (HWY_UNLIKELY(!AllAtMost(D(), v, plain_))) {
      return PackBytes(D(), Encode(v[0]), Encode(v[1]), Encode(v[2]), Encode(v[3]));
    }
    const D8 d8;
    auto bytes = plain_encoder_.Bytes(v, v);
    if (unsigned_zero_) bytes = hn::IfThenZeroElse(hn::Eq(bytes, hn::Set(d8, 0x80)), bytes);
    return bytes;
  }

 private:
  bool clamps_;
  AddMagic<D> add_;
  PlainEncoder<D> plain_encoder_;
  Finish<D> finish_;
  VI offset_, plain_;
  bool unsigned_zero_;
};

// The other rounding modes of the same layouts: the sum rounds to nearest even, what it cut off is
// known exactly, and decides whether the code moves by one.
template <class D, bool kStochastic>
class CorrectedEncoder {
 public:
  using DI = hn::RebindToSigned<D>;
  using DU = hn::RebindToUnsigned<D>;
  using D8 = hn::Repartition<std::uint8_t, D>;
  using VF = hn::Vec<D>;
  using VI = hn::Vec<DI>;
  using VU = hn::Vec<DU>;
  static constexpr bool kUsesRandom = kStochastic;

  CorrectedEncoder(D d, const Layout& f, const EncodeOptions& options)
      : clamps_(ClampsMagnitude(f, options)),
        add_(d, f, clamps_),
        signs_(f),
        finish_(d, f, options),
        offset_(hn::Set(DI(), AddMagic<D>::Offset(f))),
        plain_(hn::Set(DI(), clamps_ ? 0x7F800000 : MaxBits(f))),
        // 2^(m + 1 - E): the rest in halves of the last place; stochastic: in 2^-24 of it.
        inverse_(hn::Set(DI(), (254 + f.mantissa_bits + (kStochastic ? 24 : 1)) << 23)),
        up_(d, Up(options.rounding, false), Up(options.rounding, true)),
        down_(d, Down(options.rounding, false), Down(options.rounding, true)),
        moves_up_(Up(options.rounding, true) != kNever),
        moves_down_(Down(options.rounding, false) != kNever),
        unsigned_zero_(f.specials == Specials::kFnuz) {}

  HWY_INLINE VI Encode(VF v) const { return Encode(v, hn::Zero(DU())); }
  HWY_INLINE VI Encode(VF v, VU random) const {
    const SignAndMagnitude<D> x(v);
    const VI magnitude = add_.Clamped(x.magnitude), power = add_.Power(magnitude);
    const VF sum = add_.Sum(magnitude, power);
    const VI code = hn::Sub(add_.Raw(sum, power), offset_);
    return finish_(hn::Add(code, Move(x.sign, magnitude, power, sum, random)), x);
  }

  HWY_INLINE hn::Vec<D8> Bytes(const VF (&v)[4], const VU (&random)[4]) const {
    if (HWY_UNLIKELY(!AllAtMost(D(), v, plain_))) {
      return PackBytes(D(), Encode(v[0], random[0]), Encode(v[1], random[1]),
                       Encode(v[2], random[2]), Encode(v[3], random[3]));
    }
    VI codes[4];
    for (int k = 0; k < 4; ++k) {
      const VI sign = hn::ShiftRight<31>(hn::BitCast(DI(), v[k]));
      const VI magnitude = add_.Magnitude(v[k]), power = add_.Power(magnitude);
      const VF sum = add_.Sum(magnitude, power);
      codes[k] = hn::Add(add_.LowByte(sum, power), Move(sign, magnitude, power, sum, random[k]));
    }
    const D8 d8;
    auto bytes = signs_.Pack(codes, v);
    if (unsigned_zero_) bytes = hn::IfThenZeroElse(hn::Eq(bytes, hn::Set(d8, 0x80)), bytes);
    return bytes;
  }

 private:
  // -1, 0 or 1, to be added to the code of the nearest number.
  HWY_INLINE VI Move(VI sign, VI magnitude, VI power, VF sum, VU random) const {
    const D d;
    const DI di;
    const VF rest = hn::Sub(hn::BitCast(d, magnitude), hn::Sub(sum, add_.Magic(power)));
    const VF scaled = hn::Mul(rest, hn::BitCast(d, hn::Sub(inverse_, power)));
    if (kStochastic) {
      // A negative rest belongs to the code below; it is then a whole number of 2^-24.
      const VI top = CutToInt(d, scaled);
      const VI below = hn::ShiftRight<31>(top);
      const VI fraction = hn::Add(top, hn::And(below, hn::Set(di, 1 << 24)));
      const VI draw = hn::BitCast(di, hn::ShiftRight<8>(random));
      return hn::Sub(below, hn::VecFromMask(di, hn::Lt(draw, fraction)));
    }
    const VI bits = hn::BitCast(di, scaled);
    VI move = hn::Zero(di);
    if (moves_up_) move = hn::Sub(move, hn::VecFromMask(di, hn::Gt(bits, up_(sign))));
    if (moves_down_) {
      const VI flipped = hn::Xor(bits, hn::Set(di, static_cast<std::int32_t>(0x80000000u)));
      move = hn::Add(move, hn::VecFromMask(di, hn::Gt(flipped, down_(sign))));
    }
    return move;
  }

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

  bool clamps_;
  AddMagic<D> add_;
  SignBytes<D> signs_;
  Finish<D> finish_;
  VI offset_, plain_, inverse_;
  BySign<D> up_, down_;
  bool moves_up_, moves_down_, unsigned_zero_;
};

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace HWY_NAMESPACE
}  // namespace sylvester::detail
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
