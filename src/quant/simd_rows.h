// The SIMD twins of row_kernels.h and of the scale rules; bodies in src/simd/quant_*.cc.
// Each returns the bits of its scalar definition. Do not call them when scalar_target() is true.
#pragma once

#include <cstdint>
#include <limits>

#include "quant/row_kernels.h"
#include "quant/scale.h"

namespace sylvester::detail {

void absmax_rows_simd(MatrixView<const float> X, std::int64_t segment, std::uint32_t* magnitude,
                      const Access& access) noexcept;
void range_rows_simd(MatrixView<const float> X, std::int64_t segment, std::int32_t* low,
                     std::int32_t* high, const Access& access) noexcept;
// Plain maps with tame scales only.
void encode_rows_simd(const ElementMap& map, MatrixView<const float> X, std::int64_t segment,
                      const RowScales& scales, MatrixView<std::uint8_t> codes,
                      const Access& access) noexcept;
void values_rows_simd(const ElementMap& map, MatrixView<const float> X, std::int64_t segment,
                      const RowScales& scales, MatrixView<float> out,
                      const Access& access) noexcept;
void decode_rows_simd(const ElementMap& map, MatrixView<const std::uint8_t> codes,
                      std::int64_t segment, const RowScales& scales, MatrixView<float> out,
                      const Access& access) noexcept;
// quotient() of every element; maps without below_half.
void quotient_row_simd(const ElementMap& map, const float* x, std::int64_t n, std::int64_t segment,
                       const float* factors, float* y) noexcept;
void error_sums_simd(const float* x, const float* values, std::int64_t n, StatsSum& sum) noexcept;

// The functions below work on whole vectors: magnitudes are readable, and these arrays writable, up
// to a multiple of this.
inline constexpr std::int64_t kScalePadding = 16;
// Where scales of consecutive blocks go.
struct ScaleArrays {
  float* scale;
  float* factor;
  float* inverse;
  std::uint8_t* code;
};
struct ScaleFlags {
  bool poisoned = false;  // some scale is NaN
  bool regular = true;    // no factor is 0 or infinite
  bool moderate = true;   // `inverse` was written, and every factor lies in [2^-80, 2^100]
  void add(const ScaleFlags& other) noexcept {
    poisoned = poisoned || other.poisoned;
    regular = regular && other.regular;
    moderate = moderate && other.moderate;
  }
  static ScaleFlags of(const BlockScale& s) noexcept {
    return {.poisoned = s.scale != s.scale,
            .regular = s.factor > 0 && s.factor <= std::numeric_limits<float>::max(),
            .moderate = s.factor >= 0x1p-80f && s.factor <= 0x1p100f};
  }
};
// Scale rules that have a body for vectors.
enum class ScaleKind : std::uint8_t {
  kNone,
  kLinear,      // rule absmax with float32 scales, symmetric
  kPowerOfTwo,  // floor, ceil, even, rceil of the reference convention with margin 1
  kNvfp4,       // of every convention, without search
};
ScaleFlags scales_simd(ScaleKind kind, const ScalePlan& plan, const std::uint32_t* magnitude,
                       std::int64_t n, const ScaleArrays& out) noexcept;

// Absmax, scales and results of one row of blocks in one walk over it, for symmetric maps that are
// plain() and tame and have a scale kind. Blocks with Inf or NaN are poisoned.
struct BlocksOfRow {
  const ElementMap& map;
  const ScalePlan& plan;
  ScaleKind kind;
  const float* x;
  std::int64_t n, segment;
  bool streams;  // see Access
  bool near;     // x is in cache
  // Of the blocks, where known; readable up to a multiple of kScalePadding.
  const std::uint32_t* magnitude = nullptr;
  // Where the scales go; null: not wanted.
  float* scale = nullptr;
  std::uint8_t* code = nullptr;
};
void encode_blocks_simd(const BlocksOfRow& row, std::uint8_t* codes) noexcept;
void fake_blocks_simd(const BlocksOfRow& row, float* values) noexcept;

}  // namespace sylvester::detail
