// Text to token ids and back.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sylvester/io/jsonl.h"

namespace sylvester::io {

// A byte-level BPE tokenizer; ids equal those of Hugging Face's tokenizers library (docs say where
// Unicode versions differ). Every method may be called by several threads at once.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  // No BOS is added. Special tokens written out in the text ("<|im_start|>") are recognised.
  // A byte that the vocabulary has no token for gives the unknown token, or nothing when there is
  // none, as in Hugging Face's library. ValueError for text that is not UTF-8.
  virtual std::vector<std::int32_t> encode(std::string_view text) const = 0;
  // The bytes of the tokens, special ones included; not UTF-8 where the ids cut a character.
  // decode(encode(text)) is the (normalized) text when no byte was unknown. ValueError for an id
  // outside [0, vocab_size()) or one that no token has.
  virtual std::string decode(std::span<const std::int32_t> ids) const = 0;
  // One more than the largest id.
  virtual std::int64_t vocab_size() const = 0;
  virtual std::optional<std::int32_t> bos() const = 0;
  virtual std::optional<std::int32_t> eos() const = 0;
  // `token` as the file spells it: "<|im_end|>", or "Ġthe" for " the".
  virtual std::optional<std::int32_t> id_of(std::string_view token) const = 0;
  // Writes tokenizer.json and tokenizer_config.json (Hugging Face layout) into the folder; the
  // tokenizers library loads them to the same ids.
  virtual void save(const std::filesystem::path& folder) const = 0;
  // The Jinja text that came with the tokenizer; empty when there is none.
  virtual const std::string& chat_template() const = 0;
};

// A GGUF file, a tokenizer.json, or a model folder that holds one. FormatError, IoError;
// UnsupportedError for a tokenizer that is not byte-level BPE, naming what it is.
std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& path);

// The conversation as one text. A tokenizer with the tokens <|im_start|> and <|im_end|> gets
// ChatML, "<|im_start|>role\ncontent<|im_end|>\n" for each message; where its template starts every
// conversation that has no system message with one of its own (SmolLM2: "You are a helpful AI
// assistant named SmolLM, trained by Hugging Face"), so does this. add_generation_prompt appends
// "<|im_start|>assistant\n". Any other tokenizer gets the contents, one a line. The Jinja text is
// never executed.
std::string apply_chat_template(const Tokenizer& tokenizer, std::span<const Message> messages,
                                bool add_generation_prompt);

}  // namespace sylvester::io
