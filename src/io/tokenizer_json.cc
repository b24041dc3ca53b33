// tokenizer.json and tokenizer_config.json, read and written.
#include <algorithm>
#include <unordered_map>

#include "io/paths.h"
#include "io/tokenizer_spec.h"
#include "sylvester/core/error.h"

namespace sylvester::io::detail {
namespace {

namespace fs = std::filesystem;

// Ids may leave gaps (tokens added at round numbers), but a small file cannot claim a huge table.
constexpr std::int64_t kMaxIdGap = 65536;

void unsupported(const JsonValue& at, const std::string& what) {
  throw UnsupportedError(at.file() + ": " + at.path() + ": " + what);
}

void check_model(const JsonValue& model) {
  if (model.get_string("type", "BPE") != "BPE") {
    unsupported(model, "model \"" + printable(model.at("type").as_string()) +
                           "\"; only byte-level BPE is supported");
  }
  if (model.get_bool("byte_fallback", false)) {
    unsupported(model,
                "byte_fallback (a SentencePiece vocabulary); only byte-level BPE is "
                "supported");
  }
  if (model.get_double("dropout", 0) != 0) unsupported(model, "dropout is not 0");
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!model.get_string(key, "").empty()) unsupported(model, std::string(key) + " is not empty");
  }
}

void place(TokenizerSpec& spec, const JsonValue& at, std::int64_t id, std::string text) {
  auto& slot = spec.tokens[static_cast<std::size_t>(id)];
  if (!slot.empty() && slot != text) {
    at.fail("id " + std::to_string(id) + " belongs to \"" + printable(slot) + "\" already");
  }
  slot = std::move(text);
}

std::int64_t checked_id(const JsonValue& value, std::int64_t most) {
  const std::int64_t id = value.as_int();
  if (id < 0 || id > most) {
    value.fail("id " + std::to_string(id) + "; want 0 to " + std::to_string(most));
  }
  return id;
}

void read_vocab(const JsonValue& root, TokenizerSpec& spec) {
  const JsonValue model = root.at("model");
  const auto vocab = model.at("vocab").members();
  std::vector<JsonValue> added;
  if (const auto list = root.find("added_tokens"); list && !list->is_null()) {
    added = list->items();
  }
  const auto most = static_cast<std::int64_t>(vocab.size() + added.size()) + kMaxIdGap;
  std::int64_t last = -1;
  for (const auto& [text, id] : vocab) last = std::max(last, checked_id(id, most));
  for (const JsonValue& token : added) last = std::max(last, checked_id(token.at("id"), most));
  spec.tokens.resize(static_cast<std::size_t>(last + 1));
  for (const auto& [text, id] : vocab) place(spec, id, id.as_int(), std::string(text));
  for (const JsonValue& token : added) {
    AddedToken out;
    out.id = static_cast<std::int32_t>(token.at("id").as_int());
    out.text = token.at("content").as_string();
    out.special = token.get_bool("special", false);
    out.lstrip = token.get_bool("lstrip", false);
    out.rstrip = token.get_bool("rstrip", false);
    out.normalized = token.get_bool("normalized", !out.special);
    if (out.text.empty()) token.fail("empty added token");
    if (token.get_bool("single_word", false)) unsupported(token, "single_word added tokens");
    const std::string& known = spec.tokens[static_cast<std::size_t>(out.id)];
    if (!known.empty() && known != out.text) {
      token.fail("id " + std::to_string(out.id) + " belongs to \"" + printable(known) +
                 "\" already");
    }
    spec.added.push_back(std::move(out));
  }
  std::sort(spec.added.begin(), spec.added.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
}

void read_merges(const JsonValue& merges, TokenizerSpec& spec) {
  for (const JsonValue& merge : merges.items()) {
    if (merge.is_array()) {
      const auto pair = merge.items();
      if (pair.size() != 2) merge.fail("want two tokens");
      spec.merges.emplace_back(pair[0].as_string(), pair[1].as_string());
    } else {
      const std::string& text = merge.as_string();
      const std::size_t space = text.find(' ');
      if (space == std::string::npos || space == 0 || space + 1 == text.size()) {
        merge.fail("want two tokens separated by a space");
      }
      spec.merges.emplace_back(text.substr(0, space), text.substr(space + 1));
    }
    spec.merge_at.push_back(merge.offset());
  }
}

std::optional<std::int32_t> find_token(const TokenizerSpec& spec, const std::string& text) {
  for (const AddedToken& token : spec.added) {
    if (token.text == text) return token.id;
  }
  const auto found = std::find(spec.tokens.begin(), spec.tokens.end(), text);
  if (text.empty() || found == spec.tokens.end()) return std::nullopt;
  return static_cast<std::int32_t>(found - spec.tokens.begin());
}

// A special token of tokenizer_config.json: a string, or an object with "content".
std::optional<std::int32_t> named_token(const TokenizerSpec& spec, const JsonValue& config,
                                        std::string_view key) {
  const auto value = config.find(key);
  if (!value || value->is_null()) return std::nullopt;
  const std::string text =
      value->is_object() ? value->at("content").as_string() : value->as_string();
  return find_token(spec, text);
}

std::optional<std::int32_t> config_id(const JsonValue& config, std::string_view key,
                                      std::size_t vocab) {
  const auto value = config.find(key);
  if (!value || value->is_null()) return std::nullopt;
  if (value->is_array() && value->size() == 0) return std::nullopt;
  const JsonValue id = value->is_array() ? value->items().front() : *value;
  return static_cast<std::int32_t>(checked_id(id, static_cast<std::int64_t>(vocab) - 1));
}

// Special tokens and the chat template lie beside tokenizer.json.
void read_neighbours(const fs::path& folder, TokenizerSpec& spec) {
  if (detail::exists(folder / "tokenizer_config.json")) {
    const JsonValue config = read_json(folder / "tokenizer_config.json");
    spec.bos = named_token(spec, config, "bos_token");
    spec.eos = named_token(spec, config, "eos_token");
    spec.padding = named_token(spec, config, "pad_token");
    if (!spec.unknown) spec.unknown = named_token(spec, config, "unk_token");
    if (const auto chat = config.find("chat_template"); chat && chat->is_string()) {
      spec.chat_template = chat->as_string();
    } else if (chat && chat->is_array()) {
      for (const JsonValue& item : chat->items()) {
        if (item.get_string("name", "") == "default") {
          spec.chat_template = item.at("template").as_string();
        }
      }
    }
  }
  if (detail::exists(folder / "chat_template.jinja")) {
    const auto bytes = read_file(folder / "chat_template.jinja", kMaxLineBytes);
    spec.chat_template.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  if (!spec.eos && detail::exists(folder / "config.json")) {
    const JsonValue config = read_json(folder / "config.json");
    spec.eos = config_id(config, "eos_token_id", spec.tokens.size());
    if (!spec.bos) spec.bos = config_id(config, "bos_token_id", spec.tokens.size());
  }
}

std::string text_of(const TokenizerSpec& spec, std::int32_t id) {
  for (const AddedToken& token : spec.added) {
    if (token.id == id) return token.text;
  }
  return spec.tokens[static_cast<std::size_t>(id)];
}

}  // namespace

TokenizerSpec spec_from_json(const fs::path& path) {
  const JsonValue root = read_json(path);
  TokenizerSpec spec;
  spec.file = path.string();
  const JsonValue model = root.at("model");
  check_model(model);
  read_vocab(root, spec);
  read_merges(model.at("merges"), spec);
  spec.ignore_merges = model.get_bool("ignore_merges", false);
  spec.fuse_unknown = model.get_bool("fuse_unk", false);
  const auto part = [&](std::string_view key) {
    const auto value = root.find(key);
    return value ? value->dump() : std::string("null");
  };
  spec.normalizer = part("normalizer");
  spec.pre_tokenizer = part("pre_tokenizer");
  spec.post_processor = part("post_processor");
  spec.decoder = part("decoder");
  if (const auto unknown = model.find("unk_token"); unknown && !unknown->is_null()) {
    spec.unknown = find_token(spec, unknown->as_string());
    if (!spec.unknown) unknown->fail("is not in the vocabulary");
    spec.unknown_in_model = true;
  }
  read_neighbours(path.parent_path(), spec);
  return spec;
}

std::string tokenizer_json_text(const TokenizerSpec& spec) {
  const auto part = [](const std::string& text) { return parse_json(text, "tokenizer.json"); };
  JsonWriter json;
  json.begin_object().key("version").value("1.0");
  json.key("truncation").value(nullptr).key("padding").value(nullptr);
  json.key("added_tokens").begin_array();
  for (const AddedToken& token : spec.added) {
    json.begin_object().key("id").value(token.id).key("content").value(token.text);
    json.key("single_word").value(false).key("lstrip").value(token.lstrip);
    json.key("rstrip").value(token.rstrip).key("normalized").value(token.normalized);
    json.key("special").value(token.special).end_object();
  }
  json.end_array();
  json.key("normalizer").value(part(spec.normalizer));
  json.key("pre_tokenizer").value(part(spec.pre_tokenizer));
  json.key("post_processor").value(part(spec.post_processor));
  json.key("decoder").value(part(spec.decoder));
  json.key("model").begin_object().key("type").value("BPE").key("dropout").value(nullptr);
  json.key("unk_token");
  if (spec.unknown_in_model) {
    json.value(text_of(spec, *spec.unknown));
  } else {
    json.value(nullptr);
  }
  json.key("continuing_subword_prefix").value(nullptr).key("end_of_word_suffix").value(nullptr);
  json.key("fuse_unk").value(spec.fuse_unknown).key("byte_fallback").value(false);
  json.key("ignore_merges").value(spec.ignore_merges);
  json.key("vocab").begin_object();
  for (std::size_t id = 0; id < spec.tokens.size(); ++id) {
    if (!spec.tokens[id].empty()) {
      json.key(spec.tokens[id]).value(static_cast<std::int64_t>(id));
    }
  }
  json.end_object().key("merges").begin_array();
  for (const auto& [left, right] : spec.merges) {
    json.begin_array().value(left).value(right).end_array();
  }
  json.end_array().end_object().end_object();
  return json.text();
}

std::string tokenizer_config_text(const TokenizerSpec& spec) {
  JsonWriter json(2);
  json.begin_object().key("tokenizer_class").value("PreTrainedTokenizerFast");
  json.key("clean_up_tokenization_spaces").value(false);
  const std::pair<const char*, std::optional<std::int32_t>> named[] = {{"bos_token", spec.bos},
                                                                       {"eos_token", spec.eos},
                                                                       {"unk_token", spec.unknown},
                                                                       {"pad_token", spec.padding}};
  for (const auto& [key, id] : named) {
    if (id) json.key(key).value(text_of(spec, *id));
  }
  if (!spec.chat_template.empty()) json.key("chat_template").value(spec.chat_template);
  json.end_object();
  return json.text() + "\n";
}

}  // namespace sylvester::io::detail
