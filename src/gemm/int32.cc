#include <algorithm>
#include <cmath>
#include <string>

#include "gemm/kernels.h"
#include "sylvester/core/buffer.h"
#include "sylvester/core/parallel.h"

namespace sylvester::detail {
namespace {

// The signed byte of a code: unsigned ones are shifted by 128 so that all fit.
std::int32_t signed_code(const OperandView& x, std::int64_t r, std::int64_t k) {
  const std::uint8_t code = x.codes[r * x.row_stride + k * x.k_stride];
  return static_cast<std::int8_t>(x.unsigned_codes ? code ^ 0x80u : code);
}

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

// Zero point as an integer against signed_code. NaN scales come with any zero point: the result is
// NaN by its scale, so the integer only has to be defined.
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
  Buffer<std::int64_t> sum;   // of the row's codes
  double largest = 0;         // |zero|
};

ZeroTerms zero_terms(const OperandView& x) {
  ZeroTerms terms{Buffer<std::int64_t>(x.rows), Buffer<std::int64_t>(x.rows)};
  for (std::int64_t r = 0; r < x.rows; ++r) {
    terms.zero[r] = signed_zero(x, r);
    terms.largest = std::max(terms.largest, std::abs(static_cast<double>(terms.zero[r])));
    std::int64_t sum = 0;
    for (std::int64_t k = 0; k < x.K; ++k) sum += signed_code(x, r, k);
    terms.sum[r] = sum;
  }
  return terms;
}

float corrected(std::int32_t product, std::int64_t K, std::int64_t za, std::int64_t sa,
                std::int64_t zb, std::int64_t sb, bool wide) {
  if (!wide) {
    return static_cast<float>(std::int64_t{product} - za * sb - zb * sa + K * za * zb);
  }
  using Int = __int128;
  const double high = static_cast<double>(Int{K} * za * zb);  // only reached by absurd zero points
  return static_cast<float>(high + static_cast<double>(Int{product} - Int{za} * sb - Int{zb} * sa));
}

}  // namespace

void require_integers(const OperandView& A, const OperandView& B) {
  if (integer_operand(A) && integer_operand(B)) return;
  throw UnsupportedError("accumulate 'int32': no " + std::string(to_string(A.format)) + " x " +
                         std::string(to_string(B.format)) +
                         " product; it takes int2 ... int8. Try 'exact', which takes every format");
}

void int32_product(const OperandView& A, const OperandView& B, const IntSink& sink) {
  scalar_int32_product(A, B, sink);
}

void integer_product(const OperandView& A, const OperandView& B, MatrixView<float> D) {
  const bool plain = A.scaling.zeros == nullptr && B.scaling.zeros == nullptr &&
                     !A.unsigned_codes && !B.unsigned_codes;
  if (plain) {
    int32_product(A, B, [&](const IntBlock& block) {
      for (std::int64_t i = 0; i < block.rows; ++i) {
        const std::int32_t* row = block.data + i * block.stride;
        float* out = D.row(block.m0 + i) + block.n0;
        for (std::int64_t j = 0; j < block.cols; ++j) out[j] = static_cast<float>(row[j]);
      }
    });
    return;
  }
  const ZeroTerms a = zero_terms(A);
  const ZeroTerms b = zero_terms(B);
  const double bound = static_cast<double>(A.K) * (a.largest + 128.0) * (b.largest + 128.0);
  const bool wide = bound > 0x1p62;
  int32_product(A, B, [&](const IntBlock& block) {
    for (std::int64_t i = 0; i < block.rows; ++i) {
      const std::int64_t m = block.m0 + i;
      const std::int32_t* row = block.data + i * block.stride;
      for (std::int64_t j = 0; j < block.cols; ++j) {
        const std::int64_t n = block.n0 + j;
        D(m, n) = corrected(row[j], A.K, a.zero[m], a.sum[m], b.zero[n], b.sum[n], wide);
      }
    }
  });
}

}  // namespace sylvester::detail
