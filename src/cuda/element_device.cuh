// One element on the device: src/quant/element.h, and a fast form for the common formats.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

#include "cuda/scale_device.cuh"

namespace sylvester::cuda::detail {

// How an encoding kernel turns quotients into codes. All but kGeneral: nearest even, saturating.
enum class FastEncode : std::uint8_t { kGeneral, kE4M3, kE5M2, kInteger, kSmallFloat };

// The fast form that a map allows.
inline FastEncode fast_encode(const ElementMap& map) {
  if (!map.plain() || map.asymmetric || map.options.nan != NanMode::kCanonical) {
    return FastEncode::kGeneral;
  }
  if (map.integer) return FastEncode::kInteger;
  if (map.format == DType::kFloat8E4M3FN) return FastEncode::kE4M3;
  if (map.format == DType::kFloat8E5M2) return FastEncode::kE5M2;
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

// x / factor under one factor > 0 for many x, rounded once. Both are first multiplied by the power
// of two that brings the factor near 1, then x is multiplied by the rounded reciprocal and the
// result corrected twice by its exact remainder, as the processor's own division does. Where x *
// 2^k or a remainder underflows, |x / factor| < 2^-100: below half of the smallest number of every
// format that takes this path, so that the last bit of the quotient does not reach the code.
struct UniformQuotient {
  float prescale, divisor, reciprocal;

  __device__ explicit UniformQuotient(float factor) {
    const int exponent = static_cast<int>(__float_as_uint(factor) >> 23) - 127;
    prescale = device_power_of_two(clamp_int(-exponent, -126, 126));
    divisor = factor * prescale;
    reciprocal = 1.0f / divisor;
  }
  __device__ __forceinline__ float operator()(float x) const {
    const float y = __fmul_rn(x, prescale);
    float q = __fmul_rn(y, reciprocal);
    q = __fmaf_rn(__fmaf_rn(-q, divisor, y), reciprocal, q);
    q = __fmaf_rn(__fmaf_rn(-q, divisor, y), reciprocal, q);
    return copysignf(q, x);  // -0 / factor
  }
};

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

template <FastEncode kFast>
__device__ __forceinline__ std::uint8_t encode_quotient(const ElementMap& map, float y, float zero,
                                                        std::uint32_t random) {
  if constexpr (kFast == FastEncode::kE4M3) {
    return __nv_cvt_float_to_fp8(y, __NV_SATFINITE, __NV_E4M3);
  } else if constexpr (kFast == FastEncode::kE5M2) {
    return __nv_cvt_float_to_fp8(y, __NV_SATFINITE, __NV_E5M2);
  } else if constexpr (kFast == FastEncode::kInteger) {
    const int code = __float2int_rn(fminf(fmaxf(y, map.low), map.high));
    return static_cast<std::uint8_t>(y != y ? 0 : code);
  } else if constexpr (kFast == FastEncode::kSmallFloat) {
    return small_float_code(y, map.to);
  } else {
    return device_encode(map, y, zero, random);
  }
}

}  // namespace sylvester::cuda::detail
