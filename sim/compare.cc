// sylvester compare A B [--tolerance exact|ulp:N|abs:X|rel:X] [--format NAME]
#include "sylvester/eval/compare.h"

#include "arguments.h"
#include "arrays.h"
#include "program.h"
#include "sylvester/core/error.h"
#include "sylvester/io/json.h"

namespace sylvester::sim {
namespace {

// The format of an array's elements: its own dtype's, or `format` for codes in u1, i1 or u2.
DType dtype_of(const io::NpyArray& array, const std::string& format) {
  const std::string& d = array.dtype;
  if (!format.empty()) {
    const DType dtype = parse_dtype(format);
    const std::int64_t width = storage_bytes(dtype);
    const std::int64_t has = d.empty() ? 0 : d.back() - '0';
    if (width != has) {
      throw ValueError("format " + format + ": its codes take " + std::to_string(width) +
                       " byte(s) and the array has dtype " + d);
    }
    return dtype;
  }
  if (d == "f4") return DType::kFloat32;
  if (d == "f8") return DType::kFloat64;
  if (d == "f2") return DType::kFloat16;
  if (d == "u1" || d == "b1") return DType::kUInt8;
  if (d == "i1") return DType::kInt8;
  if (d == "i4") return DType::kInt32;
  throw UnsupportedError("compare: arrays of dtype " + d +
                         " are not compared; want f2, f4, f8, i1, u1, i4, or codes with --format");
}

std::string comparison_json(const Comparison& c, DType dtype) {
  io::JsonWriter json(2);
  json.begin_object().key("equal").value(c.ok()).key("dtype").value(to_string(dtype));
  json.key("tolerance").value(to_string(c.tolerance)).key("count").value(c.count);
  json.key("mismatches").value(c.mismatches);
  json.key("max_abs").value(c.max_abs).key("max_rel").value(c.max_rel);
  if (c.first) {
    const Mismatch& m = *c.first;
    json.key("first").begin_object().key("index").begin_array();
    for (const std::int64_t i : m.index) json.value(i);
    json.end_array().key("a").value(m.a).key("b").value(m.b);
    json.key("a_code").value(m.a_code).key("b_code").value(m.b_code);
    json.key("below").value(m.below).key("above").value(m.above);
    if (m.ulps) json.key("ulps").value(*m.ulps);
    json.end_object();
  }
  json.key("histogram").begin_object();
  for (std::size_t i = 0; i < kUlpBuckets.size(); ++i) {
    json.key(kUlpBuckets[i]).value(c.histogram[i]);
  }
  json.end_object().end_object();
  return json.text() + "\n";
}

}  // namespace

int run_compare(Words words) {
  Arguments arguments("compare", "Two arrays, element by element; exit 1 when they differ.");
  std::string a_place, b_place, tolerance = "exact", format;
  arguments.positional("A", "FILE.npy, FILE.npz:NAME or FILE.safetensors:NAME", a_place);
  arguments.positional("B", "the reference, the same forms", b_place);
  arguments.options.add("tolerance", "T", "exact|ulp:N|abs:X|rel:X", tolerance,
                        [](const std::string& text) { parse_tolerance(text); });
  arguments.options.add("format", "NAME", "what the codes of u1, i1 or u2 arrays mean", format,
                        [](const std::string& text) { parse_dtype(text); });
  if (!arguments.parse(words)) return kOk;
  if (arguments.dry_run) {
    return arguments.show_plan({.memory_bytes = bytes_of(a_place) + bytes_of(b_place)});
  }
  const io::NpyArray a = load_array(a_place), b = load_array(b_place);
  const DType dtype = dtype_of(a, format);
  const Comparison c = compare({dtype, a.shape, a.bytes}, {dtype_of(b, format), b.shape, b.bytes},
                               parse_tolerance(tolerance));
  print(arguments.json ? comparison_json(c, dtype) : report(c, dtype));
  return c.ok() ? kOk : kCheckFailed;
}

}  // namespace sylvester::sim
