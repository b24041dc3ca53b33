#include "io/safetensors.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <unordered_set>
#include <utility>

#include "io/findings.h"
#include "io/json_events.h"
#include "sylvester/core/text.h"
#include "sylvester/io/json.h"
#include "sylvester/io/limits.h"

namespace sylvester::io {
namespace detail {
namespace {

constexpr std::array<std::string_view, 20> kDtypes = {
    "BOOL",    "F4",          "F6_E2M3",     "F6_E3M2", "U8",  "I8",  "F8_E5M2",
    "F8_E4M3", "F8_E5M2FNUZ", "F8_E4M3FNUZ", "F8_E8M0", "I16", "U16", "F16",
    "BF16",    "I32",         "U32",         "F32",     "F64", "I64"};

bool known_dtype(std::string_view name) {
  return name == "U64" || name == "C64" ||
         std::find(kDtypes.begin(), kDtypes.end(), name) != kDtypes.end();
}

// Turns the events of the header into entries; depth 1 is the header's own object.
class HeaderEvents : public JsonEvents {
 public:
  HeaderEvents(SafetensorsHeader& header, std::int64_t base, Findings& findings)
      : header_(header), base_(base), findings_(findings) {}

  void on_null() override { other("null"); }
  void on_bool(bool) override { other("a bool"); }
  void on_int(std::int64_t) override { other("negative"); }
  void on_real(double) override { other("not an integer"); }
  void on_uint(std::uint64_t number) override {
    if (skip_ > 0 || depth_ != 3 || (field_ != "shape" && field_ != "data_offsets")) {
      return other("an integer");
    }
    (field_ == "shape" ? entry().shape : entry().range).push_back(number);
  }
  void on_string(std::string& text) override {
    if (skip_ == 0 && depth_ == 2 && in_metadata_) {
      header_.metadata[field_] = std::move(text);
    } else if (skip_ == 0 && depth_ == 2 && field_ == "dtype") {
      entry().dtype = std::move(text);
      entry().dtype_at = at();
    } else {
      other("a string");
    }
  }
  void on_key(std::string& key) override {
    if (skip_ > 0) return;
    if (depth_ == 1) {
      in_metadata_ = key == "__metadata__";
      name_ = std::move(key);
      name_at_ = at();
    } else {
      field_ = std::move(key);
      if (!in_metadata_ && field_ != "dtype" && field_ != "shape" && field_ != "data_offsets") {
        findings_.warn(at(), printable(name_) + "." + printable(field_), "unknown field, ignored");
      }
    }
  }
  void on_begin_object() override {
    if (skip_ == 0 && depth_ < 2) {
      ++depth_;
      if (depth_ == 2 && !in_metadata_) {
        header_.entries.emplace_back();
        entry().name = name_;
        entry().at = name_at_;
      }
      return;
    }
    other("an object");
    ++skip_;
  }
  void on_begin_array() override {
    if (skip_ == 0 && depth_ == 2 && !in_metadata_ &&
        (field_ == "shape" || field_ == "data_offsets")) {
      ++depth_;
      (field_ == "shape" ? entry().has_shape : entry().has_range) = true;
      return;
    }
    other("an array");
    ++skip_;
  }
  void on_end_object() override { leave(); }
  void on_end_array() override { leave(); }

 private:
  std::int64_t at() const { return base_ + position; }
  SafetensorsEntry& entry() { return header_.entries.back(); }
  void leave() {
    if (skip_ > 0) {
      --skip_;
    } else {
      --depth_;
    }
  }
  // A value where the format has another kind; values of unknown fields are skipped.
  void other(const std::string& got) {
    if (skip_ > 0) return;
    if (depth_ == 0) findings_.fatal(at(), "header", "is " + got + "; want a JSON object");
    if (depth_ == 1) {
      if (!in_metadata_) header_.broken = true;
      return findings_.error(at(), printable(name_), "is " + got + "; want an object");
    }
    if (in_metadata_) {
      return findings_.error(at(), "__metadata__." + printable(field_),
                             "is " + got + "; want a string");
    }
    const std::string place = printable(name_) + "." + printable(field_);
    if (field_ == "dtype") {
      entry().bad = true;
      findings_.error(at(), place, "is " + got + "; want a string");
    } else if (field_ == "shape" || field_ == "data_offsets") {
      entry().bad = true;
      findings_.error(at(), place,
                      (depth_ == 3 ? "holds a value that is " : "is ") + got +
                          "; want an array of integers >= 0");
    }
  }

  SafetensorsHeader& header_;
  std::int64_t base_;
  Findings& findings_;
  int depth_ = 0;
  int skip_ = 0;  // levels inside a value that is not looked at
  bool in_metadata_ = false;
  std::string name_, field_;
  std::int64_t name_at_ = 0;
};

std::string range_text(const SafetensorsEntry& e) {
  return "\"" + printable(e.name) + "\" [" + std::to_string(e.range[0]) + ", " +
         std::to_string(e.range[1]) + ")";
}

// Rules on one tensor by itself; false when its range cannot be used.
bool check_entry(SafetensorsEntry& e, Findings& findings) {
  const std::string name = printable(e.name);
  bool good = !e.bad;
  const auto fail = [&](const std::string& field, const std::string& rule) {
    findings.error(e.at, name + field, rule);
    good = false;
  };
  if (e.bad) return false;
  if (e.dtype.empty() && e.dtype_at == 0) fail(".dtype", "missing");
  if (!e.has_shape) fail(".shape", "missing");
  if (!e.has_range) fail(".data_offsets", "missing");
  if (!good) return false;
  if (!known_dtype(e.dtype)) {
    fail(".dtype", "unknown dtype \"" + printable(e.dtype) + "\"" + did_you_mean(e.dtype, kDtypes));
    return false;
  }
  if (e.range.size() != 2) {
    fail(".data_offsets", "has " + std::to_string(e.range.size()) + " numbers; want 2");
    return false;
  }
  if (e.range[0] > e.range[1]) {
    fail(".data_offsets",
         "reversed: [" + std::to_string(e.range[0]) + ", " + std::to_string(e.range[1]) + ")");
    return false;
  }
  if (e.shape.size() > kMaxDims) {
    fail(".shape",
         std::to_string(e.shape.size()) + " dimensions; want at most " + std::to_string(kMaxDims));
    return false;
  }
  std::uint64_t count = 1;
  bool fits = true;
  for (const std::uint64_t dim : e.shape) {
    fits = fits && dim <= INT64_MAX && checked_mul(count, dim);
  }
  const StorageType& type = *find_storage_type(e.dtype);
  std::uint64_t bytes = count / static_cast<std::uint64_t>(type.block);
  if (!fits || !checked_mul(bytes, static_cast<std::uint64_t>(type.bytes))) {
    fail(".shape", "the size of the tensor does not fit 64 bits");
    return false;
  }
  if (count % static_cast<std::uint64_t>(type.block) != 0) {
    fail(".shape", "sub-byte tensor does not fill bytes: " + std::to_string(count) +
                       " elements of " + e.dtype + ", want a multiple of " +
                       std::to_string(type.block));
  } else if (bytes != e.range[1] - e.range[0]) {
    fail(".data_offsets", "range of " + std::to_string(e.range[1] - e.range[0]) +
                              " bytes; shape and dtype need " + std::to_string(bytes));
  }
  return true;  // the range itself is sound
}

// Rules on the ranges together: from 0, no holes, no overlap, up to the end of the file.
void check_ranges(SafetensorsHeader& header, std::vector<std::size_t>& usable,
                  std::uint64_t data_bytes, Findings& findings) {
  auto& entries = header.entries;
  std::sort(usable.begin(), usable.end(),
            [&](std::size_t a, std::size_t b) { return entries[a].range < entries[b].range; });
  const SafetensorsEntry* last = nullptr;
  std::uint64_t end = 0;
  for (const std::size_t i : usable) {
    const SafetensorsEntry& e = entries[i];
    const std::string field = printable(e.name) + ".data_offsets";
    const std::string before = last == nullptr ? "the data's start" : range_text(*last);
    if (e.range[0] < end) {
      findings.error(e.at, field, range_text(e) + " overlaps " + before);
    } else if (e.range[0] > end) {
      findings.error(e.at, field,
                     "hole of " + std::to_string(e.range[0] - end) + " bytes between " + before +
                         " and " + range_text(e));
    }
    if (e.range[1] >= end) {
      end = e.range[1];
      last = &e;
    }
  }
  const auto data_at = static_cast<std::int64_t>(header.data_begin);
  if (end > data_bytes) {
    findings.error(data_at, printable(last->name) + ".data_offsets",
                   range_text(*last) + " ends beyond the " + std::to_string(data_bytes) +
                       " data bytes of the file");
  } else if (end < data_bytes && !header.broken) {
    findings.error(data_at + static_cast<std::int64_t>(end), "data",
                   std::to_string(data_bytes - end) + " trailing bytes that belong to no tensor");
  }
}

}  // namespace

SafetensorsHeader read_safetensors_header(const ReadableFile& file, Findings& findings) {
  if (file.size() < 8) {
    findings.fatal(0, "header length",
                   "file of " + std::to_string(file.size()) + " bytes; want at least 8");
  }
  std::array<std::byte, 8> raw;
  file.read(0, raw);
  std::uint64_t length = 0;
  for (int i = 7; i >= 0; --i) length = length << 8 | std::to_integer<std::uint64_t>(raw[i]);
  if (length > kMaxHeaderBytes) {
    findings.fatal(0, "header length",
                   std::to_string(length) + "; want at most " + std::to_string(kMaxHeaderBytes));
  }
  if (length == 0 || length > file.size() - 8) {
    findings.fatal(0, "header length",
                   std::to_string(length) + "; want 1 to " + std::to_string(file.size() - 8) +
                       ", the rest of the file");
  }
  std::string text(length, '\0');
  file.read(8, std::as_writable_bytes(std::span(text)));

  SafetensorsHeader header;
  header.data_begin = 8 + length;
  HeaderEvents events(header, 8, findings);
  parse_json_events(text, {.file = findings.file(), .base = 8}, kMaxHeaderDepth, events);
  if (header.entries.size() > kMaxTensors) {
    findings.fatal(8, "header",
                   std::to_string(header.entries.size()) + " tensors; want at most " +
                       std::to_string(kMaxTensors));
  }
  std::vector<std::size_t> usable;
  for (std::size_t i = 0; i < header.entries.size(); ++i) {
    if (check_entry(header.entries[i], findings)) {
      usable.push_back(i);
    } else {
      header.broken = true;
    }
  }
  check_ranges(header, usable, file.size() - header.data_begin, findings);
  return header;
}

}  // namespace detail

namespace {

class SafetensorsFile : public TensorFile {
 public:
  explicit SafetensorsFile(const std::filesystem::path& path) : file_(path) {
    detail::Findings findings(path.string());
    detail::SafetensorsHeader header = detail::read_safetensors_header(file_, findings);
    metadata_ = std::move(header.metadata);
    tensors_.reserve(header.entries.size());
    for (auto& e : header.entries) {
      tensors_.push_back({.name = std::move(e.name),
                          .dtype = std::move(e.dtype),
                          .shape = {e.shape.begin(), e.shape.end()},
                          .offset = header.data_begin + e.range[0],
                          .bytes = e.range[1] - e.range[0]});
    }
    index_tensors();
  }
  const std::filesystem::path& path() const override { return file_.path(); }
  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  void read_bytes(const TensorInfo& info, std::span<std::byte> out) const override {
    if (out.size() != info.bytes) {
      throw ShapeError("tensor \"" + printable(info.name) + "\" has " + std::to_string(info.bytes) +
                       " bytes, the buffer " + std::to_string(out.size()));
    }
    file_.read(info.offset, out);
  }
  std::map<std::string, std::string> metadata() const override { return metadata_; }

 private:
  ReadableFile file_;
  std::vector<TensorInfo> tensors_;
  std::map<std::string, std::string> metadata_;
};

std::string header_text(std::span<const NamedBytes> tensors,
                        const std::map<std::string, std::string>& metadata) {
  JsonWriter json;
  json.begin_object();
  if (!metadata.empty()) {
    json.key("__metadata__").begin_object();
    for (const auto& [key, value] : metadata) json.key(key).value(value);
    json.end_object();
  }
  std::unordered_set<std::string_view> names;
  std::uint64_t offset = 0;
  for (const NamedBytes& t : tensors) {
    const std::string name = "tensor \"" + printable(t.name) + "\"";
    if (t.name == "__metadata__" || !names.insert(t.name).second) {
      throw ValueError(name + ": the name is taken");
    }
    if (!detail::known_dtype(t.dtype)) {
      throw ValueError(name + ": \"" + printable(t.dtype) + "\" is no safetensors dtype");
    }
    const StorageType& type = *find_storage_type(t.dtype);
    std::uint64_t count = 1;
    for (const std::int64_t dim : t.shape) {
      if (dim < 0 || !detail::checked_mul(count, static_cast<std::uint64_t>(dim))) {
        throw ValueError(name + ": a dimension is negative or the size does not fit 64 bits");
      }
    }
    const auto block = static_cast<std::uint64_t>(type.block);
    if (t.shape.size() > kMaxDims || count % block != 0 ||
        count / block * static_cast<std::uint64_t>(type.bytes) != t.bytes.size()) {
      throw ValueError(name + ": " + std::to_string(t.bytes.size()) + " bytes do not hold " +
                       std::to_string(count) + " elements of " + t.dtype + " in " +
                       std::to_string(t.shape.size()) + " dimensions");
    }
    json.key(t.name).begin_object().key("dtype").value(t.dtype).key("shape").begin_array();
    for (const std::int64_t dim : t.shape) json.value(dim);
    json.end_array().key("data_offsets").begin_array().value(offset);
    offset += t.bytes.size();
    json.value(offset).end_array().end_object();
  }
  json.end_object();
  std::string text = json.text();
  text.append((8 - text.size() % 8) % 8, ' ');
  if (text.size() > kMaxHeaderBytes) throw ValueError("safetensors header exceeds 100 MB");
  return text;
}

}  // namespace

std::unique_ptr<TensorFile> open_safetensors(const std::filesystem::path& path) {
  return std::make_unique<SafetensorsFile>(path);
}

void write_safetensors(const std::filesystem::path& path, std::span<const NamedBytes> tensors,
                       const std::map<std::string, std::string>& metadata, FileSystem& files) {
  const std::string header = header_text(tensors, metadata);
  detail::write_atomic(path, files, [&](FileSystem::Writer& writer) {
    std::array<std::byte, 8> length;
    for (int i = 0; i < 8; ++i) length[i] = static_cast<std::byte>(header.size() >> (8 * i));
    writer.write(length);
    writer.write(std::as_bytes(std::span(header)));
    for (const NamedBytes& t : tensors) writer.write(t.bytes);
  });
}

}  // namespace sylvester::io
