#include "sylvester/models/config.h"

#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "models/sources.h"
#include "sylvester/core/error.h"
#include "sylvester/io/gguf.h"
#include "sylvester/io/json.h"

namespace sylvester {
namespace fs = std::filesystem;

void validate(const ModelConfig& c) {
  const std::array<std::pair<const char*, std::int64_t>, 7> positive{
      {{"vocab_size", c.vocab_size},
       {"hidden_size", c.hidden_size},
       {"intermediate_size", c.intermediate_size},
       {"num_attention_heads", c.num_attention_heads},
       {"num_key_value_heads", c.num_key_value_heads},
       {"head_dim", c.head_dim},
       {"max_position_embeddings", c.max_position_embeddings}}};
  constexpr std::int64_t kLargest = std::int64_t{1} << 24;
  for (const auto& [name, value] : positive) {
    if (value <= 0 || value > kLargest) {
      throw ValueError(std::string("model config: ") + name + " " + std::to_string(value) +
                       "; want 1 ... 2^24");
    }
  }
  if (c.num_hidden_layers < 0 || c.num_hidden_layers > 4096) {
    throw ValueError("model config: num_hidden_layers " + std::to_string(c.num_hidden_layers) +
                     "; want 0 ... 4096");
  }
  if (c.model_type != "llama") {
    throw UnsupportedError("model config: model_type '" + c.model_type + "'; want llama");
  }
  if (c.num_attention_heads % c.num_key_value_heads != 0) {
    throw ValueError("model config: num_key_value_heads " + std::to_string(c.num_key_value_heads) +
                     "; want a divisor of num_attention_heads " +
                     std::to_string(c.num_attention_heads));
  }
  if (c.head_dim % 2 != 0) {
    throw ValueError("model config: head_dim " + std::to_string(c.head_dim) +
                     "; want an even number (rotary pairs)");
  }
  if (!(c.rms_norm_eps > 0 && c.rms_norm_eps < 1)) {
    throw ValueError("model config: rms_norm_eps " + std::to_string(c.rms_norm_eps) +
                     "; want 0 < eps < 1");
  }
  if (!(c.rope_theta > 1)) {
    throw ValueError("model config: rope_theta " + std::to_string(c.rope_theta) + "; want > 1");
  }
}

namespace {

// A token id, or the first of several (Llama 3 lists its end tokens); -1 when absent.
std::int32_t token_id(const io::JsonValue& json, std::string_view key) {
  std::optional<io::JsonValue> value = json.find(key);
  if (!value || value->is_null()) return -1;
  if (value->is_array()) {
    const std::vector<io::JsonValue> all = value->items();
    return all.empty() ? -1 : static_cast<std::int32_t>(all.front().as_int());
  }
  return static_cast<std::int32_t>(value->as_int());
}

double rope_theta(const io::JsonValue& json) {
  for (const char* key : {"rope_parameters", "rope_scaling"}) {
    const std::optional<io::JsonValue> rope = json.find(key);
    if (!rope || rope->is_null()) continue;
    const std::string type = rope->get_string("rope_type", rope->get_string("type", "default"));
    if (type != "default") {
      throw UnsupportedError(json.file() + ": " + key + ".rope_type '" + type +
                             "'; want default (no scaling)");
    }
    if (rope->contains("rope_theta")) return rope->at("rope_theta").as_double();
  }
  return json.get_double("rope_theta", 10000.0);
}

void refuse(const io::JsonValue& json, const char* key, bool wanted) {
  if (json.get_bool(key, wanted) != wanted) {
    throw UnsupportedError(json.file() + ": " + key + " true; this library has no biases there");
  }
}

ModelConfig from_json(const io::JsonValue& json) {
  ModelConfig c;
  c.model_type = json.at("model_type").as_string();
  if (c.model_type != "llama") {
    throw UnsupportedError(json.file() + ": model_type '" + io::printable(c.model_type) +
                           "'; want llama");
  }
  const std::string activation = json.get_string("hidden_act", "silu");
  if (activation != "silu") {
    throw UnsupportedError(json.file() + ": hidden_act '" + io::printable(activation) +
                           "'; want silu");
  }
  refuse(json, "attention_bias", false);
  refuse(json, "mlp_bias", false);
  c.vocab_size = json.at("vocab_size").as_int();
  c.hidden_size = json.at("hidden_size").as_int();
  c.intermediate_size = json.at("intermediate_size").as_int();
  c.num_hidden_layers = json.at("num_hidden_layers").as_int();
  c.num_attention_heads = json.at("num_attention_heads").as_int();
  c.num_key_value_heads = json.get_int("num_key_value_heads", c.num_attention_heads);
  if (c.num_attention_heads <= 0) json.at("num_attention_heads").fail("must be > 0");
  c.head_dim = json.get_int("head_dim", c.hidden_size / c.num_attention_heads);
  c.max_position_embeddings = json.get_int("max_position_embeddings", 2048);
  c.rms_norm_eps = json.get_double("rms_norm_eps", 1e-6);
  c.rope_theta = rope_theta(json);
  c.tie_word_embeddings = json.get_bool("tie_word_embeddings", false);
  c.initializer_range = json.get_double("initializer_range", 0.02);
  c.bos_token_id = token_id(json, "bos_token_id");
  c.eos_token_id = token_id(json, "eos_token_id");
  return c;
}

}  // namespace

namespace detail {

ModelConfig config_of(const io::GgufFile& file) {
  const std::string& architecture = file.get_string("general.architecture");
  if (architecture != "llama") {
    throw UnsupportedError(file.path().string() + ": general.architecture '" +
                           io::printable(architecture) + "'; want llama");
  }
  const auto uint = [&](const std::string& key) {
    return static_cast<std::int64_t>(file.get_uint("llama." + key));
  };
  ModelConfig c;
  c.hidden_size = uint("embedding_length");
  c.intermediate_size = uint("feed_forward_length");
  c.num_hidden_layers = uint("block_count");
  c.num_attention_heads = uint("attention.head_count");
  c.num_key_value_heads = file.has("llama.attention.head_count_kv")
                              ? uint("attention.head_count_kv")
                              : c.num_attention_heads;
  if (c.num_attention_heads <= 0) {
    throw FormatError(file.path().string(), 0, "llama.attention.head_count", "must be > 0");
  }
  c.head_dim = file.has("llama.attention.key_length") ? uint("attention.key_length")
                                                      : c.hidden_size / c.num_attention_heads;
  c.max_position_embeddings = uint("context_length");
  // Stored as float32; 1e-5 reads back as 9.999999747378752e-06, which is what the model runs with.
  c.rms_norm_eps = file.get_double("llama.attention.layer_norm_rms_epsilon");
  if (file.has("llama.rope.freq_base")) c.rope_theta = file.get_double("llama.rope.freq_base");
  if (file.has("llama.rope.scaling.type") && file.get_string("llama.rope.scaling.type") != "none") {
    throw UnsupportedError(file.path().string() + ": llama.rope.scaling.type; want none");
  }
  c.tie_word_embeddings = !file.contains("output.weight");
  c.vocab_size = file.info("token_embd.weight").shape.at(0);
  const auto id = [&](const std::string& key) {
    return file.has(key) ? static_cast<std::int32_t>(file.get_uint(key)) : -1;
  };
  c.bos_token_id = id("tokenizer.ggml.bos_token_id");
  c.eos_token_id = id("tokenizer.ggml.eos_token_id");
  return c;
}

fs::path model_file(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) return path;
  if (fs::exists(path / "config.json", ignored)) return path;
  std::vector<fs::path> found;
  for (const fs::directory_entry& entry : fs::directory_iterator(path, ignored)) {
    if (entry.path().extension() == ".gguf") found.push_back(entry.path());
  }
  if (found.size() == 1) return found.front();
  throw IoError(path.string(), 0,
                "no model here: want config.json with model.safetensors, or one .gguf file");
}

}  // namespace detail

ModelConfig load_config(const fs::path& path) {
  const fs::path source = detail::model_file(path);
  ModelConfig config;
  if (source.extension() == ".gguf") {
    config = detail::config_of(*io::open_gguf(source));
  } else {
    std::error_code ignored;
    config = from_json(
        io::read_json(fs::is_directory(source, ignored) ? source / "config.json" : source));
  }
  validate(config);
  return config;
}

std::string to_json(const ModelConfig& c) {
  io::JsonWriter json(1);
  json.begin_object();
  json.key("architectures").begin_array().value("LlamaForCausalLM").end_array();
  json.key("model_type").value(c.model_type);
  const std::array<std::pair<const char*, std::int64_t>, 8> sizes{
      {{"vocab_size", c.vocab_size},
       {"hidden_size", c.hidden_size},
       {"intermediate_size", c.intermediate_size},
       {"num_hidden_layers", c.num_hidden_layers},
       {"num_attention_heads", c.num_attention_heads},
       {"num_key_value_heads", c.num_key_value_heads},
       {"head_dim", c.head_dim},
       {"max_position_embeddings", c.max_position_embeddings}}};
  for (const auto& [name, value] : sizes) json.key(name).value(value);
  json.key("hidden_act").value("silu");
  json.key("rms_norm_eps").value(c.rms_norm_eps);
  json.key("rope_theta").value(c.rope_theta);
  json.key("rope_parameters").begin_object();
  json.key("rope_theta").value(c.rope_theta).key("rope_type").value("default").end_object();
  json.key("attention_bias").value(false).key("mlp_bias").value(false);
  json.key("tie_word_embeddings").value(c.tie_word_embeddings);
  json.key("initializer_range").value(c.initializer_range);
  if (c.bos_token_id >= 0) json.key("bos_token_id").value(std::int64_t{c.bos_token_id});
  if (c.eos_token_id >= 0) json.key("eos_token_id").value(std::int64_t{c.eos_token_id});
  json.end_object();
  return json.text();
}

}  // namespace sylvester
