// A linear layer under a recipe: Y = X W', forward beside backward.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "sylvester/gemm/accumulation.h"
#include "sylvester/nn/linear_plan.h"
#include "sylvester/nn/linear_recipe.h"
#include "sylvester/ops/numerics.h"

namespace sylvester {

// The codes of one tensor, made when first asked for and kept until reset(); one entry for each
// different way of making them.
class CodedTensor {
 public:
  // `source` may be empty when the codes exist. `transposed`: some product reads them transposed.
  const QuantizedTensor& codes(Numerics& ops, const Tensor& source, const OperandPlan& plan,
                               const RandomStream& stream, bool transposed);
  void reset() noexcept { used_ = 0; }
  void release() noexcept;  // and give the memory back
  std::int64_t bytes() const;

 private:
  struct Entry {
    OperandPlan plan;
    QuantizedTensor value;
  };
  std::vector<std::unique_ptr<Entry>> entries_;  // the first used_ are valid
  std::size_t used_ = 0;
};

// Linears that read the same input: X is rotated and quantized once, and dX is un-rotated once.
// Weights are quantized when they are first used after weights_changed().
// Saved for the backward: the codes of X, or X itself where the recipe leaves it in high precision.
class LinearGroup {
 public:
  LinearGroup() = default;
  // weights[i]: [out_i, in]; the group shares their storage. `id` numbers the random streams: the
  // group takes id, id + 1, ... id + ids(weights).
  LinearGroup(std::vector<Tensor> weights, std::uint32_t id);
  static std::uint32_t ids(std::size_t weights) {
    return static_cast<std::uint32_t>(1 + 3 * weights);
  }

  void set_recipe(const LinearRecipe& recipe, const Accumulation& accumulation);
  void weights_changed() noexcept;
  // True when backward reads X itself, so that its storage must not be reused before then.
  bool keeps_input() const { return plan_.x_G.plain(); }

  // Y[i] = X W_i'. Shapes: X [T, in], Y[i] [T, out_i]. `training` saves X for the backward.
  void forward(Numerics& ops, const Tensor& X, std::span<Tensor* const> Y, bool training,
               std::uint64_t seed, std::uint32_t step);
  // dX = sum of E_i W_i;  dW[i] += E_i' X, or = where overwrite. An empty dX is not computed.
  void backward(Numerics& ops, std::span<const Tensor* const> E, Tensor& dX,
                std::span<Tensor* const> dW, bool overwrite);

 private:
  struct BackwardCodes {
    const QuantizedTensor *e_E = nullptr, *w_E = nullptr, *e_G = nullptr, *x_G = nullptr;
  };
  BackwardCodes backward_codes(Numerics& ops, const Tensor& e, std::size_t i, bool for_dx,
                               bool for_dw);
  bool weight_gradient(Numerics& ops, const QuantizedTensor& a, const QuantizedTensor& b,
                       Tensor& dw, bool overwrite);
  void unrotate(Numerics& ops, Tensor& result, const Product& product, Tensor& out);
  void round(Numerics& ops, Tensor& x) const;
  RandomStream stream(std::uint32_t offset) const;

  std::vector<Tensor> weights_;
  std::uint32_t id_ = 0;
  LinearRecipe recipe_;
  LinearPlan plan_;
  Accumulation accumulation_;
  std::vector<CodedTensor> weight_codes_;
  CodedTensor input_codes_;
  CodedTensor error_codes_;
  Tensor input_;
  std::int64_t tokens_ = 0;
  std::uint64_t seed_ = 0;
  std::uint32_t step_ = 0;
};

// --- one layer ---------------------------------------------------------------------------------

// What linear_forward keeps for linear_backward. W's (and for recipes that leave X in high
// precision, X's) memory must live until then.
class LinearContext {
 public:
  LinearContext();
  ~LinearContext();
  LinearContext(LinearContext&&) noexcept;
  LinearContext& operator=(LinearContext&&) noexcept;
  struct State;
  std::unique_ptr<State> state;
};

// Y = X W' under the recipe, on the device where the tensors live: float32 or float64 on the CPU,
// bfloat16 on the card (recipes with "+bf16" have the same bits there). Shapes: X [T, in], W [out,
// in], Y [T, out]. `context` may be null when there is no backward. Errors: ShapeError, also for an
// in or out size without a Hadamard matrix; UnsupportedError for a policy that has no such
// operands. Determinism: as the policy says; codes and rotations are bit-exact everywhere.
void linear_forward(const Tensor& X, const Tensor& W, const LinearRecipe& recipe,
                    const Accumulation& accumulation, Tensor& Y, LinearContext* context = nullptr,
                    const RandomStream& stream = {});
// dX = E_Y W and dW = E_Y' X; dX may be empty. Call once a context.
void linear_backward(LinearContext& context, const Tensor& E, Tensor& dX, Tensor& dW);

// The same on plain CPU memory, contiguous or not.
void linear_forward(MatrixView<const float> X, MatrixView<const float> W,
                    const LinearRecipe& recipe, const Accumulation& accumulation,
                    MatrixView<float> Y, LinearContext* context = nullptr,
                    const RandomStream& stream = {});
// Either result may be empty.
void linear_backward(LinearContext& context, MatrixView<const float> E, MatrixView<float> dX,
                     MatrixView<float> dW);
// The same in float64 with every quantizer the identity: what the recipe's rotations do exactly.
void linear_forward(MatrixView<const double> X, MatrixView<const double> W,
                    const LinearRecipe& recipe, const Accumulation& accumulation,
                    MatrixView<double> Y, LinearContext* context = nullptr,
                    const RandomStream& stream = {});
void linear_backward(LinearContext& context, MatrixView<const double> E, MatrixView<double> dX,
                     MatrixView<double> dW);

}  // namespace sylvester
