// One rounding of the exact sum, for every pair of formats.
//
// The definition adds every product in a 1024-bit accumulator. The fast form cuts both operands
// into slices of w bits such that 2 w + log2(K) <= 53: products of slices and their sums are then
// exact in double in any order, so a library's dgemm computes them (Ozaki, Ogita, Oishi, Rump,
// "Error-free transformations of matrix multiplication", Numer. Algorithms 59, 2012). Small
// integers go through the int32 engine.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "gemm/exact_sum.h"
#include "gemm/kernels.h"
#include "sylvester/core/buffer.h"
#include "sylvester/core/parallel.h"
#include "sylvester/core/target.h"

namespace sylvester::detail {
namespace {

// code - zero, times the scale when asked, exact: <= 24 + 24 bits of significand.
void decode_double(const OperandView& x, std::int64_t row, bool scaled, float* scratch,
                   double* out) {
  OperandView codes = x;
  codes.scaling.zeros = nullptr;
  decode_rows(codes, row, 1, scratch);
  if (x.scaling.zeros == nullptr && (!scaled || x.scaling.scales == nullptr)) {
    std::copy_n(scratch, x.K, out);
    return;
  }
  for (std::int64_t k = 0; k < x.K; ++k) {
    const double value = static_cast<double>(scratch[k]) - x.zero(row, k);
    out[k] = scaled ? value * x.scale(row, k) : value;
  }
}

Buffer<double> decode_all(const OperandView& x, bool scaled) {
  Buffer<double> out(x.rows * x.K);
  parallel_for(x.rows, 16, [&](std::int64_t begin, std::int64_t end) {
    Buffer<float> scratch(x.K);
    for (std::int64_t r = begin; r < end; ++r) {
      decode_double(x, r, scaled, scratch.data(), out.data() + r * x.K);
    }
  });
  return out;
}

float exact_output(const double* a, const double* b, std::int64_t K) {
  ExactSum sum;
  for (std::int64_t k = 0; k < K; ++k) sum.add_product(a[k], b[k]);
  return sum.to_float();
}

void scalar_exact(const Buffer<double>& a, const Buffer<double>& b, std::int64_t K,
                  MatrixView<float> D) {
  parallel_for(D.rows, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t m = begin; m < end; ++m) {
      for (std::int64_t n = 0; n < D.cols; ++n) {
        D(m, n) = exact_output(a.data() + m * K, b.data() + n * K, K);
      }
    }
  });
}

// ------------------------------------------------------------------------------------------ slices

// Bits in use over a whole operand: every finite value is a multiple of 2^low below 2^high.
struct Span {
  int low = std::numeric_limits<int>::max();
  int high = std::numeric_limits<int>::min();
  int bits() const { return std::max(1, high - low); }
};

Span span_of(const Buffer<double>& x) {
  Span span;
  for (const double v : x) {
    const auto bits = std::bit_cast<std::uint64_t>(v);
    const int field = static_cast<int>((bits >> 52) & 0x7FF);
    if (field == 0 || field == 0x7FF)
      continue;  // zero (doubles here are never subnormal) or not finite
    const std::uint64_t fraction = (bits & ((std::uint64_t{1} << 52) - 1)) | std::uint64_t{1} << 52;
    const int exponent = field - 1023;
    span.high = std::max(span.high, exponent + 1);
    span.low = std::min(span.low, exponent - 52 + std::countr_zero(fraction));
  }
  if (span.high < span.low) span = {0, 1};
  return span;
}

struct Slices {
  std::vector<Buffer<double>> part;
  std::vector<int> unit;          // part[s] holds multiples of 2^unit[s]
  std::vector<std::int64_t> odd;  // rows with Inf or NaN; zeros in the parts
};

Slices cut(const Buffer<double>& x, std::int64_t rows, std::int64_t K, Span span, int width) {
  Slices out;
  const int count = (span.bits() + width - 1) / width;
  std::vector<double> down, up;
  for (int s = count - 1; s >= 0; --s) {
    out.unit.push_back(span.low + s * width);
    out.part.emplace_back(x.size());
    down.push_back(std::ldexp(1.0, -out.unit.back()));
    up.push_back(std::ldexp(1.0, out.unit.back()));
  }
  for (std::int64_t r = 0; r < rows; ++r) {
    bool finite = true;
    for (std::int64_t i = r * K; i < (r + 1) * K; ++i) {
      const bool good = std::isfinite(x[i]);
      finite = finite && good;
      double rest = good ? x[i] : 0.0;
      for (std::size_t s = 0; s < out.part.size(); ++s) {
        const double high = std::trunc(rest * down[s]) * up[s];
        out.part[s][i] = high;
        rest -= high;
      }
    }
    if (!finite) out.odd.push_back(r);
  }
  return out;
}

struct Widths {
  int a, b;
};
Widths slice_widths(const Span& a, const Span& b, std::int64_t K) {
  const int budget = 53 - static_cast<int>(std::ceil(std::log2(static_cast<double>(K) + 1)));
  if (a.bits() + b.bits() <= budget) return {a.bits(), b.bits()};
  if (a.bits() <= budget / 2) return {a.bits(), budget - a.bits()};
  if (b.bits() <= budget / 2) return {budget - b.bits(), b.bits()};
  return {budget / 2, budget / 2};
}

// The sum of exact doubles, each a multiple of its unit, rounded once.
float rounded_sum(const std::vector<Buffer<double>>& parts, const std::vector<int>& units,
                  std::int64_t at, int low, bool narrow) {
  if (parts.size() == 1) return static_cast<float>(parts[0][at] + 0.0);  // -0 becomes +0
  if (narrow) {  // all of it fits 126 bits above 2^low, and the result is no float32 subnormal
    __int128 sum = 0;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const auto whole = static_cast<std::int64_t>(std::ldexp(parts[i][at], -units[i]));
      sum += static_cast<__int128>(whole) * (static_cast<__int128>(1) << (units[i] - low));
    }
    return std::ldexp(static_cast<float>(sum), low);
  }
  ExactSum sum;
  for (const Buffer<double>& part : parts) sum.add_product(part[at], 1.0);
  return sum.to_float();
}

// False when the values span so many bits that the definition is cheaper.
bool sliced_exact(const Buffer<double>& a, const Buffer<double>& b, std::int64_t K,
                  MatrixView<float> D) {
  const Span span_a = span_of(a), span_b = span_of(b);
  const Widths width = slice_widths(span_a, span_b, K);
  if (width.a < 1 || width.b < 1) return false;
  const int count_a = (span_a.bits() + width.a - 1) / width.a;
  const int count_b = (span_b.bits() + width.b - 1) / width.b;
  if (count_a * count_b > 24 || std::abs(span_a.low) > 900 || std::abs(span_b.low) > 900) {
    return false;
  }
  const Slices sa = cut(a, D.rows, K, span_a, width.a);
  const Slices sb = cut(b, D.cols, K, span_b, width.b);
  const int low = span_a.low + span_b.low;
  const bool narrow =
      span_a.bits() + span_b.bits() + 33 <= 126 && low > -120 && span_a.high + span_b.high < 90;
  constexpr std::int64_t kRows = 256;
  for (std::int64_t m0 = 0; m0 < D.rows; m0 += kRows) {
    const std::int64_t rows = std::min(kRows, D.rows - m0);
    std::vector<Buffer<double>> parts;
    std::vector<int> units;
    for (std::size_t i = 0; i < sa.part.size(); ++i) {
      for (std::size_t j = 0; j < sb.part.size(); ++j) {
        parts.emplace_back(rows * D.cols);
        units.push_back(sa.unit[i] + sb.unit[j]);
        product(MatrixView<const double>(sa.part[i].data() + m0 * K, rows, K), false,
                MatrixView<const double>(sb.part[j].data(), D.cols, K), true,
                MatrixView<double>(parts.back().data(), rows, D.cols));
      }
    }
    parallel_for(rows, 8, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        for (std::int64_t n = 0; n < D.cols; ++n) {
          D(m0 + r, n) = rounded_sum(parts, units, r * D.cols + n, low, narrow);
        }
      }
    });
  }
  for (const std::int64_t m : sa.odd) {
    for (std::int64_t n = 0; n < D.cols; ++n) {
      D(m, n) = exact_output(a.data() + m * K, b.data() + n * K, K);
    }
  }
  for (const std::int64_t n : sb.odd) {
    for (std::int64_t m = 0; m < D.rows; ++m) {
      D(m, n) = exact_output(a.data() + m * K, b.data() + n * K, K);
    }
  }
  return true;
}

// Small integers: an int32 sum that cannot wrap, one conversion, a power of two.
bool integer_exact(const OperandView& A, const OperandView& B, MatrixView<float> D) {
  constexpr std::int64_t kMostK = 131071;  // 2^31 / 2^14 - 1
  if (A.K > kMostK || A.scaling.zeros != nullptr || B.scaling.zeros != nullptr) return false;
  const IntegerView a = integer_view(A);
  if (!a.ok) return false;
  const IntegerView b = integer_view(B);
  if (!b.ok) return false;
  OuterScales unit;
  unit.a.resize(A.rows);
  unit.a.fill(std::ldexp(1.0f, -a.point - b.point));
  integer_product(a.view, b.view, unit, D);
  return true;
}

}  // namespace

void exact_product(const OperandView& A, const OperandView& B, bool scaled, MatrixView<float> D) {
  if (!scalar_target() && !scaled && integer_exact(A, B, D)) return;
  const Buffer<double> a = decode_all(A, scaled);
  const Buffer<double> b = decode_all(B, scaled);
  if (!scalar_target() && sliced_exact(a, b, A.K, D)) return;
  scalar_exact(a, b, A.K, D);
}

}  // namespace sylvester::detail
