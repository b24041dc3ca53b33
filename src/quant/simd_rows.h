// The SIMD twins of row_kernels.h and of the scale rules; bodies in src/simd/quant_*.cc.
// Each returns the bits of its scalar definition. Do not call them when scalar_target() is true.
#pragma once

#include <cstdint>

#include "quant/row_kernels.h"
#include "quant/scale.h"

namespace sylvester::detail {

void absmax_segments_simd(const float* x, std::int64_t n, std::int64_t segment,
                          std::uint32_t* magnitude, std::int64_t ahead) noexcept;
void range_segments_simd(const float* x, std::int64_t n, std::int64_t segment, std::int32_t* low,
                         std::int32_t* high) noexcept;
// Maps with map.plain() only.
void encode_row_simd(const ElementMap& map, const float* x, std::int64_t n, std::int64_t segment,
                     const RowScales& scales, std::uint8_t* codes) noexcept;
// Maps with map.plain() and, if floating, at least one mantissa bit.
void values_row_simd(const ElementMap& map, const float* x, std::int64_t n, std::int64_t segment,
                     const RowScales& scales, float* out) noexcept;
void decode_row_simd(const ElementMap& map, const std::uint8_t* codes, std::int64_t n,
                     std::int64_t segment, const RowScales& scales, float* out) noexcept;
// quotient() of every element; maps without below_half.
void quotient_row_simd(const ElementMap& map, const float* x, std::int64_t n, std::int64_t segment,
                       const float* factors, float* y) noexcept;
void error_sums_simd(const float* x, const float* values, std::int64_t n, StatsSum& sum) noexcept;

// Where scales of consecutive blocks go.
struct ScaleArrays {
  float* scale;
  float* factor;
  float* inverse;
  std::uint8_t* code;
};
struct ScaleFlags {
  bool poisoned = false;    // some scale is NaN
  bool invertible = false;  // `inverse` was written, and every factor lies in [2^-60, 2^60]
};
// floor, ceil, even, rceil of the reference convention with margin 1 and E8M0 scales; emax >= 1,
// or floor.
ScaleFlags power_of_two_scales_simd(const ScalePlan& plan, const std::uint32_t* magnitude,
                                    std::int64_t n, const ScaleArrays& out) noexcept;
// NVFP4 of every convention, without search.
ScaleFlags nvfp4_scales_simd(const ScalePlan& plan, const std::uint32_t* magnitude, std::int64_t n,
                             const ScaleArrays& out) noexcept;
// rule absmax with float32 scales, symmetric.
ScaleFlags linear_scales_simd(const ScalePlan& plan, const std::uint32_t* magnitude, std::int64_t n,
                              const ScaleArrays& out) noexcept;

}  // namespace sylvester::detail
