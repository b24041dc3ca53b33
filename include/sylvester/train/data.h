// From examples to token ids and labels, and from those to padded batches.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "sylvester/io/jsonl.h"
#include "sylvester/io/tokenizer.h"
#include "sylvester/models/decoder.h"

namespace sylvester {

// Labels of tokens that do not count.
inline constexpr std::int32_t kIgnoredLabel = -100;

// ids and labels have one length; labels[t] is ids[t] where token t counts, else kIgnoredLabel.
struct TokenSequence {
  std::int64_t line = 0;  // of the data file
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> labels;
};

struct EncodeTextOptions {
  std::string file;             // the name that errors carry
  std::int64_t context = 0;     // the model's longest sequence
  std::int64_t max_length = 0;  // > 0: longer sequences lose their end; 0: they are an error
  bool all_tokens = false;      // count the prompt too (pre-training)
};

// {"prompt","completion"}: ids = encode(prompt) + encode(completion) + EOS; completion and EOS
// count.
//   The two parts are tokenized apart, so that generation from the prompt sees what training saw.
// {"messages"}: the tokenizer's chat form; the assistant's words count.
// {"text"}: encode(text) + EOS; every token counts (the first has nothing to be predicted from).
// Errors: FormatError naming file and line for a sequence that is longer than the context when
// max_length is 0, shorter than two tokens, or not UTF-8; ValueError for max_length > context.
TokenSequence encode_example(const io::Example& example, const io::Tokenizer& tokenizer,
                             const EncodeTextOptions& options);
std::vector<TokenSequence> encode_examples(std::span<const io::Example> examples,
                                           const io::Tokenizer& tokenizer,
                                           const EncodeTextOptions& options);

// Tokens whose prediction counts: labels[t], t >= 1, that are not kIgnoredLabel.
std::int64_t counted_tokens(const TokenSequence& sequence) noexcept;

// Rows padded at their end to the longest of them with token `pad` and kIgnoredLabel. Causal
// attention keeps the padding from the tokens before it.
Batch collate(std::span<const TokenSequence* const> rows, std::int32_t pad = 0);

}  // namespace sylvester
