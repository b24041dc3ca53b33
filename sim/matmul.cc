// sylvester matmul A B OUT --format SPEC [--accumulate POLICY] [--placement P]
#include <fmt/format.h>

#include "arguments.h"
#include "arrays.h"
#include "program.h"
#include "sylvester/core/error.h"
#include "sylvester/eval/emulated_product.h"
#include "sylvester/io/json.h"

namespace sylvester::sim {

namespace {

// Operands as float32, rotated and as codes; the product.
int show_plan(const Arguments& arguments, const std::string& a_place, const std::string& b_place) {
  const io::NpyArray a = load_array(a_place), b = load_array(b_place);
  const AxisLayout A = axis_layout(a, -1), B = axis_layout(b, -1);
  const std::int64_t operands = A.rows * A.cols + B.rows * B.cols;
  return arguments.show_plan(
      {.memory_bytes = 13 * operands + 8 * A.rows * B.rows,
       .operations = 2.0 * static_cast<double>(A.rows * B.rows) * static_cast<double>(A.cols)});
}

}  // namespace

int run_matmul(Words words) {
  Arguments arguments("matmul", "C = A B' of quantized operands: A [M, K], B [N, K], C [M, N].");
  std::string a_place, b_place, out, format, format_b, accumulate = "blas", placement = "none";
  CommonOptions common;
  OptionTable& t = arguments.options;
  arguments.positional("A", "an array: npy, npz:NAME, safetensors:NAME", a_place);
  arguments.positional("B", "its rows lie along K, as a weight's do", b_place);
  arguments.positional("OUT", "the product, npy", out);
  const auto check_spec = [](const std::string& text) { parse_quant_spec(text); };
  t.add("format", "SPEC", "how A and B are quantized", format, check_spec);
  t.add("format-b", "SPEC", "how B is quantized, where it differs", format_b, check_spec);
  t.add("accumulate", "POLICY", "how the terms are added", accumulate,
        [](const std::string& text) { parse_accumulation(text); });
  t.add("placement", "P", "Hadamards: none, or some of left,middle,right", placement,
        [](const std::string& text) { parse_placement(text); });
  t.add_flag("force", "replace OUT", common.force);
  add_compute_options(t, common);
  if (!arguments.parse(words)) return kOk;
  if (arguments.dry_run) return show_plan(arguments, a_place, b_place);
  if (format.empty()) throw ValueError("option format is required");
  if (kind_of(out) != FileKind::kNpy) throw ValueError("matmul: OUT must be a .npy file");
  const Device device = apply_on_device(common);
  check_output(a_place, out, common.force);
  check_output(b_place, out, common.force);
  const AxisMatrix A = to_matrix(load_array(a_place), -1), B = to_matrix(load_array(b_place), -1);
  if (A.shape.size() > 2 || B.shape.size() > 2) throw ShapeError("matmul: want matrices");
  std::vector<float> c(static_cast<std::size_t>(A.rows * B.rows));
  emulate_product(A.view(), B.view(), parse_quant_spec(format),
                  parse_quant_spec(format_b.empty() ? format : format_b),
                  parse_placement(placement), parse_accumulation(accumulate),
                  {c.data(), A.rows, B.rows}, common.seed, device);
  io::write_npy(out, io::make_array(std::span<const float>(c), {A.rows, B.rows}));
  if (arguments.json) {
    io::JsonWriter json(2);
    json.begin_object().key("out").value(out).key("shape").begin_array().value(A.rows);
    json.value(B.rows).end_array().key("terms").value(A.cols).key("format").value(format);
    json.key("format_b").value(format_b.empty() ? format : format_b);
    json.key("accumulate").value(accumulate).key("placement").value(placement).end_object();
    print(json.text() + "\n");
  } else if (!arguments.quiet) {
    print(fmt::format("{}: [{}, {}] = [{}, {}] x [{}, {}]', {}\n", out, A.rows, B.rows, A.rows,
                      A.cols, B.rows, B.cols, accumulate));
  }
  return kOk;
}

}  // namespace sylvester::sim
