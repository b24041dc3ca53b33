#include <cmath>
#include <limits>

#include "gemm/kernels.h"
#include "sylvester/core/buffer.h"
#include "sylvester/core/parallel.h"

namespace sylvester::detail {

void ordered_product(const OperandView& A, const OperandView& B, MatrixView<float> D) {
  const std::int64_t K = A.K;
  Buffer<float> b(B.rows * K);
  parallel_for(B.rows, 16, [&](std::int64_t begin, std::int64_t end) {
    decode_rows(B, begin, end - begin, b.data() + begin * K);
  });
  parallel_for(A.rows, 1, [&](std::int64_t begin, std::int64_t end) {
    Buffer<float> a(K);
    for (std::int64_t m = begin; m < end; ++m) {
      decode_rows(A, m, 1, a.data());
      for (std::int64_t n = 0; n < B.rows; ++n) {
        const float* row = b.data() + n * K;
        float sum = 0.0f;
        for (std::int64_t k = 0; k < K; ++k) sum = std::fmaf(a[k], row[k], sum);
        D(m, n) = std::isnan(sum) ? std::numeric_limits<float>::quiet_NaN() : sum;
      }
    }
  });
}

}  // namespace sylvester::detail
