// Loops over a piece of one row. A row is cut in segments of equal length (the last may be
// shorter), each with its own scale; segment 1 means a scale for every element (columns).
// The bodies in namespace scalar define the results; src/simd/quant_*.cc gives the same bits.
#pragma once

#include <cstdint>

#include "quant/element.h"

namespace sylvester::detail {

// One entry per segment. `zero` is read by asymmetric maps only.
struct RowScales {
  const float* scale = nullptr;
  const float* factor = nullptr;
  const float* zero = nullptr;
  // Nearest float32 to 1 / factor, only where every factor lies in [2^-60, 2^60]; a means for
  // speed that does not change results.
  const float* inverse = nullptr;
  // What the caller reads next lies this many elements after x (0: not known).
  std::int64_t ahead = 0;
};

// Sums of one or more rows for QuantStats.
struct StatsSum {
  double error2 = 0, x2 = 0, max_error = 0;
  std::int64_t zeros = 0, saturated = 0;
  void add(const StatsSum& other) noexcept;
};

// magnitude[k] = max(magnitude[k], bits of |x| over segment k). `ahead` as in RowScales.
void absmax_segments(const float* x, std::int64_t n, std::int64_t segment, std::uint32_t* magnitude,
                     std::int64_t ahead = 0) noexcept;
// The same for the smallest and largest order_key.
void range_segments(const float* x, std::int64_t n, std::int64_t segment, std::int32_t* low,
                    std::int32_t* high) noexcept;
// `first` is the index of x[0] in the random stream.
void encode_row(const ElementMap& map, const float* x, std::int64_t n, std::int64_t segment,
                const RowScales& scales, std::uint64_t first, std::uint8_t* codes);
void decode_row(const ElementMap& map, const std::uint8_t* codes, std::int64_t n,
                std::int64_t segment, const RowScales& scales, float* out) noexcept;
// decode_row(encode_row(x)); x and out may be the same memory.
void values_row(const ElementMap& map, const float* x, std::int64_t n, std::int64_t segment,
                const RowScales& scales, std::uint64_t first, float* out);
// Error of `values` against x. Sums run in eight lanes (element i of the piece in lane i % 8),
// added as a tree at the end.
void stats_row(const ElementMap& map, const float* x, const float* values, std::int64_t n,
               std::int64_t segment, const RowScales& scales, StatsSum& sum) noexcept;
// stats_row without `saturated`, which needs scales.
void error_row(const float* x, const float* values, std::int64_t n, StatsSum& sum) noexcept;

namespace scalar {

void absmax_segments(const float* x, std::int64_t n, std::int64_t segment,
                     std::uint32_t* magnitude) noexcept;
void range_segments(const float* x, std::int64_t n, std::int64_t segment, std::int32_t* low,
                    std::int32_t* high) noexcept;
void encode_row(const ElementMap& map, const float* x, std::int64_t n, std::int64_t segment,
                const RowScales& scales, std::uint64_t first, std::uint8_t* codes) noexcept;
void decode_row(const ElementMap& map, const std::uint8_t* codes, std::int64_t n,
                std::int64_t segment, const RowScales& scales, float* out) noexcept;
void values_row(const ElementMap& map, const float* x, std::int64_t n, std::int64_t segment,
                const RowScales& scales, std::uint64_t first, float* out) noexcept;
void quotient_row(const ElementMap& map, const float* x, std::int64_t n, std::int64_t segment,
                  const float* factors, float* y) noexcept;
// error2, x2, max_error and zeros.
void error_sums(const float* x, const float* values, std::int64_t n, StatsSum& sum) noexcept;

}  // namespace scalar
}  // namespace sylvester::detail
