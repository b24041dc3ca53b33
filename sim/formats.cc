// sylvester formats [NAME] [--table] [--check VALUE]
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "arguments.h"
#include "program.h"
#include "sylvester/core/error.h"
#include "sylvester/formats/convert.h"
#include "sylvester/io/json.h"

namespace sylvester::sim {
namespace {

std::string_view specials_text(Specials s) {
  switch (s) {
    case Specials::kIeee:
      return "Inf, NaN";
    case Specials::kFn:
      return "NaN";
    case Specials::kFnuz:
      return "NaN at -0";
    case Specials::kFiniteOnly:
      return "none";
    case Specials::kE8m0:
      return "NaN, no sign";
    default:
      return "integer";
  }
}

std::string number(double x) {
  if (std::isnan(x)) return "NaN";
  if (std::isinf(x)) return x > 0 ? "Inf" : "-Inf";
  return fmt::format("{:.9g}", x);
}

void write_limits(io::JsonWriter& json, const Format& f) {
  json.begin_object();
  json.key("name").value(f.name).key("alias").value(f.alias).key("bits").value(f.bits);
  json.key("exponent_bits").value(f.exponent_bits).key("mantissa_bits").value(f.mantissa_bits);
  json.key("bias").value(f.bias).key("specials").value(specials_text(f.specials));
  json.key("max").value(f.max).key("min_normal").value(f.min_normal);
  json.key("min_subnormal").value(f.min_subnormal).end_object();
}

std::string all_formats(bool as_json) {
  if (as_json) {
    io::JsonWriter json(2);
    json.begin_array();
    for (const Format& f : formats()) write_limits(json, f);
    json.end_array();
    return json.text() + "\n";
  }
  TextTable table({"format", "alias", "bits", "sign.exp.mant", "bias", "largest", "least normal",
                   "least", "special values"});
  for (const Format& f : formats()) {
    const int sign = f.specials == Specials::kE8m0 ? 0 : 1;
    table.add({std::string(f.name), std::string(f.alias), std::to_string(f.bits),
               fmt::format("{}.{}.{}", sign, f.exponent_bits, f.mantissa_bits),
               std::to_string(f.bias), number(f.max), number(f.min_normal), number(f.min_subnormal),
               std::string(specials_text(f.specials))});
  }
  return table.text();
}

std::string class_of(const Format& f, std::uint32_t code) {
  const double x = decode_one(code, f.dtype);
  if (std::isnan(x)) return "NaN";
  if (std::isinf(x)) return "Inf";
  if (f.specials == Specials::kInteger) return x == 0 ? "zero" : "integer";
  if (x == 0) return "zero";
  return std::abs(x) < f.min_normal ? "subnormal" : "normal";
}

// s eeee mmm
std::string bit_text(const Format& f, std::uint32_t code) {
  std::string out;
  const bool split = f.specials != Specials::kInteger;
  for (int b = f.bits - 1; b >= 0; --b) {
    out += (code >> b & 1) != 0 ? '1' : '0';
    const bool after_sign = b == f.bits - 1 && f.specials != Specials::kE8m0;
    if (split && b > 0 && (after_sign || b == f.mantissa_bits)) out += ' ';
  }
  return out;
}

std::string code_table(const Format& f, bool as_json) {
  const std::uint32_t count = std::uint32_t{1} << f.bits;
  if (as_json) {
    io::JsonWriter json(-1);
    json.begin_array();
    for (std::uint32_t code = 0; code < count; ++code) {
      json.begin_object().key("code").value(std::int64_t{code});
      json.key("value").value(decode_one(code, f.dtype));
      json.key("class").value(class_of(f, code)).end_object();
    }
    json.end_array();
    return json.text() + "\n";
  }
  TextTable table({"code", "bits", "value", "class"});
  for (std::uint32_t code = 0; code < count; ++code) {
    table.add({fmt::format("0x{:0{}x}", code, (f.bits + 3) / 4), bit_text(f, code),
               number(decode_one(code, f.dtype)), class_of(f, code)});
  }
  return table.text();
}

struct Neighbours {
  std::uint32_t below = 0, above = 0;
  bool has_below = false, has_above = false;
};

// The codes whose finite values enclose x; among codes of one value the first.
Neighbours neighbours_of(const Format& f, double x) {
  Neighbours n;
  double low = 0, high = 0;
  for (std::uint32_t code = 0; code < std::uint32_t{1} << f.bits; ++code) {
    const double v = decode_one(code, f.dtype);
    if (!std::isfinite(v)) continue;
    if (v <= x && (!n.has_below || v > low)) {
      n.below = code;
      low = v;
      n.has_below = true;
    }
    if (v >= x && (!n.has_above || v < high)) {
      n.above = code;
      high = v;
      n.has_above = true;
    }
  }
  return n;
}

std::string rounding_steps(const Format& f, double x) {
  std::string out = fmt::format("{} in {}\n", number(x), f.name);
  const Neighbours n = neighbours_of(f, x);
  const auto line = [&](const char* what, bool there, std::uint32_t code) {
    if (!there) {
      out += fmt::format("  {:<6} none: {}\n", what, "outside the finite range");
      return;
    }
    const double v = decode_one(code, f.dtype);
    out += fmt::format("  {:<6} {}  code 0x{:0{}x}  bits {}  away {}\n", what, number(v), code,
                       (f.bits + 3) / 4, bit_text(f, code), number(std::abs(v - x)));
  };
  if (std::isfinite(x)) {
    line("below", n.has_below, n.below);
    line("above", n.has_above, n.above);
    if (n.has_below && n.has_above && n.below != n.above) {
      const double low = decode_one(n.below, f.dtype), high = decode_one(n.above, f.dtype);
      out += fmt::format("  half way is {}: {}\n", number(low + (high - low) / 2),
                         x - low == high - x  ? "a tie"
                         : x - low < high - x ? "nearer to the lower"
                                              : "nearer to the upper");
    }
  }
  for (const Rounding r : {Rounding::kNearestEven, Rounding::kNearestAway, Rounding::kTowardZero,
                           Rounding::kNearestTowardNegative, Rounding::kUp}) {
    EncodeOptions options;
    options.rounding = r;
    const std::uint32_t code = encode_one(x, f.dtype, options) & ((1u << f.bits) - 1);
    const double v = decode_one(code, f.dtype);
    out += fmt::format("  {:<24} -> {}  code 0x{:0{}x}{}\n", to_string(r), number(v), code,
                       (f.bits + 3) / 4,
                       std::isfinite(x) && x != 0 && std::isfinite(v)
                           ? fmt::format("  relative error {:.3g}", std::abs(v - x) / std::abs(x))
                           : "");
  }
  EncodeOptions overflow;
  overflow.overflow = Overflow::kNonfinite;
  const std::uint32_t code = encode_one(x, f.dtype, overflow) & ((1u << f.bits) - 1);
  out += fmt::format("  {:<24} -> {}  code 0x{:0{}x}\n", "overflow=nonfinite",
                     number(decode_one(code, f.dtype)), code, (f.bits + 3) / 4);
  return out;
}

}  // namespace

int run_formats(Words words) {
  Arguments arguments("formats", "Number formats: codes, limits, and how a number is rounded.");
  std::string name, check;
  bool table = false;
  arguments.positional("NAME", "a format: float8_e4m3fn, e2m1, int4, ...", name, false);
  arguments.options.add_flag("table", "every code with its bits, value and class", table);
  arguments.options.add("check", "VALUE", "round this number, step by step", check);
  if (!arguments.parse(words)) return kOk;
  if (name.empty()) {
    if (table || !check.empty()) throw ValueError("formats: --table and --check need a NAME");
    print(all_formats(arguments.json));
    return kOk;
  }
  const Format& f = format(parse_dtype(name));
  if (!check.empty()) {
    const double x = check == "nan"    ? std::nan("")
                     : check == "inf"  ? HUGE_VAL
                     : check == "-inf" ? -HUGE_VAL
                                       : parse_double(check);
    print(rounding_steps(f, x));
  } else if (table) {
    print(code_table(f, arguments.json));
  } else if (arguments.json) {
    io::JsonWriter json(2);
    write_limits(json, f);
    print(json.text() + "\n");
  } else {
    TextTable limits({"format", std::string(f.name)});
    limits.add({"bits", std::to_string(f.bits)});
    limits.add({"exponent bits", std::to_string(f.exponent_bits)});
    limits.add({"mantissa bits", std::to_string(f.mantissa_bits)});
    limits.add({"bias", std::to_string(f.bias)});
    limits.add({"largest finite", number(f.max)});
    limits.add({"least normal", number(f.min_normal)});
    limits.add({"least positive", number(f.min_subnormal)});
    limits.add({"special values", std::string(specials_text(f.specials))});
    print(limits.text());
  }
  return kOk;
}

}  // namespace sylvester::sim
