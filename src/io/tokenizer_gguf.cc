// A byte-level BPE tokenizer from GGUF metadata (tokenizer.ggml.*).
#include <cmath>
#include <unordered_map>

#include "io/tokenizer_spec.h"
#include "sylvester/core/error.h"

namespace sylvester::io::detail {
namespace {

constexpr const char* kTokens = "tokenizer.ggml.tokens";
constexpr const char* kMerges = "tokenizer.ggml.merges";
constexpr const char* kTypes = "tokenizer.ggml.token_type";
constexpr const char* kScores = "tokenizer.ggml.scores";

// Values of tokenizer.ggml.token_type.
enum TokenType : std::int64_t { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };

constexpr const char* kByteLevel =
    R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true})";
constexpr const char* kByteLevelNoRegex =
    R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false})";
constexpr const char* kDigitsFirst = R"({"type":"Digits","individual_digits":true})";

std::string split(const std::string& digits) {
  JsonWriter json;
  json.begin_object().key("type").value("Split").key("pattern").begin_object().key("Regex");
  json.value(R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|)" + digits +
             R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)");
  json.end_object().key("behavior").value("Isolated").key("invert").value(false).end_object();
  return json.text();
}

std::string sequence(const std::string& first, const std::string& second) {
  return R"({"type":"Sequence","pretokenizers":[)" + first + "," + second + "]}";
}

// tokenizer.ggml.pre names the published pre-tokenizer of a model family.
std::string pre_tokenizer(const GgufFile& file, bool& ignore_merges) {
  constexpr const char* kPre = "tokenizer.ggml.pre";
  const std::string pre = file.has(kPre) ? file.get_string(kPre) : "gpt-2";
  if (pre == "smollm" || pre == "starcoder" || pre == "refact" || pre == "command-r" ||
      pre == "codeshell" || pre == "exaone") {
    return sequence(kDigitsFirst, kByteLevel);
  }
  if (pre == "gpt-2" || pre == "gpt2" || pre == "olmo" || pre == "mpt" || pre == "phi-2" ||
      pre == "jina-en" || pre == "jina-es" || pre == "jina-de") {
    return kByteLevel;
  }
  if (pre == "llama-bpe" || pre == "llama3" || pre == "llama-v3") {
    ignore_merges = true;
    return sequence(split(R"(\p{N}{1,3})"), kByteLevelNoRegex);
  }
  if (pre == "qwen2" || pre == "deepseek-r1-qwen") {
    return sequence(split(R"(\p{N})"), kByteLevelNoRegex);
  }
  throw UnsupportedError(file.path().string() + ": tokenizer.ggml.pre \"" + printable(pre) +
                         "\"; known: gpt-2, olmo, smollm, starcoder, refact, command-r, llama-bpe, "
                         "qwen2. Convert the model's tokenizer.json instead");
}

class GgufTokenizer {
 public:
  explicit GgufTokenizer(const GgufFile& file) : file_(file) {}

  TokenizerSpec read() {
    const std::string& model = file_.get_string("tokenizer.ggml.model");
    if (model != "gpt2") {
      throw UnsupportedError(file_.path().string() + ": tokenizer.ggml.model \"" +
                             printable(model) + "\"; only gpt2 (byte-level BPE) is supported");
    }
    spec_.file = file_.path().string();
    spec_.tokens = file_.get_strings(kTokens);
    check_tokens();
    read_types();
    check_scores();
    read_merges();
    spec_.pre_tokenizer = pre_tokenizer(file_, spec_.ignore_merges);
    spec_.decoder = kByteLevel;
    spec_.bos = special("tokenizer.ggml.bos_token_id");
    spec_.eos = special("tokenizer.ggml.eos_token_id");
    spec_.unknown = special("tokenizer.ggml.unknown_token_id");
    spec_.padding = special("tokenizer.ggml.padding_token_id");
    if (file_.has("tokenizer.chat_template")) {
      spec_.chat_template = file_.get_string("tokenizer.chat_template");
    }
    return std::move(spec_);
  }

 private:
  [[noreturn]] void fail(const std::string& key, std::size_t index, const std::string& rule) {
    throw FormatError(file_.path().string(), file_.offset_of(key),
                      key + "[" + std::to_string(index) + "]", rule);
  }

  void check_tokens() {
    std::unordered_map<std::string_view, std::size_t> seen;
    for (std::size_t i = 0; i < spec_.tokens.size(); ++i) {
      const auto [place, fresh] = seen.emplace(spec_.tokens[i], i);
      if (!fresh) {
        fail(kTokens, i,
             "token \"" + printable(spec_.tokens[i]) + "\" repeats token " +
                 std::to_string(place->second));
      }
    }
  }

  void check_count(const std::string& key, std::size_t count) {
    if (count != spec_.tokens.size()) {
      throw FormatError(file_.path().string(), file_.offset_of(key), key,
                        std::to_string(count) + " entries for " +
                            std::to_string(spec_.tokens.size()) + " tokens");
    }
  }

  void read_types() {
    if (!file_.has(kTypes)) return;
    const auto& types = file_.get_ints(kTypes);
    check_count(kTypes, types.size());
    for (std::size_t i = 0; i < types.size(); ++i) {
      const std::string& text = spec_.tokens[i];
      if (types[i] < kNormal || types[i] > kByte) {
        fail(kTypes, i, "token type " + std::to_string(types[i]) + "; want 1 to 6");
      }
      if (types[i] == kByte && !is_byte_token(text)) {
        fail(kTokens, i, "byte token \"" + printable(text) + "\"; want <0x00> to <0xFF>");
      }
      const bool special = types[i] == kControl || types[i] == kUnknown;
      if ((special || types[i] == kUserDefined) && !text.empty()) {
        AddedToken token;
        token.id = static_cast<std::int32_t>(i);
        token.text = text;
        token.special = special;
        spec_.added.push_back(std::move(token));
      }
    }
  }

  static bool is_byte_token(const std::string& text) {
    const auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); };
    return text.size() == 6 && text.starts_with("<0x") && text[5] == '>' && hex(text[3]) &&
           hex(text[4]);
  }

  void check_scores() {
    if (!file_.has(kScores)) return;
    const auto* scores = std::get_if<std::vector<double>>(&file_.value(kScores));
    if (scores == nullptr) {
      throw FormatError(file_.path().string(), file_.offset_of(kScores), kScores,
                        "want an array of floats");
    }
    check_count(kScores, scores->size());
    for (std::size_t i = 0; i < scores->size(); ++i) {
      if (std::isnan((*scores)[i])) fail(kScores, i, "score is NaN");
    }
  }

  void read_merges() {
    const auto& merges = file_.get_strings(kMerges);
    for (std::size_t i = 0; i < merges.size(); ++i) {
      // A token may start with a space only as the byte alphabet's U+0120, so the first plain one
      // after the first character separates.
      const std::size_t space = merges[i].find(' ', 1);
      if (merges[i].empty() || space == std::string::npos || space + 1 == merges[i].size()) {
        fail(kMerges, i, "merge \"" + printable(merges[i]) + "\"; want two tokens and a space");
      }
      spec_.merges.emplace_back(merges[i].substr(0, space), merges[i].substr(space + 1));
      spec_.merge_at.push_back(file_.offset_of(kMerges));
    }
  }

  std::optional<std::int32_t> special(const std::string& key) {
    if (!file_.has(key)) return std::nullopt;
    const std::uint64_t id = file_.get_uint(key);
    if (id >= spec_.tokens.size()) {
      throw FormatError(file_.path().string(), file_.offset_of(key), key,
                        "id " + std::to_string(id) + "; the vocabulary has " +
                            std::to_string(spec_.tokens.size()) + " tokens");
    }
    return static_cast<std::int32_t>(id);
  }

  const GgufFile& file_;
  TokenizerSpec spec_;
};

}  // namespace

TokenizerSpec spec_from_gguf(const GgufFile& file) { return GgufTokenizer(file).read(); }

}  // namespace sylvester::io::detail
