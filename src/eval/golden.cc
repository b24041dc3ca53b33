#include "sylvester/eval/golden.h"

#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <limits>

#include "sylvester/core/error.h"
#include "sylvester/core/text.h"
#include "sylvester/eval/emulated_product.h"
#include "sylvester/formats/convert.h"
#include "sylvester/hadamard/hadamard.h"
#include "sylvester/io/checkpoint.h"
#include "sylvester/io/json.h"
#include "sylvester/io/npy.h"
#include "sylvester/nn/linear.h"
#include "sylvester/train/run_folder.h"

namespace sylvester {
namespace fs = std::filesystem;
namespace {

// Collects the arrays of one golden set.
class Set {
 public:
  template <class T>
  void add(const std::string& name, const char* role, std::span<const T> values,
           std::vector<std::int64_t> shape) {
    entries_.push_back({name, role, io::make_array(values, std::move(shape))});
  }
  template <class T>
  void add(const std::string& name, const char* role, const std::vector<T>& values,
           std::vector<std::int64_t> shape) {
    add(name, role, std::span<const T>(values), std::move(shape));
  }
  void add(const std::string& prefix, const QuantizedMatrix& q) {
    if (!q.codes.empty()) add(prefix + "codes", "output", q.codes.span(), {q.rows, q.cols});
    const std::vector<std::int64_t> shape = {q.scale_rows, q.scale_cols};
    if (!q.scales.empty()) add(prefix + "scales", "output", q.scales.span(), shape);
    if (!q.scale_codes.empty()) add(prefix + "scale_codes", "output", q.scale_codes.span(), shape);
    if (!q.zeros.empty()) add(prefix + "zeros", "output", q.zeros.span(), shape);
  }

  std::string manifest(const GoldenOptions& o,
                       const std::vector<std::pair<std::string, std::string>>& facts) const {
    io::JsonWriter json(2);
    json.begin_object().key("version").value(1).key("program").value(
        "sylvester " SYLVESTER_VERSION);
    json.key("op").value(o.op).key("seed").value(o.seed);
    for (const auto& [key, value] : facts) json.key(key).value(value);
    json.key("arrays").begin_array();
    for (const Entry& e : entries_) {
      json.begin_object().key("file").value(e.name + ".npy").key("role").value(e.role);
      json.key("dtype").value(e.array.dtype).key("shape").begin_array();
      for (const std::int64_t n : e.array.shape) json.value(n);
      json.end_array().end_object();
    }
    json.end_array().end_object();
    return json.text() + "\n";
  }

  // golden.json beside the arrays; MANIFEST.json (sizes and hashes) comes from the folder writer.
  void write(const fs::path& folder, const std::string& manifest) const {
    for (const Entry& e : entries_) io::write_npy(folder / (e.name + ".npy"), e.array);
    io::write_file_atomic(folder / "golden.json", manifest);
  }

 private:
  struct Entry {
    std::string name;
    std::string role;
    io::NpyArray array;
  };
  std::vector<Entry> entries_;
};

// Bell-shaped numbers from integer arithmetic alone, so that every machine makes the same bits: the
// sum of eight 16-bit words around zero, sigma 1, with a few outlier columns.
std::vector<float> bell(std::int64_t rows, std::int64_t cols, std::uint64_t seed,
                        std::uint32_t tensor) {
  constexpr float kScale = 1.0f / 53509.0f;  // sqrt(8 / 12) * 65536
  std::vector<float> out(static_cast<std::size_t>(rows * cols));
  for (std::size_t i = 0; i < out.size(); ++i) {
    std::int64_t sum = 0;
    for (std::uint64_t w = 0; w < 4; ++w) {
      const std::uint32_t word = random_word({seed, 0, tensor}, 4 * i + w);
      sum += static_cast<std::int64_t>(word & 0xFFFF) + static_cast<std::int64_t>(word >> 16);
    }
    const bool outlier = static_cast<std::int64_t>(i) % cols % 61 == 7;
    out[i] = static_cast<float>(sum - 8 * 32768 + 4) * kScale * (outlier ? 16.0f : 1.0f);
  }
  return out;
}

// Every code's value, the midpoints and their neighbours, and the special numbers.
std::vector<float> edges(const Format& f) {
  std::vector<float> out;
  const auto around = [&](double x) {
    const auto v = static_cast<float>(x);
    out.insert(out.end(), {v, std::nextafter(v, HUGE_VALF), std::nextafter(v, -HUGE_VALF)});
  };
  double previous = 0;
  const std::uint32_t half = std::uint32_t{1} << (f.bits - 1);
  for (std::uint32_t code = 0; code < half && f.bits <= 8; ++code) {
    const double v = decode_one(code, f.dtype);
    if (!std::isfinite(v)) continue;
    for (const double sign : {1.0, -1.0}) {
      around(sign * v);
      around(sign * (previous + v) / 2);
    }
    previous = v;
  }
  for (const double sign : {1.0, -1.0}) {
    for (const double x : {0.0, f.max, f.max * 1.5, f.min_subnormal / 2, f.min_subnormal / 4}) {
      around(sign * x);
    }
    for (const float x :
         {HUGE_VALF, std::numeric_limits<float>::quiet_NaN(),
          std::numeric_limits<float>::denorm_min(), std::numeric_limits<float>::max()}) {
      out.push_back(std::copysign(x, static_cast<float>(sign)));
    }
  }
  return out;
}

EncodeOptions encode_options(const GoldenOptions& o, DType to) {
  EncodeOptions e = storage_bytes(to) == 2 ? kIeeeEncode : EncodeOptions{};
  if (!o.preset.empty()) {
    if (!o.rounding.empty() || !o.overflow.empty() || !o.nan.empty()) {
      throw ValueError("option preset '" + o.preset +
                       "': want it, or rounding, overflow and nan, not both");
    }
    e = encode_preset(o.preset, to);
  }
  if (!o.rounding.empty()) e.rounding = parse_rounding(o.rounding);
  if (!o.overflow.empty()) e.overflow = parse_overflow(o.overflow);
  if (!o.nan.empty()) e.nan = parse_nan_mode(o.nan);
  e.stream = {o.seed, 0, 0};
  return e;
}

using Facts = std::vector<std::pair<std::string, std::string>>;

Facts make_encode(const GoldenOptions& o, Set& set) {
  const Format& f = format(parse_dtype(o.format));
  std::vector<float> x = edges(f);
  const std::vector<float> more = bell(o.rows, o.cols, o.seed, 0);
  x.insert(x.end(), more.begin(), more.end());
  const auto n = static_cast<std::int64_t>(x.size());
  const EncodeOptions e = encode_options(o, f.dtype);
  set.add("x", "input", x, {n});
  if (storage_bytes(f.dtype) == 2) {
    std::vector<std::uint16_t> codes(x.size());
    encode16(x, f.dtype, codes, e);
    set.add("codes", "output", codes, {n});
  } else {
    std::vector<std::uint8_t> codes(x.size());
    encode(x, f.dtype, codes, e);
    set.add("codes", "output", codes, {n});
  }
  Facts facts = {{"format", std::string(f.name)},
                 {"rounding", std::string(to_string(e.rounding))},
                 {"overflow", std::string(to_string(e.overflow))},
                 {"nan", std::string(to_string(e.nan))}};
  if (!o.preset.empty()) facts.emplace_back("preset", o.preset);
  return facts;
}

Facts make_decode(const GoldenOptions& o, Set& set) {
  const Format& f = format(parse_dtype(o.format));
  const std::int64_t n = std::int64_t{1} << f.bits;
  std::vector<float> values(static_cast<std::size_t>(n));
  if (storage_bytes(f.dtype) == 2) {
    std::vector<std::uint16_t> codes(values.size());
    for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::uint16_t>(i);
    decode16(codes, f.dtype, values);
    set.add("codes", "input", codes, {n});
  } else {
    std::vector<std::uint8_t> codes(values.size());
    for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::uint8_t>(i);
    decode(codes, f.dtype, values);
    set.add("codes", "input", codes, {n});
  }
  set.add("values", "output", values, {n});
  return {{"format", std::string(f.name)}};
}

Facts make_quantize(const GoldenOptions& o, Set& set) {
  const std::vector<float> x = bell(o.rows, o.cols, o.seed, 0);
  const QuantSpec spec = parse_quant_spec(o.format);
  const QuantizedMatrix q =
      quantize(MatrixView<const float>(x.data(), o.rows, o.cols), spec, nullptr, {o.seed, 0, 0});
  std::vector<float> back(x.size());
  dequantize(q, {back.data(), o.rows, o.cols});
  set.add("x", "input", x, {o.rows, o.cols});
  set.add("", q);
  set.add("dequantized", "output", back, {o.rows, o.cols});
  return {{"spec", to_string(spec)}};
}

Facts make_hadamard(const GoldenOptions& o, Set& set) {
  const std::vector<float> x = bell(o.rows, o.cols, o.seed, 0);
  const MatrixView<const float> X(x.data(), o.rows, o.cols);
  HadamardOptions h;
  h.block = o.block;
  std::vector<float> y(x.size());
  hadamard_rows(X, {y.data(), o.rows, o.cols}, h);
  set.add("x", "input", x, {o.rows, o.cols});
  set.add("right", "output", y, {o.rows, o.cols});
  if (o.block == 0 && has_hadamard(o.rows)) {
    hadamard_cols(X, {y.data(), o.rows, o.cols}, h);
    set.add("left", "output", y, {o.rows, o.cols});
  }
  return {{"block", std::to_string(o.block)}};
}

Facts make_matmul(const GoldenOptions& o, Set& set) {
  const std::vector<float> a = bell(o.rows, o.cols, o.seed, 0);
  const std::vector<float> b = bell(o.out_features, o.cols, o.seed, 1);
  std::vector<float> c(static_cast<std::size_t>(o.rows * o.out_features));
  const QuantSpec spec = parse_quant_spec(o.format);
  const EmulatedProduct product =
      emulate_product({a.data(), o.rows, o.cols}, {b.data(), o.out_features, o.cols}, spec, spec,
                      parse_placement(o.placement), parse_accumulation(o.accumulate),
                      {c.data(), o.rows, o.out_features}, o.seed);
  set.add("a", "input", a, {o.rows, o.cols});
  set.add("b", "input", b, {o.out_features, o.cols});
  set.add("a_", product.a);
  set.add("b_", product.b);
  set.add("c", "output", c, {o.rows, o.out_features});
  return {{"spec", to_string(spec)}, {"accumulate", o.accumulate}, {"placement", o.placement}};
}

Facts make_linear(const GoldenOptions& o, Set& set) {
  const std::vector<float> x = bell(o.rows, o.cols, o.seed, 0);
  const std::vector<float> w = bell(o.out_features, o.cols, o.seed, 1);
  const std::vector<float> e = bell(o.rows, o.out_features, o.seed, 2);
  std::vector<float> y(e.size()), dx(x.size()), dw(w.size());
  const LinearRecipe recipe = parse_recipe(o.recipe);
  LinearContext context;
  linear_forward(MatrixView<const float>(x.data(), o.rows, o.cols),
                 MatrixView<const float>(w.data(), o.out_features, o.cols), recipe,
                 parse_accumulation(o.accumulate),
                 MatrixView<float>(y.data(), o.rows, o.out_features), &context, {o.seed, 0, 0});
  linear_backward(context, MatrixView<const float>(e.data(), o.rows, o.out_features),
                  MatrixView<float>(dx.data(), o.rows, o.cols),
                  MatrixView<float>(dw.data(), o.out_features, o.cols));
  set.add("x", "input", x, {o.rows, o.cols});
  set.add("w", "input", w, {o.out_features, o.cols});
  set.add("dy", "input", e, {o.rows, o.out_features});
  set.add("y", "output", y, {o.rows, o.out_features});
  set.add("dx", "output", dx, {o.rows, o.cols});
  set.add("dw", "output", dw, {o.out_features, o.cols});
  return {{"recipe", recipe.name}, {"products", describe(recipe)}, {"accumulate", o.accumulate}};
}

struct Op {
  const char* name;
  Facts (*make)(const GoldenOptions&, Set&);
};
constexpr Op kOps[] = {{"encode", make_encode},     {"decode", make_decode},
                       {"quantize", make_quantize}, {"hadamard", make_hadamard},
                       {"matmul", make_matmul},     {"halo-linear", make_linear}};

const Op& find_op(const std::string& name) {
  std::vector<std::string> names;
  for (const Op& op : kOps) {
    if (name == op.name) return op;
    names.emplace_back(op.name);
  }
  throw ValueError(fmt::format("golden: op '{}' is not known; want one of {}{}",
                               io::printable(name), fmt::join(names, ", "),
                               did_you_mean(name, names)));
}

}  // namespace

OptionTable bind(GoldenOptions& o) {
  OptionTable t;
  t.add("format", "SPEC", "format (encode, decode) or quantizer (quantize, matmul)", o.format);
  t.add("accumulate", "POLICY", "of matmul and halo-linear", o.accumulate,
        [](const std::string& text) { parse_accumulation(text); });
  t.add("placement", "P", "of matmul: none, or some of left,middle,right", o.placement,
        [](const std::string& text) { parse_placement(text); });
  t.add("recipe", "R", "of halo-linear", o.recipe,
        [](const std::string& text) { parse_recipe(text); });
  t.add("rounding", "MODE", "of encode; nearest_even unless said", o.rounding,
        [](const std::string& text) { parse_rounding(text); });
  t.add("overflow", "MODE", "of encode; saturate, for 16-bit formats nonfinite, unless said",
        o.overflow, [](const std::string& text) { parse_overflow(text); });
  t.add("nan", "MODE", "of encode; canonical, for 16-bit formats quiet_keep_sign, unless said",
        o.nan, [](const std::string& text) { parse_nan_mode(text); });
  t.add("preset", "NAME", "of encode: a library's convention instead (cuda, torch, ...)", o.preset);
  t.add("rows", "M", "rows (tokens)", o.rows, {1, 1 << 20});
  t.add("cols", "K", "columns (input features)", o.cols, {1, 1 << 20});
  t.add("out-features", "N", "rows of the second operand", o.out_features, {1, 1 << 20});
  t.add("block", "N", "of hadamard: block-diagonal order", o.block, {0, 1 << 24});
  t.add("seed", "N", "of the inputs and of stochastic rounding", o.seed);
  t.add("out", "DIR", "output folder", o.out);
  t.add_flag("force", "replace an earlier golden set", o.force);
  return t;
}

std::vector<std::string_view> golden_ops() {
  std::vector<std::string_view> names;
  for (const Op& op : kOps) names.emplace_back(op.name);
  return names;
}

std::string write_golden(const GoldenOptions& o) {
  const Op& op = find_op(o.op);
  if (o.out.empty()) throw ValueError("option out is required");
  if (holds_files(o.out) && !o.force) prepare_run_folder(o.out, OutputPolicy::kRefuse);
  Set set;
  const Facts facts = op.make(o, set);
  const std::string manifest = set.manifest(o, facts);
  std::error_code error;
  io::remove_own_folder(o.out, "golden.json");
  fs::create_directories(fs::absolute(o.out).parent_path(), error);
  io::write_folder_atomic(o.out, [&](const fs::path& folder) { set.write(folder, manifest); });
  return manifest;
}

}  // namespace sylvester
