// LinearRecipe: one published low-precision scheme for a linear layer, as a row of data.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sylvester/quant/spec.h"

namespace sylvester {

// A.B = Hl' ( Q_a(Hl A Hm) Q_b(Hm' B Hr) ) Hr'   (middle cancels inside; left and right are undone
// on the result). A spec speaks of its operand with the rows along the contraction, as a tensor
// core takes it: A as [M, K], B as [N, K]. "row" is one scale a row of A or a column of B; groups
// and MX blocks lie along K.
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
  // Values that leave a product, and the activations and errors between layers, are rounded to
  // bfloat16 (HALO's BF16 tensors), or stay float32.
  bool bfloat16_values = false;
  friend bool operator==(const LinearRecipe&, const LinearRecipe&) = default;
};

// Text form:
//   fp32 | bf16 | NAME | PLACEMENT-SPEC[/SPEC][+bf16]
//   NAME       a row of recipe_rows(): switchback-int8, jetfire-int8, deepseek-fp8, te-mxfp8
//   PLACEMENT  a row of placement_rows(): halo0 halo1 halo2 halo2-as-coded ..., or a pattern
//              PRODUCT.SIDES[+PRODUCT.SIDES...] with PRODUCT in F E G and SIDES letters of L M R,
//              dots between them allowed: "F.M+E.L.R+G.R", "f.m+e.lr". An absent product is plain.
//   SPEC       a QuantSpec, or fp8 fp6 fp4 for float8_e4m3fn float6_e3m2fn float4_e2m1fn; after '/'
//              the one of E_Y, where it differs from that of X and W ("halo0-e4m3/e5m2").
//              Or x=SPEC,w=SPEC,e=SPEC for the operands by name; one left out stays float32.
//   +bf16      bfloat16_values
// Errors: ValueError that names the nearest known recipe, or the option of the spec.
LinearRecipe parse_recipe(std::string_view text);

// Which sides are rotated, by name; the specs come with the recipe.
struct PlacementRow {
  std::string_view name;
  std::string_view pattern;
  std::string_view source;
};
const std::vector<PlacementRow>& placement_rows();

// Schemes whose operands differ from each other, written out.
struct RecipeRow {
  std::string_view name;
  std::string_view pattern;
  std::string_view x, w, e;                 // specs of X, W and E_Y in F and E
  std::string_view gradient_e, gradient_x;  // and in G
  std::string_view source;
};
const std::vector<RecipeRow>& recipe_rows();

// fp32, bf16, every placement with the specs the papers use, and the names of recipe_rows().
std::vector<std::string> recipe_names();

// The three products written out, one line each: what a student would print.
std::string describe(const LinearRecipe& recipe);

}  // namespace sylvester
