// One element: x -> quotient -> code -> value. The scalar definitions of docs/quantizers.md.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include "quant/scale.h"
#include "sylvester/formats/scalar.h"
#include "sylvester/quant/spec.h"

namespace sylvester::detail {

// A resolved spec as the element loops need it.
struct ElementMap {
  DType format = DType::kFloat32;
  Layout to{};
  EncodeOptions options{};
  bool integer = false;
  bool asymmetric = false;
  bool multiplies = false;     // x * factor, else x / factor
  bool bf16_quotient = false;  // the quotient rounded to bfloat16
  CodeRange codes = CodeRange::kFull;
  float low = 0, high = 0;  // integer codes lie in [low, high]
  // Quotients (plus zero point) beyond these count as saturated: half a step outside the codes.
  float limit_low = 0, limit_high = 0;
  std::array<float, 256> value{};  // of every code byte

  ElementMap(const ScalePlan& plan, const RandomStream& stream);
  // Round to nearest even, clamp, no special case: what the fused kernels do. (Formats without
  // mantissa bits need the general encoder.)
  bool plain() const noexcept {
    return below_half == 0.0f && options.rounding == Rounding::kNearestEven &&
           codes != CodeRange::kWrap && !bf16_quotient && (integer || to.mantissa_bits > 0) &&
           (integer || options.overflow == Overflow::kSaturate) && !casts;
  }
  float below_half = 0;  // microxcaling: the float32 below half of the smallest value
  bool casts = false;    // rule unit: elements may be Inf or NaN
  // RowScales::tame holds where no factor is 0 or infinite.
  bool tame = false;
};

inline float quotient(const ElementMap& map, float x, float factor) noexcept {
  const float y = map.multiplies ? x * factor : x / factor;
  if (map.bf16_quotient) return round_to_bf16(y);
  // microxcaling rounds with floor(|y| + 0.5) in float32: the float32 below a half goes up.
  if (map.below_half != 0.0f && std::fabs(y) == map.below_half) return y + y;
  return y;
}

// y to an integral float under any rounding mode of the element formats.
float round_integral(float y, Rounding rounding, std::uint32_t random) noexcept;

inline std::uint8_t encode_element(const ElementMap& map, float y, float zero,
                                   std::uint32_t random) noexcept {
  if (map.asymmetric) {
    const float q = round_integral(y, map.options.rounding, random) + zero;
    // NaN compares false and becomes `low`.
    return static_cast<std::uint8_t>(q >= map.high ? map.high : q > map.low ? q : map.low);
  }
  if (map.codes == CodeRange::kWrap) {
    const float q = std::nearbyint(y);
    const float bounded = q >= 0x1p30f ? 0x1p30f : q > -0x1p30f ? q : -0x1p30f;
    const int drop = 31 - map.to.mantissa_bits;
    const auto low_bits = static_cast<std::uint32_t>(static_cast<std::int32_t>(bounded)) << drop;
    return static_cast<std::uint8_t>(static_cast<std::int32_t>(low_bits) >> drop);
  }
  auto code = static_cast<std::uint8_t>(encode_float(y, map.to, map.options, random));
  if (map.codes == CodeRange::kNarrow && static_cast<std::int8_t>(code) < map.low) ++code;
  return code;
}

inline float decode_element(const ElementMap& map, std::uint8_t code, float scale,
                            float zero) noexcept {
  return map.asymmetric ? (static_cast<float>(code) - zero) * scale : map.value[code] * scale;
}

}  // namespace sylvester::detail
