// Loss and backward pass of a Llama model, the forward's lines in reverse.
#include <algorithm>
#include <array>
#include <string>

#include "models/llama.h"
#include "sylvester/core/error.h"

namespace sylvester {
namespace {

// Rows of hidden states that meet the head at a time: 256 x 49,152 logits are 48 MiB.
constexpr std::int64_t kHeadRows = 256;

// Row b T + t predicts labels[b, t + 1].
struct Counted {
  std::vector<std::int32_t> rows, labels;
};

Counted counted_positions(const ModelConfig& config, const Batch& batch) {
  if (batch.labels.size() != batch.ids.size()) {
    throw ShapeError("decoder: " + std::to_string(batch.labels.size()) + " labels for " +
                     std::to_string(batch.ids.size()) + " ids; want as many");
  }
  Counted out;
  for (std::int64_t b = 0; b < batch.B; ++b) {
    for (std::int64_t t = 0; t + 1 < batch.T; ++t) {
      const std::int32_t label = batch.labels[static_cast<std::size_t>(b * batch.T + t + 1)];
      if (label == -100) continue;
      if (label < 0 || label >= config.vocab_size) {
        throw ValueError("decoder: label " + std::to_string(label) +
                         "; want -100 or 0 <= label < " + std::to_string(config.vocab_size));
      }
      out.rows.push_back(static_cast<std::int32_t>(b * batch.T + t));
      out.labels.push_back(label);
    }
  }
  return out;
}

}  // namespace

Loss Decoder::Impl::loss(const Batch& batch, const Tensor& hidden, bool gradient,
                         double grad_scale) {
  const Counted counted = counted_positions(config, batch);
  const auto n = static_cast<std::int64_t>(counted.rows.size());
  const std::int64_t C = config.hidden_size, V = config.vocab_size;
  const DType type = options.dtype;
  Loss result{.tokens = n};
  Tensor d_hidden;
  if (gradient) {
    d_hidden = d_normed.get(ops, hidden.shape(), type);
    ops.fill(d_hidden, 0);
  }
  for (std::int64_t begin = 0; begin < n; begin += kHeadRows) {
    const std::int64_t rows = std::min(kHeadRows, n - begin);
    const auto part = [&](const std::vector<std::int32_t>& all) {
      return std::span<const std::int32_t>(all).subspan(static_cast<std::size_t>(begin),
                                                        static_cast<std::size_t>(rows));
    };
    Tensor index = row_index.get(ops, {rows}, DType::kInt32);
    Tensor label = labels.get(ops, {rows}, DType::kInt32);
    ops.upload(part(counted.rows), index);
    ops.upload(part(counted.labels), label);
    Tensor h = head_in.get(ops, {rows, C}, type);
    ops.gather_rows(hidden, index, h);
    Tensor logits = logits_chunk.get(ops, {rows, V}, type);
    ops.product(h, false, head->value, true, logits);
    settle(logits);
    Tensor each = nll.get(ops, {rows}, type);
    result.sum += ops.cross_entropy(logits, label, gradient ? grad_scale : 0.0, each);
    if (!gradient) continue;
    settle(logits);
    Tensor dh = d_head_in.get(ops, {rows, C}, type);
    ops.product(logits, false, head->value, false, dh);
    ops.product(logits, true, h, false, head->grad, 1.0, gradients_clear && begin == 0 ? 0.0 : 1.0);
    ops.scatter_rows(dh, index, d_hidden);
  }
  return result;
}

void Decoder::Impl::layer_backward(std::size_t l, const AttentionShape& s, Tensor& dx) {
  Layer& layer = layers[l];
  Activations& a = saved[l];
  const std::int64_t N = s.B * s.Tq, C = config.hidden_size, F = config.intermediate_size;
  const DType type = options.dtype;
  const bool overwrite = gradients_clear;
  const auto observe = [&](std::size_t site, const Tensor& E, const Tensor& dW) {
    if (observer != nullptr) observer->linear_backward(layer.sites[site], E, dW);
  };

  // x_next = x_mid + activated Wd'
  Tensor d_activated = d_wide.get(ops, {N, F}, type);
  layer.down_group.backward(ops, std::array<const Tensor*, 1>{&dx}, d_activated,
                            std::array{&layer.down->grad}, overwrite);
  observe(6, dx, layer.down->grad);
  Tensor gate = a.gate.get(ops, {N, F}, type), up = a.up.get(ops, {N, F}, type);
  ops.swiglu_backward(gate, up, d_activated, gate, up);  // gate and up become their gradients
  settle(gate);
  settle(up);
  Tensor dn = d_normed.get(ops, {N, C}, type);
  layer.gate_up.backward(ops, std::array<const Tensor*, 2>{&gate, &up}, dn,
                         std::array{&layer.gate->grad, &layer.up->grad}, overwrite);
  observe(4, gate, layer.gate->grad);
  observe(5, up, layer.up->grad);
  ops.rmsnorm_backward(a.x_mid.get(ops, {N, C}, type), layer.norm2->value,
                       a.rstd2.get(ops, {N}, type), dn, dx, layer.norm2->grad);
  settle(dx);

  // x_mid = x + o Wo'
  Tensor d_out = d_o.get(ops, {N, s.H * s.D}, type);
  layer.out.backward(ops, std::array<const Tensor*, 1>{&dx}, d_out, std::array{&layer.o->grad},
                     overwrite);
  observe(3, dx, layer.o->grad);
  Tensor dq = d_q.get(ops, {N, s.H * s.D}, type);
  Tensor dk = d_k.get(ops, {N, s.Hkv * s.D}, type), dv = d_v.get(ops, {N, s.Hkv * s.D}, type);
  ops.attention_backward(a.q.get(ops, {N, s.H * s.D}, type), a.k.get(ops, {N, s.Hkv * s.D}, type),
                         a.v.get(ops, {N, s.Hkv * s.D}, type), a.o.get(ops, {N, s.H * s.D}, type),
                         a.lse.get(ops, {s.B, s.H, s.Tq}, type), d_out, s, dq, dk, dv);
  ops.rope(dq, s.Tq, s.D, rope_cos, rope_sin, 0, true);
  ops.rope(dk, s.Tq, s.D, rope_cos, rope_sin, 0, true);
  settle(dq);
  settle(dk);
  settle(dv);
  layer.qkv.backward(ops, std::array<const Tensor*, 3>{&dq, &dk, &dv}, dn,
                     std::array{&layer.q->grad, &layer.k->grad, &layer.v->grad}, overwrite);
  observe(0, dq, layer.q->grad);
  observe(1, dk, layer.k->grad);
  observe(2, dv, layer.v->grad);
  ops.rmsnorm_backward(a.x.get(ops, {N, C}, type), layer.norm1->value, a.rstd1.get(ops, {N}, type),
                       dn, dx, layer.norm1->grad);
  settle(dx);
}

void Decoder::Impl::backward(const AttentionShape& s, const Tensor& d_hidden) {
  const std::int64_t N = s.B * s.Tq, C = config.hidden_size;
  const DType type = options.dtype;
  Tensor dx = d_x.get(ops, {N, C}, type);
  ops.fill(dx, 0);
  ops.rmsnorm_backward(final_x.get(ops, {N, C}, type), final_norm->value,
                       final_rstd.get(ops, {N}, type), d_hidden, dx, final_norm->grad);
  settle(dx);
  for (std::size_t l = layers.size(); l-- > 0;) layer_backward(l, s, dx);
  ops.embedding_backward(ids.get(ops, {s.B, s.Tq}, DType::kInt32), dx, embedding->grad);
}

Loss Decoder::forward_backward(const Batch& batch, double grad_scale, std::int64_t step) {
  Impl& m = *impl_;
  const Tensor hidden = m.forward(batch.ids, batch.B, batch.T, true, step);
  m.allocate_gradients();
  const Loss loss = m.loss(batch, hidden, true, grad_scale);
  if (loss.tokens > 0) {
    const AttentionShape s{.B = batch.B,
                           .Tq = batch.T,
                           .Tk = batch.T,
                           .capacity = batch.T,
                           .H = m.config.num_attention_heads,
                           .Hkv = m.config.num_key_value_heads,
                           .D = m.config.head_dim};
    m.backward(s, m.d_normed.get(m.ops, hidden.shape(), m.options.dtype));
    m.gradients_clear = false;
  }
  return loss;
}

Loss Decoder::evaluate(const Batch& batch) {
  Impl& m = *impl_;
  return m.loss(batch, m.forward(batch.ids, batch.B, batch.T, false, 0), false, 0.0);
}

}  // namespace sylvester
