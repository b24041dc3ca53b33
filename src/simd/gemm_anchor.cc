// Fused steps of few fraction bits on vectors of columns; see gemm/fused_anchor.h for why it is
// exact and gemm/fused_step.h for the definition.
#include "gemm/fused_anchor.h"

#include <cstdint>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/gemm_anchor.cc"
// Beside AVX3 for its population count.
#define HWY_WANT_AVX3_DL
// Arrays of vectors: SVE has no such; its CPUs take NEON.
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#include <hwy/foreach_target.h>
// After foreach_target.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace sylvester::detail {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
namespace {  // every room has its own N_AVX2 and so on: keep names apart
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2

using DF = hn::ScalableTag<float>;
using DI = hn::ScalableTag<std::int32_t>;
using DU = hn::ScalableTag<std::uint32_t>;
using DB = hn::Repartition<std::int8_t, DI>;
using VF = hn::Vec<DF>;
using VI = hn::Vec<DI>;
using VU = hn::Vec<DU>;
using VB = hn::Vec<DB>;

constexpr int kRows = 4;
constexpr int kVectors = 2;  // of columns in a panel

// Rounding toward zero while it lives. Functions that need the mode are called, not inlined: the
// compiler does not know of it.
class TowardZero {
 public:
  TowardZero() : old_(_mm_getcsr()) { _mm_setcsr(old_ | _MM_ROUND_TOWARD_ZERO); }
  ~TowardZero() { _mm_setcsr(old_); }

 private:
  unsigned old_;
};

// emax of each lane in a float's exponent field, from four exponents of products and C.
HWY_INLINE VI exponent_field(VB top, VF c) {
  const DB db;
  const DI di;
  const DU du;
  // The largest of four, and then of it and C's exponent, in the topmost byte.
  top = hn::Max(top, hn::BitCast(db, hn::ShiftLeft<16>(hn::BitCast(di, top))));
  top = hn::Max(top, hn::BitCast(db, hn::ShiftLeft<8>(hn::BitCast(di, top))));
  const auto field = hn::BitCast(db, hn::ShiftLeft<1>(hn::BitCast(du, c)));
  top = hn::Max(top, hn::Sub(field, hn::Set(db, 127)));
  return hn::ShiftLeft<23>(hn::ShiftRight<24>(hn::BitCast(di, top)));
}

// All ones where C cannot start a chain.
HWY_INLINE VI out_of_range(VF c) {
  const DI di;
  constexpr std::int32_t kLow = (127 + kLeastAnchor) << 23, kHigh = (127 + 63) << 23;
  const VI x = hn::And(hn::BitCast(di, c), hn::Set(di, 0x7FFFFFFF));
  const auto in = hn::And(hn::Gt(x, hn::Set(di, kLow - 1)), hn::Lt(x, hn::Set(di, kHigh)));
  return hn::VecFromMask(di, hn::Not(hn::Or(in, hn::Eq(x, hn::Zero(di)))));
}

// Where R rows of A stand, and their C.
template <int R>
struct Tile {
  const float* a[R];
  const std::int8_t* exponents[R];
  const std::uint32_t* signs[R];
  VF c[R][kVectors];
};

// The largest exponents of the products of [k, k + step), four to a lane.
template <int R>
HWY_INLINE void top_exponents(const AnchorPanel& job, const Tile<R>& tile, std::int64_t k,
                              VB (&top)[R][kVectors]) {
  const DB db;
  const std::int64_t N = hn::Lanes(DI());
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) top[r][v] = hn::Set(db, kLeastAnchor);
  }
  for (std::int64_t i = k; i < k + job.step->k; i += 4) {
    VB eb[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      eb[v] = hn::LoadU(db, job.b_exponents + (i * kVectors + 4 * v) * N);
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      std::int32_t four;
      __builtin_memcpy(&four, tile.exponents[r] + i, 4);
      const VB ea = hn::BitCast(db, hn::Set(DI(), four));
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) {
        top[r][v] = hn::Max(top[r][v], hn::SaturatedAdd(eb[v], ea));
      }
    }
  }
}

// Step s of the panel: D of it is C of the next.
template <int R>
HWY_INLINE void step(const AnchorPanel& job, std::int64_t s, Tile<R>& tile) {
  const DF df;
  const DI di;
  const DU du;
  const std::int64_t N = hn::Lanes(df), width = kVectors * N;
  const std::int64_t k = s * job.step->k, end = k + job.step->k;
  const VI anchor_of_0 = hn::Set(di, ((127 + 23 - job.step->fraction_bits) << 23) + (1 << 22));
  VB top[R][kVectors];
  top_exponents<R>(job, tile, k, top);
  VF anchor[R][kVectors], sum[R][kVectors];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const VU a_signs = hn::Set(du, tile.signs[r][s]);
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      const VF c = tile.c[r][v];
      anchor[r][v] = hn::BitCast(df, hn::Add(exponent_field(top[r][v], c), anchor_of_0));
      const VF like_c = hn::CopySignToAbs(anchor[r][v], c);
      const VF cut = hn::Sub(hn::Add(c, like_c), like_c);
      const VU b_signs = hn::LoadU(du, job.b_signs + s * width + v * N);
      const VU negative = hn::PopulationCount(hn::Xor(a_signs, b_signs));
      const VF start = hn::Add(anchor[r][v], cut);
      sum[r][v] = hn::BitCast(df, hn::Add(hn::BitCast(du, start), negative));
    }
  }
  for (std::int64_t i = k; i < end; ++i) {
    VF b[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) b[v] = hn::LoadU(df, job.b + i * width + v * N);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const VF a = hn::Set(df, tile.a[r][i]);
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::MulAdd(a, b[v], sum[r][v]);
    }
  }
  // Fewer than 24 bits: a float32 as it is.
  const bool short_output = job.step->output == StepOutput::kE8M13;
  const VF kept = hn::BitCast(df, hn::Set(du, short_output ? 0xFFFFFC00u : 0xFFFFFFFFu));
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      tile.c[r][v] = hn::And(hn::Sub(sum[r][v], anchor[r][v]), kept);
    }
  }
}

// Marks the outputs of lanes with all ones.
HWY_INLINE void mark(VI lost, std::uint8_t* redo) {
  const DI di;
  if (hn::AllFalse(di, hn::Ne(lost, hn::Zero(di)))) return;
  alignas(64) std::int32_t flags[HWY_MAX_BYTES / 4];
  hn::Store(lost, di, flags);
  for (std::size_t j = 0; j < hn::Lanes(di); ++j)
    redo[j] |= static_cast<std::uint8_t>(flags[j] & 1);
}

template <int R>
HWY_INLINE void tile_rows(const AnchorPanel& job, std::int64_t row) {
  const DF df;
  const std::int64_t N = hn::Lanes(df), width = kVectors * N, steps = job.K / job.step->k;
  const std::int64_t signs_stride = job.a_stride / job.step->k;
  Tile<R> tile;
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    tile.a[r] = job.a + (row + r) * job.a_stride;
    tile.exponents[r] = job.a_exponents + (row + r) * job.a_stride;
    tile.signs[r] = job.a_signs + (row + r) * signs_stride;
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      const std::int64_t at = (row + r) * width + v * N;
      tile.c[r][v] = hn::Zero(df);
      if (job.start == nullptr) continue;
      tile.c[r][v] = hn::LoadU(df, job.start + at);
      mark(out_of_range(tile.c[r][v]), job.redo + at);
    }
  }
  for (std::int64_t s = 0; s < steps; ++s) step<R>(job, s, tile);
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      hn::StoreU(tile.c[r][v], df, job.out + (row + r) * width + v * N);
    }
  }
}

HWY_NOINLINE void panel_rows(const AnchorPanel& job) {
  std::int64_t row = 0;
  for (; row + kRows <= job.rows; row += kRows) tile_rows<kRows>(job, row);
  for (; row < job.rows; ++row) tile_rows<1>(job, row);
}

void run_anchor(const AnchorPanel& job) {
  const TowardZero mode;
  panel_rows(job);
}
std::int64_t width() { return kVectors * static_cast<std::int64_t>(hn::Lanes(DF())); }

#else

void run_anchor(const AnchorPanel&) {}
std::int64_t width() { return 0; }

#endif
}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace sylvester::detail
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sylvester::detail {

HWY_EXPORT(run_anchor);
HWY_EXPORT(width);

std::int64_t anchor_panel_width() noexcept { return HWY_DYNAMIC_DISPATCH(width)(); }
void anchor_panel(const AnchorPanel& job) noexcept { HWY_DYNAMIC_DISPATCH(run_anchor)(job); }

}  // namespace sylvester::detail
#endif  // HWY_ONCE
