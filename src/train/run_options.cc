// The options of a run: names, bounds, help.
#include "sylvester/core/error.h"
#include "sylvester/core/target.h"
#include "sylvester/gemm/accumulation.h"
#include "sylvester/nn/linear_recipe.h"
#include "sylvester/train/run.h"

namespace sylvester {
namespace {

void bind_inputs(OptionTable& t, TrainOptions& o) {
  t.add("model", "M", "model: a folder, a GGUF file, or a shipped model's name", o.model);
  t.add("data", "FILE", "training data, JSONL", o.data);
  t.add("eval-data", "FILE", "evaluation data, JSONL", o.eval_data);
  t.add("recipe", "R", "low-precision scheme of the linears", o.recipe,
        [](const std::string& text) { parse_recipe(text); });
  t.add("accumulate", "POLICY", "how quantized products are added", o.accumulate,
        [](const std::string& text) { parse_accumulation(text); });
  t.add("out", "DIR", "run folder (default runs/RECIPE)", o.out);
  t.add("resume", "auto|PATH", "continue from the newest, or this, checkpoint", o.resume);
  t.add_flag("force", "replace the run in a folder that is not empty", o.force);
  t.add_flag("pretrain", "start from random weights; every token counts", o.pretrain);
  t.add("seed", "N", "initialisation, data order, stochastic rounding", o.seed);
  t.add("threads", "N", "threads, 0 = all", o.threads, {0, 4096});
  t.add("target", "NAME", "instruction set: auto|scalar|sse4|avx2|avx512|neon", o.target,
        [](const std::string& text) { parse_target(text); });
  t.add_choice("backend", "where the arithmetic runs", o.backend, {"cpu", "cuda"});
}

void bind_schedule(OptionTable& t, TrainOptions& o) {
  constexpr std::int64_t kMany = 1'000'000'000'000;
  t.add("per-device-train-batch-size", "N", "examples of one pass", o.per_device_train_batch_size,
        {1, 1 << 20});
  t.add("per-device-eval-batch-size", "N", "examples of one evaluation pass",
        o.per_device_eval_batch_size, {1, 1 << 20});
  t.add("gradient-accumulation-steps", "N", "passes of one update", o.gradient_accumulation_steps,
        {1, 1 << 20});
  t.add("learning-rate", "LR", "peak learning rate", o.learning_rate, {0.0, 1e6, true});
  t.add("lr-scheduler-type", "KIND", "linear|cosine|constant|constant_with_warmup",
        o.lr_scheduler_type, [](const std::string& text) { parse_schedule(text); });
  t.add("warmup-steps", "N", "steps of linear warm-up", o.warmup_steps, {0, kMany});
  t.add("warmup-ratio", "X", "warm-up as a share of all steps", o.warmup_ratio, {0.0, 1.0});
  t.add("max-steps", "N", "updates; -1: from num-train-epochs", o.max_steps, {-1, kMany});
  t.add("num-train-epochs", "X", "passes over the data", o.num_train_epochs, {0.0, 1e9, true});
  t.add("max-length", "N", "cut longer examples; 0: they are an error", o.max_length, {0, kMany});
  t.add("limit", "N", "examples read from the data; -1: all", o.limit, {-1, kMany});
  t.add("eval-limit", "N", "examples read from the evaluation data; -1: all", o.eval_limit,
        {-1, kMany});
  t.add("weight-decay", "X", "decoupled weight decay", o.weight_decay, {0.0, 1e6});
  t.add("adam-beta1", "X", "AdamW's first decay", o.adam_beta1, {0.0, 1.0});
  t.add("adam-beta2", "X", "AdamW's second decay", o.adam_beta2, {0.0, 1.0});
  t.add("adam-epsilon", "X", "AdamW's epsilon", o.adam_epsilon, {0.0, 1.0, true});
  t.add("max-grad-norm", "X", "clip the gradient's norm; 0: never", o.max_grad_norm, {0.0, 1e12});
}

void bind_reports(OptionTable& t, TrainOptions& o) {
  constexpr std::int64_t kMany = 1'000'000'000'000;
  t.add("logging-steps", "N", "updates between metrics lines", o.logging_steps, {1, kMany});
  t.add("eval-steps", "N", "updates between evaluations; 0: at the end", o.eval_steps, {0, kMany});
  t.add_choice("save-strategy", "when checkpoints are written", o.save_strategy, {"steps", "no"});
  t.add("save-steps", "N", "updates between checkpoints; 0: at the end", o.save_steps, {0, kMany});
  t.add("save-total-limit", "N", "checkpoints kept; 0: all", o.save_total_limit, {0, kMany});
}

}  // namespace

OptionTable bind(TrainOptions& options) {
  OptionTable table;
  bind_inputs(table, options);
  bind_schedule(table, options);
  bind_reports(table, options);
  return table;
}

}  // namespace sylvester
