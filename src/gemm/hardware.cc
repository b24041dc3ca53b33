// One engine for every matrix core: chains of fused steps, as docs/tensor_cores.md has them. The
// scalar body here is the definition; vectors of columns (hardware_panels.cc) do the work where
// they can.
#include <algorithm>
#include <bit>
#include <cmath>
#include <string>

#include "gemm/fused_step.h"
#include "gemm/hardware_job.h"
#include "gemm/kernels.h"
#include "gemm/policy.h"
#include "sylvester/core/buffer.h"
#include "sylvester/core/parallel.h"
#include "sylvester/core/target.h"

namespace sylvester::detail {

CoreFormat core_format(DType dtype) {
  if (dtype == DType::kFloat32) return {10, -126};  // tf32
  const Format& f = format(dtype);
  return {f.mantissa_bits, 1 - f.bias};
}

namespace {

// A row's numbers in the order the instruction takes them, zeros up to plan.padded.
void core_row(const HardwareJob& job, const OperandView& x, std::int64_t row, float* scratch,
              CoreNumber* out) {
  const CoreFormat f = core_format(x.format);
  decode_rows(x, row, 1, scratch);
  for (std::int64_t k = 0; k < job.plan.padded; ++k) {
    const std::int64_t from = source_k(job, k);
    out[k] = CoreNumber();
    if (from >= x.K) continue;
    out[k] = core_number(scratch[from], f.point, f.emin);
    const int scale = scale_exponent(job, x, row, from);
    if (scale == kNanScale) {
      out[k].kind = CoreClass::kNan;
    } else {
      out[k].exponent = static_cast<std::int16_t>(out[k].exponent + scale);
    }
  }
}

// D of a step is C of the next.
float chain(const HardwareJob& job, const CoreNumber* a, const CoreNumber* b, std::int64_t count,
            float c) {
  const FusedStep& step = job.row.step;
  for (std::int64_t k = 0; k < count; k += step.k) {
    FusedSum sum(step);
    const std::int64_t end = std::min<std::int64_t>(count, k + step.k);
    for (std::int64_t i = k; i < end; ++i) sum.add_product(a[i], b[i], job.point);
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
float promoted(const HardwareJob& job, const CoreNumber* a, const CoreNumber* b, std::int64_t count,
               float c) {
  const std::int64_t promote = job.plan.promote;
  if (promote == 0) return chain(job, a, b, count, c);
  for (std::int64_t k = 0; k < count; k += promote) {
    c = add_float32(c, chain(job, a + k, b + k, std::min(promote, count - k), 0.0f));
  }
  return c;
}

float scalar_output(const HardwareJob& job, const CoreNumber* a, const CoreNumber* b, float c0) {
  float d = c0;
  for (std::int64_t k = 0; k < job.plan.padded; k += job.plan.slice) {
    const std::int64_t count = std::min(job.plan.slice, job.plan.padded - k);
    const float part = promoted(job, a + k, b + k, count, k == 0 ? c0 : 0.0f);
    d = k == 0 ? part : add_float32(d, part);
  }
  return d;
}

void scalar_product(const HardwareJob& job) {
  const std::int64_t K = job.plan.padded;
  Buffer<CoreNumber> b(job.B.rows * K);
  parallel_for(job.B.rows, 16, [&](std::int64_t begin, std::int64_t end) {
    Buffer<float> scratch(K);
    for (std::int64_t n = begin; n < end; ++n) {
      core_row(job, job.B, n, scratch.data(), b.data() + n * K);
    }
  });
  parallel_for(job.A.rows, 1, [&](std::int64_t begin, std::int64_t end) {
    Buffer<float> scratch(K);
    Buffer<CoreNumber> a(K);
    for (std::int64_t m = begin; m < end; ++m) {
      core_row(job, job.A, m, scratch.data(), a.data());
      for (std::int64_t n = 0; n < job.B.rows; ++n) {
        job.D(m, n) = scalar_output(job, a.data(), b.data() + n * K, job.start(m, n));
      }
    }
  });
}

}  // namespace

void scalar_element(const HardwareJob& job, std::int64_t m, std::int64_t n) {
  static thread_local Buffer<CoreNumber> a, b;
  static thread_local Buffer<float> scratch;
  const std::int64_t K = job.plan.padded;
  a.resize(K);
  b.resize(K);
  scratch.resize(K);
  core_row(job, job.A, m, scratch.data(), a.data());
  core_row(job, job.B, n, scratch.data(), b.data());
  job.D(m, n) = scalar_output(job, a.data(), b.data(), job.start(m, n));
}

ChainPlan chain_plan(const HardwareRow& row, const Accumulation& accumulation, std::int64_t K) {
  ChainPlan plan;
  plan.promote = accumulation.promote > 0 ? accumulation.promote : row.promote;
  const std::int64_t unit = row.interleave != 0 ? 32 : row.step.k;
  if (plan.promote % unit != 0) {
    throw ValueError("accumulate '" + to_string(accumulation) +
                     "': promote=" + std::to_string(plan.promote) + "; want a multiple of " +
                     std::to_string(unit) + " products");
  }
  const std::int64_t quanta =
      std::max<std::int64_t>(1, (K + row.split_quantum - 1) / row.split_quantum);
  plan.slice = (quanta + accumulation.split_k - 1) / accumulation.split_k * row.split_quantum;
  plan.padded = (K + unit - 1) / unit * unit;  // zeros add nothing
  return plan;
}

void hardware_product(const OperandView& A, const OperandView& B, const Accumulation& accumulation,
                      ScaleInput scales, MatrixView<const float> C0, MatrixView<float> D) {
  const HardwareRow& row = hardware_row(accumulation, A.format, B.format, scales);
  const HardwareJob job{A, B, row, chain_plan(row, accumulation, A.K), C0, D};
  if (A.rows == 0 || B.rows == 0) return;
  if (scalar_target() || !vector_product(job)) scalar_product(job);
}

}  // namespace sylvester::detail
