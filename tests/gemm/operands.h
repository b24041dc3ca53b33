// Quantized matrices made by hand, so that the products are tested without the quantizers.
#pragma once

#include <cmath>
#include <cstdint>
#include <random>

#include "sylvester/formats/convert.h"
#include "sylvester/gemm/matmul.h"
#include "sylvester/quant/quantize.h"

namespace sylvester::test {

// The codes of a format that stand for finite numbers, drawn uniformly; scales in [0.25, 4) from
// blocks of block_rows x block_cols; zero points when the spec is asymmetric.
inline QuantizedMatrix random_matrix(QuantSpec spec, std::int64_t rows, std::int64_t cols,
                                     std::int64_t block_rows, std::int64_t block_cols,
                                     std::uint64_t seed, bool power_of_two_scales = false) {
  std::mt19937_64 random(seed);
  QuantizedMatrix q;
  q.spec = spec;
  q.rows = rows;
  q.cols = cols;
  q.block_rows = std::max<std::int64_t>(1, block_rows);
  q.block_cols = std::max<std::int64_t>(1, block_cols);
  q.scale_rows = (rows + q.block_rows - 1) / q.block_rows;
  q.scale_cols = (cols + q.block_cols - 1) / q.block_cols;
  if (spec.format != DType::kFloat32 && storage_bytes(spec.format) == 1) {
    const int bits = format(spec.format).bits;
    q.codes.resize(rows * cols);
    for (std::uint8_t& code : q.codes) {
      do {
        code = static_cast<std::uint8_t>(random() & ((1u << bits) - 1u));
        if (is_integer(spec.format) && !spec.asymmetric && bits < 8) {  // sign-extended
          code =
              static_cast<std::uint8_t>(static_cast<std::int8_t>(code << (8 - bits)) >> (8 - bits));
        }
      } while (!is_integer(spec.format) && !std::isfinite(decode_one(code, spec.format)));
    }
  } else {
    q.values.resize(rows * cols);
    std::normal_distribution<float> normal;
    for (float& v : q.values) v = normal(random);
    if (spec.format == DType::kBFloat16) round_to_bfloat16(q.values.span(), q.values.span());
    return q;
  }
  q.scales.resize(q.scale_rows * q.scale_cols);
  for (float& s : q.scales) {
    const double exponent = static_cast<double>(random() % 4096) / 1024.0 - 2.0;
    s = static_cast<float>(std::exp2(power_of_two_scales ? std::floor(exponent) : exponent));
  }
  if (spec.asymmetric) {
    q.zeros.resize(q.scales.size());
    const unsigned levels = 1u << format(spec.format).bits;
    for (float& z : q.zeros) z = static_cast<float>(random() % levels);
  }
  return q;
}

// (code - zero) * scale, as element (row, col) of the stored matrix.
inline double code_value(const QuantizedMatrix& q, std::int64_t row, std::int64_t col) {
  if (q.codes.empty()) return q.values[row * q.cols + col];
  const std::uint8_t code = q.codes[row * q.cols + col];
  const double v = q.spec.asymmetric ? code : decode_one(code, q.spec.format);
  if (q.zeros.empty()) return v;
  return v - q.zeros[row / q.block_rows * q.scale_cols + col / q.block_cols];
}
inline double scale_of(const QuantizedMatrix& q, std::int64_t row, std::int64_t col) {
  if (q.scales.empty()) return 1.0;
  return q.scales[row / q.block_rows * q.scale_cols + col / q.block_cols];
}

}  // namespace sylvester::test
