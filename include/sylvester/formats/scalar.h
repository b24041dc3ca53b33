// The definition of every format: one constexpr body, parameterised by the bits of the format.
// SIMD and CUDA kernels are compared with it bit for bit; other rooms may inline it.
//
// A number is unpacked to sign, exponent and a 64-bit significand, rounded once at the last place
// of the target, and packed. Nothing here uses floating-point arithmetic, so results depend
// neither on the compiler, nor on the rounding mode of the processor, nor on denormal flushing.
#pragma once

#include <bit>
#include <cstdint>

#include "sylvester/formats/options.h"

#if defined(__CUDACC__)
#define SYLVESTER_HOST_DEVICE __host__ __device__
#else
#define SYLVESTER_HOST_DEVICE
#endif

namespace sylvester {

// The part of Format that arithmetic needs. Integers: mantissa_bits is the width less one.
struct Layout {
  int exponent_bits;
  int mantissa_bits;
  int bias;
  Specials specials;

  friend constexpr bool operator==(const Layout&, const Layout&) = default;
};

// Layout of every DType that holds numbers; kInt32 and kUInt8 (which are storage) give int8's.
SYLVESTER_HOST_DEVICE constexpr Layout layout(DType dtype) noexcept {
  switch (dtype) {
    case DType::kFloat64:
      return {11, 52, 1023, Specials::kIeee};
    case DType::kFloat32:
      return {8, 23, 127, Specials::kIeee};
    case DType::kBFloat16:
      return {8, 7, 127, Specials::kIeee};
    case DType::kFloat16:
      return {5, 10, 15, Specials::kIeee};
    case DType::kFloat8E4M3FN:
      return {4, 3, 7, Specials::kFn};
    case DType::kFloat8E5M2:
      return {5, 2, 15, Specials::kIeee};
    case DType::kFloat8E4M3FNUZ:
      return {4, 3, 8, Specials::kFnuz};
    case DType::kFloat8E5M2FNUZ:
      return {5, 2, 16, Specials::kFnuz};
    case DType::kFloat6E3M2FN:
      return {3, 2, 3, Specials::kFiniteOnly};
    case DType::kFloat6E2M3FN:
      return {2, 3, 1, Specials::kFiniteOnly};
    case DType::kFloat4E2M1FN:
      return {2, 1, 1, Specials::kFiniteOnly};
    case DType::kFloat4E3M0FN:
      return {3, 0, 3, Specials::kFiniteOnly};
    case DType::kFloat4E1M2FN:
      return {1, 2, 0, Specials::kFiniteOnly};
    case DType::kFloat8E8M0FNU:
      return {8, 0, 127, Specials::kE8m0};
    case DType::kInt2:
      return {0, 1, 0, Specials::kInteger};
    case DType::kInt3:
      return {0, 2, 0, Specials::kInteger};
    case DType::kInt4:
      return {0, 3, 0, Specials::kInteger};
    case DType::kInt5:
      return {0, 4, 0, Specials::kInteger};
    case DType::kInt6:
      return {0, 5, 0, Specials::kInteger};
    case DType::kInt7:
      return {0, 6, 0, Specials::kInteger};
    case DType::kInt8:
    case DType::kInt32:
    case DType::kUInt8:
      break;
  }
  return {0, 7, 0, Specials::kInteger};
}

// Width of one code in bits.
SYLVESTER_HOST_DEVICE constexpr int code_bits(const Layout& f) noexcept {
  return f.exponent_bits + f.mantissa_bits + (f.specials == Specials::kE8m0 ? 0 : 1);
}

// Code of the sign bit; 0 for float8_e8m0fnu, which has none.
SYLVESTER_HOST_DEVICE constexpr std::uint64_t sign_code(const Layout& f) noexcept {
  return f.specials == Specials::kE8m0 ? 0
                                       : std::uint64_t{1} << (f.exponent_bits + f.mantissa_bits);
}

// Code of the largest finite value.
SYLVESTER_HOST_DEVICE constexpr std::uint64_t max_code(const Layout& f) noexcept {
  const std::uint64_t all = (std::uint64_t{1} << (f.exponent_bits + f.mantissa_bits)) - 1;
  if (f.specials == Specials::kIeee) return all - (std::uint64_t{1} << f.mantissa_bits);
  if (f.specials == Specials::kFn || f.specials == Specials::kE8m0) return all - 1;
  return all;
}

// Smallest exponent of a normal number; what lies below keeps the last place of this exponent.
// Integers keep the last place 2^0 everywhere.
SYLVESTER_HOST_DEVICE constexpr int min_exponent(const Layout& f) noexcept {
  if (f.specials == Specials::kInteger) return f.mantissa_bits;
  if (f.specials == Specials::kE8m0) return -f.bias;
  return 1 - f.bias;
}

// A number of any format, exactly: (-1)^negative * significand * 2^(exponent - 63), where a
// kFinite significand has its top bit set.
struct Unpacked {
  enum class Kind : std::uint8_t { kZero, kFinite, kInfinity, kNan };
  Kind kind = Kind::kZero;
  bool negative = false;
  int exponent = 0;
  std::uint64_t significand = 0;
};

namespace detail {

SYLVESTER_HOST_DEVICE constexpr int leading_zeros(std::uint64_t x) noexcept {
#if defined(__CUDA_ARCH__)
  return __clzll(static_cast<long long>(x));
#else
  return std::countl_zero(x);
#endif
}

SYLVESTER_HOST_DEVICE constexpr Unpacked unpack_magnitude(bool negative, std::uint64_t magnitude,
                                                          int last_place) noexcept {
  if (magnitude == 0) return {Unpacked::Kind::kZero, negative, 0, 0};
  const int zeros = leading_zeros(magnitude);
  return {Unpacked::Kind::kFinite, negative, last_place + 63 - zeros, magnitude << zeros};
}

// NaN of a floating format under each NanMode.
SYLVESTER_HOST_DEVICE constexpr std::uint64_t nan_code(bool negative, const Layout& f,
                                                       NanMode mode) noexcept {
  if (f.specials == Specials::kE8m0) return 0xFF;
  if (f.specials == Specials::kInteger) return mode == NanMode::kMaxFinite ? max_code(f) : 0;
  const std::uint64_t sign = sign_code(f);
  if (mode == NanMode::kMaxFinite) return max_code(f);
  if (mode == NanMode::kSignedZero) {
    return negative || f.specials == Specials::kFnuz ? 0 : sign;
  }
  if (f.specials == Specials::kFnuz) return sign;
  std::uint64_t code = sign - 1;  // all ones; the largest finite value where there is no NaN
  const bool quiet = mode == NanMode::kQuiet || mode == NanMode::kQuietKeepSign;
  if (quiet && f.specials == Specials::kIeee) {
    code = max_code(f) + 1 + (std::uint64_t{1} << (f.mantissa_bits - 1));
  }
  const bool keeps = mode == NanMode::kKeepSign || mode == NanMode::kQuietKeepSign;
  return mode == NanMode::kNegative || (keeps && negative) ? code | sign : code;
}

SYLVESTER_HOST_DEVICE constexpr std::uint64_t overflow_code(bool negative, const Layout& f,
                                                            Overflow mode) noexcept {
  if (f.specials == Specials::kInteger) return negative ? ~max_code(f) : max_code(f);
  const std::uint64_t sign = negative ? sign_code(f) : 0;
  if (mode == Overflow::kSaturate || f.specials == Specials::kFiniteOnly) return max_code(f) | sign;
  if (f.specials == Specials::kFnuz) return sign_code(f);
  return (max_code(f) + 1) | sign;  // Inf of kIeee; NaN of kFn and of kE8m0
}

// Whether the magnitude goes up. `rest` of 2^shift is cut off, `odd` is the last bit kept.
// kStochastic compares the top 24 bits of the random word with the top 24 bits of the fraction:
// exactly unbiased when the cut part has at most 24 bits (every normal result of a float32,
// bfloat16 or float16 number), else low by less than 2^-24 of the last place.
SYLVESTER_HOST_DEVICE constexpr bool rounds_up(std::uint64_t rest, int shift, bool odd,
                                               bool negative, Rounding rounding,
                                               std::uint32_t random) noexcept {
  const bool above_range = shift > 64;  // rest < half of the last place, however large it looks
  const std::uint64_t half = above_range ? 0 : std::uint64_t{1} << (shift - 1);
  switch (rounding) {
    case Rounding::kNearestEven:
      return !above_range && (rest > half || (rest == half && odd));
    case Rounding::kNearestAway:
      return !above_range && rest >= half;
    case Rounding::kNearestTowardNegative:
      return !above_range && (rest > half || (rest == half && negative));
    case Rounding::kNearestTowardZero:
      return !above_range && rest > half;
    case Rounding::kStochastic: {
      if (shift >= 88) return false;
      const std::uint64_t top = shift >= 24 ? rest >> (shift - 24) : rest << (24 - shift);
      return (random >> 8) < top;
    }
    case Rounding::kUp:
      return rest != 0;
    case Rounding::kTowardZero:
    case Rounding::kDown:
      break;
  }
  return false;
}

}  // namespace detail

// The number that a code of a format stands for. NaN keeps its sign, not its payload.
SYLVESTER_HOST_DEVICE constexpr Unpacked unpack(std::uint64_t code, const Layout& f) noexcept {
  using Kind = Unpacked::Kind;
  const int width = code_bits(f);
  code &= width == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << width) - 1;
  if (f.specials == Specials::kE8m0) {
    if (code == 0xFF) return {Kind::kNan, false, 0, 0};
    return {Kind::kFinite, false, static_cast<int>(code) - f.bias, std::uint64_t{1} << 63};
  }
  const std::uint64_t sign = sign_code(f);
  const bool negative = (code & sign) != 0;
  if (f.specials == Specials::kInteger) {
    return detail::unpack_magnitude(negative, negative ? 2 * sign - code : code, 0);
  }
  if (f.specials == Specials::kFnuz && code == sign) return {Kind::kNan, false, 0, 0};
  const std::uint64_t magnitude = code & (sign - 1);
  if (magnitude > max_code(f)) {
    const bool infinite = f.specials == Specials::kIeee && magnitude == max_code(f) + 1;
    return {infinite ? Kind::kInfinity : Kind::kNan, negative, 0, 0};
  }
  const std::uint64_t mantissa = magnitude & ((std::uint64_t{1} << f.mantissa_bits) - 1);
  const int field = static_cast<int>(magnitude >> f.mantissa_bits);
  const int last_place = (field == 0 ? 1 : field) - f.bias - f.mantissa_bits;
  const std::uint64_t implied = field == 0 ? 0 : std::uint64_t{1} << f.mantissa_bits;
  return detail::unpack_magnitude(negative, mantissa | implied, last_place);
}

// Rounds once and packs. The result has code_bits(f) bits; integers are sign-extended.
// `random` is used by Rounding::kStochastic alone. float8_e8m0fnu under kNearestEven is what torch
// and ml_dtypes compute from the significand of a float32: ties go up, everything between 2^-127
// and 2^-126 goes up; kNearestAway is the true nearest power of two, ties up.
SYLVESTER_HOST_DEVICE constexpr std::uint64_t pack(
    const Unpacked& x, const Layout& f, Rounding rounding, Overflow overflow, NanMode nan,
    std::uint32_t random = 0, NonPositive non_positive = NonPositive::kMagnitude) noexcept {
  using Kind = Unpacked::Kind;
  const bool e8m0 = f.specials == Specials::kE8m0;
  if (x.kind == Kind::kNan) return detail::nan_code(x.negative, f, nan);
  if (e8m0 && non_positive == NonPositive::kNan && (x.negative || x.kind == Kind::kZero)) {
    return 0xFF;
  }
  const bool negative = x.negative && !e8m0;
  if (x.kind == Kind::kInfinity) return detail::overflow_code(negative, f, overflow);
  const bool signed_zero = f.specials != Specials::kInteger && f.specials != Specials::kFnuz;
  if (x.kind == Kind::kZero) return negative && signed_zero ? sign_code(f) : 0;

  const int least = min_exponent(f);
  if (e8m0 && x.exponent < least) return 0;  // below 2^-127
  const int exponent = x.exponent > least ? x.exponent : least;
  const int shift = 63 - f.mantissa_bits + (exponent - x.exponent);
  const std::uint64_t kept = shift < 64 ? x.significand >> shift : 0;
  const std::uint64_t rest =
      shift < 64 ? x.significand & ((std::uint64_t{1} << shift) - 1) : x.significand;
  // Exponent and mantissa as one number: a carry out of the mantissa is the next exponent.
  std::uint64_t code = (static_cast<std::uint64_t>(exponent - least) << f.mantissa_bits) + kept;
  bool up = detail::rounds_up(rest, shift, (code & 1) != 0, negative, rounding, random);
  if (e8m0) {
    --code;  // the implied bit: code 0 is a normal number
    if (rounding == Rounding::kNearestEven) {
      up = rest != 0 && (x.exponent == least || (rest >> (shift - 1)) != 0);
    }
  }
  code += up ? 1 : 0;
  if (f.specials == Specials::kInteger) {
    if (code > max_code(f) + (negative ? 1 : 0))
      return detail::overflow_code(negative, f, overflow);
    return negative ? ~code + 1 : code;
  }
  if (code > max_code(f)) return detail::overflow_code(negative, f, overflow);
  return negative && (code != 0 || signed_zero) ? code | sign_code(f) : code;
}

// From the bits of a number of layout `from` to a code of layout `to`.
SYLVESTER_HOST_DEVICE constexpr std::uint32_t encode_bits(
    std::uint64_t bits, const Layout& from, const Layout& to, Rounding rounding, Overflow overflow,
    NanMode nan, std::uint32_t random = 0,
    NonPositive non_positive = NonPositive::kMagnitude) noexcept {
  const std::uint64_t code =
      pack(unpack(bits, from), to, rounding, overflow, nan, random, non_positive);
  return static_cast<std::uint32_t>(code) & (code_bits(to) > 8 ? 0xFFFFFFFFu : 0xFFu);
}
SYLVESTER_HOST_DEVICE constexpr std::uint32_t encode_bits(std::uint64_t bits, const Layout& from,
                                                          const Layout& to,
                                                          const EncodeOptions& options,
                                                          std::uint32_t random = 0) noexcept {
  return encode_bits(bits, from, to, options.rounding, options.overflow, options.nan, random,
                     options.non_positive);
}

// Bits of the float32 that a code stands for, exactly; NaN is 0x7FC00000.
SYLVESTER_HOST_DEVICE constexpr std::uint32_t decode_bits(std::uint32_t code,
                                                          const Layout& from) noexcept {
  return encode_bits(code, from, layout(DType::kFloat32), Rounding::kNearestEven,
                     Overflow::kNonfinite, NanMode::kQuiet);
}

// From a float32, and to one.
SYLVESTER_HOST_DEVICE constexpr std::uint32_t encode_float(float x, const Layout& to,
                                                           const EncodeOptions& options,
                                                           std::uint32_t random = 0) noexcept {
  return encode_bits(__builtin_bit_cast(std::uint32_t, x), layout(DType::kFloat32), to, options,
                     random);
}
SYLVESTER_HOST_DEVICE constexpr float decode_float(std::uint32_t code,
                                                   const Layout& from) noexcept {
  return __builtin_bit_cast(float, decode_bits(code, from));
}

}  // namespace sylvester
