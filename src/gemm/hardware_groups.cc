// FP4 with block scales (tcgen05 kind::mxf4nvf4, sm_120 mma k = 64): four groups of 16 products are
// added exactly, multiplied by their scales, and meet C in one fused step.
#include <algorithm>

#include "gemm/fused_step.h"
#include "gemm/kernels.h"
#include "gemm/policy.h"
#include "sylvester/core/parallel.h"

namespace sylvester::detail {
namespace {

constexpr std::int64_t kGroup = 16;
constexpr int kPoint =
    8;  // fraction bits of q sigA sigB: 1 + 1 of the elements, 3 + 3 of the scales

// A float4_e2m1fn code in units of 1/2.
int half_units(std::uint8_t code) {
  constexpr int kMagnitude[8] = {0, 1, 2, 3, 4, 6, 8, 12};
  const int magnitude = kMagnitude[code & 7];
  return (code & 8) != 0 ? -magnitude : magnitude;
}

// significand * 2^(exponent - 3); the sign of an E4M3 scale is ignored.
struct Scale {
  int significand = 8, exponent = 0;
  bool nan = false;
};

Scale scale_of(const OperandView& x, std::int64_t row, std::int64_t k) {
  const std::uint8_t code = x.scaling.codes[x.scaling.index(row, x.k_first + k)];
  if (x.scaling.format == DType::kFloat8E8M0FNU)
    return {8, static_cast<int>(code) - 127, code == 0xFF};
  const int field = (code >> 3) & 15, mantissa = code & 7;
  const bool nan = (code & 0x7F) == 0x7F;
  return field == 0 ? Scale{mantissa, -6, nan} : Scale{8 + mantissa, field - 7, nan};
}

float grouped_output(const OperandView& A, const OperandView& B, const FusedStep& step,
                     std::int64_t m, std::int64_t n, float c) {
  for (std::int64_t k0 = 0; k0 < A.K; k0 += step.k) {
    FusedSum sum(step);
    const std::int64_t end = std::min<std::int64_t>(A.K, k0 + step.k);
    for (std::int64_t g = k0; g < end; g += kGroup) {
      std::int64_t q = 0;
      for (std::int64_t k = g; k < std::min(end, g + kGroup); ++k) {
        q += half_units(A.codes[m * A.row_stride + k * A.k_stride]) *
             half_units(B.codes[n * B.row_stride + k * B.k_stride]);
      }
      const Scale a = scale_of(A, m, g), b = scale_of(B, n, g);
      if (a.nan || b.nan) sum.add_nan();
      sum.add_term(q * a.significand * b.significand, a.exponent + b.exponent, kPoint);
    }
    sum.add_c(c);
    c = sum.result();
  }
  return c;
}

}  // namespace

void grouped_product(const OperandView& A, const OperandView& B, const Accumulation& accumulation,
                     MatrixView<float> D) {
  const HardwareRow& row = hardware_row(accumulation, A.format, B.format, ScaleInput::kGroups16);
  parallel_for(A.rows, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t m = begin; m < end; ++m) {
      for (std::int64_t n = 0; n < B.rows; ++n) {
        D(m, n) = grouped_output(A, B, row.step, m, n, 0.0f);
      }
    }
  });
}

}  // namespace sylvester::detail
