// The product engines behind matmul(), one per kind of accumulation. Shapes: A [M, K], B [N, K] as
// views, D [M, N]. None applies a scale that lies outside the sum.
#pragma once

#include <cstdint>
#include <functional>

#include "gemm/operand.h"
#include "gemm/policy.h"
#include "sylvester/core/buffer.h"
#include "sylvester/core/view.h"
#include "sylvester/gemm/accumulation.h"

namespace sylvester::detail {

// Float32, k ascending, one accumulator an output, one FMA a product. NaN is 0x7FC00000.
void ordered_product(const OperandView& A, const OperandView& B, MatrixView<float> D);

// One rounding of the exact sum of A B, the scales inside the sum included when `scaled`.
// Zero sums are +0, NaN is 0x7FC00000.
void exact_product(const OperandView& A, const OperandView& B, bool scaled, MatrixView<float> D);

// Scales that lie outside the sum: an output is multiplied by float(a[m] * b[n]).
struct OuterScales {
  Buffer<float> a, b;  // empty: 1
  float row(std::int64_t m) const { return a.empty() ? 1.0f : a[m]; }
  const float* cols(std::int64_t n0) const { return b.empty() ? nullptr : b.data() + n0; }
};

// The scales of both, read at the first k; those of A times alpha.
OuterScales outer_scales(const OperandView& A, const OperandView& B, float alpha = 1.0f);

// A finished window of C: rows [m0, m0 + rows), columns [n0, n0 + cols).
struct IntBlock {
  const std::int32_t* data;
  std::int64_t stride;
  std::int64_t m0, rows, n0, cols;
};
using IntSink = std::function<void(const IntBlock&)>;
// Signed codes (unsigned ones minus 128), zero points left out, int32 sums that wrap. The sink is
// called once for each window of D, from any thread.
void int32_product(const OperandView& A, const OperandView& B, const IntSink& sink);
// sum_k (a - za)(b - zb) as float32 times the scales, when each row has one zero point.
void integer_product(const OperandView& A, const OperandView& B, const OuterScales& scales,
                     MatrixView<float> D);
// Throws UnsupportedError unless both operands hold integer codes.
void require_integers(const OperandView& A, const OperandView& B);

// An operand whose every value is a small integer times 2^-point, as int8 codes (`codes` owns them
// where they had to be made). `ok` is false for other formats.
struct IntegerView {
  bool ok = false;
  int point = 0;
  OperandView view;
  Buffer<std::uint8_t> codes;
};
IntegerView integer_view(const OperandView& x);

// The fast path, scales included wherever they are; bits not promised.
void blas_product(const OperandView& A, const OperandView& B, float alpha, MatrixView<float> D);

// One chain or more of fused steps, from C0 (or +0 when its data is null); `scales` enter the sum.
void hardware_product(const OperandView& A, const OperandView& B, const Accumulation& accumulation,
                      ScaleInput scales, MatrixView<const float> C0, MatrixView<float> D);

// Float4_e2m1fn with ue8m0 or ue4m3 scales of groups inside the sum, without the tensor's scale.
void grouped_product(const OperandView& A, const OperandView& B, const Accumulation& accumulation,
                     MatrixView<float> D);

// OpenBLAS answers small integer products of both types rightly.
bool openblas_trusted();

}  // namespace sylvester::detail
