// sylvester quantize IN OUT --format SPEC
#include <fmt/format.h>

#include <algorithm>
#include <regex>

#include "arguments.h"
#include "arrays.h"
#include "program.h"
#include "progress.h"
#include "sylvester/core/error.h"
#include "sylvester/hadamard/hadamard.h"
#include "sylvester/io/checkpoint.h"
#include "sylvester/io/json.h"
#include "sylvester/io/tensor_file.h"
#include "sylvester/ops/numerics.h"

namespace sylvester::sim {
namespace fs = std::filesystem;
namespace {

struct Options {
  std::string in, out, format, rotate, include, exclude;
  std::int64_t axis = -1;
  CommonOptions common;
  Device device = Device::kCpu;  // of common.backend
};

// "hadamard[:block=N][:signs=SEED]"
HadamardOptions parse_rotation(const std::string& text) {
  HadamardOptions h;
  std::string rest = text;
  if (!rest.starts_with("hadamard")) throw ValueError("want hadamard[:block=N][:signs=SEED]");
  rest.erase(0, 8);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(':', 1), rest.size());
    const std::string part = rest.substr(0, end);
    rest.erase(0, end);
    if (part.starts_with(":block=")) {
      h.block = parse_int64(part.substr(7));
    } else if (part.starts_with(":signs=")) {
      h.signs = parse_uint64(part.substr(7));
    } else {
      throw ValueError("part '" + part + "': want hadamard[:block=N][:signs=SEED]");
    }
  }
  return h;
}

std::regex parse_regex(const std::string& text) {
  try {
    return std::regex(text, std::regex::ECMAScript);
  } catch (const std::regex_error&) {
    throw ValueError("want a regular expression");
  }
}

OptionTable bind_options(Options& o) {
  OptionTable t;
  t.add("format", "SPEC", "e.g. int8, float8_e4m3fn:row, mxfp6_e3m2, nvfp4", o.format,
        [](const std::string& text) { parse_quant_spec(text); });
  t.add("axis", "N", "axis that rows, groups and blocks lie along", o.axis, {-64, 63});
  t.add("rotate", "R", "hadamard[:block=N][:signs=SEED] along the axis first", o.rotate,
        [](const std::string& text) { parse_rotation(text); });
  t.add("include", "RE", "names to quantize (default: matrices of linear layers)", o.include,
        [](const std::string& text) { parse_regex(text); });
  t.add("exclude", "RE", "names to leave alone", o.exclude,
        [](const std::string& text) { parse_regex(text); });
  t.add_flag("force", "replace OUT", o.common.force);
  add_compute_options(t, o.common);
  return t;
}

struct Quantized {
  std::string name;
  AxisMatrix matrix;
  QuantizedMatrix codes;
  QuantStats stats;
  std::vector<float> dequantized;  // in the array's order, the rotation undone
};

// On the device of --backend; the statistics are the CPU's.
Quantized quantize_array(const std::string& name, const io::NpyArray& array, const Options& o,
                         std::uint32_t number) {
  Quantized q;
  q.name = name;
  q.matrix = to_matrix(array, o.axis);
  HadamardOptions rotation;
  if (!o.rotate.empty()) rotation = parse_rotation(o.rotate);
  const bool on_cpu = o.device == Device::kCpu;
  Numerics& numerics = sylvester::numerics(o.device);
  Tensor x = numerics.allocate({q.matrix.rows, q.matrix.cols});
  numerics.upload(q.matrix.values, x);
  if (!o.rotate.empty()) numerics.hadamard(x, false, rotation, x);
  QuantizedTensor codes;
  numerics.quantize(x, {}, parse_quant_spec(o.format), codes, {o.common.seed, 0, number},
                    on_cpu ? &q.stats : nullptr);
  q.codes = numerics.to_host(codes);
  if (!on_cpu) {
    numerics.download(x, q.matrix.values);
    q.stats = quantization_error(q.matrix.view(), q.codes);
  }
  numerics.dequantize(codes, x);
  rotation.inverse = true;
  if (!o.rotate.empty()) numerics.hadamard(x, false, rotation, x);
  std::vector<float> back(q.matrix.values.size());
  numerics.download(x, back);
  q.dequantized = to_array_order(q.matrix, back.data());
  return q;
}

io::NpyArray codes_array(const Quantized& q) {
  const std::vector<std::uint8_t> codes = to_array_order(q.matrix, q.codes.codes.data());
  const bool is_signed = is_integer(q.codes.spec.format) && !q.codes.spec.asymmetric;
  if (!is_signed) return io::make_array(std::span<const std::uint8_t>(codes), q.matrix.shape);
  const auto* as_signed = reinterpret_cast<const std::int8_t*>(codes.data());
  return io::make_array(std::span<const std::int8_t>(as_signed, codes.size()), q.matrix.shape);
}

// codes, scales, zeros, dequantized under prefix.
void add_members(const Quantized& q, const std::string& prefix, std::vector<io::NamedArray>& out) {
  const QuantizedMatrix& m = q.codes;
  const std::vector<std::int64_t> scale_shape = {m.scale_rows, m.scale_cols};
  if (!m.codes.empty()) out.emplace_back(prefix + "codes", codes_array(q));
  if (!m.scales.empty()) {
    out.emplace_back(prefix + "scales", io::make_array(m.scales.span(), scale_shape));
  }
  if (!m.scale_codes.empty()) {
    out.emplace_back(prefix + "scale_codes", io::make_array(m.scale_codes.span(), scale_shape));
  }
  if (!m.zeros.empty()) {
    out.emplace_back(prefix + "zeros", io::make_array(m.zeros.span(), scale_shape));
  }
  out.emplace_back(prefix + "dequantized",
                   io::make_array(std::span<const float>(q.dequantized), q.matrix.shape));
}

std::string report(const std::vector<std::pair<std::string, QuantStats>>& all, bool as_json) {
  if (as_json) {
    io::JsonWriter json(2);
    json.begin_array();
    for (const auto& [name, s] : all) {
      json.begin_object().key("name").value(io::printable(name, 4096));
      json.key("count").value(s.count).key("mse").value(s.mse).key("sqnr_db").value(s.sqnr_db);
      json.key("max_error").value(s.max_error).key("zeros").value(s.zeros);
      json.key("saturated").value(s.saturated).end_object();
    }
    json.end_array();
    return json.text() + "\n";
  }
  TextTable table({"tensor", "elements", "MSE", "SQNR dB", "max error", "to zero", "saturated"});
  for (const auto& [name, s] : all) {
    table.add({io::printable(name), std::to_string(s.count), short_number(s.mse),
               fmt::format("{:.2f}", s.sqnr_db), short_number(s.max_error), std::to_string(s.zeros),
               std::to_string(s.saturated)});
  }
  return table.text();
}

using Report = std::vector<std::pair<std::string, QuantStats>>;

// What --include and --exclude say of a name.
bool named(const std::string& name, const Options& o, bool by_default) {
  const bool included =
      o.include.empty() ? by_default : std::regex_search(name, parse_regex(o.include));
  return included && (o.exclude.empty() || !std::regex_search(name, parse_regex(o.exclude)));
}

Report quantize_npy(const Options& o) {
  for (const auto& [name, text] : {std::pair{"include", o.include}, {"exclude", o.exclude}}) {
    if (text.empty()) continue;
    throw ValueError(fmt::format(
        "option {} '{}': an .npy file holds one array without a name; want .npz, .safetensors or a "
        "model folder with it",
        name, text));
  }
  const Quantized q = quantize_array("array", io::read_npy(o.in), o, 0);
  if (kind_of(o.out) == FileKind::kNpz) {
    std::vector<io::NamedArray> members;
    add_members(q, "", members);
    io::write_npz(o.out, members);
  } else {
    io::write_npy(o.out, io::make_array(std::span<const float>(q.dequantized), q.matrix.shape));
  }
  return {{"array", q.stats}};
}

Report quantize_npz(const Options& o) {
  Report all;
  std::vector<io::NamedArray> members;
  std::uint32_t number = 0;
  for (const auto& [name, array] : io::read_npz(o.in)) {
    if (!named(name, o, true)) {
      members.emplace_back(name, array);
      continue;
    }
    const Quantized q = quantize_array(name, array, o, number++);
    add_members(q, name + ".", members);
    all.emplace_back(name, q.stats);
  }
  if (all.empty()) throw ValueError("no array of '" + o.in + "' is chosen; see --include");
  io::write_npz(o.out, members);
  return all;
}

// By default the weights of linear layers: two dimensions, "weight", and neither the embedding nor
// the head.
bool chosen(const io::TensorInfo& t, const Options& o) {
  const bool matrix = t.shape.size() == 2;
  const bool outside =
      t.name.find("embed") != std::string::npos || t.name.find("lm_head") != std::string::npos;
  const bool by_default = matrix && !outside && t.name.ends_with("weight");
  return named(t.name, o, by_default) && (o.include.empty() || !t.shape.empty());
}

// Chosen tensors become float32 tensors of the dequantized values; the others keep their bytes.
Report quantize_tensors(const io::TensorFile& file, const fs::path& out, const Options& o,
                        Progress& progress) {
  Report all;
  std::vector<std::vector<std::byte>> storage;
  std::vector<io::NamedBytes> tensors;
  std::uint32_t number = 0;
  for (const io::TensorInfo& t : file.tensors()) {
    progress.redraw("quantizing " + io::printable(t.name));
    if (!chosen(t, o)) {
      storage.emplace_back(t.bytes);
      file.read_bytes(t, storage.back());
      tensors.push_back({t.name, t.dtype, t.shape, storage.back()});
      continue;
    }
    std::int64_t count = 1;
    for (const std::int64_t n : t.shape) count *= n;
    std::vector<float> values(static_cast<std::size_t>(count));
    file.read_float32(t, values);
    const Quantized q = quantize_array(
        t.name, io::make_array(std::span<const float>(values), t.shape), o, number++);
    all.emplace_back(t.name, q.stats);
    const auto bytes = std::as_bytes(std::span<const float>(q.dequantized));
    storage.emplace_back(bytes.begin(), bytes.end());
    tensors.push_back({t.name, "F32", t.shape, storage.back()});
  }
  if (all.empty()) throw ValueError("no tensor of '" + o.in + "' is chosen; see --include");
  io::write_safetensors(out, tensors, {{"format", "pt"}, {"sylvester_quantized", o.format}});
  return all;
}

Report quantize_folder(const Options& o, Progress& progress) {
  Report all;
  const auto file = io::open_model_tensors(o.in);
  io::remove_own_folder(o.out, "MANIFEST.json");
  io::write_folder_atomic(o.out, [&](const fs::path& temporary) {
    for (const auto& entry : fs::directory_iterator(o.in)) {
      const std::string name = entry.path().filename().string();
      const bool weights = name.ends_with(".safetensors") || name.ends_with(".index.json");
      if (entry.is_regular_file() && !weights && name != "MANIFEST.json") {
        fs::copy_file(entry.path(), temporary / name);
      }
    }
    all = quantize_tensors(*file, temporary / "model.safetensors", o, progress);
  });
  return all;
}

}  // namespace

int run_quantize(Words words) {
  Arguments arguments("quantize", "Quantize an array, an archive, or the linears of a model.");
  Options o;
  arguments.options = bind_options(o);
  arguments.positional("IN", "npy, npz, safetensors or a model folder", o.in);
  arguments.positional("OUT", "the same kind; for npy also npz (codes, scales, dequantized)",
                       o.out);
  if (!arguments.parse(words)) return kOk;
  if (arguments.dry_run) {  // the numbers, the matrix, codes with scales, the decoded values
    return arguments.show_plan({.memory_bytes = 4 * bytes_of(o.in)});
  }
  if (o.format.empty()) throw ValueError("option format is required");
  o.device = apply_on_device(o.common);
  check_output(o.in, o.out, o.common.force);
  Progress progress(arguments.quiet);
  Report all;
  switch (kind_of(o.in)) {
    case FileKind::kNpy:
      all = quantize_npy(o);
      break;
    case FileKind::kNpz:
      all = quantize_npz(o);
      break;
    case FileKind::kSafetensors:
      all = quantize_tensors(*io::open_safetensors(o.in), o.out, o, progress);
      break;
    case FileKind::kFolder:
      all = quantize_folder(o, progress);
      break;
  }
  print(report(all, arguments.json));
  return kOk;
}

}  // namespace sylvester::sim
