// The inside of Decoder: parameters, work space, and the passes of a Llama model.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "sylvester/models/decoder.h"
#include "sylvester/nn/linear.h"
#include "sylvester/ops/ops.h"

namespace sylvester {

// Storage that grows to the largest shape asked for and is then reused.
class Slot {
 public:
  Tensor get(Ops& ops, const Shape& shape, DType dtype);

 private:
  Tensor storage_;
};

// What the forward of one layer leaves for its backward. N = B T rows.
struct Activations {
  Slot x;                    // [N, C] residual stream at the layer's input
  Slot rstd1, normed1;       // [N], [N, C]
  Slot q, k, v, o, lse;      // [N, H D], [N, K D] twice, [N, H D], [B, H, T]; q, k after rope
  Slot x_mid;                // [N, C] residual stream after attention
  Slot rstd2, normed2;       // [N], [N, C]
  Slot gate, up, activated;  // [N, F]
};

struct Layer {
  Parameter *norm1, *q, *k, *v, *o, *norm2, *gate, *up, *down;
  LinearGroup qkv, out, gate_up, down_group;
  std::array<LinearSite, 7> sites;  // q k v o gate up down
};

// Keys and values of one layer, [1, capacity, K D] each.
struct CacheLayer {
  Tensor k, v;
};

struct Decoder::Impl {
  Impl(const ModelConfig& config, Ops& ops, DecoderOptions options);

  ModelConfig config;
  Ops& ops;
  DecoderOptions options;
  DecoderObserver* observer = nullptr;
  std::vector<std::unique_ptr<Parameter>> parameters;
  std::vector<Layer> layers;
  Parameter* embedding = nullptr;
  Parameter* final_norm = nullptr;
  Parameter* head = nullptr;     // == embedding when tied
  bool gradients_clear = false;  // every grad is zero: the linears may overwrite theirs

  // --- work space ---
  std::vector<Activations> saved;  // one a layer when training
  Activations shared;              // all layers in evaluation; tensors no backward reads
  Slot ids, final_x, final_rstd, final_normed, branch;
  Slot d_x, d_normed, d_wide, d_q, d_k, d_v, d_o;
  Slot row_index, labels, head_in, d_head_in, logits_chunk, nll;
  std::int64_t rope_positions = 0;
  Tensor rope_cos, rope_sin;

  Parameter* add_parameter(std::string name, const Shape& shape);
  void build();
  void apply_recipe();
  void allocate_gradients();

  // Rounds to bfloat16 where the recipe wants BF16 values between layers.
  void settle(Tensor& x);
  void need_rope(std::int64_t positions);
  Tensor upload_ids(std::span<const std::int32_t> values, std::int64_t rows, std::int64_t columns);

  // The final normed hidden states [B T, C]. With a cache: B = 1, its `past` tokens come before,
  // and the keys and values of the given ones are appended.
  Tensor forward(std::span<const std::int32_t> values, std::int64_t B, std::int64_t T,
                 bool training, std::int64_t step, std::vector<CacheLayer>* cache = nullptr,
                 std::int64_t past = 0);
  void layer_forward(std::size_t l, const AttentionShape& s, bool training, std::uint32_t step,
                     CacheLayer* cache);
  void layer_backward(std::size_t l, const AttentionShape& s, Tensor& dx);
  void backward(const AttentionShape& s, const Tensor& d_hidden);

  // Loss over the counted positions of `hidden`; with a gradient also d(hidden) into d_normed and
  // the head's gradient. Only rows with a counted label meet the head.
  Loss loss(const Batch& batch, const Tensor& hidden, bool gradient, double grad_scale);
  void observe_forward(const Layer& layer, std::size_t first, std::span<const Tensor* const> W,
                       const Tensor& X);
};

// Checks sizes and ids; throws ShapeError, ValueError.
void check_ids(const ModelConfig& config, std::span<const std::int32_t> ids, std::int64_t B,
               std::int64_t T, std::int64_t past);

}  // namespace sylvester
