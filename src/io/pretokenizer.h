// Cuts text into the words that BPE never merges across.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sylvester/io/json.h"

namespace sylvester::io::detail {

// Compiled from a tokenizer.json "pre_tokenizer" value: null, Sequence, Split (Regex or String;
// Isolated or Removed), Digits, ByteLevel. Immutable and thread-safe once built.
class PreTokenizer {
 public:
  // Errors: FormatError for a value of the wrong kind or a pattern that does not compile;
  // UnsupportedError for any other kind of pre-tokenizer.
  explicit PreTokenizer(const JsonValue& json);
  ~PreTokenizer();
  PreTokenizer(PreTokenizer&&) noexcept;

  // True when the last step maps bytes to the byte alphabet, so the words are bytes.
  bool byte_level() const noexcept { return byte_level_; }
  // Calls word(piece) in order. `text` is UTF-8. ValueError when a pattern needs more steps than
  // the match limit.
  void split(std::string_view text, const std::function<void(std::string_view)>& word) const;

  struct Step;

 private:
  void add(const JsonValue& json, int depth);
  void run(std::size_t step, std::string_view text,
           const std::function<void(std::string_view)>& word) const;
  std::vector<Step> steps_;
  bool byte_level_ = false;
};

// `pattern` as PCRE2 reads it: \s and \S mean Unicode White_Space (PCRE2 adds U+180E to it).
std::string translate_pattern(std::string_view pattern);

}  // namespace sylvester::io::detail
