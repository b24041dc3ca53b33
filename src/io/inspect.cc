#include <algorithm>
#include <cerrno>
#include <limits>

#include "io/findings.h"
#include "io/paths.h"
#include "sylvester/core/error.h"
#include "sylvester/io/checkpoint.h"
#include "sylvester/io/gguf.h"
#include "sylvester/io/json.h"
#include "sylvester/io/jsonl.h"
#include "sylvester/io/npy.h"
#include "sylvester/io/tensor_file.h"
#include "sylvester/io/validate.h"

namespace sylvester::io {
namespace {

namespace fs = std::filesystem;
using detail::FileKind;

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string out = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) out += ", ";
    out += std::to_string(shape[i]);
  }
  return out + "]";
}

using Row = std::vector<std::string>;

// Columns padded to their widest entry; the last one is not.
std::string table(const std::vector<Row>& rows) {
  std::vector<std::size_t> width;
  for (const Row& row : rows) {
    width.resize(std::max(width.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) width[i] = std::max(width[i], row[i].size());
  }
  std::string out;
  for (const Row& row : rows) {
    out += " ";
    for (std::size_t i = 0; i < row.size(); ++i) {
      out += " " + row[i];
      if (i + 1 < row.size()) out.append(width[i] - row[i].size() + 1, ' ');
    }
    out += "\n";
  }
  return out;
}

std::string tensors_text(const std::string& kind, const TensorFile& file,
                         std::int64_t max_tensors) {
  std::uint64_t elements = 0, bytes = 0;
  std::vector<Row> rows;
  for (const TensorInfo& t : file.tensors()) {
    std::uint64_t n = 1;
    for (const std::int64_t dim : t.shape) n *= static_cast<std::uint64_t>(dim);
    elements += n;
    bytes += t.bytes;
    if (static_cast<std::int64_t>(rows.size()) < max_tensors) {
      rows.push_back({printable(t.name), t.dtype, shape_text(t.shape), std::to_string(t.bytes)});
    }
  }
  std::string out = kind + ": " + std::to_string(file.tensors().size()) + " tensors, " +
                    std::to_string(elements) + " elements, " + std::to_string(bytes) + " bytes\n";
  const auto metadata = file.metadata();
  if (!metadata.empty()) out += "metadata:\n";
  std::vector<Row> pairs;
  for (const auto& [key, value] : metadata) pairs.push_back({printable(key), printable(value)});
  out += table(pairs);
  if (!rows.empty()) out += "tensors (name, dtype, shape, bytes):\n" + table(rows);
  const auto left = static_cast<std::int64_t>(file.tensors().size() - rows.size());
  if (left > 0) out += "  ... " + std::to_string(left) + " more\n";
  return out;
}

Row array_row(const std::string& name, const NpyArray& array) {
  return {printable(name), array.dtype, shape_text(array.shape),
          std::to_string(array.bytes.size())};
}

std::string json_text(const std::string& kind, const JsonValue& json) {
  std::string out = kind + ": " + std::string(to_string(json.kind())) + "\n";
  if (!json.is_object()) return out;
  std::vector<Row> rows;
  for (const auto& [key, value] : json.members()) {
    const bool large = value.is_object() || value.is_array();
    rows.push_back({printable(key), large ? std::string(to_string(value.kind())) + " of " +
                                                std::to_string(value.size())
                                          : printable(value.dump())});
  }
  return out + table(rows);
}

std::string jsonl_text(const fs::path& path) {
  JsonlReport report;
  const auto examples = read_jsonl(
      path, {.max_bad_lines = std::numeric_limits<std::int64_t>::max(), .report = &report});
  std::int64_t pairs = 0, chats = 0, texts = 0;
  for (const Example& e : examples) {
    if (!e.messages.empty()) {
      ++chats;
    } else if (!e.text.empty()) {
      ++texts;
    } else {
      ++pairs;
    }
  }
  return "JSONL: " + std::to_string(report.lines) + " lines, " + std::to_string(pairs) +
         " prompt and completion, " + std::to_string(chats) + " messages, " +
         std::to_string(texts) + " text, " + std::to_string(report.bad_lines.size()) + " bad, " +
         std::to_string(report.blank_lines) + " blank\n";
}

// ------------------------------------------------------------------------------------------ JSON

constexpr std::size_t kWholeName = 4096;

void write_tensor(JsonWriter& json, const std::string& name, const std::string& dtype,
                  const std::vector<std::int64_t>& shape, std::uint64_t bytes) {
  json.begin_object().key("name").value(printable(name, kWholeName)).key("dtype").value(dtype);
  json.key("shape").begin_array();
  for (const std::int64_t n : shape) json.value(n);
  json.end_array().key("bytes").value(bytes).end_object();
}

// Members of an open object.
void write_tensors(JsonWriter& json, const TensorFile& file, std::int64_t max_tensors) {
  json.key("metadata").begin_object();
  for (const auto& [key, value] : file.metadata()) {
    json.key(printable(key, kWholeName)).value(printable(value, kWholeName));
  }
  json.end_object();
  std::uint64_t elements = 0, bytes = 0;
  for (const TensorInfo& t : file.tensors()) {
    std::uint64_t n = 1;
    for (const std::int64_t dim : t.shape) n *= static_cast<std::uint64_t>(dim);
    elements += n;
    bytes += t.bytes;
  }
  json.key("count").value(static_cast<std::int64_t>(file.tensors().size()));
  json.key("elements").value(elements).key("bytes").value(bytes);
  json.key("tensors").begin_array();
  std::int64_t listed = 0;
  for (const TensorInfo& t : file.tensors()) {
    if (listed++ == max_tensors) break;
    write_tensor(json, t.name, t.dtype, t.shape, t.bytes);
  }
  json.end_array();
}

void write_arrays(JsonWriter& json, const std::vector<NamedArray>& arrays) {
  json.key("tensors").begin_array();
  for (const auto& [name, array] : arrays) {
    write_tensor(json, name, array.dtype, array.shape, array.bytes.size());
  }
  json.end_array();
}

void write_jsonl(JsonWriter& json, const fs::path& path) {
  JsonlReport report;
  const auto examples = read_jsonl(
      path, {.max_bad_lines = std::numeric_limits<std::int64_t>::max(), .report = &report});
  json.key("lines").value(static_cast<std::int64_t>(report.lines));
  json.key("examples").value(static_cast<std::int64_t>(examples.size()));
  json.key("bad").value(static_cast<std::int64_t>(report.bad_lines.size()));
}

void write_file(JsonWriter& json, const fs::path& path, std::int64_t max_tensors) {
  switch (detail::kind_of(path)) {
    case FileKind::kSafetensors:
      json.key("kind").value("safetensors");
      return write_tensors(json, *open_safetensors(path), max_tensors);
    case FileKind::kGguf:
      json.key("kind").value("gguf");
      return write_tensors(json, *open_gguf(path), max_tensors);
    case FileKind::kNpy:
      json.key("kind").value("npy");
      return write_arrays(json, {{"array", read_npy(path)}});
    case FileKind::kNpz:
      json.key("kind").value("npz");
      return write_arrays(json, read_npz(path));
    case FileKind::kJson:
      json.key("kind").value("json").key("value").value(read_json(path));
      return;
    case FileKind::kJsonl:
      json.key("kind").value("jsonl");
      return write_jsonl(json, path);
    case FileKind::kCheckpoint:
    case FileKind::kModelFolder:
      json.key("kind").value("model folder");
      if (detail::exists(path / "config.json")) {
        json.key("config").value(read_json(path / "config.json"));
      }
      if (detail::exists(path / "model.safetensors") ||
          detail::exists(path / "model.safetensors.index.json")) {
        write_tensors(json, *open_model_tensors(path), max_tensors);
      }
  }
}

}  // namespace

std::string inspect(const fs::path& path, std::int64_t max_tensors) {
  if (!detail::exists(path)) throw IoError(path.string(), ENOENT, "cannot open");
  switch (detail::kind_of(path)) {
    case FileKind::kSafetensors:
      return tensors_text("safetensors", *open_safetensors(path), max_tensors);
    case FileKind::kGguf:
      return tensors_text("GGUF", *open_gguf(path), max_tensors);
    case FileKind::kNpy:
      return "npy:\n" + table({array_row("array", read_npy(path))});
    case FileKind::kNpz: {
      std::vector<Row> rows;
      for (const auto& [name, array] : read_npz(path)) rows.push_back(array_row(name, array));
      return "npz: " + std::to_string(rows.size()) + " arrays\n" + table(rows);
    }
    case FileKind::kJson:
      return json_text("JSON", read_json(path));
    case FileKind::kJsonl:
      return jsonl_text(path);
    case FileKind::kCheckpoint:
    case FileKind::kModelFolder: {
      std::string out;
      if (detail::exists(path / "config.json")) {
        out += json_text("config.json", read_json(path / "config.json"));
      }
      if (detail::exists(path / "model.safetensors") ||
          detail::exists(path / "model.safetensors.index.json")) {
        out += tensors_text("model", *open_model_tensors(path), max_tensors);
      }
      return out;
    }
  }
  return "";
}

std::string inspect_json(const fs::path& path, std::int64_t max_tensors) {
  if (!detail::exists(path)) throw IoError(path.string(), ENOENT, "cannot open");
  JsonWriter json(2);
  json.begin_object();
  write_file(json, path, max_tensors);
  json.end_object();
  return json.text() + "\n";
}

}  // namespace sylvester::io
