// The training loop's state and one step of it: batch, forward, backward, clip, AdamW.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "sylvester/io/tokenizer.h"
#include "sylvester/models/decoder.h"
#include "sylvester/ops/ops.h"
#include "sylvester/train/data.h"
#include "sylvester/train/optimizer.h"
#include "sylvester/train/sampler.h"
#include "sylvester/train/schedule.h"

namespace sylvester {

struct TrainerOptions {
  std::int64_t batch_size = 8;          // examples of one forward and backward pass
  std::int64_t accumulation_steps = 1;  // passes of one update
  std::uint64_t seed = 0;
  Schedule schedule;  // total_steps is the length of the run
  AdamWOptions adamw;
};

struct StepResult {
  std::int64_t step = 0;  // 1-based: updates done
  double loss = 0;        // mean over the counted tokens of all passes of the update
  double grad_norm = 0;   // before clipping
  double learning_rate = 0;
  std::int64_t counted = 0;  // tokens in the loss
  std::int64_t tokens = 0;   // tokens without padding
};

// Updates of one pass over n examples: ceil(ceil(n / batch) / accumulation), the last one of an
// epoch being shorter when it must (Hugging Face's Trainer).
std::int64_t steps_per_epoch(std::int64_t n, std::int64_t batch_size,
                             std::int64_t accumulation_steps);

// The gradient of an update is that of the mean over all counted tokens of its passes together, so
// the split into passes changes only the rounding.
// Determinism: same bits for any thread count with every accumulation policy but "blas"; save and
// restore continue with the same bits.
class Trainer {
 public:
  // `data` and `model` must outlive the trainer. ValueError for empty data or sizes < 1.
  Trainer(Decoder& model, Ops& ops, std::span<const TokenSequence> data,
          const TrainerOptions& options);

  bool finished() const noexcept { return step_ >= options_.schedule.total_steps; }
  std::int64_t step_count() const noexcept { return step_; }
  std::int64_t tokens_seen() const noexcept { return tokens_; }
  SamplerPosition position() const noexcept { return sampler_.position(); }
  // Epochs done, as a real number.
  double epoch() const noexcept;
  // One update. NumericsError when loss or gradient norm is not finite; the model then keeps the
  // values of the last good step.
  StepResult step();

  // optimizer.safetensors and state.json; `extra` is a JSON object kept under "run".
  void save_state(const std::filesystem::path& folder, const std::string& extra = "{}") const;
  // Reads them back; the model's weights are the caller's business. FormatError.
  void load_state(const std::filesystem::path& folder);

 private:
  std::vector<std::vector<std::int64_t>> next_passes();

  Decoder& model_;
  std::span<const TokenSequence> data_;
  TrainerOptions options_;
  Sampler sampler_;
  AdamW optimizer_;
  std::int64_t step_ = 0;
  std::int64_t tokens_ = 0;
};

// Mean loss over sequences, in batches of batch_size in the given order.
Loss evaluate(Decoder& model, std::span<const TokenSequence> data, std::int64_t batch_size);

}  // namespace sylvester
