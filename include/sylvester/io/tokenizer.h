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

namespace sylvester::io {

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  // No BOS is added. Special tokens written out in the text ("<|im_start|>") are recognised.
  // ValueError for text that is not UTF-8.
  virtual std::vector<std::int32_t> encode(std::string_view text) const = 0;
  virtual std::string decode(std::span<const std::int32_t> ids) const = 0;
  virtual std::int64_t vocab_size() const = 0;
  virtual std::optional<std::int32_t> bos() const = 0;
  virtual std::optional<std::int32_t> eos() const = 0;
  virtual std::optional<std::int32_t> id_of(std::string_view token) const = 0;
  // Writes tokenizer.json (Hugging Face layout) into the folder.
  virtual void save(const std::filesystem::path& folder) const = 0;
};

// A GGUF file, a tokenizer.json, or a model folder that holds one. FormatError, IoError.
std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& path);

}  // namespace sylvester::io
