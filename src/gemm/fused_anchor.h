// A faster form of fused steps with few fraction bits, such as those of FP8 with F = 13: vectors of
// columns, one multiply-add a product.
//
// A step adds products that are cut toward zero to multiples of the unit u = 2^(emax - F). Let a
// float32 accumulator start at the anchor 1.5 2^23 u. While all that is added stays within 2^22 u
// its last bit is worth u, so that a multiply-add rounded toward zero adds floor(p / u), exactly.
// To make a cut toward zero of the floor, one factor is lifted by 1 + 2^-L, L = max(F + 2, bits of
// the product). In units,
//
//   floor(p (1 + 2^-L)) = cut(p) - [p < 0]:
//
// p = P 2^e with an integer |P| < 2^L, and |p| < 2^L as products lie below 2^(emax + 2). If e >= 0,
// p is whole and 0 < |p| 2^-L < 1. If e < 0, the fraction of |p| is at most 1 - 2^e, and
// 0 < |p| 2^-L < 2^e. So a lifted |p| passes no whole number, and a negative p goes just beyond its
// cut, also where it was whole. The negative products are counted by their signs and the count is
// added to the start. A zero is a tiny positive number: its products obey the same rule.
#pragma once

#include <algorithm>
#include <cstdint>

#include "gemm/policy.h"

namespace sylvester::detail {

// L for products of so many bits.
constexpr int anchor_lift(const FusedStep& step, int product_bits) {
  return std::max(step.fraction_bits + 2, product_bits);
}

// What stands for zero, and for Inf and NaN, whose outputs the caller computes. Its products with
// numbers below 2^17 are less than the unit of emax = kLeastAnchor, as F <= 17 in this form.
inline constexpr float kTinyNumber = 0x1p-126f;
inline constexpr std::int8_t kTinyExponent = -128;  // added with saturation
// emax of a step is at least this, also where all products are zero. C must be zero or at least its
// power of two and below 2^63; other outputs are reported and left to the scalar body. A step
// leaves C zero, or a multiple of a unit from 2^(-32 - F) on, or as it was, and adds no more than
// 2^38.
inline constexpr int kLeastAnchor = -90;

// Whether the form takes a step with products of so many bits; exponents of both operands must lie
// within +-16. The lifted factor is a float32, k products and C stay within 2^22 units, and terms
// are never aligned to the step's floor.
constexpr bool anchor_form(const FusedStep& step, int product_bits) {
  return product_bits + anchor_lift(step, product_bits) <= 24 &&
         std::int64_t{step.k + 1} << (step.fraction_bits + 2) <= std::int64_t{1} << 22 &&
         step.k % 4 == 0 && step.k <= 32 && step.floor <= kLeastAnchor;
}

// Rows of A against one panel of B, one chain. K is a multiple of step.k.
struct AnchorPanel {
  const float* a = nullptr;  // [rows][K], rows a_stride apart, lifted
  const std::int8_t* a_exponents = nullptr;
  const std::uint32_t* a_signs = nullptr;  // [rows][K / step.k], bit i: product i is negative
  std::int64_t a_stride = 0;               // of the signs, a_stride / step.k
  std::int64_t rows = 0;
  const float* b = nullptr;                  // [K][width]
  const std::int8_t* b_exponents = nullptr;  // [K / 4][width][4]
  const std::uint32_t* b_signs = nullptr;    // [K / step.k][width]
  std::int64_t K = 0;
  const FusedStep* step = nullptr;
  const float* start = nullptr;  // [rows][width], C; null for zeros
  float* out = nullptr;          // [rows][width], D, may be `start`
  std::uint8_t* redo = nullptr;  // [rows][width], set to 1 where the scalar body must compute
};

// Columns of a panel on the current target; 0 where it has no FMA, and so not this form.
std::int64_t anchor_panel_width() noexcept;
void anchor_panel(const AnchorPanel& job) noexcept;

}  // namespace sylvester::detail
