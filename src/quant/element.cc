#include "quant/element.h"

#include <algorithm>
#include <vector>

#include "sylvester/formats/dtype.h"

namespace sylvester::detail {

namespace {

// The values of every format's codes, computed once.
const std::array<float, 256>& values_of(DType format) {
  static const auto tables = [] {
    std::vector<std::array<float, 256>> out;
    for (const Format& f : formats()) {
      if (f.bits > 8) continue;
      out.resize(std::max(out.size(), static_cast<std::size_t>(f.dtype) + 1));
      std::array<float, 256>& table = out[static_cast<std::size_t>(f.dtype)];
      for (std::uint32_t code = 0; code < 256; ++code) {
        table[code] = decode_float(code, layout(f.dtype));
      }
    }
    return out;
  }();
  return tables[static_cast<std::size_t>(format)];
}

}  // namespace

ElementMap::ElementMap(const ScalePlan& plan, const RandomStream& stream) {
  const QuantSpec& spec = plan.spec;
  format = spec.format;
  to = layout(format);
  options = {.rounding = spec.rounding,
             .overflow = spec.overflow,
             .nan = spec.convention == Convention::kTorchao ? NanMode::kKeepSign : spec.nan,
             .stream = stream};
  integer = is_integer(format);
  asymmetric = spec.asymmetric;
  multiplies = plan.multiplies;
  bf16_quotient = spec.quotient == Quotient::kBFloat16;
  codes = spec.codes;
  casts = spec.rule == ScaleRule::kUnit || spec.convention == Convention::kTorchao;
  // A finite block's quotients are at most max / (margin * clip), unless an E4M3 scale saturates;
  // then a float format saturates too, but an integer may pass 2^31.
  const bool e4m3 = spec.scale_format == DType::kFloat8E4M3FN;
  tame = spec.margin * spec.clip >= 0x1p-16f && !(integer && e4m3) && !casts;
  const Format& f = sylvester::format(format);
  if (integer) {
    const int bits = f.bits;
    high = static_cast<float>(asymmetric ? (1 << bits) - 1 : (1 << (bits - 1)) - 1);
    low = asymmetric ? 0.0f : codes == CodeRange::kNarrow ? -high : -high - 1.0f;
    limit_high = high + 0.5f;
    limit_low = low - 0.5f;
  } else {
    high = static_cast<float>(f.max);
    low = -high;
    limit_high = high + power_of_two(f.emax - f.mantissa_bits - 1);
    limit_low = -limit_high;
  }
  if (spec.convention == Convention::kMicroxcaling) {
    const auto half = std::bit_cast<std::uint32_t>(static_cast<float>(f.min_subnormal) / 2);
    below_half = std::bit_cast<float>(half - 1);
  }
  value = values_of(format);
}

float round_integral(float y, Rounding rounding, std::uint32_t random) noexcept {
  if (!(std::fabs(y) < 0x1p23f)) return y;
  const float down = std::floor(y);
  const float rest = y - down;  // exact: both are below 2^23
  switch (rounding) {
    case Rounding::kNearestEven:
      return std::nearbyint(y);
    case Rounding::kNearestAway:
      return rest > 0.5f || (rest == 0.5f && y > 0) ? down + 1.0f : down;
    case Rounding::kNearestTowardNegative:
      return rest > 0.5f ? down + 1.0f : down;
    case Rounding::kNearestTowardZero:
      return rest > 0.5f || (rest == 0.5f && y < 0) ? down + 1.0f : down;
    case Rounding::kStochastic:
      // The top 24 bits of the word against the fraction, as the formats do.
      return static_cast<float>(random >> 8) * 0x1p-24f < rest ? down + 1.0f : down;
    default:
      return std::trunc(y);
  }
}

}  // namespace sylvester::detail
