#include "quant/spec_rules.h"

#include <fmt/format.h>

#include <cmath>

#include "sylvester/core/error.h"

namespace sylvester {
namespace detail {

bool is_power_of_two_rule(ScaleRule rule) noexcept {
  return rule == ScaleRule::kFloor || rule == ScaleRule::kCeil || rule == ScaleRule::kEven ||
         rule == ScaleRule::kRceil || rule == ScaleRule::kQuest;
}

DType default_scale_format(const QuantSpec& spec) noexcept {
  if (spec.granularity == Granularity::kMx) return DType::kFloat8E8M0FNU;
  if (spec.granularity == Granularity::kNvfp4) return DType::kFloat8E4M3FN;
  return DType::kFloat32;
}

ScaleRule default_rule(const QuantSpec& spec) noexcept {
  if (spec.granularity == Granularity::kMx &&
      (spec.convention == Convention::kTe || spec.convention == Convention::kCublas)) {
    return ScaleRule::kRceil;
  }
  return spec.scale_format == DType::kFloat8E8M0FNU ? ScaleRule::kFloor : ScaleRule::kAbsmax;
}

QuantSpec complete(QuantSpec spec) noexcept {
  if (spec.scale_format == DType::kFloat32) spec.scale_format = default_scale_format(spec);
  if (spec.rule == ScaleRule::kAbsmax) spec.rule = default_rule(spec);
  if (spec.granularity == Granularity::kNvfp4) {
    if (spec.block_rows == 0) spec.block_rows = 1;
    if (spec.block_cols == 0) spec.block_cols = 16;
    if (spec.four_over_six != FourOverSix::kNone && spec.rule != ScaleRule::kEden &&
        spec.convention == Convention::kReference) {
      spec.convention = Convention::kTe;
    }
    if (spec.rule == ScaleRule::kEden) {
      if (spec.convention == Convention::kReference) spec.convention = Convention::kQuartet2;
      if (spec.group == 0) spec.group = 128;
    }
  }
  return spec;
}

namespace {

bool is_element_format(DType format) noexcept {
  switch (format) {
    case DType::kFloat64:
    case DType::kInt32:
    case DType::kUInt8:
    case DType::kFloat8E8M0FNU:
      return false;
    default:
      return true;
  }
}

std::string cast_problem(const QuantSpec& s) {
  const QuantSpec plain{.format = s.format, .rounding = s.rounding};
  if (plain == s) return "";
  return fmt::format(
      "format: {} has no scale and keeps Inf and NaN; want no option beside rounding with it",
      to_string(s.format));
}

std::string shape_problem(const QuantSpec& s) {
  const bool eden = s.rule == ScaleRule::kEden;
  if (s.granularity == Granularity::kGroup ? s.group < 1 : !eden && s.group != 0) {
    return fmt::format("group: {}; want an integer >= 1, with granularity group", s.group);
  }
  if (eden && (s.group < 16 || s.group % 16 != 0)) {
    return fmt::format("group: {}; want a multiple of 16 with rule=eden (the rotation's order)",
                       s.group);
  }
  if (s.granularity == Granularity::kNvfp4) {
    if (s.block_cols != 16 || (s.block_rows != 1 && s.block_rows != 16)) {
      return fmt::format("block: {}x{}; want 1x16 or 16x16 with nvfp4", s.block_rows, s.block_cols);
    }
  } else if (s.granularity == Granularity::kBlock) {
    if (s.block_rows < 1 || s.block_cols < 1) {
      return fmt::format("block: {}x{}; want RxC with R, C >= 1", s.block_rows, s.block_cols);
    }
  } else if (s.block_rows != 0 || s.block_cols != 0) {
    return fmt::format("block: {}x{}; want granularity block or nvfp4 with it", s.block_rows,
                       s.block_cols);
  }
  return "";
}

std::string number_problem(const QuantSpec& s) {
  if (!(s.clip > 0.0f && s.clip <= 1.0f)) {
    return fmt::format("clip: {}; want a number in (0, 1]", s.clip);
  }
  if (!(s.margin > 0.0f && s.margin <= 2.0f)) {
    return fmt::format("margin: {}; want a number in (0, 2]", s.margin);
  }
  if (!(s.least_absmax >= 0.0f) || std::isinf(s.least_absmax)) {
    return fmt::format("least: {}; want a finite number >= 0", s.least_absmax);
  }
  if (s.levels != 1 && s.levels != 2) return fmt::format("levels: {}; want 1 or 2", s.levels);
  return "";
}

std::string integer_problem(const QuantSpec& s) {
  const bool integer = is_integer(s.format);
  if (s.asymmetric && !integer) {
    return fmt::format("asym: a zero point needs an integer format (int2 ... int8), not {}",
                       to_string(s.format));
  }
  if (!s.asymmetric && s.zero != ZeroRule::kFloor) {
    return fmt::format("zero: {}; want asym with it", name_of(kZeroRules, s.zero));
  }
  if (!s.asymmetric && s.range != RangeRule::kLiteral) {
    return fmt::format("range: {}; want asym with it", name_of(kRangeRules, s.range));
  }
  if (s.codes != CodeRange::kFull && (!integer || s.asymmetric)) {
    return fmt::format("codes: {}; want a symmetric integer format with it",
                       name_of(kCodeRanges, s.codes));
  }
  if (s.codes == CodeRange::kWrap && s.rounding != Rounding::kNearestEven) {
    return fmt::format("codes: wrap; want rounding=nearest_even with it, not {}",
                       to_string(s.rounding));
  }
  return "";
}

// Rules that do not start from margin * absmax / max.
std::string rule_problem(const QuantSpec& s) {
  const std::string_view rule = name_of(kScaleRules, s.rule);
  const bool linear = s.rule == ScaleRule::kAbsmax || s.rule == ScaleRule::kGrid;
  const bool nvfp4 = s.granularity == Granularity::kNvfp4;
  const bool power = is_power_of_two_rule(s.rule);
  if (s.scale_format == DType::kFloat8E8M0FNU && !power) {
    return fmt::format("rule: {}; want floor, ceil, even or rceil with scale=e8m0", rule);
  }
  if (power && s.scale_format != DType::kFloat8E8M0FNU && s.scale_format != DType::kFloat32) {
    return fmt::format("scale: {}; want e8m0 or fp32 with rule={}",
                       name_of(kScaleFormats, s.scale_format), rule);
  }
  if (s.asymmetric && (s.rule != ScaleRule::kAbsmax || s.margin != 1.0f)) {
    return fmt::format("asym: want rule=absmax and margin=1 with it, not rule={}, margin={}", rule,
                       s.margin);
  }
  if ((nvfp4 || !linear) && s.clip != 1.0f) {
    return fmt::format("clip: {}; want 1 with {}", s.clip, nvfp4 ? "nvfp4" : rule);
  }
  if ((nvfp4 || s.rule == ScaleRule::kUnit) && s.margin != 1.0f) {
    return fmt::format("margin: {}; want 1 with {}", s.margin, nvfp4 ? "nvfp4" : rule);
  }
  if ((nvfp4 || !linear) && s.quotient != Quotient::kDivide) {
    return fmt::format("quotient: {}; want divide with {}", name_of(kQuotients, s.quotient),
                       nvfp4 ? "nvfp4" : rule);
  }
  if ((nvfp4 || !linear || s.asymmetric) && s.least_absmax != 0.0f) {
    return fmt::format("least: {}; want 0 unless the scale is symmetric and rule=absmax",
                       s.least_absmax);
  }
  if (s.rule == ScaleRule::kUnit &&
      (s.granularity != Granularity::kTensor || s.scale_format != DType::kFloat32)) {
    return "rule: unit; want granularity tensor and scale=fp32 with it";
  }
  if (s.rule == ScaleRule::kGrid && (s.granularity != Granularity::kTensor || nvfp4)) {
    return "rule: grid; want granularity tensor with it";
  }
  if (s.rule == ScaleRule::kQuest &&
      (s.granularity != Granularity::kMx || s.format != DType::kFloat4E2M1FN)) {
    return "rule: quest; want mxfp4 with it";
  }
  if (s.rule == ScaleRule::kEden && !nvfp4) return "rule: eden; want nvfp4 with it";
  return "";
}

std::string block_format_problem(const QuantSpec& s) {
  const bool mx = s.granularity == Granularity::kMx;
  const bool nvfp4 = s.granularity == Granularity::kNvfp4;
  if (mx && (s.scale_format != DType::kFloat8E8M0FNU || s.asymmetric)) {
    return fmt::format("mx: want scale=e8m0 and sym with it, not scale={}{}",
                       name_of(kScaleFormats, s.scale_format), s.asymmetric ? ", asym" : "");
  }
  if (nvfp4 && s.format != DType::kFloat4E2M1FN) {
    return fmt::format("nvfp4: want format float4_e2m1fn with it, not {}", to_string(s.format));
  }
  if (nvfp4 && (s.scale_format != DType::kFloat8E4M3FN ||
                (s.rule != ScaleRule::kAbsmax && s.rule != ScaleRule::kEden))) {
    return fmt::format("nvfp4: want scale=e4m3 and rule=absmax or eden, not scale={}, rule={}",
                       name_of(kScaleFormats, s.scale_format), name_of(kScaleRules, s.rule));
  }
  if (!nvfp4 && s.levels != 2) return fmt::format("levels: {}; want nvfp4 with it", s.levels);
  if (!nvfp4 && s.four_over_six != FourOverSix::kNone) {
    return fmt::format("four_over_six: {}; want nvfp4 with it",
                       name_of(kFourOverSixes, s.four_over_six));
  }
  if (nvfp4 && s.levels == 1 &&
      (s.four_over_six != FourOverSix::kNone ||
       (s.convention != Convention::kReference && s.convention != Convention::kTorchao))) {
    return "levels: 1; want as=reference or torchao, and no four_over_six with it";
  }
  return "";
}

std::string convention_problem(const QuantSpec& s) {
  const bool mx = s.granularity == Granularity::kMx;
  const bool nvfp4 = s.granularity == Granularity::kNvfp4;
  const std::string_view name = name_of(kConventions, s.convention);
  switch (s.convention) {
    case Convention::kReference:
      break;
    case Convention::kTorchao:
      if (!mx && !nvfp4) return fmt::format("as: {}; want an mx format or nvfp4 with it", name);
      if (s.rule == ScaleRule::kQuest) return "as: torchao; want rule floor, ceil, even or rceil";
      break;
    case Convention::kTe:
      if (!nvfp4 && !(mx && s.rule == ScaleRule::kRceil)) {
        return "as: te; want nvfp4, or an mx format with rule=rceil, with it";
      }
      break;
    case Convention::kTeFolded:
    case Convention::kQuartet2:
      if (!nvfp4) return fmt::format("as: {}; want nvfp4 with it", name);
      break;
    case Convention::kMicroxcaling:
      if (!mx || s.rule != ScaleRule::kFloor) {
        return "as: microxcaling; want an mx format with rule=floor with it";
      }
      break;
    case Convention::kCublas:
      if (!mx || s.rule != ScaleRule::kRceil) {
        return "as: cublas; want an mx format with rule=rceil with it";
      }
      break;
  }
  if (mx && is_integer(s.format) && s.convention != Convention::kReference &&
      s.convention != Convention::kMicroxcaling) {
    return fmt::format("as: {}; want a float format with it, not {}", name, to_string(s.format));
  }
  if (mx && s.margin != 1.0f && s.convention != Convention::kReference) {
    return fmt::format("margin: {}; want 1 with as={}", s.margin, name);
  }
  if (s.four_over_six != FourOverSix::kNone && s.convention != Convention::kTe &&
      s.convention != Convention::kQuartet2) {
    return fmt::format("as: {}; want te or quartet2 with four_over_six", name);
  }
  if ((s.four_over_six != FourOverSix::kNone || s.rule == ScaleRule::kEden) &&
      s.rounding == Rounding::kStochastic) {
    return "rounding: stochastic; want a nearest mode with four_over_six and rule=eden";
  }
  if (s.rule == ScaleRule::kEden && s.block_rows != 1) {
    return fmt::format("block: {}x16; want 1x16 with rule=eden", s.block_rows);
  }
  if (s.rule == ScaleRule::kEden && s.convention != Convention::kQuartet2) {
    return fmt::format("as: {}; want quartet2 with rule=eden", name);
  }
  return "";
}

}  // namespace

std::string spec_problem(const QuantSpec& s) {
  if (!is_element_format(s.format)) {
    return fmt::format(
        "format: {}; want a number format of 2 to 8 bits, float32, bfloat16 or "
        "float16",
        to_string(s.format));
  }
  if (s.rounding == Rounding::kDown || s.rounding == Rounding::kUp) {
    return fmt::format(
        "rounding: {}; want nearest_even, nearest_away, nearest_toward_negative, toward_zero or "
        "stochastic",
        to_string(s.rounding));
  }
  if (is_cast(s)) return cast_problem(s);
  for (const auto check : {shape_problem, number_problem, integer_problem, rule_problem,
                           block_format_problem, convention_problem}) {
    if (std::string problem = check(s); !problem.empty()) return problem;
  }
  return "";
}

}  // namespace detail

bool is_cast(const QuantSpec& spec) noexcept {
  return spec.format == DType::kFloat32 || spec.format == DType::kBFloat16 ||
         spec.format == DType::kFloat16;
}

bool is_identity(const QuantSpec& spec) noexcept { return spec.format == DType::kFloat32; }

QuantSpec resolve(const QuantSpec& spec) {
  const QuantSpec out = detail::complete(spec);
  if (const std::string problem = detail::spec_problem(out); !problem.empty()) {
    throw ValueError("quantizer: " + problem);
  }
  return out;
}

}  // namespace sylvester
