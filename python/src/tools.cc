// Comparison, training, validation, packing.
#include "sylvester/eval/compare.h"
#include "sylvester/formats/packing.h"
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
  m.def("train", &train);
  m.def("validate", &validate_file);
}

}  // namespace sylvester::python
