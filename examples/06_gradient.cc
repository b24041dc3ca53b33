// A small random Llama: loss and gradient under recipes, one AdamW step, greedy text of ids.
#include <algorithm>
#include <cstdio>

#include "sylvester/models/fidelity.h"
#include "sylvester/ops/ops.h"

using namespace sylvester;

int main() {
  const ModelConfig config{.model_type = "llama",
                           .vocab_size = 64,
                           .hidden_size = 96,
                           .intermediate_size = 192,
                           .num_hidden_layers = 2,
                           .num_attention_heads = 4,
                           .num_key_value_heads = 2,
                           .head_dim = 24,
                           .max_position_embeddings = 64,
                           .initializer_range = 0.1};
  Ops& ops = cpu_ops();
  Decoder model(config, ops, {}, /*init_seed=*/1);
  Batch batch{.B = 2, .T = 32, .ids = {}, .labels = {}};
  for (int i = 0; i < 64; ++i) batch.ids.push_back(i * i % 61);
  batch.labels = batch.ids;

  {
    FidelityMeter meter(model, batch);
    std::printf("fp32        loss %.4f\n", meter.reference_loss().mean());
    for (const char* name : {"halo0-int8", "halo2-int8", "halo0-fp4", "halo2-fp4"}) {
      const GradientFidelity f = meter.measure(parse_recipe(name));
      std::printf("%-11s loss %.4f  gradient cosine %.4f\n", name, f.loss.mean(),
                  f.gradient_cosine);
    }
  }

  model.set_recipe(parse_recipe("halo2-int8"), {});
  std::vector<Tensor> m, v;
  for (const Parameter* p : model.parameters()) {
    m.push_back(Tensor::zeros(p->value.shape()));
    v.push_back(Tensor::zeros(p->value.shape()));
  }
  for (std::int64_t step = 1; step <= 60; ++step) {
    model.zero_grad();
    const Loss loss = model.forward_backward(batch, 1.0 / 62, step);
    for (std::size_t i = 0; i < m.size(); ++i) {
      Parameter* p = model.parameters()[i];
      ops.adamw_step(p->value, p->grad, m[i], v[i], {.learning_rate = 3e-3, .step = step});
    }
    model.parameters_changed();
    if (step % 20 == 0)
      std::printf("step %2d      loss %.4f\n", static_cast<int>(step), loss.mean());
  }

  const auto state = model.start_decoding(24);
  Tensor logits = model.decode(*state, std::span(batch.ids).first(8));
  std::printf("squares mod 61:");
  for (int i = 8; i < 20; ++i) {
    const float* l = logits.data<float>();
    const auto next = static_cast<std::int32_t>(std::max_element(l, l + 64) - l);
    std::printf(" %d(%d)", next, i * i % 61);
    logits = model.decode(*state, std::span(&next, 1));
  }
  std::printf("\n");
}
