#include "quant/scale.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "quant/spec_rules.h"

namespace sylvester::detail {
namespace {

constexpr Layout kE4m3 = layout(DType::kFloat8E4M3FN);
constexpr Layout kE8m0 = layout(DType::kFloat8E8M0FNU);
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kMaxFloat = std::numeric_limits<float>::max();
constexpr float kE4m3Max = 448.0f;

// Nearest E4M3 code of a number >= 0, saturating.
std::uint8_t e4m3_code(float x, Rounding rounding = Rounding::kNearestEven,
                       std::uint32_t random = 0) noexcept {
  return static_cast<std::uint8_t>(encode_float(x, kE4m3, {.rounding = rounding}, random));
}

// x = significand * 2^(exponent - 23), 2^23 <= significand < 2^24.
struct Split {
  int exponent;
  std::uint32_t significand;
};
Split split(std::uint32_t magnitude) noexcept {
  const std::uint32_t mantissa = magnitude & 0x7FFFFFu;
  const int field = static_cast<int>(magnitude >> 23);
  if (field != 0) return {field - 127, mantissa | 0x800000u};
  const int shift = std::countl_zero(mantissa) - 8;
  return {-126 - shift, mantissa << shift};
}

// floor(log2 x) where the logarithm is rounded to float32 first, as microxcaling and torchao have
// it. A float64 logarithm is within 2^-52 of the true one, far nearer than the next float32
// rounding boundary can be to it, so any C library gives the same result.
float float_log2(std::uint32_t magnitude) noexcept {
  return static_cast<float>(std::log2(static_cast<double>(std::bit_cast<float>(magnitude))));
}

int torchao_exponent(const ScalePlan& plan, std::uint32_t magnitude) noexcept {
  // Bit arithmetic on the float32, subnormals and Inf included.
  const auto field = [](std::uint32_t bits) { return static_cast<int>(bits >> 23) - 127; };
  switch (plan.spec.rule) {
    case ScaleRule::kEven:
      return field(magnitude + (1u << (22 - plan.mantissa_bits))) - plan.emax;
    case ScaleRule::kCeil:
      return field(magnitude) + ((magnitude & 0x7FFFFFu) != 0 ? 1 : 0) - plan.emax;
    case ScaleRule::kRceil: {
      const float ratio = std::bit_cast<float>(magnitude) / plan.max;
      if (std::isinf(ratio)) return 127;
      if (ratio == 0) return -127;
      return static_cast<int>(std::ceil(float_log2(std::bit_cast<std::uint32_t>(ratio))));
    }
    default:
      return field(magnitude) - plan.emax;
  }
}

// torchao's to_mx, byte 0 and blocks with Inf or NaN included.
BlockScale torchao_mx_scale(const ScalePlan& plan, std::uint32_t magnitude) noexcept {
  const bool rceil = plan.spec.rule == ScaleRule::kRceil;
  if (magnitude > kInfBits) return {kNan, rceil ? kNan : 0.0f, 0, 0xFF};
  const int exponent = std::clamp(torchao_exponent(plan, magnitude), -127, rceil ? 127 : 128);
  BlockScale out{.code = static_cast<std::uint8_t>(exponent + 127)};
  if (exponent == 128) return {kNan, 0.0f, 0, 0xFF};  // emax 0: unreachable for its formats
  out.scale = power_of_two(exponent - plan.value_shift);
  out.factor = power_of_two(-exponent);
  if (exponent == -127) out.factor = rceil ? 1.0f : power_of_two(126);
  return out;
}

BlockScale affine_scale(const ScalePlan& plan, const BlockBounds& bounds) noexcept {
  if (bounds.high < bounds.low) return {};  // no numbers
  if (bounds.low <= order_key(-std::numeric_limits<float>::infinity()) ||
      bounds.high >= order_key(std::numeric_limits<float>::infinity())) {
    return poisoned_scale(plan);
  }
  float low = from_order_key(bounds.low), high = from_order_key(bounds.high);
  const float clip = plan.spec.clip;
  float scale;
  if (plan.spec.range == RangeRule::kWithZero) {
    low = std::min(low, 0.0f) * clip;
    high = std::max(high, 0.0f) * clip;
    if (low == 0.0f && high == 0.0f) {  // QuaRot gives an all-zero row the range [-1, 1]
      low = -1.0f;
      high = 1.0f;
    }
    scale = (high - low) / plan.levels;
  } else {
    scale = (high - low) / plan.levels * clip;
  }
  if (!std::isfinite(scale)) return poisoned_scale(plan);
  if (plan.spec.scale_format != DType::kFloat32) scale = round_to_bf16(scale);
  if (scale == 0.0f) scale = 1.0f;
  const float z = -low / scale;
  // + 0 turns -0 into +0.
  const float zero =
      (plan.spec.zero == ZeroRule::kFloor ? std::floor(z) : std::nearbyint(z)) + 0.0f;
  const bool reciprocal = plan.spec.quotient == Quotient::kReciprocal;
  return {scale, reciprocal ? 1.0f / scale : scale, zero, 0};
}

BlockScale linear_scale(const ScalePlan& plan, std::uint32_t magnitude) noexcept {
  if (magnitude >= kInfBits) return poisoned_scale(plan);
  const QuantSpec& spec = plan.spec;
  BlockScale out;
  const float absmax = std::max(std::bit_cast<float>(magnitude), spec.least_absmax);
  out.scale = absmax / plan.max * spec.margin * spec.clip;
  if (spec.scale_format == DType::kBFloat16) {
    // The largest finite bfloat16 bounds it: rounding FLT_MAX up would give Inf.
    out.scale = std::min(round_to_bf16(out.scale), 0x1.FEp127f);
  } else if (spec.scale_format == DType::kFloat8E4M3FN) {
    if (out.scale != 0.0f) {
      out.code = std::max<std::uint8_t>(e4m3_code(out.scale), 1);
      out.scale = decode_float(out.code, kE4m3);
    }
  }
  if (out.scale == 0.0f) {
    out.scale = 1.0f;
    if (spec.scale_format == DType::kFloat8E4M3FN) out.code = e4m3_code(1.0f);
  }
  out.factor = spec.quotient == Quotient::kReciprocal ? 1.0f / out.scale : out.scale;
  return out;
}

}  // namespace

ScalePlan::ScalePlan(const QuantSpec& resolved) : spec(resolved) {
  if (is_cast(spec)) return;
  const Format& f = format(spec.format);
  max = static_cast<float>(f.max);
  emax = f.emax;
  mantissa_bits = is_integer(spec.format) ? f.bits - 2 : f.mantissa_bits;
  levels = static_cast<float>((1 << f.bits) - 1);
  if (spec.granularity == Granularity::kMx && is_integer(spec.format)) {
    value_shift = f.bits - 2;
    emax = 0;
    max = static_cast<float>(f.max) * power_of_two(-value_shift);
  }
  if (spec.rule == ScaleRule::kEden) max = static_cast<float>(6.0 / (17.0 / 16.0 * 0.93));
  // 2^-e is a float32 for every E8M0 exponent e, so multiplying equals dividing.
  const bool power = is_power_of_two_rule(spec.rule) && spec.margin == 1.0f && value_shift == 0;
  multiplies =
      power || spec.quotient == Quotient::kReciprocal ||
      (spec.granularity == Granularity::kNvfp4 && spec.convention != Convention::kQuartet2);
}

void ScalePlan::set_tensor_absmax(std::uint32_t magnitude_bits) {
  tensor_poisoned = magnitude_bits >= kInfBits;
  tensor_absmax = tensor_poisoned ? 0.0f : std::bit_cast<float>(magnitude_bits);
  tensor_scale = tensor_encode = 1.0f;
  if (spec.levels == 1 || tensor_absmax == 0.0f) return;
  const bool eden = spec.rule == ScaleRule::kEden;
  const bool alternative = spec.four_over_six != FourOverSix::kNone;
  switch (spec.convention) {
    case Convention::kTe:
    case Convention::kTeFolded:
      tensor_encode = std::min((alternative ? 256.0f : kE4m3Max) * 6.0f / tensor_absmax, kMaxFloat);
      tensor_scale = 1.0f / tensor_encode;
      break;
    case Convention::kQuartet2:
      tensor_scale = tensor_absmax / (eden ? 255.99f : alternative ? 256.0f : kE4m3Max) / max;
      tensor_encode = 1.0f / tensor_scale;
      break;
    default:
      tensor_scale = tensor_absmax / (kE4m3Max * 6.0f);
      if (tensor_scale == 0.0f) tensor_scale = 1.0f;
      tensor_encode = 1.0f / tensor_scale;
  }
  if (tensor_scale == 0.0f) tensor_scale = tensor_encode = 1.0f;
}

int power_of_two_exponent(const ScalePlan& plan, std::uint32_t magnitude) noexcept {
  const Split a = split(magnitude);
  int exponent = a.exponent - plan.emax;
  switch (plan.spec.rule) {
    case ScaleRule::kCeil:
      exponent += a.significand != 0x800000u ? 1 : 0;
      break;
    case ScaleRule::kEven:
      exponent += a.significand >= 0x1000000u - (1u << (22 - plan.mantissa_bits)) ? 1 : 0;
      break;
    case ScaleRule::kRceil: {
      const Split m = split(std::bit_cast<std::uint32_t>(plan.max));
      exponent = a.exponent - m.exponent + (a.significand > m.significand ? 1 : 0);
      break;
    }
    default:
      break;
  }
  return std::clamp(exponent, -127, 127);
}

BlockScale power_of_two_scale(const ScalePlan& plan, int exponent) noexcept {
  BlockScale out;
  out.scale = power_of_two(exponent - plan.value_shift) * plan.spec.margin;
  out.factor = plan.multiplies ? power_of_two(-exponent) : out.scale;
  if (plan.spec.scale_format == DType::kFloat8E8M0FNU) {
    out.code = static_cast<std::uint8_t>(exponent + 127);
  }
  return out;
}

BlockScale poisoned_scale(const ScalePlan& plan) noexcept {
  BlockScale out{.scale = kNan, .factor = 1.0f};
  if (plan.spec.scale_format == DType::kFloat8E8M0FNU) out.code = 0xFF;
  if (plan.spec.scale_format == DType::kFloat8E4M3FN) out.code = 0x7F;
  return out;
}

BlockScale scale_of(const ScalePlan& plan, const BlockBounds& bounds) noexcept {
  const QuantSpec& spec = plan.spec;
  const std::uint32_t magnitude = bounds.absmax;
  if (spec.asymmetric) return affine_scale(plan, bounds);
  if (spec.rule == ScaleRule::kUnit) return {};
  if (!is_power_of_two_rule(spec.rule)) return linear_scale(plan, magnitude);
  switch (spec.convention) {
    case Convention::kTorchao:
      return torchao_mx_scale(plan, magnitude);
    case Convention::kTe:
    case Convention::kCublas: {
      if (magnitude > kInfBits) return poisoned_scale(plan);
      const float a = std::bit_cast<float>(magnitude);
      const float v = spec.convention == Convention::kTe ? a * (1.0f / plan.max) : a / plan.max;
      const auto code = encode_float(v, kE8m0, {.rounding = Rounding::kUp});
      return power_of_two_scale(plan, static_cast<int>(code) - 127);
    }
    case Convention::kMicroxcaling: {
      if (magnitude >= kInfBits) return poisoned_scale(plan);
      const auto bits = magnitude == 0 ? std::bit_cast<std::uint32_t>(0x1p-126f) : magnitude;
      const int exponent = static_cast<int>(std::floor(float_log2(bits))) - plan.emax;
      if (exponent > 127) return poisoned_scale(plan);
      return power_of_two_scale(plan, std::max(exponent, -127));
    }
    default:
      break;
  }
  if (magnitude >= kInfBits) return poisoned_scale(plan);
  if (magnitude == 0 && spec.scale_format != DType::kFloat8E8M0FNU) return {};
  if (magnitude == 0) return power_of_two_scale(plan, -127);
  return power_of_two_scale(plan, power_of_two_exponent(plan, magnitude));
}

BlockScale nvfp4_from_code(const ScalePlan& plan, std::uint8_t code) noexcept {
  BlockScale out{.code = code};
  const float s = decode_float(code, kE4m3);
  out.scale = s * plan.tensor_scale;
  switch (plan.spec.convention) {
    case Convention::kTe:
    case Convention::kTeFolded:
      out.factor = std::min(1.0f / out.scale, kMaxFloat);
      break;
    case Convention::kQuartet2:
      out.factor = out.scale;
      break;
    default:
      out.factor = std::min(plan.tensor_encode / s, kMaxFloat);
  }
  return out;
}

BlockScale nvfp4_scale(const ScalePlan& plan, std::uint32_t magnitude, float stretch) {
  if (plan.tensor_poisoned || magnitude >= kInfBits) return poisoned_scale(plan);
  const float a = std::bit_cast<float>(magnitude);
  float s;
  switch (plan.spec.convention) {
    case Convention::kTe:
      s = a / 6.0f * plan.tensor_encode;
      break;
    case Convention::kTeFolded:
      s = a * (plan.tensor_encode * (1.0f / 6.0f));
      break;
    case Convention::kQuartet2:
      s = a / plan.max * stretch / plan.tensor_scale;
      break;
    default:
      s = std::max(a / 6.0f / plan.tensor_scale, 0x1p-6f);
  }
  if (plan.spec.convention == Convention::kTe && stretch != 1.0f) s *= stretch;
  std::uint8_t code = e4m3_code(std::min(s, kE4m3Max));
  if (plan.spec.convention == Convention::kQuartet2 && code == 0) code = e4m3_code(1.0f);
  return nvfp4_from_code(plan, code);
}

}  // namespace sylvester::detail
