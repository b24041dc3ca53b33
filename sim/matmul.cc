// sylvester matmul A B OUT --format SPEC [--accumulate POLICY] [--placement P]
#include <fmt/format.h>

#include <algorithm>

#include "arguments.h"
#include "arrays.h"
#include "product.h"
#include "program.h"
#include "sylvester/core/error.h"
#include "sylvester/hadamard/rotate_quantize.h"

namespace sylvester::sim {

Placement parse_placement(const std::string& text) {
  Placement p;
  if (text == "none") return p;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string part = text.substr(begin, end - begin);
    begin = end + 1;
    bool* flag = part == "left"     ? &p.left
                 : part == "middle" ? &p.middle
                 : part == "right"  ? &p.right
                                    : nullptr;
    if (flag == nullptr) {
      throw ValueError("want none, or some of left, middle, right parted by commas");
    }
    *flag = true;
  }
  return p;
}

EmulatedProduct emulate_product(MatrixView<const float> A, MatrixView<const float> B,
                                const QuantSpec& a, const QuantSpec& b, const Placement& placement,
                                const Accumulation& accumulation, MatrixView<float> C,
                                std::uint64_t seed) {
  EmulatedProduct out;
  RotateQuantizeOptions rotation;
  rotation.rows = placement.middle;
  rotation.cols = placement.left;
  rotate_quantize(A, rotation, a, out.a, nullptr, {seed, 0, 0});
  rotation.cols = placement.right;
  rotate_quantize(B, rotation, b, out.b, nullptr, {seed, 0, 1});
  matmul(out.a, out.b, accumulation, C);
  HadamardOptions inverse;
  inverse.inverse = true;
  if (placement.left) hadamard_cols(C, C, inverse);
  if (placement.right) hadamard_rows(C, C, inverse);
  return out;
}

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
  if (format.empty()) throw ValueError("option format is required");
  if (kind_of(out) != FileKind::kNpy) throw ValueError("matmul: OUT must be a .npy file");
  apply(common);
  check_output(a_place, out, common.force);
  check_output(b_place, out, common.force);
  const AxisMatrix A = to_matrix(load_array(a_place), -1), B = to_matrix(load_array(b_place), -1);
  if (A.shape.size() > 2 || B.shape.size() > 2) throw ShapeError("matmul: want matrices");
  std::vector<float> c(static_cast<std::size_t>(A.rows * B.rows));
  emulate_product(A.view(), B.view(), parse_quant_spec(format),
                  parse_quant_spec(format_b.empty() ? format : format_b),
                  parse_placement(placement), parse_accumulation(accumulate),
                  {c.data(), A.rows, B.rows}, common.seed);
  io::write_npy(out, io::make_array(std::span<const float>(c), {A.rows, B.rows}));
  if (!arguments.quiet) {
    print(fmt::format("{}: [{}, {}] = [{}, {}] x [{}, {}]', {}\n", out, A.rows, B.rows, A.rows,
                      A.cols, B.rows, B.cols, accumulate));
  }
  return kOk;
}

}  // namespace sylvester::sim
