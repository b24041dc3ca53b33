// A whole training run from options to run folder: what `sylvester train` and Python's train call.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sylvester/train/metrics.h"
#include "sylvester/train/option_table.h"
#include "sylvester/train/trainer.h"

namespace sylvester {

// Every field is an option of the same name with '-' for '_'; Hugging Face's names and meanings.
struct TrainOptions {
  std::string model;      // folder, GGUF file, or the name of a shipped model
  std::string data;       // JSONL
  std::string eval_data;  // JSONL, empty: no evaluation
  std::string recipe = "bf16";
  std::string accumulate = "blas";
  std::string out;     // empty: runs/RECIPE, runs/RECIPE-2, ...
  std::string resume;  // "", "auto" or a checkpoint folder
  bool force = false;
  bool pretrain = false;  // random weights from the model folder's config.json, loss on all tokens
  std::uint64_t seed = 42;
  std::int64_t threads = 0;  // 0: OpenMP's default
  std::string target = "auto";
  std::string backend = "cpu";

  std::int64_t per_device_train_batch_size = 8;
  std::int64_t per_device_eval_batch_size = 8;
  std::int64_t gradient_accumulation_steps = 1;
  double learning_rate = 5e-5;
  std::string lr_scheduler_type = "linear";
  std::int64_t warmup_steps = 0;
  double warmup_ratio = 0;
  std::int64_t max_steps = -1;
  double num_train_epochs = 3;
  std::int64_t max_length = 0;
  double weight_decay = 0;
  double adam_beta1 = 0.9;
  double adam_beta2 = 0.999;
  double adam_epsilon = 1e-8;
  double max_grad_norm = 0;
  std::int64_t limit = -1;       // examples read from the data, -1: all
  std::int64_t eval_limit = -1;  // the same of eval_data

  std::int64_t logging_steps = 10;
  std::int64_t eval_steps = 0;
  std::string save_strategy = "steps";
  std::int64_t save_steps = 500;
  std::int64_t save_total_limit = 2;
};

// The options by name; the table refers to `options`.
OptionTable bind(TrainOptions& options);

struct TrainProgress {
  StepResult step;
  std::int64_t total_steps = 0;
  std::int64_t steps_this_process = 0;
  std::int64_t tokens = 0;  // of this process's steps
  double seconds = 0;       // since this process began its first step
};

// All optional. They run on the training thread, between steps.
struct TrainEvents {
  std::function<void(const TrainProgress&)> on_step;
  std::function<void(const MetricsRow&)> on_metrics;   // each line of metrics.jsonl
  std::function<void(const std::string&)> on_message;  // one line of text; also in log.txt
  std::function<bool()> should_stop;                   // asked after every step
};

struct TrainResult {
  std::filesystem::path out;
  std::filesystem::path checkpoint;  // the last one written; empty with save_strategy=no
  std::int64_t step = 0;
  bool interrupted = false;
  double train_loss = 0;  // mean over this process's steps
  std::optional<double> eval_loss;
  double seconds = 0;
  std::vector<MetricsRow> metrics;  // the lines this process wrote
};

// What a run would do, from headers and data alone.
struct TrainPlan {
  std::int64_t parameters = 0;
  std::int64_t examples = 0;
  std::int64_t tokens = 0;          // of one epoch
  std::int64_t longest_tokens = 0;  // longest example
  std::int64_t total_steps = 0;
  std::int64_t memory_bytes = 0;  // weights, gradients, moments and the largest activations
  double step_flops = 0;          // products of one update, on average
};
TrainPlan plan_training(const TrainOptions& options);

// Trains, writing the run folder (config.json, metrics.jsonl, checkpoint-N/, README.md, log.txt).
// Everything that can be checked is checked before the folder is created.
// Errors: ValueError (an option, or a checkpoint of a run with other options), FormatError (files),
// IoError, UnsupportedError, NumericsError (checkpoints written before it stay; none is written of
// the failed state).
TrainResult run_training(const TrainOptions& options, const TrainEvents& events = {});

}  // namespace sylvester
