// Strict JSON: values with their place in the file, and a writer. RFC 8259 and nothing more: UTF-8
// without a byte-order mark, no comments, no NaN, no duplicate keys, no integer that does not fit
// 64 bits, at most kMaxJsonDepth levels.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sylvester/io/limits.h"

namespace sylvester::io {

class JsonValue;
namespace detail {
struct JsonSource;
JsonValue parse_json_at(std::string_view text, const JsonSource& source, int max_depth);
}  // namespace detail

enum class JsonKind : std::uint8_t {
  kNull,
  kBool,
  kInteger,  // written without '.' and exponent
  kReal,
  kString,
  kArray,
  kObject,
};
std::string_view to_string(JsonKind kind) noexcept;

// A handle on one value of a parsed document; cheap to copy, never changes, keeps the document
// alive. Every accessor that does not fit throws FormatError with the document's file name, the
// byte offset just after the value's first token, and the value's path ("rope_parameters.theta",
// "layers[3]") as the field.
//
//   const JsonValue config = read_json(folder / "config.json");
//   const std::int64_t hidden = config.at("hidden_size").as_int();
//   const double eps = config.get_double("rms_norm_eps", 1e-5);
class JsonValue {
 public:
  JsonKind kind() const noexcept;
  bool is_null() const noexcept { return kind() == JsonKind::kNull; }
  bool is_object() const noexcept { return kind() == JsonKind::kObject; }
  bool is_array() const noexcept { return kind() == JsonKind::kArray; }
  bool is_string() const noexcept { return kind() == JsonKind::kString; }
  bool is_number() const noexcept {
    return kind() == JsonKind::kInteger || kind() == JsonKind::kReal;
  }

  bool as_bool() const;
  std::int64_t as_int() const;    // 1e2 and 2.0 are not integers
  std::uint64_t as_uint() const;  // >= 0
  double as_double() const;       // an integer is accepted when float64 holds it exactly
  const std::string& as_string() const;

  // Elements of an array or members of an object.
  std::int64_t size() const;
  std::vector<JsonValue> items() const;  // of an array, in order
  // Of an object, in the file's order. The views live as long as any handle on the document.
  std::vector<std::pair<std::string_view, JsonValue>> members() const;

  // Member of an object. find: nothing when absent; at: FormatError when absent, with the nearest
  // key that is present.
  std::optional<JsonValue> find(std::string_view key) const;
  JsonValue at(std::string_view key) const;
  bool contains(std::string_view key) const { return find(key).has_value(); }
  // The member's value, or `fallback` when it is absent or null.
  bool get_bool(std::string_view key, bool fallback) const;
  std::int64_t get_int(std::string_view key, std::int64_t fallback) const;
  double get_double(std::string_view key, double fallback) const;
  std::string get_string(std::string_view key, std::string_view fallback) const;
  // FormatError for the first key of an object that is not in `known`; it names the nearest one.
  void refuse_unknown_keys(std::span<const std::string_view> known) const;

  // FormatError about this value: for rules that the caller checks ("must be > 0").
  [[noreturn]] void fail(const std::string& rule) const;
  std::string path() const;
  std::int64_t offset() const noexcept;
  const std::string& file() const noexcept;
  std::string integer_text() const;  // of an integer, in decimal
  // Compact text, members in the file's order; parse(dump(x)) has the same values.
  std::string dump() const;

  struct Document;  // private: the parsed text

 private:
  friend JsonValue detail::parse_json_at(std::string_view, const detail::JsonSource&, int);
  JsonValue(std::shared_ptr<const Document> document, std::uint32_t node)
      : document_(std::move(document)), node_(node) {}
  std::shared_ptr<const Document> document_;
  std::uint32_t node_ = 0;
};

// `file` is the name that errors carry. FormatError.
JsonValue parse_json(std::string_view text, const std::string& file, int max_depth = kMaxJsonDepth);
// Reads a regular file of at most kMaxJsonBytes. IoError, FormatError.
JsonValue read_json(const std::filesystem::path& path);

// `text` with control characters and bytes that are not UTF-8 written as \xNN, for messages and
// terminals; cut with "..." once it is max_bytes long.
std::string printable(std::string_view text, std::size_t max_bytes = 80);

// Builds JSON text. Numbers are the shortest text that reads back to the same float64; a number
// that is not finite becomes the string "NaN", "Infinity" or "-Infinity". Text that is not UTF-8
// is a ValueError. Calls out of order (a value without key in an object) are a ValueError.
//
//   JsonWriter json;
//   json.begin_object().key("step").value(std::int64_t{3}).key("loss").value(2.5).end_object();
//   json.text();  // {"step":3,"loss":2.5}
class JsonWriter {
 public:
  // indent < 0: compact, one line; else spaces per level.
  explicit JsonWriter(int indent = -1) : indent_(indent) {}
  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();
  JsonWriter& key(std::string_view name);
  JsonWriter& value(std::string_view text);
  JsonWriter& value(const std::string& text) { return value(std::string_view(text)); }
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(double number);
  JsonWriter& value(float number);  // shortest text that reads back to the same float32
  JsonWriter& value(std::int64_t number);
  JsonWriter& value(std::uint64_t number);
  JsonWriter& value(int number) { return value(std::int64_t{number}); }
  JsonWriter& value(bool flag);
  JsonWriter& value(std::nullptr_t);
  JsonWriter& value(const JsonValue& value);
  // The finished text. ValueError while an object or array is open.
  const std::string& text() const;

 private:
  void before_value();
  void open(char bracket, bool object);
  void close(char bracket, bool object);
  void new_line();
  struct Level {
    bool object;
    bool empty;
    bool has_key;
  };
  int indent_;
  std::string text_;
  std::vector<Level> levels_;
};

}  // namespace sylvester::io
