// Fused steps of matrix cores on vectors of columns; see gemm/fused_panel.h for why it is exact and
// gemm/fused_step.h for the definition.
#include "gemm/fused_panel.h"

#include <algorithm>
#include <cstdint>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/gemm_hardware.cc"
// Arrays of vectors: SVE has no such; its CPUs take NEON.
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#include <hwy/foreach_target.h>
// After foreach_target.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace sylvester::detail {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
namespace {  // every room has its own N_AVX2 and so on: keep names apart
#if HWY_TARGET != HWY_SCALAR

using DF = hn::ScalableTag<float>;
using DI = hn::ScalableTag<std::int32_t>;
using DU = hn::ScalableTag<std::uint32_t>;
using DS = hn::Repartition<std::int16_t, DI>;
using VF = hn::Vec<DF>;
using VI = hn::Vec<DI>;

constexpr int kLeast = -90, kMost = 120;  // emax of the fast form
constexpr int kRows = 4;

HWY_INLINE VF power_of_two(VI exponent) {
  return hn::BitCast(DF(), hn::ShiftLeft<23>(hn::Add(exponent, hn::Set(DI(), 127))));
}

// Toward zero, |x| < 2^31 (Highway's ConvertTo spends three instructions on larger x).
HWY_INLINE VI cut_to_int(VF x) {
#if HWY_ARCH_X86 && HWY_TARGET == HWY_AVX3
  return VI{_mm512_cvttps_epi32(x.raw)};
#elif HWY_ARCH_X86 && HWY_TARGET == HWY_AVX2
  return VI{_mm256_cvttps_epi32(x.raw)};
#elif HWY_ARCH_X86 && HWY_TARGET == HWY_SSE4
  return VI{_mm_cvttps_epi32(x.raw)};
#else
  return hn::ConvertTo(DI(), x);
#endif
}

// Exponent of each lane of C; kZeroExponent for zeros.
HWY_INLINE VI exponent_of(VF c) {
  const DI di;
  const VI magnitude = hn::And(hn::BitCast(di, c), hn::Set(di, 0x7FFFFFFF));
  const VI field = hn::Max(hn::ShiftRight<23>(magnitude), hn::Set(di, 1));
  return hn::IfThenElse(hn::Eq(magnitude, hn::Zero(di)), hn::Set(di, kZeroExponent),
                        hn::Sub(field, hn::Set(di, 127)));
}

// int32 sums to float32, cut toward zero: exact in double, then 24 significant bits.
HWY_INLINE VF cut_to_float(VI s0, VI s1) {
  const hn::RepartitionToWide<DF> dd;
  const hn::Half<DI> half_i;
  const hn::Half<DF> half_f;
  const auto cut = [&](hn::Vec<hn::Half<DI>> x, hn::Vec<hn::Half<DI>> y) {
    const auto sum = hn::Add(hn::PromoteTo(dd, x), hn::PromoteTo(dd, y));
    const hn::RebindToUnsigned<decltype(dd)> du;
    const auto kept = hn::And(hn::BitCast(du, sum), hn::Set(du, ~((std::uint64_t{1} << 29) - 1)));
    return hn::DemoteTo(half_f, hn::BitCast(dd, kept));
  };
  return hn::Combine(DF(), cut(hn::UpperHalf(half_i, s0), hn::UpperHalf(half_i, s1)),
                     cut(hn::LowerHalf(half_i, s0), hn::LowerHalf(half_i, s1)));
}

// Where a row of A stands.
struct Row {
  const float* a;
  const std::int16_t* exponents;
};

// One chain of R rows: D of a step is C of the next. `lost` gathers lanes that leave the range.
template <int R, bool kE8M13>
HWY_INLINE void chain(const FusedPanel& job, const Row* rows, std::int64_t k0, std::int64_t k1,
                      VF* HWY_RESTRICT c, VI* HWY_RESTRICT lost) {
  const DF df;
  const DI di;
  const DS ds;
  const std::int64_t N = hn::Lanes(df);
  const int F = job.step->fraction_bits;
  const std::int64_t step = job.step->k;
  for (std::int64_t k = k0; k < k1; k += step) {
    // The largest exponent of the products, two k to a 32-bit lane.
    hn::Vec<DS> top[R];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) top[r] = hn::Set(ds, 2 * kZeroExponent);
    for (std::int64_t i = k; i < k + step; i += 2) {
      const auto eb = hn::LoadU(ds, job.b_exponents + i * N);
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) {
        std::int32_t pair;
        __builtin_memcpy(&pair, rows[r].exponents + i, 4);
        top[r] = hn::Max(top[r], hn::Add(eb, hn::BitCast(ds, hn::Set(di, pair))));
      }
    }
    VI emax[R], even[R], odd[R];
    VF scale[R];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const VI pairs = hn::BitCast(di, top[r]);
      const VI both =
          hn::Max(hn::ShiftRight<16>(pairs), hn::ShiftRight<16>(hn::ShiftLeft<16>(pairs)));
      const VI e = hn::Max(both, exponent_of(c[r]));
      emax[r] = hn::Min(hn::Max(e, hn::Set(di, kLeast)), hn::Set(di, kMost));
      // All terms zero (below any true exponent) is in range: the sum is 0.
      const auto zero = hn::Lt(e, hn::Set(di, kZeroExponent / 2));
      const auto out = hn::AndNot(zero, hn::Ne(e, emax[r]));
      lost[r] = hn::Or(lost[r], hn::VecFromMask(di, out));
      scale[r] = power_of_two(hn::Sub(hn::Set(di, F), emax[r]));
      even[r] = cut_to_int(hn::Mul(c[r], scale[r]));
      odd[r] = hn::Zero(di);
    }
    for (std::int64_t i = k; i < k + step; i += 2) {
      const VF b0 = hn::LoadU(df, job.b + i * N), b1 = hn::LoadU(df, job.b + (i + 1) * N);
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) {
        const VF p0 = hn::Mul(b0, hn::Set(df, rows[r].a[i]));
        const VF p1 = hn::Mul(b1, hn::Set(df, rows[r].a[i + 1]));
        even[r] = hn::Add(even[r], cut_to_int(hn::Mul(p0, scale[r])));
        odd[r] = hn::Add(odd[r], cut_to_int(hn::Mul(p1, scale[r])));
      }
    }
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const VF unit = power_of_two(hn::Sub(emax[r], hn::Set(di, F)));
      if constexpr (kE8M13) {
        const VF d = hn::Mul(hn::ConvertTo(df, hn::Add(even[r], odd[r])), unit);
        const VF cut = hn::And(d, hn::BitCast(df, hn::Set(DU(), 0xFFFFFC00u)));
        c[r] = hn::Add(cut, hn::Zero(df));  // -0 becomes +0
      } else {
        c[r] = hn::Mul(cut_to_float(even[r], odd[r]), unit);
      }
    }
  }
}

template <int R, bool kE8M13>
void panel_rows(const FusedPanel& job, std::int64_t row) {
  const DF df;
  const DI di;
  const std::int64_t N = hn::Lanes(df);
  Row rows[R];
  VF d[R];
  VI lost[R];
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
    rows[r] = {job.a + (row + r) * job.a_stride, job.a_exponents + (row + r) * job.a_stride};
    d[r] = hn::LoadU(df, job.start + (row + r) * N);
    lost[r] = hn::Zero(di);
  }
  for (std::int64_t s = 0; s < job.K; s += job.slice) {
    const std::int64_t end = std::min(job.K, s + job.slice);
    VF part[R];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) part[r] = s == 0 ? d[r] : hn::Zero(df);
    if (job.promote == 0) {
      chain<R, kE8M13>(job, rows, s, end, part, lost);
    } else {
      for (std::int64_t k = s; k < end; k += job.promote) {
        VF sum[R];
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r) sum[r] = hn::Zero(df);
        chain<R, kE8M13>(job, rows, k, std::min(end, k + job.promote), sum, lost);
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r) part[r] = hn::Add(part[r], sum[r]);
      }
    }
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) d[r] = s == 0 ? part[r] : hn::Add(d[r], part[r]);
  }
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
    hn::StoreU(d[r], df, job.out + (row + r) * N);
    alignas(64) std::int32_t flags[HWY_MAX_BYTES / 4];
    hn::Store(lost[r], di, flags);
    for (std::int64_t j = 0; j < N; ++j) {
      job.redo[(row + r) * N + j] |= static_cast<std::uint8_t>(flags[j] & 1);
    }
  }
}

template <bool kE8M13>
void panel_all(const FusedPanel& job) {
  std::int64_t row = 0;
  for (; row + kRows <= job.rows; row += kRows) panel_rows<kRows, kE8M13>(job, row);
  for (; row < job.rows; ++row) panel_rows<1, kE8M13>(job, row);
}

void run_panel(const FusedPanel& job) {
  if (job.step->output == StepOutput::kE8M13) {
    panel_all<true>(job);
  } else {
    panel_all<false>(job);
  }
}
std::int64_t panel_width() { return static_cast<std::int64_t>(hn::Lanes(DF())); }

#else

void run_panel(const FusedPanel&) {}
std::int64_t panel_width() { return 0; }

#endif
}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace sylvester::detail
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sylvester::detail {

HWY_EXPORT(run_panel);
HWY_EXPORT(panel_width);

std::int64_t fused_panel_width() noexcept { return HWY_DYNAMIC_DISPATCH(panel_width)(); }
void fused_panel(const FusedPanel& job) noexcept { HWY_DYNAMIC_DISPATCH(run_panel)(job); }

}  // namespace sylvester::detail
#endif  // HWY_ONCE
