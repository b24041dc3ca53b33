// Size and work of a run before it starts.
#include <algorithm>

#include "run_setup.h"

namespace sylvester {
namespace {

struct Counts {
  std::int64_t all = 0;
  std::int64_t in_products = 0;  // that a token is multiplied with
};

Counts count_parameters(const ModelConfig& c) {
  const std::int64_t C = c.hidden_size, F = c.intermediate_size, V = c.vocab_size;
  const std::int64_t q = C * c.num_attention_heads * c.head_dim;
  const std::int64_t kv = 2 * C * c.num_key_value_heads * c.head_dim;
  const std::int64_t layer = 2 * q + kv + 3 * C * F;
  Counts n;
  n.in_products = c.num_hidden_layers * layer + V * C;
  n.all = n.in_products + (2 * c.num_hidden_layers + 1) * C;
  if (!c.tie_word_embeddings) n.all += V * C;
  return n;
}

// Kept for the backward of one layer and token: about 10 vectors of C and 4 of F, each float32; the
// head keeps logits and their gradient.
std::int64_t activation_bytes(const ModelConfig& c, std::int64_t tokens) {
  const std::int64_t layer = 10 * c.hidden_size + 4 * c.intermediate_size;
  return 4 * tokens * (c.num_hidden_layers * layer + 2 * c.vocab_size);
}

}  // namespace

TrainPlan plan_training(const TrainOptions& options) {
  const detail::RunInputs inputs = detail::load_inputs(options);
  TrainPlan plan;
  const Counts n = count_parameters(inputs.config);
  plan.parameters = n.all;
  plan.examples = static_cast<std::int64_t>(inputs.train.size());
  for (const TokenSequence& s : inputs.train) {
    const auto length = static_cast<std::int64_t>(s.ids.size());
    plan.tokens += length;
    plan.longest_tokens = std::max(plan.longest_tokens, length);
  }
  plan.total_steps = inputs.schedule.total_steps;
  const std::int64_t rows = std::min(options.per_device_train_batch_size, plan.examples);
  plan.memory_bytes = 16 * n.all + activation_bytes(inputs.config, rows * plan.longest_tokens);
  const double tokens_per_step =
      static_cast<double>(plan.tokens) /
      static_cast<double>(steps_per_epoch(plan.examples, options.per_device_train_batch_size,
                                          options.gradient_accumulation_steps));
  plan.step_flops = 6.0 * static_cast<double>(n.in_products) * tokens_per_step;
  return plan;
}

}  // namespace sylvester
