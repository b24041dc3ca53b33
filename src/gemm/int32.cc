// Integer products: exact int32 sums of signed codes, then zero points and scales.
#include <algorithm>
#include <cmath>
#include <string>

#include "gemm/kernels.h"
#include "gemm/panel_product.h"
#include "sylvester/core/buffer.h"
#include "sylvester/core/parallel.h"
#include "sylvester/core/target.h"

namespace sylvester::detail {
namespace {

// The signed byte of a code: unsigned ones are shifted by 128 so that all fit.
std::int32_t signed_code(const OperandView& x, std::int64_t r, std::int64_t k) {
  const std::uint8_t code = x.codes[r * x.row_stride + k * x.k_stride];
  return static_cast<std::int8_t>(x.unsigned_codes ? code ^ 0x80u : code);
}

// The definition.
void scalar_int32_product(const OperandView& A, const OperandView& B, const IntSink& sink) {
  parallel_for(A.rows, 1, [&](std::int64_t begin, std::int64_t end) {
    Buffer<std::int32_t> row(B.rows);
    for (std::int64_t m = begin; m < end; ++m) {
      for (std::int64_t n = 0; n < B.rows; ++n) {
        std::uint32_t sum = 0;  // unsigned: wraps as the hardware does
        for (std::int64_t k = 0; k < A.K; ++k) {
          sum += static_cast<std::uint32_t>(signed_code(A, m, k) * signed_code(B, n, k));
        }
        row[n] = static_cast<std::int32_t>(sum);
      }
      sink({row.data(), B.rows, m, 1, 0, B.rows});
    }
  });
}

PackJob pack_job(const OperandView& x) {
  PackJob job;
  job.src = x.codes;
  job.row_stride = x.row_stride;
  job.k_stride = x.k_stride;
  job.rows = x.rows;
  job.K = x.K;
  job.flip = x.unsigned_codes ? 0x80 : 0;
  return job;
}

// Zero point as an integer against signed_code. A zero point that is not finite comes with a scale
// that is not finite either, so the integer only has to be defined.
std::int64_t signed_zero(const OperandView& x, std::int64_t r) {
  const float zero = x.zero(r, 0);
  const double shift = x.unsigned_codes ? 128.0 : 0.0;
  const double z = std::isfinite(zero) ? static_cast<double>(zero) - shift : 0.0;
  constexpr double kMost = 4.0e18;  // below 2^62
  return static_cast<std::int64_t>(std::clamp(z, -kMost, kMost));
}

// What the zero points add to an output: (a - za)(b - zb) = ab - za b - zb a + za zb.
struct ZeroTerms {
  Buffer<std::int64_t> zero;  // of each row
  Buffer<std::int64_t> sum;   // of the row's signed codes
  Buffer<std::int32_t> zero32, sum32;
  double largest = 0;  // |zero|
};

ZeroTerms zero_terms(const OperandView& x) {
  ZeroTerms t{Buffer<std::int64_t>(x.rows), Buffer<std::int64_t>(x.rows),
              Buffer<std::int32_t>(x.rows), Buffer<std::int32_t>(x.rows)};
  t.sum.fill(0);
  // K outermost for a transposed operand: memory order either way.
  if (x.k_stride == 1) {
    for (std::int64_t r = 0; r < x.rows; ++r) {
      std::int64_t sum = 0;
      for (std::int64_t k = 0; k < x.K; ++k) sum += signed_code(x, r, k);
      t.sum[r] = sum;
    }
  } else {
    for (std::int64_t k = 0; k < x.K; ++k) {
      for (std::int64_t r = 0; r < x.rows; ++r) t.sum[r] += signed_code(x, r, k);
    }
  }
  for (std::int64_t r = 0; r < x.rows; ++r) {
    t.zero[r] = signed_zero(x, r);
    t.largest = std::max(t.largest, std::abs(static_cast<double>(t.zero[r])));
    t.zero32[r] = static_cast<std::int32_t>(t.zero[r]);
    t.sum32[r] = static_cast<std::int32_t>(t.sum[r]);
  }
  return t;
}

// Beyond int32: exact in int64 up to 2^62, and for larger zero points as good as double.
float corrected(std::int32_t product, std::int64_t K, std::int64_t za, std::int64_t sa,
                std::int64_t zb, std::int64_t sb, bool wide) {
  if (!wide) {
    return static_cast<float>(std::int64_t{product} - za * sb - zb * sa + K * za * zb);
  }
  using Int = __int128;
  const double high = static_cast<double>(Int{K} * za * zb);
  return static_cast<float>(high + static_cast<double>(Int{product} - Int{za} * sb - Int{zb} * sa));
}

void plain_product(const OperandView& A, const OperandView& B, const OuterScales& scales,
                   MatrixView<float> D) {
  int32_product(A, B, [&](const IntBlock& block) {
    for (std::int64_t i = 0; i < block.rows; ++i) {
      const std::int64_t m = block.m0 + i;
      scale_int_row(block.data + i * block.stride, scales.row(m), scales.cols(block.n0),
                    D.row(m) + block.n0, block.cols);
    }
  });
}

void asymmetric_product(const OperandView& A, const OperandView& B, const OuterScales& scales,
                        MatrixView<float> D) {
  const ZeroTerms a = zero_terms(A);
  const ZeroTerms b = zero_terms(B);
  const double bound = static_cast<double>(A.K) * (a.largest + 128.0) * (b.largest + 128.0);
  const bool narrow = bound < 0x1p31;
  const bool wide = bound > 0x1p62;
  int32_product(A, B, [&](const IntBlock& block) {
    Buffer<std::int32_t> ints(block.cols);
    for (std::int64_t i = 0; i < block.rows; ++i) {
      const std::int64_t m = block.m0 + i;
      const std::int32_t* row = block.data + i * block.stride;
      float* out = D.row(m) + block.n0;
      if (narrow) {
        const std::int64_t term = A.K * a.zero[m] - a.sum[m];
        add_zero_terms(row, a.zero32[m], b.sum32.data() + block.n0, b.zero32.data() + block.n0,
                       static_cast<std::int32_t>(term), ints.data(), block.cols);
        scale_int_row(ints.data(), scales.row(m), scales.cols(block.n0), out, block.cols);
        continue;
      }
      for (std::int64_t j = 0; j < block.cols; ++j) {
        const std::int64_t n = block.n0 + j;
        out[j] = corrected(row[j], A.K, a.zero[m], a.sum[m], b.zero[n], b.sum[n], wide);
      }
      scale_float_row(out, scales.row(m), scales.cols(block.n0), out, block.cols);
    }
  });
}

}  // namespace

void require_integers(const OperandView& A, const OperandView& B) {
  if (integer_operand(A) && integer_operand(B)) return;
  throw UnsupportedError("accumulate 'int32': no " + std::string(to_string(A.format)) + " x " +
                         std::string(to_string(B.format)) +
                         " product; it takes int2 ... int8. Try 'exact', which takes every format");
}

void int32_product(const OperandView& A, const OperandView& B, const IntSink& sink) {
  if (scalar_target()) return scalar_int32_product(A, B, sink);
  panel_product(int_kernel(), pack_job(A), pack_job(B), [&](const PanelBlock& block) {
    sink({static_cast<const std::int32_t*>(block.data), block.stride, block.m0, block.rows,
          block.n0, block.cols});
  });
}

void integer_product(const OperandView& A, const OperandView& B, const OuterScales& scales,
                     MatrixView<float> D) {
  const bool plain = A.scaling.zeros == nullptr && B.scaling.zeros == nullptr &&
                     !A.unsigned_codes && !B.unsigned_codes;
  plain ? plain_product(A, B, scales, D) : asymmetric_product(A, B, scales, D);
}

}  // namespace sylvester::detail
