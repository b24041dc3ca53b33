#include "io/gguf.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <unordered_set>
#include <utility>

#include "io/utf8.h"
#include "sylvester/io/json.h"
#include "sylvester/io/limits.h"

namespace sylvester::io {
namespace detail {
namespace {

// Reads forward through a window on the file; every length is checked against what is left.
class Cursor {
 public:
  Cursor(const ReadableFile& file, const Findings& findings) : file_(file), findings_(findings) {}

  std::uint64_t at() const { return window_at_ + next_; }
  std::uint64_t left() const { return file_.size() - at(); }
  // Checks that n bytes are left.
  void need(std::uint64_t n, const std::string& field) {
    if (n > left()) {
      findings_.fatal(static_cast<std::int64_t>(at()), field,
                      "needs " + std::to_string(n) + " bytes; " + std::to_string(left()) +
                          " are left in the file");
    }
  }
  template <class T>
  T number(const std::string& field) {
    T value;
    read(std::as_writable_bytes(std::span(&value, 1)), field);
    return value;
  }
  std::string string(const std::string& field) {
    const auto length = number<std::uint64_t>(field);
    need(length, field);
    std::string text(length, '\0');
    read(std::as_writable_bytes(std::span(text)), field);
    return text;
  }
  void read(std::span<std::byte> out, const std::string& field) {
    need(out.size(), field);
    while (!out.empty()) {
      if (next_ == window_.size()) {
        window_at_ += next_;
        next_ = 0;
        window_.resize(std::min<std::uint64_t>(kWindow, file_.size() - window_at_));
        file_.read(window_at_, window_);
      }
      const std::size_t n = std::min(out.size(), window_.size() - next_);
      std::memcpy(out.data(), window_.data() + next_, n);
      next_ += n;
      out = out.subspan(n);
    }
  }

 private:
  static constexpr std::uint64_t kWindow = std::uint64_t{1} << 16;
  const ReadableFile& file_;
  const Findings& findings_;
  std::vector<std::byte> window_;
  std::uint64_t window_at_ = 0;
  std::size_t next_ = 0;
};

enum ValueType : std::uint32_t {
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kArray,
  kU64,
  kI64,
  kF64
};
constexpr std::array<std::uint64_t, 13> kTypeBytes = {1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8};

// The dtype name of a ggml type id; empty for one that was removed or that nobody defined.
std::string_view type_name(std::uint32_t id) {
  switch (id) {
    case 0:
      return "F32";
    case 1:
      return "F16";
    case 2:
      return "Q4_0";
    case 3:
      return "Q4_1";
    case 6:
      return "Q5_0";
    case 7:
      return "Q5_1";
    case 8:
      return "Q8_0";
    case 9:
      return "Q8_1";
    case 10:
      return "Q2_K";
    case 11:
      return "Q3_K";
    case 12:
      return "Q4_K";
    case 13:
      return "Q5_K";
    case 14:
      return "Q6_K";
    case 15:
      return "Q8_K";
    case 20:
      return "IQ4_NL";
    case 24:
      return "I8";
    case 25:
      return "I16";
    case 26:
      return "I32";
    case 27:
      return "I64";
    case 28:
      return "F64";
    case 30:
      return "BF16";
    case 39:
      return "MXFP4";
    default:
      return {};
  }
}

template <class Stored, class Kept>
std::vector<Kept> numbers(Cursor& in, std::uint64_t count, const std::string& field) {
  std::vector<Stored> raw(count);
  in.read(std::as_writable_bytes(std::span(raw)), field);
  if constexpr (std::is_same_v<Stored, Kept>) return raw;
  return std::vector<Kept>(raw.begin(), raw.end());
}

class Parser {
 public:
  Parser(const ReadableFile& file, Findings& findings)
      : file_(file), findings_(findings), in_(file, findings) {}

  GgufHeader parse() {
    const auto magic = in_.number<std::uint32_t>("magic");
    if (magic != 0x46554747u) findings_.fatal(0, "magic", "not \"GGUF\"");
    header_.version = in_.number<std::uint32_t>("version");
    if (header_.version == 0x02000000u || header_.version == 0x03000000u) {
      findings_.fatal(4, "version", "a big-endian file; only little-endian ones are read");
    }
    if (header_.version < 2 || header_.version > 3) {
      findings_.fatal(4, "version", std::to_string(header_.version) + "; want 2 or 3");
    }
    // A tensor takes at least 24 bytes of the header, a value 13.
    const auto tensor_count = count("tensor count", 24, kMaxTensors);
    const auto value_count = count("value count", 13, kMaxTensors);
    for (std::uint64_t i = 0; i < value_count; ++i) read_value();
    read_alignment();
    std::unordered_set<std::string> names;
    for (std::uint64_t i = 0; i < tensor_count; ++i) read_tensor(names);
    place_tensors();
    return std::move(header_);
  }

 private:
  std::uint64_t count(const std::string& field, std::uint64_t least_bytes, std::uint64_t most) {
    const auto at = static_cast<std::int64_t>(in_.at());
    const auto n = in_.number<std::uint64_t>(field);
    if (n > most || n > in_.left() / least_bytes) {
      findings_.fatal(at, field,
                      std::to_string(n) + "; the " + std::to_string(in_.left()) +
                          " bytes left hold at most " +
                          std::to_string(std::min(most, in_.left() / least_bytes)));
    }
    return n;
  }

  std::string name(const std::string& field) {
    const auto at = static_cast<std::int64_t>(in_.at());
    const auto length = in_.number<std::uint64_t>(field);
    if (length > kMaxGgufNameBytes) {
      findings_.fatal(at, field,
                      std::to_string(length) + " bytes long; want at most " +
                          std::to_string(kMaxGgufNameBytes));
    }
    std::string text(length, '\0');
    in_.read(std::as_writable_bytes(std::span(text)), field);
    if (utf8_error(text) != std::string::npos) {
      findings_.error(at, field, "\"" + printable(text) + "\" is not UTF-8");
    }
    return text;
  }

  void read_value() {
    const auto at = static_cast<std::int64_t>(in_.at());
    std::string key = name("key");
    const std::string field = printable(key);
    if (key.empty()) findings_.error(at, "key", "empty");
    if (header_.values.contains(key)) {
      findings_.error(at, field,
                      "duplicate key, first value at " + std::to_string(header_.values[key].at));
    }
    const auto type_at = static_cast<std::int64_t>(in_.at());
    const auto type = in_.number<std::uint32_t>(field);
    if (type > kF64) findings_.fatal(type_at, field, "unknown value type " + std::to_string(type));
    const auto value_at = static_cast<std::int64_t>(in_.at());
    if (key == "general.alignment" && type != kU32) {
      findings_.fatal(type_at, field, "value type " + std::to_string(type) + "; want 4 (uint32)");
    }
    GgufValue value = type == kArray ? array(field) : scalar(type, field);
    if (header_.values.emplace(key, GgufHeader::Entry{std::move(value), value_at}).second) {
      header_.keys.push_back(std::move(key));
    }
  }

  GgufValue scalar(std::uint32_t type, const std::string& field) {
    switch (type) {
      case kU8:
        return std::uint64_t{in_.number<std::uint8_t>(field)};
      case kI8:
        return std::int64_t{in_.number<std::int8_t>(field)};
      case kU16:
        return std::uint64_t{in_.number<std::uint16_t>(field)};
      case kI16:
        return std::int64_t{in_.number<std::int16_t>(field)};
      case kU32:
        return std::uint64_t{in_.number<std::uint32_t>(field)};
      case kI32:
        return std::int64_t{in_.number<std::int32_t>(field)};
      case kF32:
        return double{in_.number<float>(field)};
      case kBool:
        return boolean(field) != 0;
      case kU64:
        return in_.number<std::uint64_t>(field);
      case kI64:
        return in_.number<std::int64_t>(field);
      case kF64:
        return in_.number<double>(field);
      default:
        return in_.string(field);
    }
  }

  std::uint8_t boolean(const std::string& field) {
    const auto at = static_cast<std::int64_t>(in_.at());
    const auto flag = in_.number<std::uint8_t>(field);
    if (flag > 1) findings_.error(at, field, "bool is " + std::to_string(flag) + "; want 0 or 1");
    return flag;
  }

  GgufValue array(const std::string& field) {
    const auto at = static_cast<std::int64_t>(in_.at());
    const auto type = in_.number<std::uint32_t>(field);
    if (type > kF64) findings_.fatal(at, field, "unknown element type " + std::to_string(type));
    if (type == kArray) findings_.fatal(at, field, "an array of arrays; only flat ones are read");
    const std::uint64_t n = count(field, kTypeBytes[type], UINT64_MAX);
    switch (type) {
      case kU8:
        return numbers<std::uint8_t, std::uint8_t>(in_, n, field);
      case kI8:
        return numbers<std::int8_t, std::int64_t>(in_, n, field);
      case kU16:
        return numbers<std::uint16_t, std::uint64_t>(in_, n, field);
      case kI16:
        return numbers<std::int16_t, std::int64_t>(in_, n, field);
      case kU32:
        return numbers<std::uint32_t, std::uint64_t>(in_, n, field);
      case kI32:
        return numbers<std::int32_t, std::int64_t>(in_, n, field);
      case kU64:
        return numbers<std::uint64_t, std::uint64_t>(in_, n, field);
      case kI64:
        return numbers<std::int64_t, std::int64_t>(in_, n, field);
      case kF32:
        return numbers<float, double>(in_, n, field);
      case kF64:
        return numbers<double, double>(in_, n, field);
      case kBool: {
        std::vector<std::uint8_t> flags(n);
        for (auto& flag : flags) flag = boolean(field);
        return flags;
      }
      default: {
        std::vector<std::string> strings(n);
        for (auto& text : strings) text = in_.string(field);
        return strings;
      }
    }
  }

  void read_alignment() {
    const auto found = header_.values.find("general.alignment");
    if (found == header_.values.end()) return;
    alignment_ = std::get<std::uint64_t>(found->second.value);
    if (!std::has_single_bit(alignment_) || alignment_ > kMaxAlignment) {
      findings_.fatal(found->second.at, "general.alignment",
                      std::to_string(alignment_) + "; want a power of two, at most " +
                          std::to_string(kMaxAlignment));
    }
  }

  void read_tensor(std::unordered_set<std::string>& names) {
    const auto at = static_cast<std::int64_t>(in_.at());
    TensorInfo info;
    info.name = name("tensor name");
    const std::string field = printable(info.name);
    if (!names.insert(info.name).second) findings_.error(at, field, "duplicate tensor");
    const auto dims_at = static_cast<std::int64_t>(in_.at());
    const auto dims = in_.number<std::uint32_t>(field);
    if (dims > 4) {
      findings_.fatal(dims_at, field, std::to_string(dims) + " dimensions; want at most 4");
    }
    std::uint64_t elements = 1;
    bool fits = true;
    for (std::uint32_t i = 0; i < dims; ++i) {
      const auto dim = in_.number<std::uint64_t>(field);
      fits = fits && dim <= INT64_MAX && checked_mul(elements, dim);
      info.shape.insert(info.shape.begin(), static_cast<std::int64_t>(dim));
    }
    const auto type_at = static_cast<std::int64_t>(in_.at());
    const auto type_id = in_.number<std::uint32_t>(field);
    const auto offset_at = static_cast<std::int64_t>(in_.at());
    info.offset = in_.number<std::uint64_t>(field);
    const std::string_view dtype = type_name(type_id);
    if (dtype.empty()) {
      const bool removed = type_id == 4 || type_id == 5 || (type_id >= 31 && type_id <= 33) ||
                           (type_id >= 36 && type_id <= 38);
      findings_.error(type_at, field,
                      "tensor type " + std::to_string(static_cast<std::int32_t>(type_id)) +
                          (removed ? " was removed from ggml" : " is not known"));
      return;
    }
    info.dtype = dtype;
    const StorageType& type = *find_storage_type(dtype);
    const auto block = static_cast<std::uint64_t>(type.block);
    info.bytes = elements / block;
    // Padding to the alignment must fit as well.
    if (!fits || !checked_mul(info.bytes, static_cast<std::uint64_t>(type.bytes)) ||
        info.bytes > UINT64_MAX - kMaxAlignment) {
      findings_.error(dims_at, field, "the size of the tensor does not fit 64 bits");
      return;
    }
    const auto row = info.shape.empty() ? 1 : static_cast<std::uint64_t>(info.shape.back());
    if (row % block != 0) {
      findings_.error(dims_at, field,
                      "row of " + std::to_string(row) + " elements; " + info.dtype +
                          " has blocks of " + std::to_string(block));
      return;
    }
    if (info.offset % alignment_ != 0) {
      findings_.error(offset_at, field,
                      "offset " + std::to_string(info.offset) +
                          " is no multiple of the alignment " + std::to_string(alignment_));
      return;
    }
    header_.tensors.push_back(std::move(info));
    offset_at_.push_back(offset_at);
  }

  // Offsets become file offsets; every tensor lies in the file and none on another.
  void place_tensors() {
    const std::uint64_t begin = (in_.at() + alignment_ - 1) / alignment_ * alignment_;
    const std::uint64_t data_bytes = file_.size() > begin ? file_.size() - begin : 0;
    auto& tensors = header_.tensors;
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      TensorInfo& t = tensors[i];
      if (t.offset > data_bytes || t.bytes > data_bytes - t.offset) {
        if (t.bytes != 0 || t.offset > data_bytes) {
          findings_.error(offset_at_[i], printable(t.name),
                          "bytes [" + std::to_string(t.offset) + ", " + std::to_string(t.offset) +
                              " + " + std::to_string(t.bytes) + ") lie outside the " +
                              std::to_string(data_bytes) + " data bytes of the file");
          continue;
        }
      }
      t.offset += begin;
      order.push_back(i);
    }
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return std::pair(tensors[a].offset, tensors[a].bytes) <
             std::pair(tensors[b].offset, tensors[b].bytes);
    });
    std::uint64_t end = begin;
    std::size_t last = 0;
    for (const std::size_t i : order) {
      const TensorInfo& t = tensors[i];
      if (t.offset < end && t.bytes > 0) {
        findings_.error(offset_at_[i], printable(t.name),
                        "overlaps tensor \"" + printable(tensors[last].name) +
                            "\", which ends at " + std::to_string(end));
      } else if (t.offset - std::min(end, t.offset) >= alignment_) {
        findings_.warn(offset_at_[i], printable(t.name),
                       "unused " + std::to_string(t.offset - end) + " bytes before it");
      }
      if (t.offset + t.bytes > end) {
        end = t.offset + t.bytes;
        last = i;
      }
    }
    if (file_.size() > end && file_.size() - end >= alignment_) {
      findings_.warn(static_cast<std::int64_t>(end), "data",
                     std::to_string(file_.size() - end) + " bytes that belong to no tensor");
    }
  }

  const ReadableFile& file_;
  Findings& findings_;
  Cursor in_;
  GgufHeader header_;
  std::uint64_t alignment_ = 32;
  std::vector<std::int64_t> offset_at_;  // of each tensor's offset field
};

}  // namespace

GgufHeader read_gguf_header(const ReadableFile& file, Findings& findings) {
  return Parser(file, findings).parse();
}

}  // namespace detail

namespace {

struct ValueText {
  std::string operator()(std::uint64_t v) const { return std::to_string(v); }
  std::string operator()(std::int64_t v) const { return std::to_string(v); }
  std::string operator()(double v) const { return JsonWriter().value(v).text(); }
  std::string operator()(bool v) const { return v ? "true" : "false"; }
  std::string operator()(const std::string& v) const { return v; }
  template <class T>
  std::string operator()(const std::vector<T>& v) const {
    return "[" + std::to_string(v.size()) +
           (std::is_same_v<T, std::string> ? " strings]" : " numbers]");
  }
};
std::string value_text(const GgufValue& value) { return std::visit(ValueText{}, value); }

class Gguf : public GgufFile {
 public:
  explicit Gguf(const std::filesystem::path& path) : file_(path) {
    detail::Findings findings(path.string());
    header_ = detail::read_gguf_header(file_, findings);
    index_tensors();
  }
  const std::filesystem::path& path() const override { return file_.path(); }
  const std::vector<TensorInfo>& tensors() const override { return header_.tensors; }
  void read_bytes(const TensorInfo& info, std::span<std::byte> out) const override {
    if (out.size() != info.bytes) {
      throw ShapeError("tensor \"" + printable(info.name) + "\" has " + std::to_string(info.bytes) +
                       " bytes, the buffer " + std::to_string(out.size()));
    }
    file_.read(info.offset, out);
  }
  std::map<std::string, std::string> metadata() const override {
    std::map<std::string, std::string> out;
    for (const auto& [key, entry] : header_.values) out[key] = value_text(entry.value);
    return out;
  }
  bool has(const std::string& key) const override { return header_.values.contains(key); }
  const GgufValue& value(const std::string& key) const override { return entry(key).value; }
  std::vector<std::string> keys() const override { return header_.keys; }
  std::int64_t offset_of(const std::string& key) const override { return entry(key).at; }

 private:
  const detail::GgufHeader::Entry& entry(const std::string& key) const {
    const auto found = header_.values.find(key);
    if (found == header_.values.end()) {
      throw FormatError(path().string(), 0, printable(key), "missing");
    }
    return found->second;
  }
  ReadableFile file_;
  detail::GgufHeader header_;
};

template <class T>
const T& typed(const GgufFile& file, const std::string& key, const std::string& want) {
  const T* value = std::get_if<T>(&file.value(key));
  if (value == nullptr) {
    throw FormatError(file.path().string(), file.offset_of(key), printable(key),
                      "is " + value_text(file.value(key)).substr(0, 40) + "; want " + want);
  }
  return *value;
}

}  // namespace

std::uint64_t GgufFile::get_uint(const std::string& key) const {
  if (const auto* number = std::get_if<std::int64_t>(&value(key)); number && *number >= 0) {
    return static_cast<std::uint64_t>(*number);
  }
  return typed<std::uint64_t>(*this, key, "an integer >= 0");
}
double GgufFile::get_double(const std::string& key) const {
  return typed<double>(*this, key, "a float");
}
const std::string& GgufFile::get_string(const std::string& key) const {
  return typed<std::string>(*this, key, "a string");
}
const std::vector<std::string>& GgufFile::get_strings(const std::string& key) const {
  return typed<std::vector<std::string>>(*this, key, "an array of strings");
}
const std::vector<std::int64_t>& GgufFile::get_ints(const std::string& key) const {
  return typed<std::vector<std::int64_t>>(*this, key, "an array of signed integers");
}

bool is_gguf(const std::filesystem::path& path) {
  if (path.extension() == ".gguf") return true;
  const ReadableFile file(path);
  std::array<char, 4> magic{};
  if (file.size() >= 4) file.read(0, std::as_writable_bytes(std::span(magic)));
  return std::string_view(magic.data(), 4) == "GGUF";
}

std::unique_ptr<GgufFile> open_gguf(const std::filesystem::path& path) {
  return std::make_unique<Gguf>(path);
}

}  // namespace sylvester::io
