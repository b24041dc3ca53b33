// A byte-level BPE tokenizer as data: what tokenizer.json and GGUF metadata both say.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sylvester/io/gguf.h"
#include "sylvester/io/json.h"
#include "sylvester/io/tokenizer.h"

namespace sylvester::io::detail {

struct AddedToken {
  std::int32_t id = 0;
  std::string text;
  bool special = true;
  bool lstrip = false;  // takes the white space before it along
  bool rstrip = false;  // and after it
  bool normalized = false;
};

struct TokenizerSpec {
  std::string file;                 // for errors
  std::vector<std::string> tokens;  // by id, in the byte alphabet; empty where an id is unused
  std::vector<std::pair<std::string, std::string>> merges;  // by rank
  std::vector<std::int64_t> merge_at;  // place of each merge in the file, for errors
  std::vector<AddedToken> added;       // ascending by id
  std::string normalizer = "null";     // JSON, as in tokenizer.json
  std::string pre_tokenizer = "null";
  std::string post_processor = "null";
  std::string decoder = "null";
  bool ignore_merges = false;
  bool fuse_unknown = false;
  std::optional<std::int32_t> bos, eos, unknown, padding;
  bool unknown_in_model = false;  // unknown bytes become `unknown`; else they vanish
  std::string chat_template;
};

TokenizerSpec spec_from_json(const std::filesystem::path& tokenizer_json);
TokenizerSpec spec_from_gguf(const GgufFile& file);
// tokenizer.json and tokenizer_config.json.
std::string tokenizer_json_text(const TokenizerSpec& spec);
std::string tokenizer_config_text(const TokenizerSpec& spec);

std::unique_ptr<Tokenizer> make_tokenizer(TokenizerSpec spec);

// The byte alphabet of GPT-2 (Radford et al. 2019): printable bytes stand for themselves, the other
// 68 are U+0100 ... U+0143 in ascending order.
const std::string& byte_to_text(std::uint8_t byte);
// The bytes a token spells; nothing when it holds a character outside the alphabet.
std::optional<std::string> text_to_bytes(std::string_view token);

}  // namespace sylvester::io::detail
