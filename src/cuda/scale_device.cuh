// The scales of src/quant/scale.cc on the device: the same float32 operations in the same order.
// The definition is there; the tests compare every rule and convention.
#pragma once

#include <cstdint>

#include <cuda_fp8.h>

#include "quant/element.h"
#include "quant/scale.h"

namespace sylvester::cuda::detail {

using sylvester::BlockScale;
using sylvester::detail::BlockBounds;
using sylvester::detail::ElementMap;
using sylvester::detail::kInfBits;
using sylvester::detail::ScalePlan;

// What NVFP4 derives from the whole tensor; the fields of ScalePlan.
struct TensorLevel {
  float scale, encode, absmax;
  bool poisoned;
};

__device__ inline float device_nan() { return __uint_as_float(0x7FC00000u); }

__device__ inline std::uint8_t device_e4m3(float x, Rounding rounding = Rounding::kNearestEven,
                                           std::uint32_t random = 0) {
  EncodeOptions options;
  options.rounding = rounding;
  return static_cast<std::uint8_t>(encode_float(x, layout(DType::kFloat8E4M3FN), options, random));
}
// Nearest even, saturating: the device's own conversions.
__device__ __forceinline__ std::uint8_t nearest_e4m3(float x) {
  return __nv_cvt_float_to_fp8(x, __NV_SATFINITE, __NV_E4M3);
}
__device__ __forceinline__ float device_e4m3_value(std::uint8_t code) {
  return __half2float(__half(__nv_cvt_fp8_to_halfraw(code, __NV_E4M3)));
}
__device__ inline float device_bf16(float x) {
  const Layout to = layout(DType::kBFloat16);
  return decode_float(
      encode_bits(__float_as_uint(x), layout(DType::kFloat32), to, Rounding::kNearestEven,
                  Overflow::kNonfinite, NanMode::kQuietKeepSign),
      to);
}
__device__ inline float device_power_of_two(int exponent) {
  return exponent >= -126 ? __uint_as_float(static_cast<std::uint32_t>(exponent + 127) << 23)
                          : __uint_as_float(1u << (exponent + 149));
}
__device__ inline int clamp_int(int x, int low, int high) { return min(max(x, low), high); }

__device__ inline BlockScale make_scale(float scale, float factor, float zero = 0.0f,
                                        std::uint8_t code = 0) {
  BlockScale out;
  out.scale = scale, out.factor = factor, out.zero = zero, out.code = code;
  return out;
}
__device__ inline BlockScale poisoned(const ScalePlan& plan) {
  std::uint8_t code = 0;
  if (plan.spec.scale_format == DType::kFloat8E8M0FNU) code = 0xFF;
  if (plan.spec.scale_format == DType::kFloat8E4M3FN) code = 0x7F;
  return make_scale(device_nan(), 1.0f, 0.0f, code);
}

__device__ inline TensorLevel tensor_level(const ScalePlan& plan, std::uint32_t magnitude) {
  TensorLevel t{1.0f, 1.0f, 0.0f, magnitude >= kInfBits};
  t.absmax = t.poisoned ? 0.0f : __uint_as_float(magnitude);
  if (plan.spec.levels == 1 || t.absmax == 0.0f) return t;
  const bool eden = plan.spec.rule == ScaleRule::kEden;
  const bool alternative = plan.spec.four_over_six != FourOverSix::kNone;
  switch (plan.spec.convention) {
    case Convention::kTe:
    case Convention::kTeFolded:
      t.encode = fminf((alternative ? 256.0f : 448.0f) * 6.0f / t.absmax, 3.402823466e38f);
      t.scale = 1.0f / t.encode;
      break;
    case Convention::kQuartet2:
      t.scale = t.absmax / (eden ? 255.99f : alternative ? 256.0f : 448.0f) / plan.max;
      t.encode = 1.0f / t.scale;
      break;
    default:
      t.scale = t.absmax / (448.0f * 6.0f);
      if (t.scale == 0.0f) t.scale = 1.0f;
      t.encode = 1.0f / t.scale;
  }
  if (t.scale == 0.0f) t.scale = t.encode = 1.0f;
  return t;
}

struct DeviceSplit {
  int exponent;
  std::uint32_t significand;
};
__device__ inline DeviceSplit device_split(std::uint32_t magnitude) {
  const std::uint32_t mantissa = magnitude & 0x7FFFFFu;
  const int field = static_cast<int>(magnitude >> 23);
  if (field != 0) return {field - 127, mantissa | 0x800000u};
  const int shift = __clz(static_cast<int>(mantissa)) - 8;
  return {-126 - shift, mantissa << shift};
}

__device__ inline int device_exponent(const ScalePlan& plan, std::uint32_t magnitude) {
  const DeviceSplit a = device_split(magnitude);
  int exponent = a.exponent - plan.emax;
  switch (plan.spec.rule) {
    case ScaleRule::kCeil:
      exponent += a.significand != 0x800000u ? 1 : 0;
      break;
    case ScaleRule::kEven:
      exponent += a.significand >= 0x1000000u - (1u << (22 - plan.mantissa_bits)) ? 1 : 0;
      break;
    case ScaleRule::kRceil: {
      const DeviceSplit m = device_split(__float_as_uint(plan.max));
      exponent = a.exponent - m.exponent + (a.significand > m.significand ? 1 : 0);
      break;
    }
    default:
      break;
  }
  return clamp_int(exponent, -127, 127);
}

__device__ inline BlockScale power_scale(const ScalePlan& plan, int exponent) {
  const float scale = device_power_of_two(exponent - plan.value_shift) * plan.spec.margin;
  const bool coded = plan.spec.scale_format == DType::kFloat8E8M0FNU;
  return make_scale(scale, plan.multiplies ? device_power_of_two(-exponent) : scale, 0.0f,
                    coded ? static_cast<std::uint8_t>(exponent + 127) : 0);
}

__device__ inline float device_log2(std::uint32_t magnitude) {
  return static_cast<float>(log2(static_cast<double>(__uint_as_float(magnitude))));
}

__device__ inline BlockScale torchao_scale(const ScalePlan& plan, std::uint32_t magnitude) {
  const bool rceil = plan.spec.rule == ScaleRule::kRceil;
  const BlockScale bad = make_scale(device_nan(), rceil ? device_nan() : 0.0f, 0.0f, 0xFF);
  if (magnitude > kInfBits) return bad;
  const auto field = [](std::uint32_t bits) { return static_cast<int>(bits >> 23) - 127; };
  int exponent = field(magnitude) - plan.emax;
  if (plan.spec.rule == ScaleRule::kEven) {
    exponent = field(magnitude + (1u << (22 - plan.mantissa_bits))) - plan.emax;
  } else if (plan.spec.rule == ScaleRule::kCeil) {
    exponent = field(magnitude) + ((magnitude & 0x7FFFFFu) != 0 ? 1 : 0) - plan.emax;
  } else if (rceil) {
    const float ratio = __uint_as_float(magnitude) / plan.max;
    exponent = isinf(ratio) ? 127
               : ratio == 0 ? -127
                            : static_cast<int>(ceilf(device_log2(__float_as_uint(ratio))));
  }
  exponent = clamp_int(exponent, -127, rceil ? 127 : 128);
  if (exponent == 128) return make_scale(device_nan(), 0.0f, 0.0f, 0xFF);
  float factor = device_power_of_two(-exponent);
  if (exponent == -127) factor = rceil ? 1.0f : device_power_of_two(126);
  return make_scale(device_power_of_two(exponent - plan.value_shift), factor, 0.0f,
                    static_cast<std::uint8_t>(exponent + 127));
}

__device__ inline float key_to_float(std::int32_t key) {
  return __int_as_float(
      key ^ static_cast<std::int32_t>(static_cast<std::uint32_t>(key >> 31) & 0x7FFFFFFFu));
}
__device__ inline std::int32_t float_to_key(float x) {
  const std::int32_t bits = __float_as_int(x);
  return bits ^ static_cast<std::int32_t>(static_cast<std::uint32_t>(bits >> 31) & 0x7FFFFFFFu);
}

__device__ inline BlockScale device_affine(const ScalePlan& plan, const BlockBounds& bounds) {
  if (bounds.high < bounds.low) return BlockScale{};
  const float inf = __uint_as_float(kInfBits);
  if (bounds.low <= float_to_key(-inf) || bounds.high >= float_to_key(inf)) return poisoned(plan);
  float low = key_to_float(bounds.low), high = key_to_float(bounds.high);
  const float clip = plan.spec.clip;
  float scale;
  if (plan.spec.range == RangeRule::kWithZero) {
    low = (0.0f < low ? 0.0f : low) * clip;  // std::min and std::max, -0 included
    high = (high < 0.0f ? 0.0f : high) * clip;
    if (low == 0.0f && high == 0.0f) low = -1.0f, high = 1.0f;
    scale = (high - low) / plan.levels;
  } else {
    scale = (high - low) / plan.levels * clip;
  }
  if (!isfinite(scale)) return poisoned(plan);
  if (plan.spec.scale_format != DType::kFloat32) scale = device_bf16(scale);
  if (scale == 0.0f) scale = 1.0f;
  const float z = -low / scale;
  const float zero = (plan.spec.zero == ZeroRule::kFloor ? floorf(z) : rintf(z)) + 0.0f;
  const bool reciprocal = plan.spec.quotient == Quotient::kReciprocal;
  return make_scale(scale, reciprocal ? 1.0f / scale : scale, zero, 0);
}

__device__ inline BlockScale device_linear(const ScalePlan& plan, std::uint32_t magnitude) {
  if (magnitude >= kInfBits) return poisoned(plan);
  const QuantSpec& spec = plan.spec;
  const float absmax = fmaxf(__uint_as_float(magnitude), spec.least_absmax);
  BlockScale out;
  out.scale = absmax / plan.max * spec.margin * spec.clip;
  if (spec.scale_format == DType::kBFloat16) {
    out.scale = fminf(device_bf16(out.scale), __uint_as_float(0x7F7F0000u));
  } else if (spec.scale_format == DType::kFloat8E4M3FN && out.scale != 0.0f) {
    out.code = max(device_e4m3(out.scale), static_cast<std::uint8_t>(1));
    out.scale = device_e4m3_value(out.code);
  }
  if (out.scale == 0.0f) {
    out.scale = 1.0f;
    if (spec.scale_format == DType::kFloat8E4M3FN) out.code = device_e4m3(1.0f);
  }
  out.factor = spec.quotient == Quotient::kReciprocal ? 1.0f / out.scale : out.scale;
  return out;
}

__device__ inline bool power_rule(ScaleRule rule) {
  return rule == ScaleRule::kFloor || rule == ScaleRule::kCeil || rule == ScaleRule::kEven ||
         rule == ScaleRule::kRceil || rule == ScaleRule::kQuest;
}

// rules absmax, floor, ceil, even, rceil, unit of every convention but NVFP4's.
__device__ inline BlockScale device_scale(const ScalePlan& plan, const BlockBounds& bounds) {
  const QuantSpec& spec = plan.spec;
  const std::uint32_t magnitude = bounds.absmax;
  if (spec.asymmetric) return device_affine(plan, bounds);
  if (spec.rule == ScaleRule::kUnit) return BlockScale{};
  if (!power_rule(spec.rule)) return device_linear(plan, magnitude);
  switch (spec.convention) {
    case Convention::kTorchao:
      return torchao_scale(plan, magnitude);
    case Convention::kTe:
    case Convention::kCublas: {
      if (magnitude > kInfBits) return poisoned(plan);
      const float a = __uint_as_float(magnitude);
      const float v = spec.convention == Convention::kTe ? a * (1.0f / plan.max) : a / plan.max;
      EncodeOptions up;
      up.rounding = Rounding::kUp;
      const auto code = encode_float(v, layout(DType::kFloat8E8M0FNU), up);
      return power_scale(plan, static_cast<int>(code) - 127);
    }
    case Convention::kMicroxcaling: {
      if (magnitude >= kInfBits) return poisoned(plan);
      const std::uint32_t bits = magnitude == 0 ? 0x00800000u : magnitude;
      const int exponent = static_cast<int>(floorf(device_log2(bits))) - plan.emax;
      if (exponent > 127) return poisoned(plan);
      return power_scale(plan, max(exponent, -127));
    }
    default:
      break;
  }
  if (magnitude >= kInfBits) return poisoned(plan);
  if (magnitude == 0 && spec.scale_format != DType::kFloat8E8M0FNU) return BlockScale{};
  if (magnitude == 0) return power_scale(plan, -127);
  return power_scale(plan, device_exponent(plan, magnitude));
}

__device__ inline BlockScale device_nvfp4(const ScalePlan& plan, const TensorLevel& t,
                                          std::uint32_t magnitude, float stretch = 1.0f) {
  if (t.poisoned || magnitude >= kInfBits) return poisoned(plan);
  const Convention convention = plan.spec.convention;
  const float a = __uint_as_float(magnitude);
  float s;
  if (convention == Convention::kTe) {
    s = a / 6.0f * t.encode;
    if (stretch != 1.0f) s *= stretch;
  } else if (convention == Convention::kTeFolded) {
    s = a * (t.encode * (1.0f / 6.0f));
  } else if (convention == Convention::kQuartet2) {
    s = a / plan.max * stretch / t.scale;
  } else {
    s = fmaxf(a / 6.0f / t.scale, 0.015625f);
  }
  std::uint8_t code = nearest_e4m3(fminf(s, 448.0f));
  if (convention == Convention::kQuartet2 && code == 0) code = device_e4m3(1.0f);
  const float value = device_e4m3_value(code);
  BlockScale out = make_scale(value * t.scale, 0.0f, 0.0f, code);
  if (convention == Convention::kTe || convention == Convention::kTeFolded) {
    out.factor = fminf(1.0f / out.scale, 3.402823466e38f);
  } else if (convention == Convention::kQuartet2) {
    out.factor = out.scale;
  } else {
    out.factor = fminf(t.encode / value, 3.402823466e38f);
  }
  return out;
}

}  // namespace sylvester::cuda::detail
