// Comparison, training, validation, packing.
#include "sylvester/eval/compare.h"
#include "sylvester/eval/golden.h"
#include "sylvester/io/validate.h"
#include "sylvester/train/run.h"

#include "bind.h"

namespace sylvester::python {
namespace {

std::string train(const std::map<std::string, std::string>& text, nb::callable on_record) {
  TrainOptions options;
  OptionTable table = bind(options);
  for (const auto& [name, value] : text) table.set(name, value, "python");
  TrainEvents events;
  events.on_metrics = [&](const MetricsRow& row) {
    nb::gil_scoped_acquire acquire;
    on_record(to_json(row));
  };
  events.should_stop = [] {
    nb::gil_scoped_acquire acquire;
    return PyErr_CheckSignals() != 0;
  };
  TrainResult result;
  {
    nb::gil_scoped_release release;
    result = run_training(options, events);
  }
  if (PyErr_Occurred() != nullptr) throw nb::python_error();  // Ctrl-C
  return result.out.string();
}

// Options by name as text, as for train(); the text of golden.json.
std::string golden(const std::string& op, const std::map<std::string, std::string>& text) {
  GoldenOptions options;
  options.op = op;
  OptionTable table = bind(options);
  for (const auto& [name, value] : text) table.set(name, value, "python");
  nb::gil_scoped_release release;
  return write_golden(options);
}

// a, b: the same bytes' worth of elements; `format` names them.
nb::dict compare_arrays(const In<std::uint8_t>& a, const In<std::uint8_t>& b,
                        const std::string& format, const std::vector<std::int64_t>& shape,
                        const std::string& tolerance) {
  const DType dtype = parse_dtype(format);
  const auto bytes = [](const In<std::uint8_t>& x) {
    return std::as_bytes(std::span(x.data(), x.size()));
  };
  const Comparison result =
      compare({dtype, shape, bytes(a)}, {dtype, shape, bytes(b)}, parse_tolerance(tolerance));
  nb::dict out;
  out["equal"] = result.ok();
  out["count"] = result.count;
  out["mismatches"] = result.mismatches;
  out["max_abs"] = result.max_abs;
  out["max_rel"] = result.max_rel;
  out["report"] = report(result, dtype);
  nb::dict histogram;
  for (std::size_t i = 0; i < kUlpBuckets.size(); ++i) {
    histogram[std::string(kUlpBuckets[i]).c_str()] = result.histogram[i];
  }
  out["histogram"] = histogram;
  out["first"] = nb::none();
  if (result.first) {
    nb::dict first;
    first["index"] = result.first->index;
    first["a"] = result.first->a;
    first["b"] = result.first->b;
    first["a_code"] = result.first->a_code;
    first["b_code"] = result.first->b_code;
    first["below"] = result.first->below;
    first["above"] = result.first->above;
    first["ulps"] = result.first->ulps;
    out["first"] = first;
  }
  return out;
}

nb::list validate_file(const std::string& path) {
  nb::list out;
  for (const io::Violation& v : io::validate(path)) {
    nb::dict row;
    row["file"] = v.file;
    row["offset"] = v.offset;
    row["field"] = v.field;
    row["rule"] = v.rule;
    row["warning"] = v.warning;
    out.append(row);
  }
  return out;
}

}  // namespace

void bind_tools(nb::module_& m) {
  m.def("compare", &compare_arrays);
  m.def("golden", &golden);
  m.def("train", &train);
  m.def("validate", &validate_file);
}

}  // namespace sylvester::python
