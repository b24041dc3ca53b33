// What a recipe does to a model's gradient: cosine to high precision, and where the error enters.
#pragma once

#include <string>
#include <vector>

#include "sylvester/models/decoder.h"

namespace sylvester {

// One linear layer. crest = absmax / root mean square of the tensor before any rotation; sqnr_db =
// signal over quantization error of the operand as the recipe rotates and quantizes it (+Inf where
// it does not). X and W as in F, E as in the product E.
struct LinearFidelity {
  std::string name;
  double x_crest = 0, w_crest = 0, e_crest = 0;
  double x_sqnr_db = 0, w_sqnr_db = 0, e_sqnr_db = 0;
  double gradient_cosine = 0;
};

struct GradientFidelity {
  LinearRecipe recipe;
  Loss loss;
  Loss reference_loss;
  double gradient_cosine = 0;  // over all weights of the blocks' linears together
  double relative_error = 0;   // |g - g_ref| / |g_ref| of the same
  std::vector<LinearFidelity> layers;
};

// Runs the batch once in high precision ("fp32") and keeps that gradient; each measure() runs it
// again under a recipe. The model's recipe, and its gradients (zeroed), are restored on
// destruction. Memory: one more copy of the blocks' gradients.
class FidelityMeter {
 public:
  FidelityMeter(Decoder& model, Batch batch);
  ~FidelityMeter();
  FidelityMeter(const FidelityMeter&) = delete;
  FidelityMeter& operator=(const FidelityMeter&) = delete;
  GradientFidelity measure(const LinearRecipe& recipe, const Accumulation& accumulation = {});
  const Loss& reference_loss() const { return reference_loss_; }

 private:
  Decoder& model_;
  Batch batch_;
  DecoderOptions saved_;
  Loss reference_loss_;
  double grad_scale_ = 1;
  std::vector<std::pair<std::string, Tensor>> reference_;  // gradients of the linears
};

GradientFidelity measure_gradient_fidelity(Decoder& model, const Batch& batch,
                                           const LinearRecipe& recipe,
                                           const Accumulation& accumulation = {});

}  // namespace sylvester
