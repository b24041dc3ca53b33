// Quantize a matrix: codes, scales, and what was lost.
#pragma once

#include <cstdint>

#include "sylvester/core/buffer.h"
#include "sylvester/core/philox.h"
#include "sylvester/core/view.h"
#include "sylvester/quant/spec.h"

namespace sylvester {

// value(i, j) = (code(i, j) - zero) * scale, with one scale (and zero) a block of
// block_rows x block_cols; block (I, J) has index I * scale_cols + J.
// Codes are row-major and contiguous, one a byte (integers: two's complement; asymmetric ones
// unsigned). Scale formats beside float32 also keep their codes in scale_codes.
struct QuantizedMatrix {
  QuantSpec spec;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t block_rows = 0;  // rows, 1, group ... resolved to numbers
  std::int64_t block_cols = 0;
  std::int64_t scale_rows = 0;
  std::int64_t scale_cols = 0;
  Buffer<std::uint8_t> codes;        // [rows][cols]; empty for float32 and bfloat16
  Buffer<float> scales;              // [scale_rows][scale_cols], the value one multiplies by
  Buffer<std::uint8_t> scale_codes;  // E8M0 / E4M3 codes, empty otherwise
  Buffer<float> zeros;               // asymmetric only
  float tensor_scale = 1.0f;         // NVFP4's second level (already inside `scales`)
  Buffer<float> values;              // float32 / bfloat16 specs: the rounded values themselves
};

// Figures over one quantized tensor; accumulated in double in a fixed order.
struct QuantStats {
  std::int64_t count = 0;
  double mse = 0;      // mean (x - q(x))^2
  double sqnr_db = 0;  // 10 log10(sum x^2 / sum (x - q(x))^2); +Inf when exact
  double max_error = 0;
  std::int64_t zeros = 0;      // codes that decode to 0 from x != 0
  std::int64_t saturated = 0;  // |x| / scale beyond the largest finite value before clamping
};

// Determinism: codes, scales and stats are bit-exact on every target and thread count.
// Reuses the buffers of `out`. Errors: ValueError when the spec does not fit the shape.
void quantize(MatrixView<const float> X, const QuantSpec& spec, QuantizedMatrix& out,
              QuantStats* stats = nullptr, const RandomStream& stream = {});
QuantizedMatrix quantize(MatrixView<const float> X, const QuantSpec& spec,
                         QuantStats* stats = nullptr, const RandomStream& stream = {});
// Shapes: out is q.rows x q.cols.
void dequantize(const QuantizedMatrix& q, MatrixView<float> out);
// dequantize(quantize(X)) without keeping codes; X and out may be the same memory.
void fake_quantize(MatrixView<const float> X, const QuantSpec& spec, MatrixView<float> out,
                   QuantStats* stats = nullptr, const RandomStream& stream = {});
QuantStats quantization_error(MatrixView<const float> X, const QuantizedMatrix& q);

}  // namespace sylvester
