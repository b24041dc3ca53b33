#include "gemm/kernels.h"
#include "sylvester/core/buffer.h"
#include "sylvester/core/parallel.h"

namespace sylvester::detail {
namespace {

void dequantize_all(const OperandView& x, Buffer<float>& out) {
  out.resize(x.rows * x.K);
  parallel_for(x.rows, 16, [&](std::int64_t begin, std::int64_t end) {
    dequantize_rows(x, begin, end - begin, out.data() + begin * x.K);
  });
}

}  // namespace

void blas_product(const OperandView& A, const OperandView& B, MatrixView<float> D) {
  Buffer<float> a, b;
  dequantize_all(A, a);
  dequantize_all(B, b);
  product(MatrixView<const float>(a.data(), A.rows, A.K), false,
          MatrixView<const float>(b.data(), B.rows, B.K), true, D);
}

}  // namespace sylvester::detail
