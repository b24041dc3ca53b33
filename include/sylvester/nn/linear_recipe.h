// LinearRecipe: one published low-precision scheme for a linear layer, as a row of data.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sylvester/quant/spec.h"

namespace sylvester {

// A.B = Hl' ( Q_a(Hl A Hm) Q_b(Hm' B Hr) ) Hr'   (middle cancels inside; left and right are undone)
struct Product {
  bool left = false;
  bool middle = false;
  bool right = false;
  QuantSpec a;
  QuantSpec b;
  friend bool operator==(const Product&, const Product&) = default;
};

// F: Y = X W'     E: dX = E_Y W     G: dW = E_Y' X      X [T, in], W [out, in], E_Y [T, out]
// Operands that equal a forward operand (same rotation, same spec) reuse its codes.
struct LinearRecipe {
  std::string name = "fp32";
  Product F, E, G;
  // Values that leave a product are rounded to bfloat16 (HALO's BF16 tensors), or stay float32.
  bool bfloat16_values = false;
  friend bool operator==(const LinearRecipe&, const LinearRecipe&) = default;
};

// "fp32" | "bf16" | "halo0-int8" | "halo2-mxfp6_e3m2" | "F.m+E.lr+G.r-int8" pattern forms, and the
// other rows of recipe_names(). ValueError names the nearest known recipe.
LinearRecipe parse_recipe(std::string_view text);
// The preset names this build knows (placements times specs, and single rows).
std::vector<std::string> recipe_names();
// The three products written out, one line each: what a student would print.
std::string describe(const LinearRecipe& recipe);

}  // namespace sylvester
