// Forward pass of a Llama model.
//   n1 = rmsnorm(x);  q, k, v = n1 Wq', n1 Wk', n1 Wv';  o = attention(rope(q), rope(k), v)
//   x_mid = x + o Wo';  n2 = rmsnorm(x_mid);  x_next = x_mid + (silu(n2 Wg') * (n2 Wu')) Wd'
#include <cmath>
#include <string>

#include "models/llama.h"
#include "sylvester/core/error.h"

namespace sylvester {

Tensor Slot::get(Ops& ops, const Shape& shape, DType dtype) {
  std::int64_t size = 1;
  for (const std::int64_t n : shape) size *= n;
  if (storage_.size() < size || storage_.dtype() != dtype) {
    storage_ = Tensor();  // give the old one back first
    storage_ = ops.allocate(shape, dtype);
  }
  return storage_.prefix(shape);
}

void check_ids(const ModelConfig& config, std::span<const std::int32_t> ids, std::int64_t B,
               std::int64_t T, std::int64_t past) {
  if (B <= 0 || T <= 0 || static_cast<std::int64_t>(ids.size()) != B * T) {
    throw ShapeError("decoder: " + std::to_string(ids.size()) + " ids; want B T = " +
                     std::to_string(B) + " x " + std::to_string(T) + ", both > 0");
  }
  if (past + T > config.max_position_embeddings) {
    throw ValueError("decoder: a sequence of " + std::to_string(past + T) +
                     " tokens; this model has max_position_embeddings " +
                     std::to_string(config.max_position_embeddings) +
                     "; shorten it (--max-length)");
  }
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || ids[i] >= config.vocab_size) {
      throw ValueError("decoder: id " + std::to_string(ids[i]) + " at " + std::to_string(i) +
                       "; want 0 <= id < vocab_size " + std::to_string(config.vocab_size) +
                       "; is the tokenizer this model's?");
    }
  }
}

void Decoder::Impl::settle(Tensor& x) {
  if (options.recipe.bfloat16_values) ops.round_to_bfloat16(x);
}

// cos and sin of position * theta^(-2 i / D), in float32 step by step as Hugging Face computes
// them: the angles of a long sequence differ from exact ones, and published weights expect these.
void Decoder::Impl::need_rope(std::int64_t positions) {
  if (positions <= rope_positions) return;
  const std::int64_t half = config.head_dim / 2;
  std::int64_t capacity = std::max<std::int64_t>(rope_positions, 128);
  while (capacity < positions) capacity *= 2;
  std::vector<float> cosines(static_cast<std::size_t>(capacity * half)), sines(cosines.size());
  for (std::int64_t i = 0; i < half; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(config.head_dim);
    const float frequency = 1.0f / std::pow(static_cast<float>(config.rope_theta), exponent);
    for (std::int64_t t = 0; t < capacity; ++t) {
      const float angle = static_cast<float>(t) * frequency;
      const auto at = static_cast<std::size_t>(t * half + i);
      cosines[at] = static_cast<float>(std::cos(static_cast<double>(angle)));
      sines[at] = static_cast<float>(std::sin(static_cast<double>(angle)));
    }
  }
  rope_cos = ops.allocate({capacity, half}, options.dtype);
  rope_sin = ops.allocate({capacity, half}, options.dtype);
  ops.upload(std::span<const float>(cosines), rope_cos);
  ops.upload(std::span<const float>(sines), rope_sin);
  rope_positions = capacity;
}

Tensor Decoder::Impl::upload_ids(std::span<const std::int32_t> values, std::int64_t rows,
                                 std::int64_t columns) {
  Tensor out = ids.get(ops, {rows, columns}, DType::kInt32);
  ops.upload(values, out);
  return out;
}

void Decoder::Impl::observe_forward(const Layer& layer, std::size_t first,
                                    std::span<const Tensor* const> W, const Tensor& X) {
  if (observer == nullptr) return;
  for (std::size_t i = 0; i < W.size(); ++i) {
    observer->linear_forward(layer.sites[first + i], X, *W[i]);
  }
}

void Decoder::Impl::layer_forward(std::size_t l, const AttentionShape& s, bool training,
                                  std::uint32_t step, CacheLayer* cache) {
  Layer& layer = layers[l];
  Activations& a = training ? saved[l] : shared;
  // Inputs of linears whose recipe saves codes instead: one buffer for all layers.
  const auto input_slot = [&](const LinearGroup& group, Slot Activations::*slot) -> Slot& {
    return training && group.keeps_input() ? a.*slot : shared.*slot;
  };
  const std::int64_t N = s.B * s.Tq, C = config.hidden_size, F = config.intermediate_size;
  const DType type = options.dtype;
  Tensor x = a.x.get(ops, {N, C}, type);
  Tensor normed = input_slot(layer.qkv, &Activations::normed1).get(ops, {N, C}, type);
  Tensor rstd = a.rstd1.get(ops, {N}, type);
  ops.rmsnorm(x, layer.norm1->value, config.rms_norm_eps, normed, rstd);
  settle(normed);

  Tensor q = a.q.get(ops, {N, s.H * s.D}, type);
  const bool cached = cache != nullptr;
  Tensor k = cached ? cache->k.slice(s.Tk - s.Tq, s.Tk) : a.k.get(ops, {N, s.Hkv * s.D}, type);
  Tensor v = cached ? cache->v.slice(s.Tk - s.Tq, s.Tk) : a.v.get(ops, {N, s.Hkv * s.D}, type);
  if (training)
    observe_forward(layer, 0, std::array{&layer.q->value, &layer.k->value, &layer.v->value},
                    normed);
  layer.qkv.forward(ops, normed, std::array{&q, &k, &v}, training, options.seed, step);
  ops.rope(q, s.Tq, s.D, rope_cos, rope_sin, s.Tk - s.Tq, false);
  ops.rope(k, s.Tq, s.D, rope_cos, rope_sin, s.Tk - s.Tq, false);
  settle(q);
  settle(k);
  Tensor o = a.o.get(ops, {N, s.H * s.D}, type);
  Tensor lse = a.lse.get(ops, {s.B, s.H, s.Tq}, type);
  ops.attention(q, cached ? cache->k : k, cached ? cache->v : v, s, o, lse);
  settle(o);

  Tensor attended = branch.get(ops, {N, C}, type);
  if (training) observe_forward(layer, 3, std::array<const Tensor*, 1>{&layer.o->value}, o);
  layer.out.forward(ops, o, std::array{&attended}, training, options.seed, step);
  Tensor x_mid = a.x_mid.get(ops, {N, C}, type);
  ops.add(x, attended, x_mid);
  settle(x_mid);

  Tensor normed2 = input_slot(layer.gate_up, &Activations::normed2).get(ops, {N, C}, type);
  Tensor rstd2 = a.rstd2.get(ops, {N}, type);
  ops.rmsnorm(x_mid, layer.norm2->value, config.rms_norm_eps, normed2, rstd2);
  settle(normed2);
  Tensor gate = a.gate.get(ops, {N, F}, type);
  Tensor up = a.up.get(ops, {N, F}, type);
  if (training)
    observe_forward(layer, 4, std::array{&layer.gate->value, &layer.up->value}, normed2);
  layer.gate_up.forward(ops, normed2, std::array{&gate, &up}, training, options.seed, step);
  Tensor activated = input_slot(layer.down_group, &Activations::activated).get(ops, {N, F}, type);
  ops.swiglu(gate, up, activated);
  settle(activated);
  Tensor mlp = branch.get(ops, {N, C}, type);
  if (training)
    observe_forward(layer, 6, std::array<const Tensor*, 1>{&layer.down->value}, activated);
  layer.down_group.forward(ops, activated, std::array{&mlp}, training, options.seed, step);

  const bool last = l + 1 == layers.size();
  Slot& next = last ? final_x : (training ? saved[l + 1] : shared).x;
  Tensor x_next = next.get(ops, {N, C}, type);
  ops.add(x_mid, mlp, x_next);
  settle(x_next);
}

Tensor Decoder::Impl::forward(std::span<const std::int32_t> values, std::int64_t B, std::int64_t T,
                              bool training, std::int64_t step, std::vector<CacheLayer>* cache,
                              std::int64_t past) {
  check_ids(config, values, B, T, past);
  need_rope(past + T);
  if (training && saved.size() != layers.size()) saved.resize(layers.size());
  const std::int64_t N = B * T, C = config.hidden_size;
  AttentionShape s{.B = B,
                   .Tq = T,
                   .Tk = past + T,
                   .capacity = past + T,
                   .H = config.num_attention_heads,
                   .Hkv = config.num_key_value_heads,
                   .D = config.head_dim};
  if (cache != nullptr) s.capacity = cache->front().k.dim(0);
  const Tensor tokens = upload_ids(values, B, T);
  Tensor x = (training ? saved.front() : shared).x.get(ops, {N, C}, options.dtype);
  ops.embedding(tokens, embedding->value, x);
  settle(x);
  for (std::size_t l = 0; l < layers.size(); ++l) {
    layer_forward(l, s, training, static_cast<std::uint32_t>(step),
                  cache == nullptr ? nullptr : &(*cache)[l]);
  }
  const Tensor last_x = final_x.get(ops, {N, C}, options.dtype);
  Tensor out = final_normed.get(ops, {N, C}, options.dtype);
  Tensor rstd = final_rstd.get(ops, {N}, options.dtype);
  ops.rmsnorm(last_x, final_norm->value, config.rms_norm_eps, out, rstd);
  settle(out);
  return out;
}

}  // namespace sylvester
