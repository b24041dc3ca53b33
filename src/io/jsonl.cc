#include "io/jsonl.h"

#include <cstring>

#include "io/json_events.h"
#include "sylvester/io/file_system.h"
#include "sylvester/io/json.h"

namespace sylvester::io {
namespace detail {
namespace {

// Hands out lines without their end; holds at most one line and one window.
class LineReader {
 public:
  explicit LineReader(const std::filesystem::path& path) : file_(path) {}

  // False at the end. `too_long`: the line exceeds kMaxLineBytes and was skipped.
  bool next(std::string& line, bool& too_long) {
    line.clear();
    too_long = false;
    bool any = false;
    while (true) {
      if (next_ == window_.size()) {
        at_ += window_.size();
        next_ = 0;
        window_.resize(std::min<std::uint64_t>(kWindow, file_.size() - at_));
        if (window_.empty()) return any;
        file_.read(at_, std::as_writable_bytes(std::span(window_)));
      }
      any = true;
      const char* begin = window_.data() + next_;
      const std::size_t left = window_.size() - next_;
      const auto* end = static_cast<const char*>(std::memchr(begin, '\n', left));
      const std::size_t n = end == nullptr ? left : static_cast<std::size_t>(end - begin);
      too_long = too_long || line.size() + n > kMaxLineBytes;
      if (too_long) {
        line.clear();
      } else {
        line.append(begin, n);
      }
      next_ += n + (end != nullptr);
      if (end != nullptr) break;
    }
    if (line.ends_with('\r')) line.pop_back();
    return true;
  }

 private:
  static constexpr std::uint64_t kWindow = std::uint64_t{1} << 18;
  ReadableFile file_;
  std::string window_;
  std::size_t next_ = 0;
  std::uint64_t at_ = 0;
};

std::vector<Message> read_messages(const JsonValue& list) {
  std::vector<Message> out;
  for (const JsonValue& item : list.items()) {
    out.push_back({item.at("role").as_string(), item.at("content").as_string()});
  }
  if (out.empty()) list.fail("is empty; want at least one message");
  return out;
}

Example read_example(const std::string& line, const JsonSource& source) {
  const JsonValue json = parse_json_at(line, source, kMaxJsonDepth);
  if (!json.is_object()) json.fail("want a JSON object on each line");
  Example out;
  out.line = source.line;
  const bool pair = json.contains("prompt") || json.contains("completion");
  const int forms = pair + json.contains("messages") + json.contains("text");
  if (forms == 0) {
    json.fail("no \"prompt\" and \"completion\", no \"messages\", no \"text\"");
  }
  if (forms > 1) {
    json.fail("more than one of \"prompt\" and \"completion\", \"messages\", \"text\"");
  }
  if (pair) {
    out.prompt = json.at("prompt").as_string();
    out.completion = json.at("completion").as_string();
  } else if (json.contains("messages")) {
    out.messages = read_messages(json.at("messages"));
  } else {
    out.text = json.at("text").as_string();
  }
  return out;
}

}  // namespace

void scan_jsonl(const std::filesystem::path& path, const std::function<bool(Example&&)>& good,
                const std::function<bool(const FormatError&)>& bad, JsonlReport& report) {
  LineReader lines(path);
  JsonSource source{.file = path.string()};
  std::string line;
  bool too_long = false;
  while (lines.next(line, too_long)) {
    source.line = ++report.lines;
    if (!too_long && line.find_first_not_of(" \t\r\v\f") == std::string::npos) {
      ++report.blank_lines;
      continue;
    }
    Example example;
    try {
      if (too_long) {
        throw source.error(static_cast<std::int64_t>(kMaxLineBytes), "",
                           "line longer than " + std::to_string(kMaxLineBytes) + " bytes");
      }
      example = read_example(line, source);
    } catch (const FormatError& error) {
      if (!bad(error)) return;
      continue;
    }
    if (!good(std::move(example))) return;
  }
}

}  // namespace detail

std::vector<Example> read_jsonl(const std::filesystem::path& path, const JsonlOptions& options) {
  JsonlReport local;
  JsonlReport& report = options.report != nullptr ? *options.report : local;
  report = {};
  std::vector<Example> out;
  const auto full = [&] {
    return options.limit >= 0 && static_cast<std::int64_t>(out.size()) >= options.limit;
  };
  if (full()) return out;
  detail::scan_jsonl(
      path,
      [&](Example&& example) {
        out.push_back(std::move(example));
        return !full();
      },
      [&](const FormatError& error) {
        if (static_cast<std::int64_t>(report.bad_lines.size()) >= options.max_bad_lines) {
          throw error;
        }
        report.bad_lines.emplace_back(error.what());
        return true;
      },
      report);
  if (out.empty()) {
    throw FormatError(path.string(), report.lines, "",
                      "no examples in " + std::to_string(report.lines) + " lines");
  }
  return out;
}

}  // namespace sylvester::io
