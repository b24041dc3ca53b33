// Loops over rows that share their scales. A row is cut in segments of equal length (the last may
// be shorter), each with its own scale; segment 1 means a scale for every element (columns). The
// bodies in namespace scalar define the results; src/simd/quant_*.cc gives the same bits.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "quant/element.h"
#include "sylvester/core/view.h"

namespace sylvester::detail {

// One entry per segment. `zero` is read by asymmetric maps only.
struct RowScales {
  const float* scale = nullptr;
  const float* factor = nullptr;
  const float* zero = nullptr;
  // Nearest float32 to 1 / factor, only where every factor lies in [2^-80, 2^100]; a means for
  // speed that does not change results.
  const float* inverse = nullptr;
  // Quotients are no NaN, and of integer maps below 2^31, but in blocks that hold Inf or NaN, whose
  // results do not matter.
  bool tame = false;
};

// How memory is walked; results do not depend on it.
struct Access {
  std::int64_t ahead = 0;  // what is read next lies this many elements further (0: not known)
  bool streams = false;    // results are too many for the caches: store around them
};

// The random word of element (i, j) has index first + i * step + j.
struct Draws {
  std::uint64_t first = 0, step = 0;
};

// Sums of one or more rows for QuantStats.
struct StatsSum {
  double error2 = 0, x2 = 0, max_error = 0;
  std::int64_t zeros = 0, saturated = 0;
  void add(const StatsSum& other) noexcept;
};

// magnitude[k] = max(magnitude[k], bits of |x| over segment k).
void absmax_rows(MatrixView<const float> X, std::int64_t segment, std::uint32_t* magnitude,
                 const Access& access = {}) noexcept;
// The same for the smallest and largest order_key.
void range_rows(MatrixView<const float> X, std::int64_t segment, std::int32_t* low,
                std::int32_t* high, const Access& access = {}) noexcept;
void encode_rows(const ElementMap& map, MatrixView<const float> X, std::int64_t segment,
                 const RowScales& scales, const Draws& draws, MatrixView<std::uint8_t> codes,
                 const Access& access = {});
void decode_rows(const ElementMap& map, MatrixView<const std::uint8_t> codes, std::int64_t segment,
                 const RowScales& scales, MatrixView<float> out,
                 const Access& access = {}) noexcept;
// decode_rows(encode_rows(X)); X and out may be the same memory.
void values_rows(const ElementMap& map, MatrixView<const float> X, std::int64_t segment,
                 const RowScales& scales, const Draws& draws, MatrixView<float> out,
                 const Access& access = {});
// Blocks with scale NaN: codes (Out is a byte) 0, values NaN.
template <class Out>
void poison_rows(const float* scale, std::int64_t segment, MatrixView<Out> out) noexcept {
  constexpr Out kPoison = sizeof(Out) == 1 ? Out{} : std::numeric_limits<Out>::quiet_NaN();
  for (std::int64_t begin = 0, k = 0; begin < out.cols; begin += segment, ++k) {
    if (scale[k] == scale[k]) continue;
    for (std::int64_t i = 0; i < out.rows; ++i) {
      std::fill_n(out.row(i) + begin, std::min(segment, out.cols - begin), kPoison);
    }
  }
}
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
