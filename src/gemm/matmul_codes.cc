// Products of bare codes: what the instruction computes.
#include <cstdint>
#include <string>

#include "gemm/kernels.h"
#include "gemm/policy.h"
#include "sylvester/core/buffer.h"
#include "sylvester/gemm/matmul.h"

namespace sylvester {
namespace {

using detail::OperandView;

template <class T>
OperandView code_view(MatrixView<const T> codes, DType dtype) {
  OperandView view;
  view.format = dtype;
  view.unsigned_codes = dtype == DType::kUInt8;
  view.rows = codes.rows;
  view.K = codes.cols;
  view.row_stride = codes.stride;
  view.k_stride = 1;
  return view;
}

void check_shapes(const OperandView& A, const OperandView& B, std::int64_t c_rows,
                  std::int64_t c_cols, bool has_c, std::int64_t d_rows, std::int64_t d_cols) {
  if (A.K != B.K || d_rows != A.rows || d_cols != B.rows ||
      (has_c && (c_rows != d_rows || c_cols != d_cols))) {
    throw ShapeError("matmul_codes: A is " + std::to_string(A.rows) + " x " + std::to_string(A.K) +
                     ", B is " + std::to_string(B.rows) + " x " + std::to_string(B.K) + ", C0 is " +
                     std::to_string(c_rows) + " x " + std::to_string(c_cols) + ", D is " +
                     std::to_string(d_rows) + " x " + std::to_string(d_cols) +
                     "; want [M, K] [N, K] [M, N] (or empty) [M, N]");
  }
}

void add_start(MatrixView<const float> C0, MatrixView<float> D) {
  if (C0.data == nullptr) return;
  for (std::int64_t m = 0; m < D.rows; ++m) {
    for (std::int64_t n = 0; n < D.cols; ++n) D(m, n) += C0(m, n);
  }
}

void product_of_codes(const OperandView& A, const OperandView& B, const Accumulation& accumulation,
                      MatrixView<const float> C0, MatrixView<float> D) {
  check_shapes(A, B, C0.rows, C0.cols, C0.data != nullptr, D.rows, D.cols);
  switch (accumulation.kind) {
    case AccumulationKind::kHardware:
      if (integer_operand(A) && integer_operand(B)) {
        detail::hardware_row(accumulation, A.format, B.format);  // throws where there is none
        detail::integer_product(A, B, {}, D);
        return add_start(C0, D);
      }
      return detail::hardware_product(A, B, accumulation, detail::ScaleInput::kNone, C0, D);
    case AccumulationKind::kOrdered:
      detail::ordered_product(A, B, D);
      return add_start(C0, D);
    case AccumulationKind::kExact:
      detail::exact_product(A, B, /*scaled=*/false, D);
      return add_start(C0, D);
    case AccumulationKind::kInt32:
      detail::require_integers(A, B);
      detail::integer_product(A, B, {}, D);
      return add_start(C0, D);
    case AccumulationKind::kBlas:
      detail::blas_product(A, B, 1.0f, D);
      return add_start(C0, D);
  }
}

}  // namespace

void matmul_codes(MatrixView<const std::uint8_t> A, DType a, MatrixView<const std::uint8_t> B,
                  DType b, const Accumulation& accumulation, MatrixView<const float> C0,
                  MatrixView<float> D) {
  OperandView view_a = code_view(A, a);
  OperandView view_b = code_view(B, b);
  view_a.codes = A.data;
  view_b.codes = B.data;
  product_of_codes(view_a, view_b, accumulation, C0, D);
}

void matmul_codes(MatrixView<const std::uint16_t> A, DType a, MatrixView<const std::uint16_t> B,
                  DType b, const Accumulation& accumulation, MatrixView<const float> C0,
                  MatrixView<float> D) {
  OperandView view_a = code_view(A, a);
  OperandView view_b = code_view(B, b);
  view_a.codes16 = A.data;
  view_b.codes16 = B.data;
  product_of_codes(view_a, view_b, accumulation, C0, D);
}

void matmul_codes(MatrixView<const float> A, MatrixView<const float> B,
                  const Accumulation& accumulation, MatrixView<const float> C0,
                  MatrixView<float> D) {
  OperandView view_a = code_view(A, DType::kFloat32);
  OperandView view_b = code_view(B, DType::kFloat32);
  view_a.values = A.data;
  view_b.values = B.data;
  product_of_codes(view_a, view_b, accumulation, C0, D);
}

void matmul_codes(MatrixView<const std::int8_t> A, MatrixView<const std::int8_t> B,
                  MatrixView<const std::int32_t> C0, MatrixView<std::int32_t> D) {
  OperandView view_a = code_view(A, DType::kInt8);
  OperandView view_b = code_view(B, DType::kInt8);
  view_a.codes = reinterpret_cast<const std::uint8_t*>(A.data);
  view_b.codes = reinterpret_cast<const std::uint8_t*>(B.data);
  check_shapes(view_a, view_b, C0.rows, C0.cols, C0.data != nullptr, D.rows, D.cols);
  if (D.rows == 0 || D.cols == 0) return;
  detail::int32_product(view_a, view_b, [&](const detail::IntBlock& block) {
    for (std::int64_t i = 0; i < block.rows; ++i) {
      const std::int32_t* in = block.data + i * block.stride;
      std::int32_t* out = D.row(block.m0 + i) + block.n0;
      const std::int32_t* start = C0.data == nullptr ? nullptr : C0.row(block.m0 + i) + block.n0;
      for (std::int64_t j = 0; j < block.cols; ++j) {
        const auto sum = static_cast<std::uint32_t>(in[j]);  // unsigned: wraps
        out[j] = static_cast<std::int32_t>(
            start == nullptr ? sum : sum + static_cast<std::uint32_t>(start[j]));
      }
    }
  });
}

}  // namespace sylvester
