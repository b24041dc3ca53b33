#include "sylvester/quant/spec.h"

#include <fmt/format.h>

#include <charconv>
#include <string>
#include <vector>

#include "quant/spec_rules.h"
#include "sylvester/core/error.h"
#include "sylvester/core/text.h"

namespace sylvester {
namespace {

using namespace detail;  // NOLINT: the tables of option names

[[noreturn]] void fail(std::string_view text, const std::string& problem) {
  throw ValueError(fmt::format("quantizer '{}': {}", text, problem));
}

// One parse: the text for messages, the spec so far, and which options were seen.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}
  QuantSpec run();

 private:
  void format(std::string_view name);
  void option(std::string_view item);
  bool flag(std::string_view name);
  bool named(std::string_view name, std::string_view value);
  void granularity(Granularity g, std::string_view name);
  void block(std::string_view value);
  void once(std::string_view name);

  template <class E, std::size_t N>
  void pick(std::string_view option, std::string_view value, const EnumName<E> (&table)[N],
            E& out) {
    once(option);
    for (const auto& row : table) {
      if (row.name == value) {
        out = row.value;
        return;
      }
    }
    fail(text_, fmt::format("{}: '{}'; want {}", option, value, names_of(table)));
  }
  template <class T>
  void number(std::string_view option, std::string_view value, T& out, std::string_view want) {
    once(option);
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), out);
    if (error != std::errc() || end != value.data() + value.size()) {
      fail(text_, fmt::format("{}: '{}'; want {}", option, value, want));
    }
  }
  // Options whose words belong to the formats room: its message, our context.
  template <class F>
  auto foreign(std::string_view option, std::string_view value, F&& parse) {
    once(option);
    try {
      return parse(value);
    } catch (const ValueError& error) {
      fail(text_, error.what());
    }
  }

  std::string_view text_;
  QuantSpec spec_;
  std::vector<std::string_view> seen_;
  bool granularity_seen_ = false;
};

constexpr std::string_view kOptionNames[] = {
    "tensor", "row",  "col",    "group",    "block",    "mx",    "nvfp4", "asym",
    "sym",    "clip", "margin", "zero",     "range",    "scale", "rule",  "quotient",
    "codes",  "as",   "levels", "rounding", "overflow", "nan",   "least", "four_over_six"};

void Parser::once(std::string_view name) {
  for (const std::string_view s : seen_) {
    if (s == name) fail(text_, fmt::format("{}: given twice; want it once", name));
  }
  seen_.push_back(name);
}

void Parser::granularity(Granularity g, std::string_view name) {
  if (granularity_seen_ && spec_.granularity != g) {
    fail(text_, fmt::format("{}: a granularity was given before it; want one of tensor, row, col, "
                            "group=N, block=RxC, mx or nvfp4",
                            name));
  }
  granularity_seen_ = true;
  spec_.granularity = g;
}

void Parser::format(std::string_view name) {
  for (const Shorthand& s : kShorthands) {
    if (s.name == name) {
      spec_.format = s.format;
      granularity(s.granularity, name);
      return;
    }
  }
  if (name == "fp32") {
    spec_.format = DType::kFloat32;
    return;
  }
  try {
    spec_.format = parse_dtype(name);
  } catch (const ValueError& error) {
    std::vector<std::string_view> known;
    for (const Shorthand& s : kShorthands) known.push_back(s.name);
    for (const QuantPreset& p : quant_presets()) known.push_back(p.name);
    const std::string near = did_you_mean(name, known);
    fail(text_, near.empty() ? std::string(error.what())
                             : fmt::format("format: '{}' is unknown{}", name, near));
  }
}

void Parser::block(std::string_view value) {
  once("block");
  const std::size_t x = value.find('x');
  const auto side = [&](std::string_view digits, std::int64_t& out) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
    return error == std::errc() && end == digits.data() + digits.size() && out >= 1;
  };
  if (x == std::string_view::npos || !side(value.substr(0, x), spec_.block_rows) ||
      !side(value.substr(x + 1), spec_.block_cols)) {
    fail(text_, fmt::format("block: '{}'; want RxC with R, C >= 1, for example 128x128", value));
  }
  if (granularity_seen_ && spec_.granularity == Granularity::kNvfp4) return;
  granularity(Granularity::kBlock, "block");
}

bool Parser::flag(std::string_view name) {
  if (name == "tensor") return granularity(Granularity::kTensor, name), true;
  if (name == "row") return granularity(Granularity::kRow, name), true;
  if (name == "col") return granularity(Granularity::kColumn, name), true;
  if (name == "mx") return granularity(Granularity::kMx, name), true;
  if (name == "nvfp4") return granularity(Granularity::kNvfp4, name), true;
  if (name != "asym" && name != "sym") return false;
  once("asym");
  spec_.asymmetric = name == "asym";
  return true;
}

bool Parser::named(std::string_view name, std::string_view value) {
  if (name == "group") {
    number(name, value, spec_.group, "an integer >= 1");
    if (!(granularity_seen_ && spec_.granularity == Granularity::kNvfp4)) {
      granularity(Granularity::kGroup, name);
    }
    if (spec_.group < 1) fail(text_, fmt::format("group: {}; want an integer >= 1", value));
    return true;
  }
  if (name == "block") return block(value), true;
  if (name == "clip") return number(name, value, spec_.clip, "a number in (0, 1]"), true;
  if (name == "margin") return number(name, value, spec_.margin, "a number in (0, 2]"), true;
  if (name == "least") return number(name, value, spec_.least_absmax, "a number >= 0"), true;
  if (name == "levels") return number(name, value, spec_.levels, "1 or 2"), true;
  if (name == "zero") return pick(name, value, kZeroRules, spec_.zero), true;
  if (name == "range") return pick(name, value, kRangeRules, spec_.range), true;
  if (name == "scale") return pick(name, value, kScaleFormats, spec_.scale_format), true;
  if (name == "rule") return pick(name, value, kScaleRules, spec_.rule), true;
  if (name == "quotient") return pick(name, value, kQuotients, spec_.quotient), true;
  if (name == "codes") return pick(name, value, kCodeRanges, spec_.codes), true;
  if (name == "as") return pick(name, value, kConventions, spec_.convention), true;
  if (name == "four_over_six") {
    return pick(name, value, kFourOverSixes, spec_.four_over_six), true;
  }
  if (name == "rounding") {
    spec_.rounding = foreign(name, value, parse_rounding);
  } else if (name == "overflow") {
    spec_.overflow = foreign(name, value, parse_overflow);
  } else if (name == "nan") {
    spec_.nan = foreign(name, value, parse_nan_mode);
  } else {
    return false;
  }
  return true;
}

void Parser::option(std::string_view item) {
  const std::size_t equal = item.find('=');
  const std::string_view name = item.substr(0, equal);
  const bool known =
      equal == std::string_view::npos ? flag(item) : named(name, item.substr(equal + 1));
  if (known) return;
  for (const std::string_view n : kOptionNames) {
    if (n != name) continue;
    fail(text_, equal == std::string_view::npos
                    ? fmt::format("{}: no value; want {}=VALUE", name, name)
                    : fmt::format("{}: takes no value, got '{}'", name, item.substr(equal + 1)));
  }
  fail(text_, fmt::format("unknown option '{}'{}; want {}", name,
                          did_you_mean(name, std::span<const std::string_view>(kOptionNames)),
                          fmt::join(kOptionNames, ", ")));
}

QuantSpec Parser::run() {
  std::string_view rest = text_;
  bool first = true;
  while (true) {
    const std::size_t colon = rest.find(':');
    const std::string_view item = rest.substr(0, colon);
    if (first) {
      format(item);
    } else {
      option(item);
    }
    first = false;
    if (colon == std::string_view::npos) break;
    rest = rest.substr(colon + 1);
  }
  const QuantSpec out = complete(spec_);
  for (const std::string_view name : seen_) {
    if (name == "rule" && spec_.rule == ScaleRule::kAbsmax && out.rule != ScaleRule::kAbsmax) {
      fail(text_, "rule: absmax; want floor, ceil, even or rceil with scale=e8m0");
    }
  }
  if (const std::string problem = spec_problem(out); !problem.empty()) fail(text_, problem);
  return out;
}

std::string granularity_text(const QuantSpec& s) {
  switch (s.granularity) {
    case Granularity::kTensor:
      return "";
    case Granularity::kRow:
      return ":row";
    case Granularity::kColumn:
      return ":col";
    case Granularity::kGroup:
      return fmt::format(":group={}", s.group);
    case Granularity::kBlock:
      return fmt::format(":block={}x{}", s.block_rows, s.block_cols);
    case Granularity::kMx:
      return ":mx";
    case Granularity::kNvfp4:
      return ":nvfp4";
  }
  return "";
}

}  // namespace

QuantSpec parse_quant_spec(std::string_view text) {
  for (const QuantPreset& preset : quant_presets()) {
    if (preset.name == text) return Parser(preset.text).run();
  }
  return Parser(text).run();
}

std::string to_string(const QuantSpec& spec) {
  const QuantSpec s = resolve(spec);
  std::string out(to_string(s.format));
  std::string granularity = granularity_text(s);
  for (const Shorthand& shorthand : kShorthands) {
    if (shorthand.format == s.format && shorthand.granularity == s.granularity) {
      out = shorthand.name;
      granularity.clear();
    }
  }
  out += granularity;
  const QuantSpec d;
  if (s.granularity == Granularity::kNvfp4 && s.block_rows == 16) out += ":block=16x16";
  if (s.rule == ScaleRule::kEden && s.group != 128) out += fmt::format(":group={}", s.group);
  if (s.asymmetric) out += ":asym";
  if (s.zero != d.zero) out += fmt::format(":zero={}", name_of(kZeroRules, s.zero));
  if (s.range != d.range) out += fmt::format(":range={}", name_of(kRangeRules, s.range));
  if (s.clip != d.clip) out += fmt::format(":clip={}", s.clip);
  if (s.margin != d.margin) out += fmt::format(":margin={}", s.margin);
  if (s.least_absmax != d.least_absmax) out += fmt::format(":least={}", s.least_absmax);
  if (s.scale_format != default_scale_format(s)) {
    out += fmt::format(":scale={}", name_of(kScaleFormats, s.scale_format));
  }
  if (s.rule != default_rule(s)) out += fmt::format(":rule={}", name_of(kScaleRules, s.rule));
  if (s.quotient != d.quotient) out += fmt::format(":quotient={}", name_of(kQuotients, s.quotient));
  if (s.codes != d.codes) out += fmt::format(":codes={}", name_of(kCodeRanges, s.codes));
  if (s.levels != d.levels) out += fmt::format(":levels={}", s.levels);
  if (s.four_over_six != d.four_over_six) {
    out += fmt::format(":four_over_six={}", name_of(kFourOverSixes, s.four_over_six));
  }
  if (s.convention != d.convention) {
    out += fmt::format(":as={}", name_of(kConventions, s.convention));
  }
  if (s.rounding != d.rounding) out += fmt::format(":rounding={}", to_string(s.rounding));
  if (s.overflow != d.overflow) out += fmt::format(":overflow={}", to_string(s.overflow));
  if (s.nan != d.nan) out += fmt::format(":nan={}", to_string(s.nan));
  return out;
}

}  // namespace sylvester
