#include "sylvester/io/tokenizer.h"

#include <algorithm>
#include <array>
#include <limits>
#include <unordered_map>

#include "io/added_tokens.h"
#include "io/bpe.h"
#include "io/nfc.h"
#include "io/paths.h"
#include "io/pretokenizer.h"
#include "io/tokenizer_spec.h"
#include "io/utf8.h"
#include "sylvester/core/error.h"

namespace sylvester::io {
namespace detail {
namespace {

std::uint32_t byte_to_code_point(std::uint8_t byte) {
  static const std::array<std::uint32_t, 256> table = [] {
    std::array<std::uint32_t, 256> out{};
    std::uint32_t next = 256;
    for (std::uint32_t b = 0; b < 256; ++b) {
      const bool printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
      out[b] = printable ? b : next++;
    }
    return out;
  }();
  return table[byte];
}

}  // namespace

const std::string& byte_to_text(std::uint8_t byte) {
  static const std::array<std::string, 256> table = [] {
    std::array<std::string, 256> out;
    for (std::uint32_t b = 0; b < 256; ++b) {
      append_utf8(byte_to_code_point(static_cast<std::uint8_t>(b)), out[b]);
    }
    return out;
  }();
  return table[byte];
}

std::optional<std::string> text_to_bytes(std::string_view token) {
  static const std::array<int, 0x144> table = [] {
    std::array<int, 0x144> out;
    out.fill(-1);
    for (int b = 0; b < 256; ++b) {
      out[byte_to_code_point(static_cast<std::uint8_t>(b))] = b;
    }
    return out;
  }();
  std::string bytes;
  for (std::size_t i = 0; i < token.size();) {
    const std::size_t n = utf8_sequence(token, i);
    if (n == 0) return std::nullopt;
    const std::uint32_t c = utf8_code_point(token, i, n);
    if (c >= table.size() || table[c] < 0) return std::nullopt;
    bytes += static_cast<char>(table[c]);
    i += n;
  }
  return bytes;
}

namespace {

class BpeTokenizer : public Tokenizer {
 public:
  explicit BpeTokenizer(TokenizerSpec spec)
      : spec_(std::move(spec)),
        words_(parse_json(spec_.pre_tokenizer, spec_.file)),
        added_(spec_.added) {
    if (!words_.byte_level()) {
      throw UnsupportedError(spec_.file +
                             ": the pre-tokenizer has no ByteLevel step; only byte-level BPE is "
                             "supported");
    }
    read_normalizer(parse_json(spec_.normalizer, spec_.file));
    for (std::size_t id = 0; id < spec_.tokens.size(); ++id) {
      if (!spec_.tokens[id].empty()) ids_.emplace(spec_.tokens[id], static_cast<int>(id));
    }
    for (const AddedToken& token : spec_.added) ids_.emplace(token.text, token.id);
    spell();
    const std::int32_t unknown = spec_.unknown_in_model ? *spec_.unknown : Bpe::kNoToken;
    std::array<std::int32_t, 256> byte_ids;
    for (int b = 0; b < 256; ++b) {
      byte_ids[static_cast<std::size_t>(b)] =
          id_of(byte_to_text(static_cast<std::uint8_t>(b))).value_or(unknown);
    }
    bpe_ = std::make_unique<Bpe>(byte_ids, merges(), spec_.fuse_unknown ? unknown : Bpe::kNoToken);
  }

  std::vector<std::int32_t> encode(std::string_view text) const override {
    const std::size_t bad = utf8_error(text);
    if (bad != std::string_view::npos) {
      throw ValueError("text is not UTF-8 at byte " + std::to_string(bad) + ": \"" +
                       printable(text.substr(bad), 20) + "\"");
    }
    if (text.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
      throw ValueError("text of " + std::to_string(text.size()) + " bytes; want less than 2^31");
    }
    if (nfc_) check_nfc(text);
    std::vector<std::int32_t> ids;
    for (std::size_t at = 0; at < text.size();) {
      const AddedTokens::Match match = added_.find(text, at);
      words_.split(text.substr(at, match.begin - at),
                   [&](std::string_view word) { encode_word(word, ids); });
      if (match.token != nullptr) ids.push_back(match.token->id);
      at = match.end;
    }
    return ids;
  }

  std::string decode(std::span<const std::int32_t> ids) const override {
    std::string out;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (ids[i] < 0 || static_cast<std::size_t>(ids[i]) >= bytes_.size() ||
          bytes_[static_cast<std::size_t>(ids[i])].empty()) {
        throw ValueError("token id " + std::to_string(ids[i]) + " at index " + std::to_string(i) +
                         " is not in the vocabulary of " + std::to_string(bytes_.size()));
      }
      out += bytes_[static_cast<std::size_t>(ids[i])];
    }
    return out;
  }

  std::int64_t vocab_size() const override { return static_cast<std::int64_t>(bytes_.size()); }
  std::optional<std::int32_t> bos() const override { return spec_.bos; }
  std::optional<std::int32_t> eos() const override { return spec_.eos; }
  std::optional<std::int32_t> id_of(std::string_view token) const override {
    const auto found = ids_.find(token);
    if (found == ids_.end()) return std::nullopt;
    return found->second;
  }
  const std::string& chat_template() const override { return spec_.chat_template; }

  void save(const std::filesystem::path& folder) const override {
    write_file_atomic(folder / "tokenizer.json", tokenizer_json_text(spec_));
    write_file_atomic(folder / "tokenizer_config.json", tokenizer_config_text(spec_));
  }

 private:
  void read_normalizer(const JsonValue& json) {
    if (json.is_null()) return;
    const std::string type = json.at("type").as_string();
    if (type == "Sequence") {
      for (const JsonValue& item : json.at("normalizers").items()) {
        if (item.at("type").as_string() == "Sequence") item.fail("a Sequence in a Sequence");
        read_normalizer(item);
      }
    } else if (type == "NFC") {
      nfc_ = true;
    } else {
      throw UnsupportedError(spec_.file + ": normalizer \"" + printable(type) +
                             "\"; known: NFC, Sequence");
    }
  }

  void check_nfc(std::string_view text) const {
    const std::size_t at = nfc_uncertain(text);
    if (at == std::string_view::npos) return;
    throw UnsupportedError("text at byte " + std::to_string(at) + ": \"" +
                           printable(text.substr(at, utf8_sequence(text, at))) +
                           "\" may change under Unicode NFC, which this tokenizer asks for and "
                           "which is not computed here; normalize the text first and avoid "
                           "combining marks");
  }

  // The bytes of every token, and the tokens by their bytes.
  void spell() {
    bytes_.resize(spec_.tokens.size());
    for (std::size_t id = 0; id < bytes_.size(); ++id) {
      // A token outside the byte alphabet stands for its own text.
      bytes_[id] = text_to_bytes(spec_.tokens[id]).value_or(spec_.tokens[id]);
    }
    for (const AddedToken& token : spec_.added) {
      bytes_[static_cast<std::size_t>(token.id)] = text_to_bytes(token.text).value_or(token.text);
    }
    if (!spec_.ignore_merges) return;
    for (std::size_t id = 0; id < spec_.tokens.size(); ++id) {
      if (!spec_.tokens[id].empty() && text_to_bytes(spec_.tokens[id])) {
        whole_.emplace(bytes_[id], static_cast<std::int32_t>(id));
      }
    }
  }

  std::vector<Bpe::Merge> merges() {
    std::vector<Bpe::Merge> out;
    out.reserve(spec_.merges.size());
    for (std::size_t i = 0; i < spec_.merges.size(); ++i) {
      const auto& [left, right] = spec_.merges[i];
      const std::string both = left + right;
      std::array<std::int32_t, 3> ids;
      const std::string* texts[] = {&left, &right, &both};
      for (std::size_t k = 0; k < 3; ++k) {
        const auto id = id_of(*texts[k]);
        if (!id) {
          throw FormatError(spec_.file, spec_.merge_at[i], "merges[" + std::to_string(i) + "]",
                            "token \"" + printable(*texts[k]) + "\" is not in the vocabulary");
        }
        ids[k] = *id;
      }
      out.push_back({ids[0], ids[1], ids[2]});
    }
    return out;
  }

  void encode_word(std::string_view word, std::vector<std::int32_t>& ids) const {
    if (spec_.ignore_merges) {
      const auto found = whole_.find(word);
      if (found != whole_.end()) {
        ids.push_back(found->second);
        return;
      }
    }
    bpe_->encode(word, ids);
  }

  TokenizerSpec spec_;
  PreTokenizer words_;
  AddedTokens added_;
  std::unordered_map<std::string_view, std::int32_t> ids_;  // views into spec_
  std::vector<std::string> bytes_;
  std::unordered_map<std::string_view, std::int32_t> whole_;  // views into bytes_
  std::unique_ptr<Bpe> bpe_;
  bool nfc_ = false;
};

}  // namespace

std::unique_ptr<Tokenizer> make_tokenizer(TokenizerSpec spec) {
  return std::make_unique<BpeTokenizer>(std::move(spec));
}

}  // namespace detail

std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& path) {
  if (detail::is_folder(path)) {
    return detail::make_tokenizer(detail::spec_from_json(path / "tokenizer.json"));
  }
  if (is_gguf(path)) return detail::make_tokenizer(detail::spec_from_gguf(*open_gguf(path)));
  return detail::make_tokenizer(detail::spec_from_json(path));
}

}  // namespace sylvester::io
