// Loading and saving of parameters.
#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "models/llama.h"
#include "models/sources.h"
#include "sylvester/core/buffer.h"
#include "sylvester/core/error.h"
#include "sylvester/formats/convert.h"
#include "sylvester/io/gguf.h"
#include "sylvester/io/tensor_file.h"

namespace sylvester {
namespace fs = std::filesystem;
namespace {

// "model.layers.3.mlp.up_proj.weight" -> "blk.3.ffn_up.weight".
std::string gguf_name(const std::string& name) {
  if (name == "model.embed_tokens.weight") return "token_embd.weight";
  if (name == "model.norm.weight") return "output_norm.weight";
  if (name == "lm_head.weight") return "output.weight";
  constexpr std::array<std::array<const char*, 2>, 9> kNames{
      {{"self_attn.q_proj", "attn_q"},
       {"self_attn.k_proj", "attn_k"},
       {"self_attn.v_proj", "attn_v"},
       {"self_attn.o_proj", "attn_output"},
       {"mlp.gate_proj", "ffn_gate"},
       {"mlp.up_proj", "ffn_up"},
       {"mlp.down_proj", "ffn_down"},
       {"input_layernorm", "attn_norm"},
       {"post_attention_layernorm", "ffn_norm"}}};
  const std::string prefix = "model.layers.";
  const std::size_t dot = name.find('.', prefix.size());
  const std::string number = name.substr(prefix.size(), dot - prefix.size());
  for (const auto& [theirs, ours] : kNames) {
    if (name.compare(dot + 1, std::strlen(theirs), theirs) == 0) {
      return "blk." + number + "." + ours + ".weight";
    }
  }
  throw ValueError("decoder: no GGUF name for " + name);
}

// Rows of one head in GGUF alternate between the two halves (row 2 i + s is row s D/2 + i here),
// because llama.cpp rotates neighbouring pairs.
void undo_rotary_permutation(Buffer<float>& values, std::int64_t rows, std::int64_t cols,
                             std::int64_t head_dim) {
  const Buffer<float> from = values;
  const std::int64_t half = head_dim / 2;
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t head = row / head_dim, at = row % head_dim;
    const std::int64_t source = head * head_dim + 2 * (at % half) + at / half;
    std::copy_n(from.data() + source * cols, cols, values.data() + row * cols);
  }
}

std::string print(const Shape& shape) {
  std::string text;
  for (const std::int64_t n : shape) text.append(" ").append(std::to_string(n));
  return text;
}

// Published Pythia-era and newer files both occur: an untied head may carry either name.
const io::TensorInfo& find(const io::TensorFile& file, const std::string& name) {
  if (name == "lm_head.weight" && !file.contains(name) && file.contains("embed_out.weight")) {
    return file.info("embed_out.weight");
  }
  if (!file.contains(name)) {
    throw FormatError(file.path().string(), 0, name, "is missing; the config asks for it");
  }
  return file.info(name);
}

}  // namespace

Decoder Decoder::load(const fs::path& path, Ops& ops, DecoderOptions options) {
  const fs::path source = detail::model_file(path);
  const bool gguf = source.extension() == ".gguf";
  std::unique_ptr<io::TensorFile> file;
  ModelConfig config;
  if (gguf) {
    std::unique_ptr<io::GgufFile> opened = io::open_gguf(source);
    config = detail::config_of(*opened);
    file = std::move(opened);
  } else {
    config = load_config(source);
    file = io::open_model_tensors(source);
  }
  Decoder model(std::make_unique<Impl>(config, ops, std::move(options)));
  Buffer<float> values;
  for (auto& parameter : model.impl_->parameters) {
    const std::string& name = parameter->name;
    const io::TensorInfo& info = find(*file, gguf ? gguf_name(name) : name);
    if (info.shape != parameter->value.shape()) {
      const std::string got = print(info.shape), want = print(parameter->value.shape());
      throw FormatError(file->path().string(), static_cast<std::int64_t>(info.offset), info.name,
                        "has shape" + got + "; the config asks for" + want);
    }
    values.resize(parameter->value.size());
    file->read_float32(info, values.span());
    const bool query = name.ends_with("q_proj.weight"), key = name.ends_with("k_proj.weight");
    if (gguf && (query || key)) {
      undo_rotary_permutation(values, info.shape[0], info.shape[1], config.head_dim);
    }
    ops.upload(std::span<const float>(values.span()), parameter->value);
  }
  return model;
}

void Decoder::save(const fs::path& folder, DType dtype) const {
  if (dtype != DType::kFloat32 && dtype != DType::kBFloat16) {
    throw ValueError("decoder: save as " + std::string(to_string(dtype)) +
                     "; want float32 or bfloat16");
  }
  const Impl& m = *impl_;
  std::vector<Buffer<float>> copies;
  std::vector<Buffer<std::uint16_t>> halves;
  std::vector<io::NamedBytes> tensors;
  for (const auto& parameter : m.parameters) {
    const Tensor& value = parameter->value;
    io::NamedBytes entry{.name = parameter->name,
                         .dtype = dtype == DType::kFloat32 ? "F32" : "BF16",
                         .shape = value.shape(),
                         .bytes = {}};
    if (dtype == DType::kFloat32 && value.device() == Device::kCpu &&
        value.dtype() == DType::kFloat32) {
      entry.bytes = {value.raw(), static_cast<std::size_t>(value.bytes())};
    } else {
      copies.emplace_back(value.size());
      m.ops.download(value, copies.back().span());
      entry.bytes = std::as_bytes(copies.back().span());
      if (dtype == DType::kBFloat16) {
        halves.emplace_back(value.size());
        encode16(copies.back().span(), DType::kBFloat16, halves.back().span());
        entry.bytes = std::as_bytes(halves.back().span());
        copies.pop_back();
      }
    }
    tensors.push_back(std::move(entry));
  }
  const std::string config = to_json(m.config) + "\n";
  io::write_file_atomic(folder / "config.json", config);
  io::write_safetensors(folder / "model.safetensors", tensors, {{"format", "pt"}});
}

}  // namespace sylvester
