// sylvester formats [NAME] [--table] [--check VALUE]
#include <cmath>

#include "arguments.h"
#include "program.h"
#include "sylvester/core/error.h"
#include "sylvester/formats/convert.h"
#include "sylvester/formats/describe.h"
#include "sylvester/io/json.h"

namespace sylvester::sim {
namespace {

struct Options {
  std::string check, rounding, overflow, nan, preset;  // empty: the format's default
  bool table = false;
};

void write_limits(io::JsonWriter& json, const Format& f) {
  json.begin_object();
  json.key("name").value(f.name).key("alias").value(f.alias).key("bits").value(f.bits);
  json.key("exponent_bits").value(f.exponent_bits).key("mantissa_bits").value(f.mantissa_bits);
  json.key("bias").value(f.bias).key("max").value(f.max).key("min_normal").value(f.min_normal);
  json.key("min_subnormal").value(f.min_subnormal).end_object();
}

std::string formats_json() {
  io::JsonWriter json(2);
  json.begin_array();
  for (const Format& f : formats()) write_limits(json, f);
  json.end_array();
  return json.text() + "\n";
}

std::string codes_json(const Format& f) {
  io::JsonWriter json;
  json.begin_array();
  for (std::uint32_t code = 0; code < std::uint32_t{1} << f.bits; ++code) {
    json.begin_object().key("code").value(std::int64_t{code});
    json.key("bits").value(code_bits_text(code, f.dtype));
    json.key("class").value(code_class(code, f.dtype));
    json.key("value").value(static_cast<double>(decode_one(code, f.dtype))).end_object();
  }
  json.end_array();
  return json.text() + "\n";
}

double number_of(const std::string& text) {
  if (text == "nan") return std::nan("");
  if (text == "inf" || text == "-inf") return text == "inf" ? HUGE_VAL : -HUGE_VAL;
  return parse_double(text);
}

std::string checked(const Format& f, const Options& o, bool as_json) {
  EncodeOptions encode = storage_bytes(f.dtype) == 2 ? kIeeeEncode : EncodeOptions{};
  if (!o.preset.empty()) {
    if (!o.rounding.empty() || !o.overflow.empty() || !o.nan.empty()) {
      throw ValueError("option preset '" + o.preset +
                       "': want it, or rounding, overflow and nan, not both");
    }
    encode = encode_preset(o.preset, f.dtype);
  }
  if (!o.rounding.empty()) encode.rounding = parse_rounding(o.rounding);
  if (!o.overflow.empty()) encode.overflow = parse_overflow(o.overflow);
  if (!o.nan.empty()) encode.nan = parse_nan_mode(o.nan);
  const double x = number_of(o.check);
  if (!as_json) return explain_rounding(x, f.dtype, encode);
  const std::uint32_t code = encode_one(x, f.dtype, encode) & ((std::uint64_t{1} << f.bits) - 1);
  io::JsonWriter json(2);
  json.begin_object().key("input").value(x).key("format").value(f.name);
  json.key("code").value(std::int64_t{code});
  json.key("value").value(static_cast<double>(decode_one(code, f.dtype))).end_object();
  return json.text() + "\n";
}

}  // namespace

int run_formats(Words words) {
  Arguments arguments("formats", "Number formats: codes, limits, and how a number is rounded.");
  std::string name;
  Options o;
  arguments.positional("NAME", "a format: float8_e4m3fn, e2m1, int4, ...", name, false);
  OptionTable& t = arguments.options;
  t.add_flag("table", "every code with its bits, value and class", o.table);
  t.add("check", "VALUE", "round this number, step by step (also nan, inf, -inf)", o.check,
        [](const std::string& text) { number_of(text); });
  t.add("rounding", "MODE", "of --check; nearest_even unless said", o.rounding,
        [](const std::string& text) { parse_rounding(text); });
  t.add("overflow", "MODE", "of --check: saturate (default), nonfinite (16 bits: default)",
        o.overflow, [](const std::string& text) { parse_overflow(text); });
  t.add("nan", "MODE", "of --check", o.nan, [](const std::string& text) { parse_nan_mode(text); });
  t.add("preset", "NAME", "of --check: a reference's convention instead (cuda, torch, ...)",
        o.preset);
  if (!arguments.parse(words)) return kOk;
  if (arguments.dry_run) return arguments.show_plan();
  if (name.empty()) {
    if (o.table || !o.check.empty()) throw ValueError("formats: --table and --check need a NAME");
    print(arguments.json ? formats_json() : format_table());
    return kOk;
  }
  const Format& f = format(parse_dtype(name));
  if (!o.check.empty()) {
    print(checked(f, o, arguments.json));
  } else if (o.table) {
    print(arguments.json ? codes_json(f) : code_table(f.dtype));
  } else if (arguments.json) {
    io::JsonWriter json(2);
    write_limits(json, f);
    print(json.text() + "\n");
  } else {
    print(describe_format(f.dtype));
  }
  return kOk;
}

}  // namespace sylvester::sim
