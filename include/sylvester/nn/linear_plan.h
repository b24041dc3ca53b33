// LinearPlan: a recipe resolved into what is done to the stored X, W and E_Y, and what is shared.
#pragma once

#include "sylvester/nn/linear_recipe.h"
#include "sylvester/ops/numerics.h"

namespace sylvester {

// How one stored tensor becomes one operand: rotated, quantized, read transposed or not.
// Two operands with equal rotation and spec have the same codes.
struct OperandPlan {
  Rotation rotation;
  QuantSpec spec;           // of the (possibly transposed) matrix that is quantized
  bool transposed = false;  // the product reads the codes transposed
  bool same_codes(const OperandPlan& other) const {
    return rotation == other.rotation && spec == other.spec;
  }
  // No rotation and no quantizer: the stored tensor itself is the operand.
  bool plain() const { return rotation == Rotation{} && is_identity(spec); }
};

// x_F, w_F: operands of F from X and W; e_E, w_E of E; e_G, x_G of G.
struct LinearPlan {
  OperandPlan x_F, w_F;
  OperandPlan e_E, w_E;
  OperandPlan e_G, x_G;
};
LinearPlan plan(const LinearRecipe& recipe);

}  // namespace sylvester
