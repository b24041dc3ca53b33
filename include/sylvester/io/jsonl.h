// Training and evaluation data: one JSON object a line.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace sylvester::io {

struct Message {
  std::string role;
  std::string content;
};

// One of the three forms: {"prompt","completion"}, {"messages":[...]}, {"text"}.
struct Example {
  std::int64_t line = 0;  // 1-based
  std::string prompt;
  std::string completion;
  std::vector<Message> messages;
  std::string text;
};

// What was read besides the examples.
struct JsonlReport {
  std::int64_t lines = 0;              // all lines looked at
  std::int64_t blank_lines = 0;        // skipped
  std::vector<std::string> bad_lines;  // one message each
};

struct JsonlOptions {
  std::int64_t max_bad_lines = 0;  // so many are skipped; the next one is thrown
  std::int64_t limit = -1;         // examples to read, -1 = all
  JsonlReport* report = nullptr;   // filled in when given
};
// One JSON object a line, with exactly one of the three forms; other keys are ignored. Blank lines
// are skipped; CRLF and a missing last newline are accepted. FormatError (offset = line number,
// column in the message) for: a file without examples, a line longer than kMaxLineBytes, anything
// that is not strict JSON (io/json.h), a missing or mistyped field, two forms at once.
std::vector<Example> read_jsonl(const std::filesystem::path& path, const JsonlOptions& = {});

}  // namespace sylvester::io
