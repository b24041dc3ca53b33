#include <array>
#include <charconv>
#include <cmath>

#include "io/utf8.h"
#include "sylvester/core/error.h"
#include "sylvester/io/json.h"

namespace sylvester::io {
namespace {

void append_quoted(std::string_view text, std::string& out) {
  static constexpr char kHex[] = "0123456789abcdef";
  const std::size_t bad = detail::utf8_error(text);
  if (bad != std::string_view::npos) {
    throw ValueError("JSON text is not UTF-8 at byte " + std::to_string(bad) + ": \"" +
                     printable(text) + "\"");
  }
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += "\\u00";
          out += kHex[c >> 4];
          out += kHex[c & 15];
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

template <class T>
std::string shortest(T number) {
  std::array<char, 64> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number).ptr;
  return {buffer.data(), end};
}

template <class T>
std::string real_text(T number) {
  if (std::isnan(number)) return "\"NaN\"";
  if (std::isinf(number)) return number > 0 ? "\"Infinity\"" : "\"-Infinity\"";
  std::string text = shortest(number);
  // A whole number keeps its kind: 3.0 is not written as the integer 3.
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

}  // namespace

void JsonWriter::new_line() {
  if (indent_ < 0) return;
  text_ += '\n';
  text_.append(levels_.size() * static_cast<std::size_t>(indent_), ' ');
}

void JsonWriter::before_value() {
  if (levels_.empty()) {
    if (!text_.empty()) throw ValueError("JsonWriter: a second value after the first one ended");
    return;
  }
  Level& level = levels_.back();
  if (level.object) {
    if (!level.has_key) throw ValueError("JsonWriter: a value without key in an object");
    level.has_key = false;
    return;
  }
  if (!level.empty) text_ += ',';
  level.empty = false;
  new_line();
}

void JsonWriter::open(char bracket, bool object) {
  before_value();
  text_ += bracket;
  levels_.push_back({.object = object, .empty = true, .has_key = false});
}

void JsonWriter::close(char bracket, bool object) {
  if (levels_.empty() || levels_.back().object != object || levels_.back().has_key) {
    throw ValueError(std::string("JsonWriter: '") + bracket + "' where none is due");
  }
  const bool empty = levels_.back().empty;
  levels_.pop_back();
  if (!empty) new_line();
  text_ += bracket;
}

JsonWriter& JsonWriter::begin_object() {
  open('{', true);
  return *this;
}
JsonWriter& JsonWriter::end_object() {
  close('}', true);
  return *this;
}
JsonWriter& JsonWriter::begin_array() {
  open('[', false);
  return *this;
}
JsonWriter& JsonWriter::end_array() {
  close(']', false);
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  if (levels_.empty() || !levels_.back().object || levels_.back().has_key) {
    throw ValueError("JsonWriter: key \"" + printable(name) + "\" where none is due");
  }
  std::string quoted;
  append_quoted(name, quoted);
  Level& level = levels_.back();
  if (!level.empty) text_ += ',';
  level.empty = false;
  level.has_key = true;
  new_line();
  text_ += quoted;
  text_ += indent_ < 0 ? ":" : ": ";
  return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
  std::string quoted;
  append_quoted(text, quoted);
  before_value();
  text_ += quoted;
  return *this;
}
JsonWriter& JsonWriter::value(double number) {
  before_value();
  text_ += real_text(number);
  return *this;
}
JsonWriter& JsonWriter::value(float number) {
  before_value();
  text_ += real_text(number);
  return *this;
}
JsonWriter& JsonWriter::value(std::int64_t number) {
  before_value();
  text_ += std::to_string(number);
  return *this;
}
JsonWriter& JsonWriter::value(std::uint64_t number) {
  before_value();
  text_ += std::to_string(number);
  return *this;
}
JsonWriter& JsonWriter::value(bool flag) {
  before_value();
  text_ += flag ? "true" : "false";
  return *this;
}
JsonWriter& JsonWriter::value(std::nullptr_t) {
  before_value();
  text_ += "null";
  return *this;
}

// Recursion is bounded by the depth that the parser accepted.
JsonWriter& JsonWriter::value(const JsonValue& v) {
  switch (v.kind()) {
    case JsonKind::kNull:
      return value(nullptr);
    case JsonKind::kBool:
      return value(v.as_bool());
    case JsonKind::kInteger: {
      before_value();
      text_ += v.integer_text();
      return *this;
    }
    case JsonKind::kReal:
      return value(v.as_double());
    case JsonKind::kString:
      return value(v.as_string());
    case JsonKind::kArray:
      begin_array();
      for (const JsonValue& item : v.items()) value(item);
      return end_array();
    case JsonKind::kObject:
      begin_object();
      for (const auto& [name, member] : v.members()) key(name).value(member);
      return end_object();
  }
  return *this;
}

const std::string& JsonWriter::text() const {
  if (!levels_.empty()) throw ValueError("JsonWriter: the text still has an open bracket");
  return text_;
}

}  // namespace sylvester::io
