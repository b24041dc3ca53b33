// One element on the device: src/quant/element.h, and a fast form for the common formats.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

#include "cuda/scale_device.cuh"

namespace sylvester::cuda::detail {

// How an encoding kernel turns quotients into codes. All but kGeneral: nearest even, saturating.
enum class FastEncode : std::uint8_t {
  kGeneral,
  kE4M3,
  kE5M2,
  kInteger,
  kE3M2,
  kE2M3,
  kE2M1,
  kSmallFloat  // others without Inf and NaN
};

// The fast form that a map allows.
inline FastEncode fast_encode(const ElementMap& map) {
  if (!map.plain() || map.asymmetric || map.options.nan != NanMode::kCanonical) {
    return FastEncode::kGeneral;
  }
  if (map.integer) return FastEncode::kInteger;
  if (map.format == DType::kFloat8E4M3FN) return FastEncode::kE4M3;
  if (map.format == DType::kFloat8E5M2) return FastEncode::kE5M2;
  if (map.format == DType::kFloat6E3M2FN) return FastEncode::kE3M2;
  if (map.format == DType::kFloat6E2M3FN) return FastEncode::kE2M3;
  if (map.format == DType::kFloat4E2M1FN) return FastEncode::kE2M1;
  return map.to.specials == Specials::kFiniteOnly ? FastEncode::kSmallFloat : FastEncode::kGeneral;
}

__device__ __forceinline__ float device_round_integral(float y, Rounding rounding,
                                                       std::uint32_t random) {
  if (!(fabsf(y) < 8388608.0f)) return y;
  const float down = floorf(y);
  const float rest = y - down;
  switch (rounding) {
    case Rounding::kNearestEven:
      return rintf(y);
    case Rounding::kNearestAway:
      return rest > 0.5f || (rest == 0.5f && y > 0) ? down + 1.0f : down;
    case Rounding::kNearestTowardNegative:
      return rest > 0.5f ? down + 1.0f : down;
    case Rounding::kNearestTowardZero:
      return rest > 0.5f || (rest == 0.5f && y < 0) ? down + 1.0f : down;
    case Rounding::kStochastic:
      return static_cast<float>(random >> 8) * 5.9604644775390625e-08f < rest ? down + 1.0f : down;
    default:
      return truncf(y);
  }
}

__device__ __forceinline__ float device_quotient(const ElementMap& map, float x, float factor) {
  const float y = map.multiplies ? __fmul_rn(x, factor) : __fdiv_rn(x, factor);
  if (map.casts && isnan(y)) {
    // Codes show the sign of a NaN here: an operand's own, or (x86's) minus for Inf * 0.
    return isnan(x) ? x : isnan(factor) ? factor : __uint_as_float(0xFFC00000u);
  }
  if (map.bf16_quotient) return device_bf16(y);
  if (map.below_half != 0.0f && fabsf(y) == map.below_half) return y + y;
  return y;
}

// What the packed encoders need of an ElementMap.
struct CodeMap {
  FastEncode kind = FastEncode::kGeneral;
  float low = 0, high = 0;  // kInteger
  Layout to{};              // kSmallFloat
  bool multiplies = false;  // numbers times factor, else divided by it
  int middle_bits = 0;      // significant bits of the middle between two codes

  CodeMap() = default;
  explicit CodeMap(const ElementMap& map)
      : kind(fast_encode(map)),
        low(map.low),
        high(map.high),
        to(map.to),
        multiplies(map.multiplies),
        middle_bits(map.integer ? 8 : map.to.mantissa_bits + 2) {}
};

// Quotients x / factor, rounded once, for many x under one factor > 0: RN(x * high + RN(x * low)),
// where high is 1 / factor rounded toward zero and low >= 0 what is missing, so that high + low is
// 1 / factor to 45 bits. The last bit of such a quotient can be wrong where the true one lies
// within 2^-20 of its last place from the middle between two float32 numbers; a code depends on it
// only if one of those two is a middle between codes, c * 2^k with c of B = middle_bits bits. Then
// factor * (c * 2^(25 - B) +- 1) is within 16 of a multiple of 2^24 (factor as a 24-bit integer),
// that is, the low 25 - B bits of factor are within 16 of zero modulo 2^(25 - B), and not zero.
// Such factors (one in 2^15 for E4M3) and those out of range are divided by.
struct QuotientBy {
  float high, low;  // low < 0: divide by `high`; high NaN: all codes are 0

  __device__ __forceinline__ float operator()(float x) const {
    return __fmaf_rn(x, high, __fmul_rn(x, low));
  }
  __device__ __forceinline__ bool divides() const { return low < 0.0f; }
  // The mask of code words.
  __device__ __forceinline__ std::uint32_t keep() const { return high == high ? ~0u : 0u; }
};

__device__ inline QuotientBy quotient_by(const CodeMap& map, float scale, float factor) {
  if (isnan(scale)) return {device_nan(), 0.0f};
  if (map.multiplies) return {factor, 0.0f};
  const std::uint32_t bits = __float_as_uint(factor);
  const std::uint32_t mask = (1u << (25 - map.middle_bits)) - 1u, rest = bits & mask;
  const bool near = rest != 0 && (rest <= 16 || rest >= mask - 15);
  const int exponent = static_cast<int>(bits >> 23) - 127;
  if (near || exponent < -60 || exponent > 60) return {factor, -1.0f};
  const float high = __frcp_rz(factor);
  return {high, __fmul_rn(__fmaf_rn(-high, factor, 1.0f), high)};
}

__device__ inline std::uint8_t device_encode(const ElementMap& map, float y, float zero,
                                             std::uint32_t random) {
  if (map.asymmetric) {
    const float q = device_round_integral(y, map.options.rounding, random) + zero;
    return static_cast<std::uint8_t>(q >= map.high ? map.high : q > map.low ? q : map.low);
  }
  if (map.codes == CodeRange::kWrap) {
    const float q = rintf(y);
    const float bounded = q >= 1073741824.0f   ? 1073741824.0f
                          : q > -1073741824.0f ? q
                                               : -1073741824.0f;
    const int drop = 31 - map.to.mantissa_bits;
    const auto low_bits = static_cast<std::uint32_t>(static_cast<std::int32_t>(bounded)) << drop;
    return static_cast<std::uint8_t>(static_cast<std::int32_t>(low_bits) >> drop);
  }
  auto code = static_cast<std::uint8_t>(encode_float(y, map.to, map.options, random));
  if (map.codes == CodeRange::kNarrow && static_cast<std::int8_t>(code) < map.low) ++code;
  return code;
}

// Codes of formats without Inf and NaN by 32-bit integer arithmetic. NaN becomes the largest
// number.
__device__ __forceinline__ std::uint8_t small_float_code(float y, const Layout& to) {
  const std::uint32_t bits = __float_as_uint(y), a = bits & 0x7FFFFFFFu;
  const int m = to.mantissa_bits;
  std::uint32_t code;
  if (a < static_cast<std::uint32_t>(128 - to.bias) << 23) {  // below the smallest normal number
    // A power of two: exact; the sum's carry makes the smallest normal number.
    code = static_cast<std::uint32_t>(__float2int_rn(
        __uint_as_float(a) * __uint_as_float(static_cast<std::uint32_t>(126 + to.bias + m) << 23)));
  } else {
    const std::uint32_t rounded = a + (1u << (22 - m)) - 1u + (a >> (23 - m) & 1u);
    code = (rounded >> (23 - m)) - (static_cast<std::uint32_t>(127 - to.bias) << m);
    code = min(code, (1u << (to.exponent_bits + m)) - 1u);
  }
  const std::uint32_t sign = a > 0x7F800000u ? 0 : bits >> 31;
  return static_cast<std::uint8_t>(code | sign << (to.exponent_bits + m));
}

template <__nv_fp8_interpretation_t kFormat>
__device__ __forceinline__ std::uint32_t fp8_codes(float a, float b, float c, float d) {
  const std::uint32_t low = __nv_cvt_float2_to_fp8x2(make_float2(a, b), __NV_SATFINITE, kFormat);
  const std::uint32_t high = __nv_cvt_float2_to_fp8x2(make_float2(c, d), __NV_SATFINITE, kFormat);
  return __byte_perm(low, high, 0x5410);
}

// FP6 codes: times a power of two that takes the smallest normal number to that of an FP8 format
// with as many mantissa bits, numbers and codes correspond; the sign moves down.
template <__nv_fp8_interpretation_t kFormat>
__device__ __forceinline__ std::uint32_t fp6_codes(const float (&y)[4], float most, float shift) {
  float v[4];
#pragma unroll
  for (int k = 0; k < 4; ++k) v[k] = __fmul_rn(fminf(fmaxf(y[k], -most), most), shift);
  const std::uint32_t word = fp8_codes<kFormat>(v[0], v[1], v[2], v[3]);
  return (word & 0x1F1F1F1Fu) | (word >> 2 & 0x20202020u);
}

// E2M1 codes. Adding 1.5 * 2^22 * 2^e, where 2^e <= max(|y|, 1) < 2^(e+1), rounds |y| to a multiple
// k of 2^(e-1), ties to even k, which is what ties to even codes are; the code is 2 e + k.
__device__ __forceinline__ std::uint32_t fp4_codes(const float (&y)[4]) {
  std::uint32_t code[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float a = fminf(fabsf(y[i]), 6.0f);
    const float power = __uint_as_float(__float_as_uint(fmaxf(a, 1.0f)) & 0x7F800000u);
    const std::uint32_t sum = __float_as_uint(__fmaf_rn(power, 6291456.0f, a));
    code[i] = sum + (sum >> 22) - 3u;  // sum >> 22 is 2 e + 299
  }
  const auto gather = [](std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d,
                         std::uint32_t pair) {
    return __byte_perm(__byte_perm(a, b, pair), __byte_perm(c, d, pair), 0x5410);
  };
  const std::uint32_t signs = gather(__float_as_uint(y[0]), __float_as_uint(y[1]),
                                     __float_as_uint(y[2]), __float_as_uint(y[3]), 0x0073);
  return (gather(code[0], code[1], code[2], code[3], 0x0040) & 0x07070707u) |
         (signs >> 4 & 0x08080808u);
}

__device__ __forceinline__ std::uint32_t integer_codes(const float (&y)[4], float low, float high) {
  std::uint32_t q[4];
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    q[k] = static_cast<std::uint32_t>(__float2int_rn(fminf(fmaxf(y[k], low), high)));
  }
  return __byte_perm(__byte_perm(q[0], q[1], 0x0040), __byte_perm(q[2], q[3], 0x0040), 0x5410);
}

// Four codes of four quotients, none of them NaN.
__device__ __forceinline__ std::uint32_t code_word(const CodeMap& map, const float (&y)[4]) {
  switch (map.kind) {
    case FastEncode::kE4M3:
      return fp8_codes<__NV_E4M3>(y[0], y[1], y[2], y[3]);
    case FastEncode::kE5M2:
      return fp8_codes<__NV_E5M2>(y[0], y[1], y[2], y[3]);
    case FastEncode::kInteger:
      return integer_codes(y, map.low, map.high);
    case FastEncode::kE3M2:
      return fp6_codes<__NV_E5M2>(y, 28.0f, 0.000244140625f);
    case FastEncode::kE2M3:
      return fp6_codes<__NV_E4M3>(y, 7.5f, 0.015625f);
    case FastEncode::kE2M1:
      return fp4_codes(y);
    default:
      return small_float_code(y[0], map.to) | small_float_code(y[1], map.to) << 8 |
             small_float_code(y[2], map.to) << 16 |
             static_cast<std::uint32_t>(small_float_code(y[3], map.to)) << 24;
  }
}

// Codes of four numbers under one factor.
__device__ __forceinline__ std::uint32_t encode_word(const CodeMap& map, const QuotientBy& by,
                                                     const float (&x)[4]) {
  float y[4];
  if (map.multiplies) {
#pragma unroll
    for (int k = 0; k < 4; ++k) y[k] = __fmul_rn(x[k], by.high);
  } else {
#pragma unroll
    for (int k = 0; k < 4; ++k) y[k] = by(x[k]);
    if (by.divides()) {
#pragma unroll
      for (int k = 0; k < 4; ++k) y[k] = __fdiv_rn(x[k], by.high);
    }
  }
  return code_word(map, y);
}

// One code by the fast form that the map allows.
__device__ __forceinline__ std::uint8_t encode_quotient(const ElementMap& map, FastEncode kind,
                                                        float y, float zero, std::uint32_t random) {
  switch (kind) {
    case FastEncode::kGeneral:
      return device_encode(map, y, zero, random);
    case FastEncode::kE4M3:
      return __nv_cvt_float_to_fp8(y, __NV_SATFINITE, __NV_E4M3);
    case FastEncode::kE5M2:
      return __nv_cvt_float_to_fp8(y, __NV_SATFINITE, __NV_E5M2);
    case FastEncode::kInteger: {
      const int code = __float2int_rn(fminf(fmaxf(y, map.low), map.high));
      return static_cast<std::uint8_t>(y != y ? 0 : code);
    }
    default:
      return small_float_code(y, map.to);
  }
}

}  // namespace sylvester::cuda::detail
