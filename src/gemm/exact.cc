#include "gemm/exact_sum.h"
#include "gemm/kernels.h"
#include "sylvester/core/buffer.h"
#include "sylvester/core/parallel.h"

namespace sylvester::detail {
namespace {

// code - zero, times the scale when asked, exact: <= 24 + 24 bits of significand.
void decode_double(const OperandView& x, std::int64_t row, bool scaled, float* scratch,
                   double* out) {
  OperandView codes = x;
  codes.scaling.zeros = nullptr;
  decode_rows(codes, row, 1, scratch);
  for (std::int64_t k = 0; k < x.K; ++k) {
    const double value = static_cast<double>(scratch[k]) - x.zero(row, k);
    out[k] = scaled ? value * x.scale(row, k) : value;
  }
}

}  // namespace

void exact_product(const OperandView& A, const OperandView& B, bool scaled, MatrixView<float> D) {
  const std::int64_t K = A.K;
  Buffer<double> b(B.rows * K);
  parallel_for(B.rows, 16, [&](std::int64_t begin, std::int64_t end) {
    Buffer<float> scratch(K);
    for (std::int64_t n = begin; n < end; ++n) {
      decode_double(B, n, scaled, scratch.data(), b.data() + n * K);
    }
  });
  parallel_for(A.rows, 1, [&](std::int64_t begin, std::int64_t end) {
    Buffer<float> scratch(K);
    Buffer<double> a(K);
    for (std::int64_t m = begin; m < end; ++m) {
      decode_double(A, m, scaled, scratch.data(), a.data());
      for (std::int64_t n = 0; n < B.rows; ++n) {
        ExactSum sum;
        for (std::int64_t k = 0; k < K; ++k) sum.add_product(a[k], b[n * K + k]);
        D(m, n) = sum.to_float();
      }
    }
  });
}

}  // namespace sylvester::detail
