// matmul(): checks, which engine, and the scales in cuBLASLt's order (docs/products.md).
#include "sylvester/gemm/matmul.h"

#include <algorithm>
#include <span>
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
using detail::ScaleInput;

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
                       float alpha, MatrixView<float> C) {
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
    apply_scales(outer_scales(a, b, alpha), partial, k > 0, C);
    k = end;
  }
}

void multiply(MatrixView<float> C, float factor) {
  if (factor == 1.0f) return;
  for (std::int64_t m = 0; m < C.rows; ++m) {
    detail::scale_float_row(C.row(m), factor, nullptr, C.row(m), C.cols);
  }
}

// Block scales that the policy's instruction itself multiplies in. False: it has no such form.
bool block_scaled_product(const OperandView& A, const OperandView& B,
                          const Accumulation& accumulation, float alpha, MatrixView<float> C) {
  if (A.scaling.codes == nullptr || B.scaling.codes == nullptr) return false;
  const auto scaled_by = [&](DType format, std::int64_t block) {
    return A.scaling.format == format && B.scaling.format == format && A.scaling.k_block == block &&
           B.scaling.k_block == block;
  };
  const bool mx = scaled_by(DType::kFloat8E8M0FNU, 32);
  const auto has_row = [&](ScaleInput scales) {
    return detail::find_hardware_row(accumulation, A.format, B.format, scales) != nullptr;
  };
  if ((mx || scaled_by(DType::kFloat8E4M3FN, 16)) && has_row(ScaleInput::kGroups16)) {
    detail::grouped_product(A, B, accumulation, C);
    multiply(C, alpha * (A.scaling.tensor_scale * B.scaling.tensor_scale));
    return true;
  }
  if (mx && has_row(ScaleInput::kBlock32)) {
    detail::hardware_product(A, B, accumulation, ScaleInput::kBlock32, {}, C);
    multiply(C, alpha);
    return true;
  }
  return false;
}

void fill_zero(MatrixView<float> C) {
  for (std::int64_t m = 0; m < C.rows; ++m) std::fill_n(C.row(m), C.cols, 0.0f);
}

void scaled_product(const OperandView& A, const OperandView& B, const Accumulation& accumulation,
                    float alpha, MatrixView<float> C) {
  const AccumulationKind kind = accumulation.kind;
  if (kind == AccumulationKind::kBlas) return detail::blas_product(A, B, alpha, C);
  const bool integers = integer_operand(A) && integer_operand(B);
  if (kind == AccumulationKind::kHardware && integers) {
    detail::hardware_row(accumulation, A.format, B.format);
  }
  if (kind == AccumulationKind::kHardware && block_scaled_product(A, B, accumulation, alpha, C)) {
    return;
  }
  const bool int_engine =
      integers && (kind == AccumulationKind::kInt32 || kind == AccumulationKind::kHardware);
  if (A.scale_outside_sum() && B.scale_outside_sum()) {
    if (int_engine) return detail::integer_product(A, B, outer_scales(A, B, alpha), C);
    unscaled_product(A, B, accumulation, C);
    return apply_scales(outer_scales(A, B, alpha), C, /*add=*/false, C);
  }
  if (kind == AccumulationKind::kExact) {
    detail::exact_product(A, B, /*scaled=*/true, C);
    return multiply(C, alpha);
  }
  segmented_product(A, B, accumulation, alpha, C);
}

void round_output(MatrixView<float> C, DType out) {
  if (out == DType::kFloat32) return;
  parallel_for(C.rows, 16, [&](std::int64_t begin, std::int64_t end) {
    Buffer<std::uint16_t> codes(C.cols);
    for (std::int64_t m = begin; m < end; ++m) {
      const std::span<float> row(C.row(m), static_cast<std::size_t>(C.cols));
      encode16(row, out, codes.span());
      decode16(codes.span(), out, row);
    }
  });
}

}  // namespace

void matmul(const Operand& operand_a, const Operand& operand_b, const Accumulation& accumulation,
            MatrixView<float> C, const MatmulOptions& options) {
  const OperandView A = detail::operand_view(operand_a);
  const OperandView B = detail::operand_view(operand_b);
  check_shapes(A, B, C);
  if (options.out != DType::kFloat32 && options.out != DType::kBFloat16 &&
      options.out != DType::kFloat16) {
    throw ValueError("matmul: out=" + std::string(to_string(options.out)) +
                     "; want float32, bfloat16 or float16");
  }
  if (accumulation.kind == AccumulationKind::kInt32) detail::require_integers(A, B);
  if (A.rows == 0 || B.rows == 0) return;
  if (A.K == 0) return fill_zero(C);
  scaled_product(A, B, accumulation, options.alpha, C);
  round_output(C, options.out);
}

}  // namespace sylvester
