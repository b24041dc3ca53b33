// A decoder-only transformer built from a config: Llama family (RMSNorm, RoPE, GQA, SwiGLU).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sylvester/gemm/accumulation.h"
#include "sylvester/models/config.h"
#include "sylvester/nn/linear_recipe.h"
#include "sylvester/ops/tensor.h"

namespace sylvester {

class Ops;

// One trained array under its Hugging Face name ("model.layers.0.self_attn.q_proj.weight").
struct Parameter {
  std::string name;
  Tensor value;
  Tensor grad;        // same shape; empty until the first backward
  bool decay = true;  // false for norms and biases
};

// Shapes: ids, labels [B, T] row-major. labels[b, t] is the token that ids[b, t] itself is (Hugging
// Face convention: the model shifts); -100 = not counted.
struct Batch {
  std::int64_t B = 0;
  std::int64_t T = 0;
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> labels;
};

struct Loss {
  double sum = 0;           // sum of negative log-likelihoods of the counted tokens, nats
  std::int64_t tokens = 0;  // counted tokens
  double mean() const { return tokens > 0 ? sum / static_cast<double>(tokens) : 0.0; }
};

struct DecoderOptions {
  LinearRecipe recipe =
      {};  // every linear of the blocks; head, embedding, norms stay high precision
  Accumulation accumulation = {};  // of the quantized products
  DType dtype = DType::kFloat32;   // compute type on the CPU: kFloat32 or kFloat64 (tests)
  std::uint64_t seed = 0;          // stochastic rounding
};

// Keys and values of the tokens seen so far, for generation.
class DecodeState {
 public:
  virtual ~DecodeState() = default;
  virtual std::int64_t length() const = 0;
};

// Which linear layer, by its Hugging Face name without ".weight".
struct LinearSite {
  std::int64_t layer = 0;
  std::string name;
};

// Sees the operands of every linear of the blocks as they pass by, in high precision. The tensors
// are valid during the call only.
class DecoderObserver {
 public:
  virtual ~DecoderObserver() = default;
  // X [T, in], W [out, in], in training mode only.
  virtual void linear_forward(const LinearSite&, const Tensor& /*X*/, const Tensor& /*W*/) {}
  // E = dL/dY [T, out], scaled as the loss is; dW [out, in] with what was added to it before.
  virtual void linear_backward(const LinearSite&, const Tensor& /*E*/, const Tensor& /*dW*/) {}
};

class Decoder {
 public:
  // Random initialisation (normal, initializer_range) from a seed.
  Decoder(const ModelConfig& config, Ops& ops, DecoderOptions options, std::uint64_t init_seed);
  ~Decoder();
  Decoder(Decoder&&) noexcept;
  Decoder& operator=(Decoder&&) noexcept;

  // A Hugging Face folder (config.json, model*.safetensors) or a GGUF file. FormatError, IoError.
  static Decoder load(const std::filesystem::path& path, Ops& ops, DecoderOptions options = {});
  // Writes config.json and model.safetensors (float32 or bfloat16) into an existing folder.
  void save(const std::filesystem::path& folder, DType dtype = DType::kFloat32) const;

  const ModelConfig& config() const;
  const DecoderOptions& options() const;
  Ops& ops() const;
  void set_recipe(const LinearRecipe& recipe, const Accumulation& accumulation);
  // Null: none. The observer must outlive its use.
  void set_observer(DecoderObserver* observer);
  // In file order; a tied head has one entry, under the embedding's name.
  std::vector<Parameter*> parameters();

  // [B, T, V] float32. ids [B, T]. Errors here and below: ValueError for an id outside the
  // vocabulary or a T beyond max_position_embeddings; ShapeError when ids are not B T.
  Tensor logits(std::span<const std::int32_t> ids, std::int64_t B, std::int64_t T);
  Loss evaluate(const Batch& batch);
  // Adds d(sum of nll * grad_scale) / d(parameter) to every parameter's grad and returns the loss.
  // For the mean over n counted tokens pass grad_scale = 1 / n. `step` numbers the random stream.
  // Determinism: the same bits with any number of threads unless the policy is "blas".
  Loss forward_backward(const Batch& batch, double grad_scale, std::int64_t step = 0);
  void zero_grad();
  // Call after parameters changed, so that weights quantized once a step are made again.
  void parameters_changed();

  std::unique_ptr<DecodeState> start_decoding(std::int64_t max_length);
  // Appends ids to the state and returns the logits [V] after the last of them.
  Tensor decode(DecodeState& state, std::span<const std::int32_t> ids);

  struct Impl;

 private:
  explicit Decoder(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sylvester
