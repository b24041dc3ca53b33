// The fast form of fused steps: vectors of columns, products in float32.
//
// Why float32 is enough: a product of two operands has at most 22 bits, so it is exact; multiplied
// by 2^(F - emax) it is the term in units of 2^(emax - F), and conversion to int32 cuts it toward
// zero as the hardware does. Products that underflow lie far below one unit. This holds while
// -90 <= emax <= 120; outputs that leave that range (or meet Inf, NaN) are reported and computed by
// the scalar body. An accumulator that is promoted to may also end as Inf or NaN: the caller looks.
// Steps of few fraction bits have a faster form: fused_anchor.h.
#pragma once

#include <cstdint>

#include "gemm/policy.h"

namespace sylvester::detail {

// Exponents that stand for zero and for Inf or NaN: sums with any true exponent (at most 300 in
// magnitude, block scales included 600) stay on their side, and zero + special is special.
inline constexpr std::int16_t kZeroExponent = -3000;
inline constexpr std::int16_t kSpecialExponent = 8000;

// Rows of A against one panel of B. K is a multiple of step.k and even.
struct FusedPanel {
  const float* a = nullptr;  // [rows][K], rows a_stride apart
  const std::int16_t* a_exponents = nullptr;
  std::int64_t a_stride = 0;
  std::int64_t rows = 0;
  const float* b = nullptr;                   // [K][width]
  const std::int16_t* b_exponents = nullptr;  // [K / 2][width][2]
  std::int64_t K = 0;
  const FusedStep* step = nullptr;
  std::int64_t slice = 0;
  std::int64_t promote = 0;
  const float* start = nullptr;  // [rows][width], C0
  float* out = nullptr;          // [rows][width], may be `start`
  std::uint8_t* redo = nullptr;  // [rows][width], set to 1 where the scalar body must compute
};

// Columns of a panel on the current target; 0 where there is no fast form.
std::int64_t fused_panel_width() noexcept;
void fused_panel(const FusedPanel& job) noexcept;

}  // namespace sylvester::detail
