#include "quant/row_kernels.h"

#include <algorithm>
#include <bit>
#include <span>

#include "sylvester/core/target.h"
#include "sylvester/formats/convert.h"

namespace sylvester::detail {
namespace {

constexpr std::int64_t kChunk = 1024;  // elements of the quotients' buffer, 4 KiB

// Calls f(k, begin, end) for each segment.
template <class F>
void for_segments(std::int64_t n, std::int64_t segment, F&& f) {
  for (std::int64_t k = 0, begin = 0; begin < n; ++k, begin += segment) {
    f(k, begin, std::min(n, begin + segment));
  }
}

void encode_scalar(const ElementMap& map, const float* x, std::int64_t n, std::int64_t segment,
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

// Any rounding, overflow and NaN mode: quotients into a buffer in L1, then the formats' encoder.
void encode_generic(const ElementMap& map, const float* x, std::int64_t n, std::int64_t segment,
                    const RowScales& scales, std::uint64_t first, std::uint8_t* codes) {
  if (map.asymmetric || map.codes == CodeRange::kWrap) {
    encode_scalar(map, x, n, segment, scales, first, codes);
    return;
  }
  float y[kChunk];
  for (std::int64_t start = 0; start < n; start += kChunk) {
    const std::int64_t count = std::min(kChunk, n - start);
    for (std::int64_t i = 0; i < count;) {
      const std::int64_t k = (start + i) / segment;
      const std::int64_t end = std::min(count, (k + 1) * segment - start);
      for (; i < end; ++i) y[i] = quotient(map, x[start + i], scales.factor[k]);
    }
    EncodeOptions options = map.options;
    options.first_element = first + static_cast<std::uint64_t>(start);
    const auto size = static_cast<std::size_t>(count);
    encode(std::span<const float>(y, size), map.format, {codes + start, size}, options);
  }
  if (map.codes != CodeRange::kNarrow) return;
  const auto low = static_cast<std::int8_t>(map.low);
  for (std::int64_t i = 0; i < n; ++i) {
    codes[i] = static_cast<std::uint8_t>(std::max(static_cast<std::int8_t>(codes[i]), low));
  }
}

}  // namespace

void StatsSum::add(const StatsSum& other) noexcept {
  error2 += other.error2;
  x2 += other.x2;
  max_error = std::max(max_error, other.max_error);
  zeros += other.zeros;
  saturated += other.saturated;
}

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
                const RowScales& scales, std::uint64_t first, std::uint8_t* codes) {
  if (scalar_target()) {
    encode_scalar(map, x, n, segment, scales, first, codes);
  } else {
    encode_generic(map, x, n, segment, scales, first, codes);
  }
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
                const RowScales& scales, std::uint64_t first, float* out) {
  std::uint8_t codes[kChunk];
  if (segment >= kChunk) {
    for (std::int64_t k = 0; k * segment < n; ++k) {
      const RowScales one{scales.scale + k, scales.factor + k,
                          map.asymmetric ? scales.zero + k : nullptr};
      const std::int64_t end = std::min(n, (k + 1) * segment);
      for (std::int64_t i = k * segment; i < end; i += kChunk) {
        const std::int64_t count = std::min(kChunk, end - i);
        encode_row(map, x + i, count, count, one, first + static_cast<std::uint64_t>(i), codes);
        decode_row(map, codes, count, count, one, out + i);
      }
    }
    return;
  }
  const std::int64_t step = kChunk / segment * segment;
  for (std::int64_t i = 0; i < n; i += step) {
    const std::int64_t count = std::min(step, n - i), k = i / segment;
    const RowScales some{scales.scale + k, scales.factor + k,
                         map.asymmetric ? scales.zero + k : nullptr};
    encode_row(map, x + i, count, segment, some, first + static_cast<std::uint64_t>(i), codes);
    decode_row(map, codes, count, segment, some, out + i);
  }
}

void stats_row(const ElementMap& map, const float* x, const float* values, std::int64_t n,
               std::int64_t segment, const RowScales& scales, StatsSum& sum) noexcept {
  double error2[8] = {}, x2[8] = {};
  for_segments(n, segment, [&](std::int64_t k, std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const double wide = x[i], error = wide - static_cast<double>(values[i]);
      error2[i % 8] += error * error;
      x2[i % 8] += wide * wide;
      sum.max_error = std::max(sum.max_error, std::fabs(error));
      sum.zeros += x[i] != 0.0f && values[i] == 0.0f ? 1 : 0;
      const float zero = map.asymmetric ? scales.zero[k] : 0.0f;
      const float y = quotient(map, x[i], scales.factor[k]) + zero;
      sum.saturated += y > map.limit_high || y < map.limit_low ? 1 : 0;
    }
  });
  for (int width = 4; width > 0; width /= 2) {
    for (int lane = 0; lane < width; ++lane) {
      error2[lane] += error2[lane + width];
      x2[lane] += x2[lane + width];
    }
  }
  sum.error2 += error2[0];
  sum.x2 += x2[0];
}

}  // namespace sylvester::detail
