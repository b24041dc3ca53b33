#include "io/pretokenizer.h"

#include "sylvester/core/error.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace sylvester::io::detail {
namespace {

// Unicode White_Space, as character-class items.
constexpr std::string_view kSpace =
    R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
// The pattern that ByteLevel applies on its own (GPT-2's).
constexpr std::string_view kByteLevelPattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::size_t kMaxPatternBytes = 65536;
constexpr std::uint32_t kMatchLimit = 10'000'000;
constexpr std::size_t kMaxSteps = 16;

struct CodeFree {
  void operator()(pcre2_code* p) const { pcre2_code_free(p); }
};
struct ContextFree {
  void operator()(pcre2_match_context* p) const { pcre2_match_context_free(p); }
};
struct DataFree {
  void operator()(pcre2_match_data* p) const { pcre2_match_data_free(p); }
};

}  // namespace

struct PreTokenizer::Step {
  std::unique_ptr<pcre2_code, CodeFree> code;  // null: the piece is not cut
  std::unique_ptr<pcre2_match_context, ContextFree> context;
  bool keep_matches = true;
  bool add_prefix_space = false;
};

PreTokenizer::PreTokenizer(PreTokenizer&&) noexcept = default;
PreTokenizer::~PreTokenizer() = default;

namespace {

PreTokenizer::Step compile(const JsonValue& json, const std::string& pattern) {
  if (pattern.size() > kMaxPatternBytes) {
    json.fail("pattern of " + std::to_string(pattern.size()) + " bytes; want at most " +
              std::to_string(kMaxPatternBytes));
  }
  int code = 0;
  PCRE2_SIZE at = 0;
  PreTokenizer::Step step;
  step.code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &code, &at,
                                nullptr));
  if (step.code == nullptr) {
    PCRE2_UCHAR message[256];
    pcre2_get_error_message(code, message, sizeof(message));
    json.fail("pattern \"" + printable(pattern) + "\" does not compile: " +
              reinterpret_cast<const char*>(message) + " at " + std::to_string(at));
  }
  pcre2_jit_compile(step.code.get(), PCRE2_JIT_COMPLETE);  // without it: slower, the same result
  step.context.reset(pcre2_match_context_create(nullptr));
  if (step.context == nullptr) throw std::bad_alloc();
  pcre2_set_match_limit(step.context.get(), kMatchLimit);
  pcre2_set_heap_limit(step.context.get(), 65536);  // KiB
  return step;
}

// [begin, end) of the first match at or after `from`; false when there is none.
bool find_match(const PreTokenizer::Step& step, pcre2_match_data* data, std::string_view text,
                std::size_t from, std::size_t& begin, std::size_t& end) {
  const auto match = [&](std::uint32_t options) {
    return pcre2_match(step.code.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                       from, options | PCRE2_NO_UTF_CHECK, data, step.context.get());
  };
  int status = match(0);
  if (status == PCRE2_ERROR_JIT_STACKLIMIT) status = match(PCRE2_NO_JIT);
  if (status == PCRE2_ERROR_NOMATCH) return false;
  if (status < 0) {
    PCRE2_UCHAR message[256];
    pcre2_get_error_message(status, message, sizeof(message));
    throw ValueError("tokenizer pattern failed at byte " + std::to_string(from) +
                     " of the text: " + reinterpret_cast<const char*>(message));
  }
  const PCRE2_SIZE* range = pcre2_get_ovector_pointer(data);
  begin = range[0];
  end = range[1];
  // \K can move the start; such a match is no cut.
  return begin <= end && begin >= from;
}

std::size_t next_character(std::string_view text, std::size_t at) {
  do {
    ++at;
  } while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80);
  return at;
}

}  // namespace

std::string translate_pattern(std::string_view pattern) {
  std::string out;
  bool in_class = false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\' && i + 1 < pattern.size()) {
      const char escaped = pattern[++i];
      if (escaped == 's') {
        out += in_class ? std::string(kSpace) : "[" + std::string(kSpace) + "]";
      } else if (escaped == 'S' && !in_class) {
        out += "[^" + std::string(kSpace) + "]";
      } else {
        out += c;
        out += escaped;
      }
      continue;
    }
    if (c == '[' && !in_class) {
      in_class = true;
      out += c;
      // A ']' right after "[" or "[^" is a member.
      if (i + 1 < pattern.size() && pattern[i + 1] == '^') out += pattern[++i];
      if (i + 1 < pattern.size() && pattern[i + 1] == ']') {
        out += "\\]";
        ++i;
      }
      continue;
    }
    if (c == ']') in_class = false;
    out += c;
  }
  return out;
}

PreTokenizer::PreTokenizer(const JsonValue& json) { add(json, 0); }

void PreTokenizer::add(const JsonValue& json, int depth) {
  if (json.is_null()) return;
  if (steps_.size() >= kMaxSteps || depth > 4) json.fail("more than 16 pre-tokenizer steps");
  const std::string type = json.at("type").as_string();
  if (type == "Sequence") {
    for (const JsonValue& item : json.at("pretokenizers").items()) add(item, depth + 1);
  } else if (type == "Split") {
    const JsonValue rule = json.at("pattern");
    const auto regex = rule.find("Regex");
    const std::string pattern = regex ? translate_pattern(regex->as_string())
                                      : "\\Q" + rule.at("String").as_string() + "\\E";
    const std::string behavior = json.get_string("behavior", "Isolated");
    if ((behavior != "Isolated" && behavior != "Removed") || json.get_bool("invert", false)) {
      throw UnsupportedError(json.file() + ": " + json.path() + ": Split with behavior \"" +
                             printable(behavior) + "\" or invert; only Isolated and Removed");
    }
    if (!regex && rule.at("String").as_string().find("\\E") != std::string::npos) {
      rule.fail("the string holds \\E");
    }
    steps_.push_back(compile(json, pattern));
    steps_.back().keep_matches = behavior == "Isolated";
  } else if (type == "Digits") {
    steps_.push_back(
        compile(json, json.get_bool("individual_digits", false) ? "\\p{N}" : "\\p{N}+"));
  } else if (type == "ByteLevel") {
    Step step;
    if (json.get_bool("use_regex", true))
      step = compile(json, translate_pattern(kByteLevelPattern));
    step.add_prefix_space = json.get_bool("add_prefix_space", true);
    steps_.push_back(std::move(step));
    byte_level_ = true;
  } else {
    throw UnsupportedError(json.file() + ": " + json.path() + ": pre-tokenizer \"" +
                           printable(type) + "\"; known: Sequence, Split, Digits, ByteLevel");
  }
}

void PreTokenizer::split(std::string_view text,
                         const std::function<void(std::string_view)>& word) const {
  if (!text.empty()) run(0, text, word);
}

void PreTokenizer::run(std::size_t index, std::string_view text,
                       const std::function<void(std::string_view)>& word) const {
  if (index == steps_.size()) {
    word(text);
    return;
  }
  const Step& step = steps_[index];
  std::string prefixed;
  if (step.add_prefix_space && !text.starts_with(' ')) {
    prefixed.reserve(text.size() + 1);
    prefixed += ' ';
    prefixed += text;
    text = prefixed;
  }
  if (step.code == nullptr) {
    run(index + 1, text, word);
    return;
  }
  const std::unique_ptr<pcre2_match_data, DataFree> data(
      pcre2_match_data_create_from_pattern(step.code.get(), nullptr));
  if (data == nullptr) throw std::bad_alloc();
  std::size_t done = 0;  // everything before it was handed on
  std::size_t begin = 0, end = 0;
  for (std::size_t from = 0; from < text.size();) {
    if (!find_match(step, data.get(), text, from, begin, end)) break;
    if (begin > done) run(index + 1, text.substr(done, begin - done), word);
    if (end > begin && step.keep_matches) run(index + 1, text.substr(begin, end - begin), word);
    done = end;
    from = end > begin ? end : next_character(text, end);
  }
  if (done < text.size()) run(index + 1, text.substr(done), word);
}

}  // namespace sylvester::io::detail
