// AdamW over a model's parameters, its moments on the model's device.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "sylvester/models/decoder.h"
#include "sylvester/ops/ops.h"

namespace sylvester {

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.0;   // only of parameters with Parameter::decay
  double max_grad_norm = 0.0;  // 0: no clipping
};

// Float32 moments and float32 master weights. Determinism: same bits for any thread count.
class AdamW {
 public:
  // The parameters must outlive the optimizer.
  AdamW(std::vector<Parameter*> parameters, Ops& ops, const AdamWOptions& options);

  // One update with the gradients that the parameters hold; returns their norm before clipping.
  // Clipping as torch.nn.utils.clip_grad_norm_: factor min(1, max / (norm + 1e-6)).
  // Errors: NumericsError when the norm is not finite; then nothing is updated.
  double step(double learning_rate);
  std::int64_t steps() const noexcept { return steps_; }

  // optimizer.safetensors: "exp_avg.NAME" and "exp_avg_sq.NAME", float32; the step count is in the
  // metadata. load: FormatError when the tensors are not exactly those of the parameters.
  void save(const std::filesystem::path& file) const;
  void load(const std::filesystem::path& file);

 private:
  std::vector<Parameter*> parameters_;
  Ops& ops_;
  AdamWOptions options_;
  std::int64_t steps_ = 0;
  std::vector<Tensor> exp_avg_;
  std::vector<Tensor> exp_avg_sq_;
};

}  // namespace sylvester
