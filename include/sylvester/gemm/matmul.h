// Matrix products of quantized operands under a named accumulation policy.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sylvester/core/view.h"
#include "sylvester/formats/dtype.h"
#include "sylvester/gemm/accumulation.h"
#include "sylvester/quant/quantize.h"

namespace sylvester {

// An operand as stored, or read transposed (no copy is asked of the caller).
struct Operand {
  const QuantizedMatrix* matrix = nullptr;
  bool transposed = false;
  Operand(const QuantizedMatrix& m, bool transposed_in = false)  // NOLINT: implicit on purpose
      : matrix(&m), transposed(transposed_in) {}
  std::int64_t rows() const { return transposed ? matrix->cols : matrix->rows; }
  std::int64_t cols() const { return transposed ? matrix->rows : matrix->cols; }
};

struct MatmulOptions {
  float alpha = 1.0f;
  DType out = DType::kFloat32;  // or kBFloat16, kFloat16: C rounded to nearest even, still float32
};

// C[m, n] = sum_k A[m, k] B[n, k], scales applied in cuBLASLt's order: the policy's sum of codes,
// times float32((alpha scale_a) scale_b), rounded to `out`. Scales that change along K (groups,
// blocks, MX, NVFP4) enter the sum as docs/products.md says for each policy.
// Shapes: A [M, K], B [N, K], C [M, N]; both operands have their rows along K, as the tensor cores
// take them. K = 0 gives zeros.
// Errors: ShapeError; UnsupportedError when the policy has no such operand pair; ValueError for
// another `out`.
// Determinism: bit-exact on every target and thread count, "blas" apart (docs/products.md).
//   matmul(quantize(X, spec), quantize(W, spec), parse_accumulation("sm90-cublaslt"), Y);
void matmul(const Operand& A, const Operand& B, const Accumulation& accumulation,
            MatrixView<float> C, const MatmulOptions& options = {});

// Codes without scales: what the instruction computes. C0 is the accumulator's start, or empty.
void matmul_codes(MatrixView<const std::uint8_t> A, DType a, MatrixView<const std::uint8_t> B,
                  DType b, const Accumulation& accumulation, MatrixView<const float> C0,
                  MatrixView<float> D);
// The same for kBFloat16 and kFloat16 bit patterns, and for float32 (tensor cores read it as tf32).
void matmul_codes(MatrixView<const std::uint16_t> A, DType a, MatrixView<const std::uint16_t> B,
                  DType b, const Accumulation& accumulation, MatrixView<const float> C0,
                  MatrixView<float> D);
void matmul_codes(MatrixView<const float> A, MatrixView<const float> B,
                  const Accumulation& accumulation, MatrixView<const float> C0,
                  MatrixView<float> D);
// int8 codes to int32, exact (wraps as the hardware does).
void matmul_codes(MatrixView<const std::int8_t> A, MatrixView<const std::int8_t> B,
                  MatrixView<const std::int32_t> C0, MatrixView<std::int32_t> D);

// Real products C = alpha op(A) op(B) + beta C, row-major, op = transpose when asked.
// Shapes: op(A) [M, K], op(B) [K, N]. The fastest library present; bits not promised.
void product(MatrixView<const float> A, bool transpose_a, MatrixView<const float> B,
             bool transpose_b, MatrixView<float> C, float alpha = 1.0f, float beta = 0.0f);
void product(MatrixView<const double> A, bool transpose_a, MatrixView<const double> B,
             bool transpose_b, MatrixView<double> C, double alpha = 1.0, double beta = 0.0);

// What product() and the kernels run on, by name.
struct Library {
  std::string name, version, role;
};
std::vector<Library> product_libraries();

}  // namespace sylvester
