// Vectors of columns for "ordered": one explicit FMA a product, k ascending.
#pragma once

#include <cstdint>

namespace sylvester::detail {

// Columns of a panel, or 0 where the target has no fused multiply-add (the scalar body then).
std::int64_t ordered_panel_width() noexcept;
// out[r][j] = sum over k of a[r][k] b[k][j]; NaN becomes 0x7FC00000. Rows of a are K apart, of b
// and out `width` apart.
void ordered_panel(const float* a, const float* b, std::int64_t rows, std::int64_t K,
                   float* out) noexcept;

}  // namespace sylvester::detail
