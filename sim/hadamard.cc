// sylvester hadamard IN OUT [--axis N] [--block N] [--left] | sylvester hadamard --check N
#include "sylvester/hadamard/hadamard.h"

#include <fmt/format.h>

#include "arguments.h"
#include "arrays.h"
#include "program.h"
#include "sylvester/core/error.h"
#include "sylvester/io/json.h"
#include "sylvester/ops/numerics.h"

namespace sylvester::sim {
namespace {

struct Options {
  std::string in, out, signs;
  std::int64_t axis = -1, block = 0, check = 0;
  bool left = false, inverse = false;
  CommonOptions common;
};

// Larger matrices are verified, not printed.
constexpr std::int64_t kPrinted = 64;
// H H' is checked in full: n^3 additions.
constexpr std::int64_t kVerified = 2048;

int check_matrix(std::int64_t n, bool as_json) {
  if (n > kVerified) {
    throw ValueError(fmt::format("check {}: matrices up to order {} are checked", n, kVerified));
  }
  const std::vector<std::int8_t> h = hadamard_matrix(n);
  std::string text;
  for (std::int64_t i = 0; n <= kPrinted && i < n; ++i) {
    for (std::int64_t j = 0; j < n; ++j)
      text += h[static_cast<std::size_t>(i * n + j)] > 0 ? '+' : '-';
    text += '\n';
  }
  std::int64_t wrong = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = i; j < n; ++j) {
      std::int64_t dot = 0;
      for (std::int64_t k = 0; k < n; ++k) {
        dot += h[static_cast<std::size_t>(i * n + k)] * h[static_cast<std::size_t>(j * n + k)];
      }
      wrong += dot != (i == j ? n : 0) ? 1 : 0;
    }
  }
  const std::int64_t base = hadamard_base(n);
  if (as_json) {
    io::JsonWriter json(2);
    json.begin_object().key("order").value(n).key("base").value(base);
    json.key("power").value(n / base).key("holds").value(wrong == 0).key("wrong").value(wrong);
    json.end_object();
    print(json.text() + "\n");
  } else {
    text += fmt::format("order {} = {} x {}: H H' = {} I {}\n", n, base, n / base, n,
                        wrong == 0 ? "holds" : fmt::format("FAILS in {} entries", wrong));
    print(text);
  }
  return wrong == 0 ? kOk : kCheckFailed;
}

// Transforms in the array's own precision: float64 stays, everything else is float32.
template <class T>
AxisLayout transform(const io::NpyArray& array, std::vector<T> flat, std::int64_t axis,
                     const HadamardOptions& h, Device device, const std::string& out) {
  const AxisLayout m = axis_layout(array, axis);
  std::vector<T> values = to_axis_order(m, std::move(flat));
  const MatrixView<T> view(values.data(), m.rows, m.cols);
  if (device == Device::kCpu) {
    hadamard_rows(view, view, h);
  } else if constexpr (std::is_same_v<T, float>) {
    Numerics& card = numerics(device);
    Tensor x = card.allocate({m.rows, m.cols});
    card.upload(values, x);
    card.hadamard(x, false, h, x);
    card.download(x, values);
  } else {
    throw UnsupportedError("hadamard: a float64 array on the card; use --backend cpu");
  }
  const std::vector<T> result = to_array_order(m, values.data());
  io::write_npy(out, io::make_array(std::span<const T>(result), m.shape));
  return m;
}

}  // namespace

int run_hadamard(Words words) {
  Arguments arguments(
      "hadamard",
      "Orthonormal Walsh-Hadamard transform of an array, in float32 or its own float64.");
  Options o;
  OptionTable& t = arguments.options;
  arguments.positional("IN", "an array: npy, npz:NAME, safetensors:NAME", o.in, false);
  arguments.positional("OUT", "the transformed array, npy", o.out, false);
  t.add("axis", "N", "axis to transform", o.axis, {-64, 63});
  t.add("block", "N", "block-diagonal of this order; 0: the whole axis", o.block, {0, 1 << 24});
  t.add("signs", "SEED", "random signs first: y = x Diag(r) H", o.signs,
        [](const std::string& text) { parse_uint64(text); });
  t.add_flag("left", "transform the first axis: H' X", o.left);
  t.add_flag("inverse", "the inverse transform", o.inverse);
  t.add("check", "N", "print and verify the matrix of order N instead", o.check, {0, 1 << 24});
  t.add_flag("force", "replace OUT", o.common.force);
  add_compute_options(t, o.common);
  if (!arguments.parse(words)) return kOk;
  if (o.left && t.is_set("axis")) {
    throw ValueError("option axis " + std::to_string(o.axis) +
                     ": --left transforms the first axis; want one of the two");
  }
  if (arguments.dry_run) {  // the array, the matrix, the result
    return arguments.show_plan({.memory_bytes = o.in.empty() ? 0 : 3 * bytes_of(o.in)});
  }
  const Device device = apply_on_device(o.common);
  if (o.check > 0) return check_matrix(o.check, arguments.json);
  if (o.in.empty() || o.out.empty()) throw ValueError("hadamard: want IN and OUT, or --check N");
  if (kind_of(o.out) != FileKind::kNpy) throw ValueError("hadamard: OUT must be a .npy file");
  check_output(o.in, o.out, o.common.force);
  HadamardOptions h;
  h.block = o.block;
  h.inverse = o.inverse;
  if (!o.signs.empty()) h.signs = parse_uint64(o.signs);
  const std::int64_t axis = o.left ? 0 : o.axis;
  const io::NpyArray array = load_array(o.in);
  AxisLayout m;
  if (array.dtype == "f8") {
    const std::span<const double> values = array.as<double>();
    m = transform(array, std::vector<double>(values.begin(), values.end()), axis, h, device, o.out);
  } else {
    m = transform(array, array.to_float32(), axis, h, device, o.out);
  }
  if (arguments.json) {
    const std::int64_t order = o.block > 0 ? o.block : m.cols;
    io::JsonWriter json(2);
    json.begin_object().key("out").value(o.out).key("transforms").value(m.rows);
    json.key("length").value(m.cols).key("order").value(order);
    json.key("base").value(hadamard_base(order)).end_object();
    print(json.text() + "\n");
  } else if (!arguments.quiet) {
    print(fmt::format("{}: {} transforms of length {}\n", o.out, m.rows, m.cols));
  }
  return kOk;
}

}  // namespace sylvester::sim
