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

struct JsonlOptions {
  std::int64_t max_bad_lines = 0;
  std::int64_t limit = -1;  // examples to read, -1 = all
};
// FormatError with file, line, field. Blank lines are skipped; CRLF and a missing last newline are
// accepted; an empty file is an error.
std::vector<Example> read_jsonl(const std::filesystem::path& path, const JsonlOptions& = {});

}  // namespace sylvester::io
