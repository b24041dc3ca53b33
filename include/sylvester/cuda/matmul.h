// Products on the tensor cores, each under the accumulation policy that it equals: the same call
// with the same policy on the CPU (gemm/matmul.h) gives the same bits.
#pragma once

#include "sylvester/cuda/quantize.h"
#include "sylvester/gemm/accumulation.h"

namespace sylvester::cuda {

// An operand as stored, or read transposed; the latter reads codes_t, which must be there.
struct DeviceOperand {
  const DeviceQuantized* matrix = nullptr;
  bool transposed = false;
  DeviceOperand(const DeviceQuantized& m, bool transposed_in = false)  // NOLINT: implicit
      : matrix(&m), transposed(transposed_in) {}
  std::int64_t rows() const { return transposed ? matrix->cols : matrix->rows; }
  std::int64_t cols() const { return transposed ? matrix->rows : matrix->cols; }
};

// C[m, n] = sum_k A[m, k] B[n, k] times the scales. Shapes: A [M, K], B [N, K], C [M, N]
// (kFloat32 or kBFloat16, contiguous); both operands have their rows along K.
// FP8 pairs: "sm90-cublaslt" (sums promoted to float32 every 128 products) or "sm90-cublaslt-fast";
// integers: "int32". One scale a tensor each (integers also one a row). M, N, K multiples of 16 for
// FP8, any for integers. ":splitk=N" asks for an algorithm that cuts K in N slices. Errors:
// ShapeError; UnsupportedError for operands or policies the card has no such product for;
// ValueError for a scale that is not aligned to 16 bytes. Determinism: bit-exact; equal to matmul()
// of the CPU under the policy, with C rounded once.
void matmul(const DeviceOperand& A, const DeviceOperand& B, const Accumulation& accumulation,
            const DeviceMatrix& C, StreamHandle queue = nullptr);

// The same for any spec whose numbers are exact in bfloat16 (FP8, FP6, FP4, small integers; MX and
// NVFP4 with their scales): decoded to bfloat16, multiplied under "sm90-cublaslt" of bfloat16
// operands. Tensor scales are applied to the result. `work` holds the decoded operands.
void matmul_decoded(const DeviceOperand& A, const DeviceOperand& B,
                    const Accumulation& accumulation, const DeviceMatrix& C, DeviceBuffer& work,
                    StreamHandle queue = nullptr);

// C = op(A) op(B)' of bfloat16 (or float16) matrices, op = transpose when asked: op(A) [M, K],
// op(B) [N, K]; C of their type or float32. Policy "sm90-cublaslt" of such operands, ":splitk=N" as
// above. `scale`: one device float that multiplies the result, or nullptr.
void product(const DeviceMatrix& A, bool transpose_a, const DeviceMatrix& B, bool transpose_b,
             const Accumulation& accumulation, const DeviceMatrix& C, const float* scale = nullptr,
             StreamHandle queue = nullptr);

// Times the library's algorithms for each new shape and keeps the fastest, instead of taking its
// first proposal. Every algorithm of a policy gives the same bits. Off at the start.
void set_autotuning(bool on);

}  // namespace sylvester::cuda
