// The strict JSON reader as a stream of events, for readers that must not build a tree from
// untrusted input (safetensors headers, tokenizers).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sylvester/core/error.h"

namespace sylvester::io::detail {

// Where a JSON text lies, so that an error can say so.
struct JsonSource {
  std::string file;
  std::int64_t base = 0;  // byte offset of the text in the file
  std::int64_t line = 0;  // > 0: the text is this line of a line-based file

  // `at` is a byte position in the text.
  FormatError error(std::int64_t at, const std::string& field, const std::string& rule) const {
    if (line == 0) return FormatError(file, base + at, field, rule);
    return FormatError(file, line, field, rule + " (column " + std::to_string(at + 1) + ")");
  }
};

class JsonEvents {
 public:
  virtual ~JsonEvents() = default;
  virtual void on_null() = 0;
  virtual void on_bool(bool flag) = 0;
  virtual void on_int(std::int64_t number) = 0;    // negative numbers
  virtual void on_uint(std::uint64_t number) = 0;  // all others
  virtual void on_real(double number) = 0;
  virtual void on_string(std::string& text) = 0;  // may be moved from
  virtual void on_key(std::string& text) = 0;     // may be moved from
  virtual void on_begin_object() = 0;
  virtual void on_end_object() = 0;
  virtual void on_begin_array() = 0;
  virtual void on_end_array() = 0;
  // Byte position just after the token of the current event.
  std::int64_t position = 0;
};

// Refuses what RFC 8259 refuses, and a byte-order mark, duplicate keys, integers beyond 64 bits and
// more than max_depth levels. Stack use does not depend on the input.
void parse_json_events(std::string_view text, const JsonSource& source, int max_depth,
                       JsonEvents& events);

}  // namespace sylvester::io::detail
