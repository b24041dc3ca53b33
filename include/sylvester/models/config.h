// The numbers that define a decoder; the fields of Hugging Face's config.json under its names.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace sylvester {

struct ModelConfig {
  std::string model_type = "llama";
  std::int64_t vocab_size = 0;
  std::int64_t hidden_size = 0;
  std::int64_t intermediate_size = 0;
  std::int64_t num_hidden_layers = 0;
  std::int64_t num_attention_heads = 0;
  std::int64_t num_key_value_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t max_position_embeddings = 0;
  double rms_norm_eps = 1e-5;
  double rope_theta = 10000.0;
  bool tie_word_embeddings = false;
  double initializer_range = 0.02;
  std::int32_t bos_token_id = -1;  // -1: none
  std::int32_t eos_token_id = -1;
};

// Throws ValueError naming the field when sizes do not fit together (heads, head_dim, zero sizes).
void validate(const ModelConfig& config);

// From a Hugging Face folder, a config.json, or a GGUF file. A folder without config.json but with
// one *.gguf file counts as that file. Errors: FormatError naming the field; UnsupportedError for
// a model type, activation or rope scaling that this library does not have; IoError.
ModelConfig load_config(const std::filesystem::path& path);
// Hugging Face's config.json (rope_theta both at the top and in rope_parameters).
std::string to_json(const ModelConfig& config);

}  // namespace sylvester
