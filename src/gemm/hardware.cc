// One engine for every matrix core: chains of fused steps, as docs/tensor_cores.md has them. The
// scalar body here is the definition; vectors of columns (fused_panel.h) do the work where they
// can.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <string>

#include "gemm/fused_panel.h"
#include "gemm/fused_step.h"
#include "gemm/kernels.h"
#include "gemm/policy.h"
#include "sylvester/core/buffer.h"
#include "sylvester/core/parallel.h"
#include "sylvester/core/target.h"

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

// What both bodies know about one product.
struct Job {
  const OperandView& A;
  const OperandView& B;
  const HardwareRow& row;
  ChainPlan plan;
  MatrixView<const float> C0;
  MatrixView<float> D;
  int point = core_format(A.format).point + core_format(B.format).point;

  float start(std::int64_t m, std::int64_t n) const { return C0.data == nullptr ? 0.0f : C0(m, n); }
};

// Where the instruction's k-th product lies in the operand.
std::int64_t source_k(const Job& job, std::int64_t k) {
  if (job.row.interleave != 4) return k;
  const std::int64_t i = k % 32;  // those with k mod 4 in {0, 1} first, then {2, 3}
  return k - i + (i % 16) / 2 * 4 + i % 2 + (i < 16 ? 0 : 2);
}

// The exponent of a ue8m0 scale that enters the sum, or nothing for its NaN.
constexpr int kNanScale = 1 << 20;
int scale_exponent(const Job& job, const OperandView& x, std::int64_t r, std::int64_t k) {
  if (job.row.scales != ScaleInput::kBlock32) return 0;
  const std::uint8_t code = x.scaling.codes[x.scaling.index(r, x.k_first + k)];
  return code == 0xFF ? kNanScale : static_cast<int>(code) - 127;
}

// A row's numbers in the order the instruction takes them, zeros up to plan.padded.
void core_row(const Job& job, const OperandView& x, std::int64_t row, float* scratch,
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
float chain(const Job& job, const CoreNumber* a, const CoreNumber* b, std::int64_t count, float c) {
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
float promoted(const Job& job, const CoreNumber* a, const CoreNumber* b, std::int64_t count,
               float c) {
  const std::int64_t promote = job.plan.promote;
  if (promote == 0) return chain(job, a, b, count, c);
  for (std::int64_t k = 0; k < count; k += promote) {
    c = add_float32(c, chain(job, a + k, b + k, std::min(promote, count - k), 0.0f));
  }
  return c;
}

float scalar_output(const Job& job, const CoreNumber* a, const CoreNumber* b, float c0) {
  float d = c0;
  for (std::int64_t k = 0; k < job.plan.padded; k += job.plan.slice) {
    const std::int64_t count = std::min(job.plan.slice, job.plan.padded - k);
    const float part = promoted(job, a + k, b + k, count, k == 0 ? c0 : 0.0f);
    d = k == 0 ? part : add_float32(d, part);
  }
  return d;
}

void scalar_product(const Job& job) {
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

// ------------------------------------------------------------------------------- vectors of
// columns

// Value and exponent of one operand element, as FusedPanel takes them.
struct Element {
  float value;
  std::int16_t exponent;
};

Element element(float x, const CoreFormat& f, int scale) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const int field = static_cast<int>((bits >> 23) & 0xFF);
  if (field == 0xFF || scale == kNanScale) return {0.0f, kSpecialExponent};
  if ((bits & 0x7FFFFFFFu) == 0) return {0.0f, kZeroExponent};
  const int exponent = std::max(std::max(field, 1) - 127, f.emin) + scale;
  const auto short_exponent = static_cast<std::int16_t>(exponent);
  if (scale == 0) return {x, short_exponent};
  // A scaled value must itself be a float32; the scalar body takes what is not.
  if (exponent < -120 || exponent > 120) return {0.0f, kSpecialExponent};
  const float half = std::bit_cast<float>(static_cast<std::uint32_t>(127 + scale / 2) << 23);
  const float rest =
      std::bit_cast<float>(static_cast<std::uint32_t>(127 + scale - scale / 2) << 23);
  return {x * half * rest, short_exponent};
}

using ElementTable = std::array<Element, 256>;

ElementTable element_table(const OperandView& x) {
  const CoreFormat f = core_format(x.format);
  const ValueTable& values = value_table(x.format, false);
  ElementTable table{};
  for (std::size_t i = 0; i < table.size(); ++i) table[i] = element(values[i], f, 0);
  return table;
}

// The rows of one operand in the order the instruction takes them, zeros up to plan.padded.
class ElementRows {
 public:
  ElementRows(const Job& job, const OperandView& x)
      : job_(job),
        x_(x),
        f_(core_format(x.format)),
        plain_(job.row.interleave == 0 && job.row.scales == ScaleInput::kNone) {
    if (x.codes != nullptr) table_ = element_table(x);
  }

  void read(std::int64_t row, float* scratch, float* values, std::int16_t* exponents) const {
    const auto store = [&](std::int64_t k, Element e) {
      values[k] = e.value;
      exponents[k] = e.exponent;
    };
    for (std::int64_t k = x_.K; k < job_.plan.padded; ++k) store(k, {0.0f, kZeroExponent});
    if (x_.codes != nullptr && job_.row.scales == ScaleInput::kNone) {
      const std::uint8_t* codes = x_.codes + row * x_.row_stride;
      if (plain_) {
        for (std::int64_t k = 0; k < x_.K; ++k) store(k, table_[codes[k * x_.k_stride]]);
        return;
      }
      for (std::int64_t k = 0; k < job_.plan.padded; ++k) {
        const std::int64_t from = source_k(job_, k);
        store(k, from < x_.K ? table_[codes[from * x_.k_stride]] : Element{0.0f, kZeroExponent});
      }
      return;
    }
    decode_rows(x_, row, 1, scratch);
    // tf32 ignores the low 13 bits; a NaN that would lose all its bits stays one.
    const std::uint32_t mask = x_.format == DType::kFloat32 ? 0xFFFFE000u : 0xFFFFFFFFu;
    for (std::int64_t k = 0; k < job_.plan.padded; ++k) {
      const std::int64_t from = plain_ ? k : source_k(job_, k);
      if (from >= x_.K) {
        store(k, {0.0f, kZeroExponent});
        continue;
      }
      const float x = scratch[from];
      const auto cut = std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) & mask);
      const int scale = plain_ ? 0 : scale_exponent(job_, x_, row, from);
      store(k, x != x ? Element{0.0f, kSpecialExponent} : element(cut, f_, scale));
    }
  }

 private:
  const Job& job_;
  const OperandView& x_;
  CoreFormat f_;
  bool plain_;
  ElementTable table_{};
};

class VectorProduct {
 public:
  VectorProduct(const Job& job, std::int64_t width)
      : job_(job), width_(width), K_(job.plan.padded), panels_((job.B.rows + width - 1) / width) {}

  void run() {
    pack_a();
    pack_b();
    constexpr std::int64_t kBlock = 32;  // rows of one task
    const std::int64_t row_blocks = (job_.A.rows + kBlock - 1) / kBlock;
    const std::int64_t tasks = row_blocks * panels_;
    const double work = static_cast<double>(job_.A.rows) * job_.B.rows * K_;
    parallel_blocks(tasks, work < 1 << 15 ? tasks : 1,
                    [&](std::int64_t, std::int64_t t, std::int64_t end) {
                      for (; t < end; ++t) {
                        const std::int64_t m0 = t % row_blocks * kBlock;
                        window(m0, std::min(kBlock, job_.A.rows - m0), t / row_blocks);
                      }
                    });
  }

 private:
  void pack_a() {
    a_.resize(job_.A.rows * K_);
    a_exponents_.resize(job_.A.rows * K_);
    const ElementRows rows(job_, job_.A);
    parallel_for(job_.A.rows, 32, [&](std::int64_t begin, std::int64_t end) {
      Buffer<float> scratch(K_);
      for (std::int64_t m = begin; m < end; ++m) {
        rows.read(m, scratch.data(), a_.data() + m * K_, a_exponents_.data() + m * K_);
      }
    });
  }
  void pack_b() {
    b_.resize(panels_ * width_ * K_);
    b_exponents_.resize(panels_ * width_ * K_);
    const ElementRows rows(job_, job_.B);
    parallel_for(panels_, 4, [&](std::int64_t begin, std::int64_t end) {
      Buffer<float> scratch(K_), values(width_ * K_);
      Buffer<std::int16_t> exponents(width_ * K_);
      for (std::int64_t p = begin; p < end; ++p) {
        for (std::int64_t j = 0; j < width_; ++j) {
          const std::int64_t n = std::min(p * width_ + j, job_.B.rows - 1);  // repeats the last
          rows.read(n, scratch.data(), values.data() + j * K_, exponents.data() + j * K_);
        }
        interleave(values.data(), exponents.data(), b_.data() + p * width_ * K_,
                   b_exponents_.data() + p * width_ * K_);
      }
    });
  }
  void interleave(const float* values, const std::int16_t* exponents, float* out,
                  std::int16_t* out_exponents) const {
    for (std::int64_t k = 0; k < K_; k += 2) {
      for (std::int64_t j = 0; j < width_; ++j) {
        out[k * width_ + j] = values[j * K_ + k];
        out[(k + 1) * width_ + j] = values[j * K_ + k + 1];
        out_exponents[k * width_ + 2 * j] = exponents[j * K_ + k];
        out_exponents[k * width_ + 2 * j + 1] = exponents[j * K_ + k + 1];
      }
    }
  }

  // Rows [m0, m0 + rows) of one panel. K goes in stretches whose part of B stays in the L1 cache,
  // where the chain can be taken up again: C of the next step is all that is carried.
  void window(std::int64_t m0, std::int64_t rows, std::int64_t p) {
    static thread_local Buffer<float> sums;
    static thread_local Buffer<std::uint8_t> redo;
    sums.resize(rows * width_);
    redo.resize(rows * width_);
    redo.fill(0);
    const std::int64_t n0 = p * width_;
    const std::int64_t cols = std::min(width_, job_.B.rows - n0);
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t j = 0; j < width_; ++j) {
        sums[i * width_ + j] = j < cols ? job_.start(m0 + i, n0 + j) : 0.0f;
      }
    }
    const std::int64_t stretch = stretch_length();
    for (std::int64_t k = 0; k < K_; k += stretch) {
      FusedPanel panel;
      panel.a = a_.data() + m0 * K_ + k;
      panel.a_exponents = a_exponents_.data() + m0 * K_ + k;
      panel.a_stride = K_;
      panel.rows = rows;
      panel.b = b_.data() + (p * K_ + k) * width_;
      panel.b_exponents = b_exponents_.data() + (p * K_ + k) * width_;
      panel.K = std::min(stretch, K_ - k);
      panel.step = &job_.row.step;
      panel.slice = job_.plan.slice;
      panel.promote = job_.plan.promote;
      panel.start = panel.out = sums.data();
      panel.redo = redo.data();
      fused_panel(panel);
    }
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t j = 0; j < cols; ++j) {
        if (redo[i * width_ + j] != 0) {
          redo_output(m0 + i, n0 + j);
        } else {
          job_.D(m0 + i, n0 + j) = sums[i * width_ + j];
        }
      }
    }
  }

  std::int64_t stretch_length() const {
    constexpr std::int64_t kStretch = 256;
    if (job_.plan.slice < K_) return K_;
    const std::int64_t unit = std::max<std::int64_t>(job_.plan.promote, job_.row.step.k);
    return std::max<std::int64_t>(1, kStretch / unit) * unit;
  }

  void redo_output(std::int64_t m, std::int64_t n) {
    static thread_local Buffer<CoreNumber> a, b;
    static thread_local Buffer<float> scratch;
    a.resize(K_);
    b.resize(K_);
    scratch.resize(K_);
    core_row(job_, job_.A, m, scratch.data(), a.data());
    core_row(job_, job_.B, n, scratch.data(), b.data());
    job_.D(m, n) = scalar_output(job_, a.data(), b.data(), job_.start(m, n));
  }

  const Job& job_;
  std::int64_t width_, K_, panels_;
  Buffer<float> a_, b_;
  Buffer<std::int16_t> a_exponents_, b_exponents_;
};

}  // namespace

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
  const Job job{A, B, row, chain_plan(row, accumulation, A.K), C0, D};
  const std::int64_t width = scalar_target() ? 0 : fused_panel_width();
  if (A.rows == 0 || B.rows == 0) return;
  if (width > 0) {
    VectorProduct(job, width).run();
  } else {
    scalar_product(job);
  }
}

}  // namespace sylvester::detail
