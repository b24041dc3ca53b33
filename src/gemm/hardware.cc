// One engine for every matrix core: chains of fused steps, as docs/tensor_cores.md has them. This
// is the scalar body; src/simd/gemm_hardware.cc is the fast form.
#include <algorithm>
#include <string>

#include "gemm/fused_step.h"
#include "gemm/kernels.h"
#include "gemm/policy.h"
#include "sylvester/core/buffer.h"
#include "sylvester/core/parallel.h"
#include "sylvester/formats/convert.h"

namespace sylvester::detail {
namespace {

struct CoreFormat {
  int point, emin;
};

CoreFormat core_format(DType dtype) {
  if (dtype == DType::kFloat32) return {10, -126};  // tf32
  const Format& f = format(dtype);
  return {f.mantissa_bits, 1 - f.bias};
}

// A row's numbers in the order the instruction takes them, zeros up to `padded`.
void core_row(const OperandView& x, std::int64_t row, int interleave, std::int64_t padded,
              float* scratch, CoreNumber* out) {
  const CoreFormat f = core_format(x.format);
  decode_rows(x, row, 1, scratch);
  std::fill_n(scratch + x.K, padded - x.K, 0.0f);
  for (std::int64_t k = 0; k < padded; ++k) {
    std::int64_t from = k;
    if (interleave == 4) {  // 32 products: those with k mod 4 in {0, 1}, then {2, 3}
      const std::int64_t i = k % 32;
      from = k - i + (i % 16) / 2 * 4 + i % 2 + (i < 16 ? 0 : 2);
    }
    out[k] = core_number(scratch[from], f.point, f.emin);
  }
}

// D of a step is C of the next.
float chain(const CoreNumber* a, const CoreNumber* b, std::int64_t count, int point,
            const FusedStep& step, float c) {
  for (std::int64_t k = 0; k < count; k += step.k) {
    FusedSum sum(step);
    const std::int64_t end = std::min<std::int64_t>(count, k + step.k);
    for (std::int64_t i = k; i < end; ++i) sum.add_product(a[i], b[i], point);
    sum.add_c(c);
    c = sum.result();
  }
  return c;
}

float add_float32(float a, float b) {
  const float sum = a + b;
  return std::isnan(sum) ? core_nan() : sum;
}

// One slice of K: a plain chain, or chains from 0 added to a float32 accumulator.
float promoted(const CoreNumber* a, const CoreNumber* b, std::int64_t count, int point,
               const FusedStep& step, int promote, float c) {
  if (promote == 0) return chain(a, b, count, point, step, c);
  for (std::int64_t k = 0; k < count; k += promote) {
    const std::int64_t part = std::min<std::int64_t>(promote, count - k);
    c = add_float32(c, chain(a + k, b + k, part, point, step, 0.0f));
  }
  return c;
}

}  // namespace

ChainPlan chain_plan(const HardwareRow& row, const Accumulation& accumulation, std::int64_t K) {
  ChainPlan plan;
  plan.promote = accumulation.promote > 0 ? accumulation.promote : row.promote;
  if (plan.promote % row.step.k != 0 || (row.interleave != 0 && plan.promote % 32 != 0)) {
    throw ValueError("accumulate '" + to_string(accumulation) +
                     "': promote=" + std::to_string(plan.promote) + "; want a multiple of " +
                     std::to_string(row.interleave != 0 ? 32 : row.step.k) + " products");
  }
  const std::int64_t quanta = (K + row.split_quantum - 1) / row.split_quantum;
  plan.slice = (quanta + accumulation.split_k - 1) / accumulation.split_k * row.split_quantum;
  plan.padded = row.interleave != 0 ? (K + 31) / 32 * 32 : K;
  return plan;
}

void hardware_product(const OperandView& A, const OperandView& B, const Accumulation& accumulation,
                      MatrixView<const float> C0, MatrixView<float> D) {
  const HardwareRow& row = hardware_row(accumulation, A.format, B.format);
  const ChainPlan plan = chain_plan(row, accumulation, A.K);
  const int point = core_format(A.format).point + core_format(B.format).point;
  const std::int64_t K = plan.padded;
  Buffer<CoreNumber> b(B.rows * K);
  parallel_for(B.rows, 16, [&](std::int64_t begin, std::int64_t end) {
    Buffer<float> scratch(K);
    for (std::int64_t n = begin; n < end; ++n) {
      core_row(B, n, row.interleave, K, scratch.data(), b.data() + n * K);
    }
  });
  parallel_for(A.rows, 1, [&](std::int64_t begin, std::int64_t end) {
    Buffer<float> scratch(K);
    Buffer<CoreNumber> a(K);
    for (std::int64_t m = begin; m < end; ++m) {
      core_row(A, m, row.interleave, K, scratch.data(), a.data());
      for (std::int64_t n = 0; n < B.rows; ++n) {
        const CoreNumber* other = b.data() + n * K;
        float d = C0.data == nullptr ? 0.0f : C0(m, n);
        for (std::int64_t k = 0; k < K; k += plan.slice) {
          const std::int64_t count = std::min(plan.slice, K - k);
          const float start = k == 0 ? d : 0.0f;
          const float part =
              promoted(a.data() + k, other + k, count, point, row.step, plan.promote, start);
          d = k == 0 ? part : add_float32(d, part);
        }
        D(m, n) = d;
      }
    }
  });
}

}  // namespace sylvester::detail
