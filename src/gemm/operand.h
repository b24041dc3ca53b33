// One operand of a product as the kernels read it: rows along K, whatever its storage.
#pragma once

#include <array>
#include <cstdint>

#include "sylvester/formats/dtype.h"
#include "sylvester/gemm/matmul.h"

namespace sylvester::detail {

// scale(r, k) = scales[(r / row_block) * row_stride + (k / k_block) * k_stride].
struct ScaleView {
  const float* scales = nullptr;        // null: every scale is 1
  const float* zeros = nullptr;         // null: every zero point is 0
  const std::uint8_t* codes = nullptr;  // of the scales, where their format has codes
  DType format = DType::kFloat32;       // of the scales
  float tensor_scale = 1.0f;            // NVFP4's second level, contained in `scales`
  std::int64_t row_block = 1;
  std::int64_t k_block = 1;
  std::int64_t row_stride = 0;
  std::int64_t k_stride = 0;

  std::int64_t index(std::int64_t r, std::int64_t k) const {
    return (r / row_block) * row_stride + (k / k_block) * k_stride;
  }
};

// Element (r, k) is at [r * row_stride + k * k_stride] of whichever array is present.
struct OperandView {
  DType format = DType::kFloat32;
  bool unsigned_codes = false;  // asymmetric integers
  std::int64_t rows = 0;
  std::int64_t K = 0;
  std::int64_t row_stride = 0;
  std::int64_t k_stride = 0;
  const std::uint8_t* codes = nullptr;
  const std::uint16_t* codes16 = nullptr;  // bfloat16 or float16 bit patterns
  const float* values = nullptr;           // float32, or values exact in `format`
  ScaleView scaling;
  std::int64_t k_first = 0;  // where this slice starts in the scales' K

  // Columns [begin, begin + count) along K.
  OperandView slice(std::int64_t begin, std::int64_t count) const;
  float scale(std::int64_t r, std::int64_t k) const {
    return scaling.scales == nullptr ? 1.0f : scaling.scales[scaling.index(r, k_first + k)];
  }
  float zero(std::int64_t r, std::int64_t k) const {
    return scaling.zeros == nullptr ? 0.0f : scaling.zeros[scaling.index(r, k_first + k)];
  }
  // True when each row has one scale for all of K, so that the scale leaves the sum.
  bool scale_outside_sum() const {
    return scaling.scales == nullptr || K == 0 ||
           k_first / scaling.k_block == (k_first + K - 1) / scaling.k_block;
  }
};

// Throws ShapeError when the buffers of the matrix do not have the sizes its fields promise.
OperandView operand_view(const Operand& operand);

// The float32 value of every code; bits above the format's width are ignored.
using ValueTable = std::array<float, 256>;
const ValueTable& value_table(DType format, bool unsigned_codes);

// Rows [first, first + count) to out[count][K] as float32: code - zero, without the scale.
void decode_rows(const OperandView& x, std::int64_t first, std::int64_t count, float* out);
// The same times the scale: what dequantize() gives.
void dequantize_rows(const OperandView& x, std::int64_t first, std::int64_t count, float* out);

// True for int2 ... int8 (and uint8) codes.
bool integer_operand(const OperandView& x);

}  // namespace sylvester::detail
