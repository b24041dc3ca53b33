#include <algorithm>
#include <cmath>
#include <limits>

#include "gemm/kernels.h"
#include "gemm/ordered_kernel.h"
#include "sylvester/core/buffer.h"
#include "sylvester/core/parallel.h"
#include "sylvester/core/target.h"

namespace sylvester::detail {
namespace {

Buffer<float> decode_all(const OperandView& x) {
  Buffer<float> out(x.rows * x.K);
  parallel_for(x.rows, 16, [&](std::int64_t begin, std::int64_t end) {
    decode_rows(x, begin, end - begin, out.data() + begin * x.K);
  });
  return out;
}

// The definition.
void scalar_ordered(const Buffer<float>& a, const Buffer<float>& b, std::int64_t K,
                    MatrixView<float> D) {
  parallel_for(D.rows, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t m = begin; m < end; ++m) {
      for (std::int64_t n = 0; n < D.cols; ++n) {
        const float* x = a.data() + m * K;
        const float* y = b.data() + n * K;
        float sum = 0.0f;
        for (std::int64_t k = 0; k < K; ++k) sum = std::fmaf(x[k], y[k], sum);
        D(m, n) = std::isnan(sum) ? std::numeric_limits<float>::quiet_NaN() : sum;
      }
    }
  });
}

// Panels of `width` columns of D, all rows.
void vector_ordered(const Buffer<float>& a, const Buffer<float>& b, std::int64_t K,
                    std::int64_t width, MatrixView<float> D) {
  parallel_for((D.cols + width - 1) / width, 1, [&](std::int64_t begin, std::int64_t end) {
    constexpr std::int64_t kRows = 64;
    Buffer<float> panel(width * K), sums(kRows * width);
    for (std::int64_t p = begin; p < end; ++p) {
      const std::int64_t n0 = p * width, cols = std::min(width, D.cols - n0);
      for (std::int64_t k = 0; k < K; ++k) {
        for (std::int64_t j = 0; j < width; ++j) {
          panel[k * width + j] = j < cols ? b[(n0 + j) * K + k] : 0.0f;
        }
      }
      for (std::int64_t m0 = 0; m0 < D.rows; m0 += kRows) {
        const std::int64_t rows = std::min(kRows, D.rows - m0);
        ordered_panel(a.data() + m0 * K, panel.data(), rows, K, sums.data());
        for (std::int64_t i = 0; i < rows; ++i) {
          std::copy_n(sums.data() + i * width, cols, D.row(m0 + i) + n0);
        }
      }
    }
  });
}

}  // namespace

void ordered_product(const OperandView& A, const OperandView& B, MatrixView<float> D) {
  const Buffer<float> a = decode_all(A);
  const Buffer<float> b = decode_all(B);
  const std::int64_t width = scalar_target() ? 0 : ordered_panel_width();
  if (width > 0) {
    vector_ordered(a, b, A.K, width, D);
  } else {
    scalar_ordered(a, b, A.K, D);
  }
}

}  // namespace sylvester::detail
