// matmul(): checks, which engine, and the scales in cuBLASLt's order (docs/products.md).
#include "sylvester/gemm/matmul.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "gemm/kernels.h"
#include "gemm/panel_kernel.h"
#include "gemm/policy.h"
#include "sylvester/core/buffer.h"
#include "sylvester/core/parallel.h"
#include "sylvester/formats/convert.h"

namespace sylvester {
namespace {

using detail::OperandView;
using detail::outer_scales;
using detail::OuterScales;

void check_shapes(const OperandView& A, const OperandView& B, MatrixView<float> C) {
  if (A.K != B.K || C.rows != A.rows || C.cols != B.rows) {
    throw ShapeError("matmul: A is " + std::to_string(A.rows) + " x " + std::to_string(A.K) +
                     ", B is " + std::to_string(B.rows) + " x " + std::to_string(B.K) + ", C is " +
                     std::to_string(C.rows) + " x " + std::to_string(C.cols) +
                     "; want [M, K] [N, K] [M, N]");
  }
}

// D = A B over all of K, float32 sums without the scales that lie outside.
void unscaled_product(const OperandView& A, const OperandView& B, const Accumulation& accumulation,
                      MatrixView<float> D) {
  switch (accumulation.kind) {
    case AccumulationKind::kOrdered:
      return detail::ordered_product(A, B, D);
    case AccumulationKind::kExact:
      return detail::exact_product(A, B, /*scaled=*/false, D);
    case AccumulationKind::kBlas:  // blas_product() took it whole
    case AccumulationKind::kInt32:
      return detail::integer_product(A, B, {}, D);
    case AccumulationKind::kHardware:
      if (integer_operand(A) && integer_operand(B)) {
        detail::hardware_row(accumulation, A.format, B.format);
        return detail::integer_product(A, B, {}, D);
      }
      return detail::hardware_product(A, B, accumulation, detail::ScaleInput::kNone, {}, D);
  }
}

// C = D * float(scale_a * scale_b), or C += that: two roundings and, adding, a third.
void apply_scales(const OuterScales& scales, MatrixView<const float> D, bool add,
                  MatrixView<float> C) {
  parallel_for(C.rows, 16, [&](std::int64_t begin, std::int64_t end) {
    Buffer<float> term(C.cols);
    for (std::int64_t m = begin; m < end; ++m) {
      float* out = C.row(m);
      detail::scale_float_row(D.row(m), scales.row(m), scales.cols(0), add ? term.data() : out,
                              C.cols);
      if (!add) continue;
      for (std::int64_t n = 0; n < C.cols; ++n) out[n] += term[n];
    }
  });
}

// Scales inside the sum: a partial product for each stretch of K in which both operands have one
// scale a row, scaled and added in float32 in ascending order.
void segmented_product(const OperandView& A, const OperandView& B, const Accumulation& accumulation,
                       MatrixView<float> C) {
  const auto next_edge = [](const OperandView& x, std::int64_t k) {
    return x.scaling.scales == nullptr ? x.K : (k / x.scaling.k_block + 1) * x.scaling.k_block;
  };
  Buffer<float> scratch(C.rows * C.cols);
  const MatrixView<float> partial(scratch.data(), C.rows, C.cols);
  for (std::int64_t k = 0; k < A.K;) {
    const std::int64_t end = std::min({A.K, next_edge(A, k), next_edge(B, k)});
    const OperandView a = A.slice(k, end - k);
    const OperandView b = B.slice(k, end - k);
    unscaled_product(a, b, accumulation, partial);
    apply_scales(outer_scales(a, b), partial, k > 0, C);
    k = end;
  }
}

void fill_zero(MatrixView<float> C) {
  for (std::int64_t m = 0; m < C.rows; ++m) std::fill_n(C.row(m), C.cols, 0.0f);
}

}  // namespace

void matmul(const Operand& operand_a, const Operand& operand_b, const Accumulation& accumulation,
            MatrixView<float> C) {
  const OperandView A = detail::operand_view(operand_a);
  const OperandView B = detail::operand_view(operand_b);
  check_shapes(A, B, C);
  if (accumulation.kind == AccumulationKind::kInt32) detail::require_integers(A, B);
  if (A.rows == 0 || B.rows == 0) return;
  if (A.K == 0) return fill_zero(C);
  const bool outside = A.scale_outside_sum() && B.scale_outside_sum();
  const bool integers = integer_operand(A) && integer_operand(B);
  if (accumulation.kind == AccumulationKind::kBlas) return detail::blas_product(A, B, C);
  if (outside && integers) {
    if (accumulation.kind == AccumulationKind::kHardware) {
      detail::hardware_row(accumulation, A.format, B.format);
    }
    if (accumulation.kind != AccumulationKind::kOrdered &&
        accumulation.kind != AccumulationKind::kExact) {
      return detail::integer_product(A, B, outer_scales(A, B), C);
    }
  }
  if (outside) {
    unscaled_product(A, B, accumulation, C);
    return apply_scales(outer_scales(A, B), C, /*add=*/false, C);
  }
  if (accumulation.kind == AccumulationKind::kExact) {
    return detail::exact_product(A, B, /*scaled=*/true, C);
  }
  segmented_product(A, B, accumulation, C);
}

}  // namespace sylvester
