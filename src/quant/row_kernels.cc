#include "quant/row_kernels.h"

#include <algorithm>
#include <bit>
#include <span>

#include "quant/simd_rows.h"
#include "sylvester/core/target.h"
#include "sylvester/formats/convert.h"

namespace sylvester::detail {
namespace {

constexpr std::int64_t kChunk = 1024;  // elements of a buffer in level 1 cache

// Calls f(k, begin, end) for each segment.
template <class F>
void for_segments(std::int64_t n, std::int64_t segment, F&& f) {
  for (std::int64_t k = 0, begin = 0; begin < n; ++k, begin += segment) {
    f(k, begin, std::min(n, begin + segment));
  }
}

// Cuts [0, n) in pieces of at most kChunk elements that hold whole segments, or lie inside one.
// Calls f(begin, count, segment of the piece, scales of the piece).
template <class F>
void for_chunks(std::int64_t n, std::int64_t segment, const RowScales& scales, F&& f) {
  const auto from = [&](std::int64_t k) {
    return RowScales{scales.scale == nullptr ? nullptr : scales.scale + k,
                     scales.factor == nullptr ? nullptr : scales.factor + k,
                     scales.zero == nullptr ? nullptr : scales.zero + k,
                     scales.inverse == nullptr ? nullptr : scales.inverse + k, scales.tame};
  };
  if (segment > kChunk) {
    for_segments(n, segment, [&](std::int64_t k, std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; i += kChunk) {
        const std::int64_t count = std::min(kChunk, end - i);
        f(i, count, count, from(k));
      }
    });
    return;
  }
  const std::int64_t step = kChunk / segment * segment;
  for (std::int64_t i = 0; i < n; i += step) {
    f(i, std::min(step, n - i), segment, from(i / segment));
  }
}

void quotients(const ElementMap& map, const float* x, std::int64_t n, std::int64_t segment,
               const float* factors, float* y) noexcept {
  if (scalar_target() || map.below_half != 0.0f) {
    scalar::quotient_row(map, x, n, segment, factors, y);
  } else {
    quotient_row_simd(map, x, n, segment, factors, y);
  }
}

// Any rounding, overflow and NaN mode: quotients into a buffer in L1, then the formats' encoder.
void encode_general(const ElementMap& map, const float* x, std::int64_t n, std::int64_t segment,
                    const RowScales& scales, std::uint64_t first, std::uint8_t* codes) {
  const bool own = map.asymmetric || map.codes == CodeRange::kWrap;
  const bool stochastic = map.options.rounding == Rounding::kStochastic;
  for_chunks(
      n, segment, scales,
      [&](std::int64_t begin, std::int64_t count, std::int64_t part, const RowScales& s) {
        float y[kChunk];
        quotients(map, x + begin, count, part, s.factor, y);
        const std::uint64_t at = first + static_cast<std::uint64_t>(begin);
        const auto size = static_cast<std::size_t>(count);
        if (!own) {
          EncodeOptions options = map.options;
          options.first_element = at;
          encode(std::span<const float>(y, size), map.format, {codes + begin, size}, options);
          return;
        }
        std::uint32_t random[kChunk] = {};
        if (stochastic) random_words(map.options.stream, at, {random, size});
        for_segments(count, part, [&](std::int64_t k, std::int64_t i, std::int64_t end) {
          const float zero = map.asymmetric ? s.zero[k] : 0.0f;
          for (; i < end; ++i) codes[begin + i] = encode_element(map, y[i], zero, random[i]);
        });
      });
  if (map.codes != CodeRange::kNarrow) return;
  const auto low = static_cast<std::int8_t>(map.low);
  for (std::int64_t i = 0; i < n; ++i) {
    codes[i] = static_cast<std::uint8_t>(std::max(static_cast<std::int8_t>(codes[i]), low));
  }
}

void values_general(const ElementMap& map, const float* x, std::int64_t n, std::int64_t segment,
                    const RowScales& scales, std::uint64_t first, float* out) {
  for_chunks(n, segment, scales,
             [&](std::int64_t begin, std::int64_t count, std::int64_t part, const RowScales& s) {
               std::uint8_t codes[kChunk];
               encode_general(map, x + begin, count, part, s,
                              first + static_cast<std::uint64_t>(begin), codes);
               decode_rows_simd(map, {codes, 1, count}, part, s, {out + begin, 1, count}, {});
             });
}

std::int64_t count_saturated(const ElementMap& map, const float* x, std::int64_t n,
                             std::int64_t segment, const RowScales& scales) noexcept {
  std::int64_t out = 0;
  for_chunks(n, segment, scales,
             [&](std::int64_t begin, std::int64_t count, std::int64_t part, const RowScales& s) {
               float y[kChunk];
               quotients(map, x + begin, count, part, s.factor, y);
               if (map.asymmetric) {
                 for_segments(count, part, [&](std::int64_t k, std::int64_t i, std::int64_t end) {
                   for (; i < end; ++i) y[i] += s.zero[k];
                 });
               }
               std::int32_t beyond = 0;  // 32 bits wide, as the comparisons are
               for (std::int64_t i = 0; i < count; ++i) {
                 beyond += static_cast<std::int32_t>(y[i] > map.limit_high) |
                           static_cast<std::int32_t>(y[i] < map.limit_low);
               }
               out += beyond;
             });
  return out;
}

}  // namespace

void StatsSum::add(const StatsSum& other) noexcept {
  error2 += other.error2;
  x2 += other.x2;
  max_error = std::max(max_error, other.max_error);
  zeros += other.zeros;
  saturated += other.saturated;
}

namespace scalar {

void absmax_segments(const float* x, std::int64_t n, std::int64_t segment,
                     std::uint32_t* magnitude) noexcept {
  for_segments(n, segment, [&](std::int64_t k, std::int64_t begin, std::int64_t end) {
    std::uint32_t most = magnitude[k];
    for (std::int64_t i = begin; i < end; ++i) {
      most = std::max(most, std::bit_cast<std::uint32_t>(x[i]) & kMagnitudeMask);
    }
    magnitude[k] = most;
  });
}

void range_segments(const float* x, std::int64_t n, std::int64_t segment, std::int32_t* low,
                    std::int32_t* high) noexcept {
  for_segments(n, segment, [&](std::int64_t k, std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      low[k] = std::min(low[k], order_key(x[i]));
      high[k] = std::max(high[k], order_key(x[i]));
    }
  });
}

void encode_row(const ElementMap& map, const float* x, std::int64_t n, std::int64_t segment,
                const RowScales& scales, std::uint64_t first, std::uint8_t* codes) noexcept {
  const bool stochastic = map.options.rounding == Rounding::kStochastic;
  for_segments(n, segment, [&](std::int64_t k, std::int64_t begin, std::int64_t end) {
    const float zero = map.asymmetric ? scales.zero[k] : 0.0f;
    for (std::int64_t i = begin; i < end; ++i) {
      const std::uint32_t random =
          stochastic ? random_word(map.options.stream, first + static_cast<std::uint64_t>(i)) : 0;
      codes[i] = encode_element(map, quotient(map, x[i], scales.factor[k]), zero, random);
    }
  });
}

void decode_row(const ElementMap& map, const std::uint8_t* codes, std::int64_t n,
                std::int64_t segment, const RowScales& scales, float* out) noexcept {
  for_segments(n, segment, [&](std::int64_t k, std::int64_t begin, std::int64_t end) {
    const float zero = map.asymmetric ? scales.zero[k] : 0.0f;
    for (std::int64_t i = begin; i < end; ++i) {
      out[i] = decode_element(map, codes[i], scales.scale[k], zero);
    }
  });
}

void values_row(const ElementMap& map, const float* x, std::int64_t n, std::int64_t segment,
                const RowScales& scales, std::uint64_t first, float* out) noexcept {
  for_chunks(n, segment, scales,
             [&](std::int64_t begin, std::int64_t count, std::int64_t part, const RowScales& s) {
               std::uint8_t codes[kChunk];
               scalar::encode_row(map, x + begin, count, part, s,
                                  first + static_cast<std::uint64_t>(begin), codes);
               scalar::decode_row(map, codes, count, part, s, out + begin);
             });
}

void quotient_row(const ElementMap& map, const float* x, std::int64_t n, std::int64_t segment,
                  const float* factors, float* y) noexcept {
  for_segments(n, segment, [&](std::int64_t k, std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) y[i] = quotient(map, x[i], factors[k]);
  });
}

void error_sums(const float* x, const float* values, std::int64_t n, StatsSum& sum) noexcept {
  double error2[8] = {}, x2[8] = {};
  for (std::int64_t i = 0; i < n; ++i) {
    const double wide = x[i], error = wide - static_cast<double>(values[i]);
    error2[i % 8] += error * error;
    x2[i % 8] += wide * wide;
    sum.max_error = std::max(sum.max_error, std::fabs(error));
    sum.zeros += x[i] != 0.0f && values[i] == 0.0f ? 1 : 0;
  }
  for (int width = 4; width > 0; width /= 2) {
    for (int lane = 0; lane < width; ++lane) {
      error2[lane] += error2[lane + width];
      x2[lane] += x2[lane + width];
    }
  }
  sum.error2 += error2[0];
  sum.x2 += x2[0];
}

}  // namespace scalar

void absmax_rows(MatrixView<const float> X, std::int64_t segment, std::uint32_t* magnitude,
                 const Access& access) noexcept {
  if (!scalar_target()) return absmax_rows_simd(X, segment, magnitude, access);
  for (std::int64_t i = 0; i < X.rows; ++i) {
    scalar::absmax_segments(X.row(i), X.cols, segment, magnitude);
  }
}

void range_rows(MatrixView<const float> X, std::int64_t segment, std::int32_t* low,
                std::int32_t* high, const Access& access) noexcept {
  if (!scalar_target()) return range_rows_simd(X, segment, low, high, access);
  for (std::int64_t i = 0; i < X.rows; ++i) {
    scalar::range_segments(X.row(i), X.cols, segment, low, high);
  }
}

void encode_rows(const ElementMap& map, MatrixView<const float> X, std::int64_t segment,
                 const RowScales& scales, const Draws& draws, MatrixView<std::uint8_t> codes,
                 const Access& access) {
  if (!scalar_target() && map.plain() && scales.tame) {
    return encode_rows_simd(map, X, segment, scales, codes, access);
  }
  for (std::int64_t i = 0; i < X.rows; ++i) {
    const std::uint64_t first = draws.first + static_cast<std::uint64_t>(i) * draws.step;
    scalar_target()
        ? scalar::encode_row(map, X.row(i), X.cols, segment, scales, first, codes.row(i))
        : encode_general(map, X.row(i), X.cols, segment, scales, first, codes.row(i));
  }
}

void decode_rows(const ElementMap& map, MatrixView<const std::uint8_t> codes, std::int64_t segment,
                 const RowScales& scales, MatrixView<float> out, const Access& access) noexcept {
  if (!scalar_target()) return decode_rows_simd(map, codes, segment, scales, out, access);
  for (std::int64_t i = 0; i < codes.rows; ++i) {
    scalar::decode_row(map, codes.row(i), codes.cols, segment, scales, out.row(i));
  }
}

void values_rows(const ElementMap& map, MatrixView<const float> X, std::int64_t segment,
                 const RowScales& scales, const Draws& draws, MatrixView<float> out,
                 const Access& access) {
  if (!scalar_target() && map.plain() && scales.tame) {
    return values_rows_simd(map, X, segment, scales, out, access);
  }
  for (std::int64_t i = 0; i < X.rows; ++i) {
    const std::uint64_t first = draws.first + static_cast<std::uint64_t>(i) * draws.step;
    scalar_target() ? scalar::values_row(map, X.row(i), X.cols, segment, scales, first, out.row(i))
                    : values_general(map, X.row(i), X.cols, segment, scales, first, out.row(i));
  }
}

void error_row(const float* x, const float* values, std::int64_t n, StatsSum& sum) noexcept {
  scalar_target() ? scalar::error_sums(x, values, n, sum) : error_sums_simd(x, values, n, sum);
}

void stats_row(const ElementMap& map, const float* x, const float* values, std::int64_t n,
               std::int64_t segment, const RowScales& scales, StatsSum& sum) noexcept {
  error_row(x, values, n, sum);
  sum.saturated += count_saturated(map, x, n, segment, scales);
}

}  // namespace sylvester::detail
