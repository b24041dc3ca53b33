// Products under hardware policies in vectors of columns: packs of both operands for the kernels of
// fused_anchor.h and fused_panel.h, and what surrounds them.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "gemm/fused_anchor.h"
#include "gemm/fused_panel.h"
#include "gemm/hardware_job.h"
#include "sylvester/core/buffer.h"
#include "sylvester/core/parallel.h"

namespace sylvester::detail {
namespace {

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
  ElementRows(const HardwareJob& job, const OperandView& x)
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
    if (x_.codes != nullptr && job_.row.scales == ScaleInput::kNone) {
      const std::uint8_t* codes = x_.codes + row * x_.row_stride;
      if (plain_) {
        for (std::int64_t k = 0; k < x_.K; ++k) store(k, table_[codes[k * x_.k_stride]]);
        for (std::int64_t k = x_.K; k < job_.plan.padded; ++k) store(k, {0.0f, kZeroExponent});
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
  const HardwareJob& job_;
  const OperandView& x_;
  CoreFormat f_;
  bool plain_;
  ElementTable table_{};
};

// K goes in stretches whose part of B stays in the L1 cache, where the chain can be taken up again:
// C of the next step is all that is carried.
constexpr std::int64_t kStretch = 256;

// Some rows and the columns of one panel.
struct Window {
  std::int64_t m0, rows, panel;
};

// Both operands as fused_panel() takes them.
class FusedPack {
 public:
  explicit FusedPack(const HardwareJob& job)
      : job_(job),
        width_(fused_panel_width()),
        K_(job.plan.padded),
        panels_((job.B.rows + width_ - 1) / width_) {
    pack_a();
    pack_b();
  }

  std::int64_t width() const { return width_; }

  void run(const Window& w, float* sums, std::uint8_t* redo) const {
    std::fill_n(redo, w.rows * width_, std::uint8_t{0});
    const std::int64_t stretch = stretch_length();
    for (std::int64_t k = 0; k < K_; k += stretch) {
      FusedPanel panel;
      panel.a = a_.data() + w.m0 * K_ + k;
      panel.a_exponents = a_exponents_.data() + w.m0 * K_ + k;
      panel.a_stride = K_;
      panel.rows = w.rows;
      panel.b = b_.data() + (w.panel * K_ + k) * width_;
      panel.b_exponents = b_exponents_.data() + (w.panel * K_ + k) * width_;
      panel.K = std::min(stretch, K_ - k);
      panel.step = &job_.row.step;
      panel.slice = job_.plan.slice;
      panel.promote = job_.plan.promote;
      panel.start = panel.out = sums;
      panel.redo = redo;
      fused_panel(panel);
    }
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

  std::int64_t stretch_length() const {
    if (job_.plan.slice < K_) return K_;
    const std::int64_t unit = std::max<std::int64_t>(job_.plan.promote, job_.row.step.k);
    return std::max<std::int64_t>(1, kStretch / unit) * unit;
  }

  const HardwareJob& job_;
  std::int64_t width_, K_, panels_;
  Buffer<float> a_, b_;
  Buffer<std::int16_t> a_exponents_, b_exponents_;
};

// What anchor_panel() wants to know of a code.
struct AnchorTable {
  std::array<float, 256> values;  // lifted where they are A's
  std::array<std::uint32_t, 256> facts;

  // Below them the exponent, as int8.
  static constexpr std::uint32_t kNegative = 1u << 8, kSpecial = 1u << 9;

  AnchorTable(const OperandView& x, float lift) {
    const ElementTable elements = element_table(x);
    for (std::size_t i = 0; i < elements.size(); ++i) {
      const Element& e = elements[i];
      const std::int16_t exponent = std::max<std::int16_t>(e.exponent, kTinyExponent);
      values[i] = (e.value == 0 ? kTinyNumber : e.value) * lift;
      facts[i] = static_cast<std::uint8_t>(exponent);
      if (e.value < 0) facts[i] |= kNegative;
      if (e.exponent == kSpecialExponent) facts[i] |= kSpecial;
    }
  }
};

// To nearest even.
void add_to(float* sums, const Buffer<float>& part) {
  for (std::int64_t i = 0; i < part.size(); ++i) sums[i] += part[i];
}

// Both operands as anchor_panel() takes them.
class AnchorPack {
 public:
  static bool takes(const HardwareJob& job) {
    const auto small = [](const OperandView& x) {  // codes of numbers with exponents within +-16
      return x.codes != nullptr && format(x.format).exponent_bits <= 5;
    };
    return anchor_panel_width() > 0 && anchor_form(job.row.step, job.point + 2) && small(job.A) &&
           small(job.B) && job.row.scales == ScaleInput::kNone && job.row.interleave == 0;
  }

  explicit AnchorPack(const HardwareJob& job)
      : job_(job),
        width_(anchor_panel_width()),
        K_(job.plan.padded),
        steps_(K_ / job.row.step.k),
        panels_((job.B.rows + width_ - 1) / width_) {
    pack_a();
    pack_b();
  }

  std::int64_t width() const { return width_; }

  void run(const Window& w, float* sums, std::uint8_t* redo) const {
    static thread_local Buffer<float> slice_sums;
    for (std::int64_t i = 0; i < w.rows; ++i) {
      for (std::int64_t j = 0; j < width_; ++j) {
        redo[i * width_ + j] = a_special_[w.m0 + i] | b_special_[w.panel * width_ + j];
      }
    }
    slice(w, 0, sums, redo);
    for (std::int64_t k = job_.plan.slice; k < K_; k += job_.plan.slice) {
      slice_sums.resize(w.rows * width_);
      slice_sums.fill(0);
      slice(w, k, slice_sums.data(), redo);
      add_to(sums, slice_sums);
    }
  }

 private:
  static constexpr std::int64_t kMostStep = 32;

  // One step of a row or column in its pack, whose elements stand `stride` apart.
  struct Place {
    float* values;
    std::int8_t* exponents;  // fours of them stand `stride` fours apart
    std::uint32_t* signs;
    std::int64_t stride;
  };

  // Step s of row r. Returns 1 when it has an Inf or NaN.
  std::uint8_t read(const OperandView& x, const AnchorTable& table, std::int64_t r, std::int64_t s,
                    const Place& to) const {
    const std::int64_t step = job_.row.step.k, first = s * step;
    const std::int64_t count = std::clamp<std::int64_t>(x.K - first, 0, step);
    const std::uint8_t* from = x.codes + r * x.row_stride + first * x.k_stride;
    std::uint8_t codes[kMostStep] = {};  // zeros behind the last
    if (x.k_stride == 1) {
      std::copy_n(from, count, codes);
    } else {
      for (std::int64_t i = 0; i < count; ++i) codes[i] = from[i * x.k_stride];
    }
    std::uint32_t signs = 0, all = 0;
    for (std::int64_t i = 0; i < step; i += 4) {
      for (std::int64_t q = i; q < i + 4; ++q) {
        to.values[q * to.stride] = table.values[codes[q]];
        const std::uint32_t facts = table.facts[codes[q]];
        to.exponents[i * to.stride + q - i] = static_cast<std::int8_t>(facts);
        signs |= (facts / AnchorTable::kNegative & 1) << q;
        all |= facts;
      }
    }
    *to.signs = signs;
    return (all & AnchorTable::kSpecial) != 0 ? 1 : 0;
  }
  void pack_a() {
    a_.resize(job_.A.rows * K_);
    a_exponents_.resize(job_.A.rows * K_);
    a_signs_.resize(job_.A.rows * steps_);
    a_special_.resize(job_.A.rows);
    a_special_.fill(0);
    const AnchorTable table(job_.A,
                            1 + std::ldexp(1.0f, -anchor_lift(job_.row.step, job_.point + 2)));
    const std::int64_t step = job_.row.step.k;
    parallel_for(job_.A.rows, 32, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t m = begin; m < end; ++m) {
        for (std::int64_t s = 0; s < steps_; ++s) {
          const std::int64_t at = m * K_ + s * step;
          a_special_[m] |=
              read(job_.A, table, m, s,
                   {a_.data() + at, a_exponents_.data() + at, a_signs_.data() + m * steps_ + s, 1});
        }
      }
    });
  }
  void pack_b() {
    b_.resize(panels_ * width_ * K_);
    b_exponents_.resize(panels_ * width_ * K_);
    b_signs_.resize(panels_ * width_ * steps_);
    b_special_.resize(panels_ * width_);
    b_special_.fill(0);
    const AnchorTable table(job_.B, 1.0f);
    const std::int64_t step = job_.row.step.k;
    parallel_for(panels_, 4, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t p = begin; p < end; ++p) {
        for (std::int64_t s = 0; s < steps_; ++s) {
          const std::int64_t at = (p * K_ + s * step) * width_;
          for (std::int64_t j = 0; j < width_; ++j) {
            const std::int64_t n = std::min(p * width_ + j, job_.B.rows - 1);  // repeats the last
            b_special_[p * width_ + j] |=
                read(job_.B, table, n, s,
                     {b_.data() + at + j, b_exponents_.data() + at + 4 * j,
                      b_signs_.data() + (p * steps_ + s) * width_ + j, width_});
          }
        }
      }
    });
  }

  // The slice from k on: a chain that starts from `sums`, or chains that are added to them.
  void slice(const Window& w, std::int64_t k, float* sums, std::uint8_t* redo) const {
    static thread_local Buffer<float> part;
    const std::int64_t end = std::min(K_, k + job_.plan.slice), promote = job_.plan.promote;
    if (promote == 0) return chain(w, k, end, sums, sums, redo);
    part.resize(w.rows * width_);
    for (; k < end; k += promote) {
      chain(w, k, std::min(end, k + promote), nullptr, part.data(), redo);
      add_to(sums, part);
    }
  }
  void chain(const Window& w, std::int64_t k, std::int64_t end, const float* start, float* out,
             std::uint8_t* redo) const {
    const std::int64_t step = job_.row.step.k;
    for (; k < end; k += kStretch) {
      AnchorPanel panel;
      panel.a = a_.data() + w.m0 * K_ + k;
      panel.a_exponents = a_exponents_.data() + w.m0 * K_ + k;
      panel.a_signs = a_signs_.data() + w.m0 * steps_ + k / step;
      panel.a_stride = K_;
      panel.rows = w.rows;
      panel.b = b_.data() + (w.panel * K_ + k) * width_;
      panel.b_exponents = b_exponents_.data() + (w.panel * K_ + k) * width_;
      panel.b_signs = b_signs_.data() + (w.panel * steps_ + k / step) * width_;
      panel.K = std::min(kStretch, end - k);
      panel.step = &job_.row.step;
      panel.start = start;
      panel.out = out;
      panel.redo = redo;
      anchor_panel(panel);
      start = out;
    }
  }

  const HardwareJob& job_;
  std::int64_t width_, K_, steps_, panels_;
  Buffer<float> a_, b_;
  Buffer<std::int8_t> a_exponents_, b_exponents_;
  Buffer<std::uint32_t> a_signs_, b_signs_;
  Buffer<std::uint8_t> a_special_, b_special_;
};

// One window: C0 in, what the vectors could not do again in the scalar body, D out.
template <class Pack>
void run_window(const HardwareJob& job, const Pack& pack, const Window& w) {
  static thread_local Buffer<float> sums_buffer;
  static thread_local Buffer<std::uint8_t> redo_buffer;
  const std::int64_t width = pack.width(), n0 = w.panel * width;
  const std::int64_t cols = std::min(width, job.B.rows - n0);
  sums_buffer.resize(w.rows * width);
  redo_buffer.resize(w.rows * width);
  float* sums = sums_buffer.data();
  std::uint8_t* redo = redo_buffer.data();
  std::fill_n(sums, w.rows * width, 0.0f);
  if (job.C0.data != nullptr) {
    for (std::int64_t i = 0; i < w.rows; ++i) {
      std::copy_n(&job.C0(w.m0 + i, n0), cols, sums + i * width);
    }
  }
  pack.run(w, sums, redo);
  for (std::int64_t i = 0; i < w.rows; ++i, sums += width, redo += width) {
    float* d = &job.D(w.m0 + i, n0);  // may be where C0 is
    for (std::int64_t j = 0; j < cols; ++j) {
      // An accumulator in float32 may overflow or start from Inf or NaN: the scalar body's rules.
      if (redo[j] != 0 || !std::isfinite(sums[j])) {
        scalar_element(job, w.m0 + i, n0 + j);
      } else {
        d[j] = sums[j];
      }
    }
  }
}

template <class Pack>
void run_product(const HardwareJob& job) {
  const Pack pack(job);
  constexpr std::int64_t kBlock = 32;  // rows of one task
  const std::int64_t row_blocks = (job.A.rows + kBlock - 1) / kBlock;
  const std::int64_t tasks = row_blocks * ((job.B.rows + pack.width() - 1) / pack.width());
  const double work = static_cast<double>(job.A.rows) * job.B.rows * job.plan.padded;
  parallel_blocks(
      tasks, work < 1 << 15 ? tasks : 1, [&](std::int64_t, std::int64_t t, std::int64_t end) {
        for (; t < end; ++t) {
          const std::int64_t m0 = t % row_blocks * kBlock;
          run_window(job, pack, {m0, std::min(kBlock, job.A.rows - m0), t / row_blocks});
        }
      });
}

}  // namespace

bool vector_product(const HardwareJob& job) {
  if (AnchorPack::takes(job)) {
    run_product<AnchorPack>(job);
    return true;
  }
  if (fused_panel_width() == 0) return false;
  run_product<FusedPack>(job);
  return true;
}

}  // namespace sylvester::detail
