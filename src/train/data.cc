#include "sylvester/train/data.h"

#include <algorithm>

#include "sylvester/core/error.h"

namespace sylvester {
namespace {

struct Builder {
  const io::Tokenizer& tokenizer;
  TokenSequence out;

  void add(const std::string& text, bool counts) {
    for (const std::int32_t id : tokenizer.encode(text)) add(id, counts);
  }
  void add(std::int32_t id, bool counts) {
    out.ids.push_back(id);
    out.labels.push_back(counts ? id : kIgnoredLabel);
  }
  void add_eos() {
    if (const auto eos = tokenizer.eos()) add(*eos, true);
  }
};

// The conversation as apply_chat_template writes it, cut where the assistant's words begin and end;
// the pieces are tokenized apart, which the special tokens between them make harmless.
void add_messages(Builder& b, const io::Example& example, const EncodeTextOptions& options) {
  constexpr const char* kEnd = "<|im_end|>";
  if (!b.tokenizer.id_of("<|im_start|>") || !b.tokenizer.id_of(kEnd)) {
    throw FormatError(options.file, example.line, "messages",
                      "the tokenizer has no <|im_start|> and <|im_end|>; use the form "
                      "{\"prompt\",\"completion\"} with this model");
  }
  const std::span<const io::Message> all = example.messages;
  const std::string whole = io::apply_chat_template(b.tokenizer, all, false);
  std::size_t done = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].role != "assistant") continue;
    const std::size_t begin = io::apply_chat_template(b.tokenizer, all.first(i), true).size();
    b.add(whole.substr(done, begin - done), options.all_tokens);
    b.add(all[i].content + kEnd, true);
    done = begin + all[i].content.size() + std::string_view(kEnd).size();
  }
  b.add(whole.substr(done), options.all_tokens);
}

void check_length(TokenSequence& s, const EncodeTextOptions& options) {
  const auto length = static_cast<std::int64_t>(s.ids.size());
  if (length < 2) {
    throw FormatError(
        options.file, s.line, "tokens",
        "the example has " + std::to_string(length) + " token(s); training needs at least two");
  }
  if (options.max_length > 0 && length > options.max_length) {
    s.ids.resize(static_cast<std::size_t>(options.max_length));
    s.labels.resize(static_cast<std::size_t>(options.max_length));
  } else if (options.context > 0 && length > options.context) {
    throw FormatError(options.file, s.line, "tokens",
                      "the example has " + std::to_string(length) +
                          " tokens and the model's context holds " +
                          std::to_string(options.context) +
                          "; shorten it, or cut every example with --max-length N");
  }
}

}  // namespace

TokenSequence encode_example(const io::Example& example, const io::Tokenizer& tokenizer,
                             const EncodeTextOptions& options) {
  if (options.context > 0 && options.max_length > options.context) {
    throw ValueError("max-length " + std::to_string(options.max_length) +
                     " exceeds the model's context of " + std::to_string(options.context) +
                     " tokens");
  }
  Builder b{tokenizer, {}};
  b.out.line = example.line;
  try {
    if (!example.messages.empty()) {
      add_messages(b, example, options);
    } else if (!example.text.empty()) {
      b.add(example.text, true);
      b.add_eos();
    } else {
      b.add(example.prompt, options.all_tokens);
      b.add(example.completion, true);
      b.add_eos();
    }
  } catch (const ValueError& error) {  // the tokenizer's: text that is not UTF-8
    throw FormatError(options.file, example.line, "text", error.what());
  }
  check_length(b.out, options);
  return std::move(b.out);
}

std::vector<TokenSequence> encode_examples(std::span<const io::Example> examples,
                                           const io::Tokenizer& tokenizer,
                                           const EncodeTextOptions& options) {
  std::vector<TokenSequence> out;
  out.reserve(examples.size());
  for (const io::Example& example : examples) {
    out.push_back(encode_example(example, tokenizer, options));
  }
  return out;
}

std::int64_t counted_tokens(const TokenSequence& sequence) noexcept {
  if (sequence.labels.empty()) return 0;
  return std::count_if(sequence.labels.begin() + 1, sequence.labels.end(),
                       [](std::int32_t label) { return label != kIgnoredLabel; });
}

Batch collate(std::span<const TokenSequence* const> rows, std::int32_t pad) {
  Batch batch;
  batch.B = static_cast<std::int64_t>(rows.size());
  for (const TokenSequence* row : rows) {
    batch.T = std::max(batch.T, static_cast<std::int64_t>(row->ids.size()));
  }
  const auto size = static_cast<std::size_t>(batch.B * batch.T);
  batch.ids.assign(size, pad);
  batch.labels.assign(size, kIgnoredLabel);
  for (std::int64_t b = 0; b < batch.B; ++b) {
    const TokenSequence& row = *rows[static_cast<std::size_t>(b)];
    std::copy(row.ids.begin(), row.ids.end(), batch.ids.begin() + b * batch.T);
    std::copy(row.labels.begin(), row.labels.end(), batch.labels.begin() + b * batch.T);
  }
  return batch;
}

}  // namespace sylvester
