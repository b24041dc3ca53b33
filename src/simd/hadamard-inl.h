// Butterflies of the Walsh-Hadamard transform in vectors, for the kernels of this room. Include
// inside a foreach_target file. Sums are formed in the order of hadamard/definition.h.
#include <cstdint>
#include <cstring>

#include "hadamard/kernels.h"

#if defined(SYLVESTER_SIMD_HADAMARD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SYLVESTER_SIMD_HADAMARD_INL_H_
#undef SYLVESTER_SIMD_HADAMARD_INL_H_
#else
#define SYLVESTER_SIMD_HADAMARD_INL_H_
#endif

#include <hwy/highway.h>

// The loops over registers must vanish, else the registers become memory.
#undef SYLVESTER_UNROLL
#if defined(__clang__)
#define SYLVESTER_UNROLL _Pragma("unroll")
#else
#define SYLVESTER_UNROLL _Pragma("GCC unroll 32")
#endif

HWY_BEFORE_NAMESPACE();
namespace sylvester::detail {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
inline constexpr int kLanes = static_cast<int>(hn::MaxLanes(D()));
// Stages along a register file: 2^kMaxBits vectors are combined without touching memory.
#if HWY_TARGET <= HWY_AVX3 || HWY_ARCH_ARM_A64
inline constexpr int kMaxBits = 4;
inline constexpr int kTileCols = 4;
#else
inline constexpr int kMaxBits = 3;
inline constexpr int kTileCols = 2;
#endif

// ---- loads and stores that widen and round ----

HWY_INLINE V Load(const float* p) { return hn::LoadU(D(), p); }
HWY_INLINE V Load(const std::uint16_t* p) {
  const D d;
  const hn::RebindToUnsigned<D> du;
  const hn::Rebind<std::uint16_t, D> dh;
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(du, hn::LoadU(dh, p))));
}
HWY_INLINE void Store(V v, float* p) { hn::StoreU(v, D(), p); }
// Nearest, ties to even; NaN becomes 0x7FC0.
HWY_INLINE void Store(V v, std::uint16_t* p) {
  const D d;
  const hn::RebindToSigned<D> di;
  const hn::RebindToUnsigned<D> du;
  const hn::Rebind<std::uint16_t, D> dh;
  const auto bits = hn::BitCast(du, v);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1u));
  const auto rounded = hn::ShiftRight<16>(hn::Add(bits, hn::Add(odd, hn::Set(du, 0x7FFFu))));
  const auto nan = hn::RebindMask(du, hn::IsNaN(v));
  const auto out = hn::IfThenElse(nan, hn::Set(du, 0x7FC0u), rounded);
  hn::StoreU(hn::DemoteTo(dh, hn::BitCast(di, out)), dh, p);
  (void)d;
}

// ---- stages inside a register ----

// +1 in lanes whose bit of the stage is clear, -1 in the others.
struct LaneSigns {
  V stage[4];
  LaneSigns() {
    const D d;
    const hn::RebindToSigned<D> di;
    const auto lane = hn::Iota(di, 0);
    for (int i = 0; i < 4; ++i) {
      const auto set = hn::TestBit(lane, hn::Set(di, 1 << i));
      stage[i] = hn::IfThenElse(hn::RebindMask(d, set), hn::Set(d, -1.0f), hn::Set(d, 1.0f));
    }
  }
};

// The lanes i ^ kStage. (Unqualified calls: found by the argument where the target has them.)
template <int kStage, class VF>
HWY_INLINE VF Partner(VF v) {
  if constexpr (kStage == 1) {
    return Shuffle2301(v);
  } else if constexpr (kStage == 2) {
    return Shuffle1032(v);
  } else if constexpr (2 * kStage == kLanes) {
    return ConcatLowerUpper(D(), v, v);
  } else {
    return SwapAdjacentBlocks(v);
  }
}

// Stages 1, 2, ... below kLimit on each of kCount vectors. A product with +-1 is exact, so the
// fused multiply-add rounds as the plain a + b or a - b does.
template <int kCount, int kLimit, int kStage = 1, int kIndex = 0>
HWY_INLINE void LaneStages(const LaneSigns& signs, V* HWY_RESTRICT v) {
  if constexpr (kStage < kLimit && kStage < kLanes) {
    SYLVESTER_UNROLL
    for (int i = 0; i < kCount; ++i) {
      v[i] = hn::MulAdd(v[i], signs.stage[kIndex], Partner<kStage>(v[i]));
    }
    LaneStages<kCount, kLimit, 2 * kStage, kIndex + 1>(signs, v);
  }
}

// Stages across kCount vectors, neighbours first.
template <int kCount, int kStride = 1>
HWY_INLINE void CrossStages(V* HWY_RESTRICT v) {
  if constexpr (kStride < kCount) {
    SYLVESTER_UNROLL
    for (int i = 0; i < kCount / 2; ++i) {
      const int a = i / kStride * 2 * kStride + i % kStride;
      const V x = v[a], y = v[a + kStride];
      v[a] = hn::Add(x, y);
      v[a + kStride] = hn::Sub(x, y);
    }
    CrossStages<kCount, 2 * kStride>(v);
  }
}

// ---- stages across rows ----

// 2^kBits rows, `width` columns (a multiple of the lanes), one vector of columns at a time. Each
// row is multiplied by pre (kPre) and post (kPost).
template <int kBits, bool kPre, bool kPost, class In, class Out>
HWY_NOINLINE void ColumnPass(const In* in, std::int64_t in_step, Out* out, std::int64_t out_step,
                             std::int64_t width, const float* pre, const float* post,
                             std::int64_t post_step) {
  const D d;
  constexpr int kCount = 1 << kBits;
  for (std::int64_t c = 0; c < width; c += kLanes) {
    V v[kCount];
    SYLVESTER_UNROLL
    for (int i = 0; i < kCount; ++i) {
      v[i] = Load(in + i * in_step + c);
      if constexpr (kPre) v[i] = hn::Mul(v[i], hn::Set(d, pre[i]));
    }
    CrossStages<kCount>(v);
    SYLVESTER_UNROLL
    for (int i = 0; i < kCount; ++i) {
      if constexpr (kPost) v[i] = hn::Mul(v[i], hn::Set(d, post[i * post_step]));
      Store(v[i], out + i * out_step + c);
    }
  }
}

template <bool kPre, bool kPost, class In, class Out>
void ColumnPassOf(int bits, const In* in, std::int64_t in_step, Out* out, std::int64_t out_step,
                  std::int64_t width, const float* pre, const float* post, std::int64_t post_step) {
  const auto run = [&](auto pass) {
    pass(in, in_step, out, out_step, width, pre, post, post_step);
  };
  switch (bits) {
    case 0:
      return run(ColumnPass<0, kPre, kPost, In, Out>);
    case 1:
      return run(ColumnPass<1, kPre, kPost, In, Out>);
    case 2:
      return run(ColumnPass<2, kPre, kPost, In, Out>);
    case 3:
      return run(ColumnPass<3, kPre, kPost, In, Out>);
    default:
      if constexpr (kMaxBits >= 4) run(ColumnPass<4, kPre, kPost, In, Out>);
  }
}

// How log2(count) stages are cut into passes, and where row r lies in the work panel: its digits
// (one a pass) times `pitch`. Each pitch has one vector of padding, since rows a power of two
// apart would share a cache set.
struct PanelPlan {
  int passes = 0;
  int bits[32] = {};
  std::int64_t pitch[33] = {};

  PanelPlan(std::int64_t count, std::int64_t width) {
    int left = 0;
    while ((std::int64_t{1} << left) < count) ++left;
    passes = left == 0 ? 1 : (left + kMaxBits - 1) / kMaxBits;
    pitch[0] = width;
    for (int p = 0; p < passes; ++p) {
      bits[p] = (left + passes - p - 1) / (passes - p);
      left -= bits[p];
      pitch[p + 1] = (pitch[p] << bits[p]) + kLanes;
    }
  }
  // Offset of the row with these digits from pass `first` on.
  std::int64_t offset(std::int64_t row, int first, int last) const {
    std::int64_t out = 0;
    for (int p = first; p < last; ++p) {
      out += (row & ((std::int64_t{1} << bits[p]) - 1)) * pitch[p];
      row >>= bits[p];
    }
    return out;
  }
};

// Stages 1, 2, ... count / 2 over `count` rows of `width` columns (a multiple of the lanes).
// pre may be null; post[row * post_step]. work: panel_work(count, width).
template <class In, class Out>
void Columns(const In* in, std::int64_t in_stride, Out* out, std::int64_t out_stride,
             std::int64_t count, std::int64_t width, const float* pre, const float* post,
             std::int64_t post_step, float* work) {
  const PanelPlan plan(count, width);
  if (plan.passes == 1) {
    if (pre != nullptr) {
      ColumnPassOf<true, true>(plan.bits[0], in, in_stride, out, out_stride, width, pre, post,
                               post_step);
    } else {
      ColumnPassOf<false, true>(plan.bits[0], in, in_stride, out, out_stride, width, pre, post,
                                post_step);
    }
    return;
  }
  int done = 0;
  for (int p = 0; p < plan.passes; ++p) {
    const int bits = plan.bits[p];
    const std::int64_t step = std::int64_t{1} << done;  // rows between the digits of this pass
    for (std::int64_t group = 0; group < count >> bits; ++group) {
      const std::int64_t low = group & (step - 1), high = group >> done;
      float* at = work + plan.offset(low, 0, p) + plan.offset(high, p + 1, plan.passes);
      if (p == 0) {
        const std::int64_t row = group << bits;
        const In* from = in + row * in_stride;
        if (pre != nullptr) {
          ColumnPassOf<true, false>(bits, from, in_stride, at, plan.pitch[0], width, pre + row,
                                    post, 0);
        } else {
          ColumnPassOf<false, false>(bits, from, in_stride, at, plan.pitch[0], width, pre, post, 0);
        }
      } else if (p + 1 < plan.passes) {
        ColumnPassOf<false, false>(bits, static_cast<const float*>(at), plan.pitch[p], at,
                                   plan.pitch[p], width, pre, post, 0);
      } else {
        ColumnPassOf<false, true>(bits, static_cast<const float*>(at), plan.pitch[p],
                                  out + low * out_stride, step * out_stride, width, pre,
                                  post + low * post_step, step * post_step);
      }
    }
    done += bits;
  }
}

// ---- the stage along K ----

// Rows of one tile: the first multiply by +-1.0f and add in one fused step, the others flip the
// sign bit by +-0.0f and add, so that the adders beside the multipliers have work too.
constexpr int MultiplyRows(int rows) { return rows == 6 ? 4 : rows == 4 ? 3 : 1; }

// One input row: sum[r][c] = +-z[c] (kFirst) or sum[r][c] +- z[c].
template <int kRows, int kCols, bool kFirst>
HWY_INLINE void TileStep(const float* in, const float* terms, V (*HWY_RESTRICT sum)[kCols]) {
  const D d;
  constexpr int kMultiply = MultiplyRows(kRows);
  V z[kCols];
  SYLVESTER_UNROLL
  for (int c = 0; c < kCols; ++c) z[c] = Load(in + c * kLanes);
  SYLVESTER_UNROLL
  for (int r = 0; r < kRows; ++r) {
    const V term = hn::Set(d, terms[r]);
    SYLVESTER_UNROLL
    for (int c = 0; c < kCols; ++c) {
      if constexpr (kFirst) {
        sum[r][c] = r < kMultiply ? hn::Mul(z[c], term) : hn::Xor(z[c], term);
      } else {
        sum[r][c] = r < kMultiply ? hn::MulAdd(z[c], term, sum[r][c])
                                  : hn::Add(sum[r][c], hn::Xor(z[c], term));
      }
    }
  }
}

template <int kRows, int kCols, class Out>
HWY_NOINLINE void BaseTile(const float* in, std::int64_t in_pitch, Out* out, std::int64_t out_pitch,
                           const float* terms, std::int64_t base, const float* post,
                           std::int64_t post_step) {
  const D d;
  V sum[kRows][kCols];
  TileStep<kRows, kCols, true>(in, terms, sum);
  for (std::int64_t j = 1; j < base; ++j) {
    TileStep<kRows, kCols, false>(in + j * in_pitch, terms + j * kRows, sum);
  }
  SYLVESTER_UNROLL
  for (int r = 0; r < kRows; ++r) {
    const V factor = hn::Set(d, post[r * post_step]);
    SYLVESTER_UNROLL
    for (int c = 0; c < kCols; ++c) {
      Store(hn::Mul(sum[r][c], factor), out + r * out_pitch + c * kLanes);
    }
  }
}

template <int kCols, class Out>
void BaseColumns(const float* in, std::int64_t in_pitch, Out* out, std::int64_t out_pitch,
                 const float* terms, std::int64_t base, const float* post, std::int64_t post_step) {
  std::int64_t row = 0;
  for (; row + 6 <= base; row += 6) {
    BaseTile<6, kCols>(in, in_pitch, out + row * out_pitch, out_pitch, terms + row * base, base,
                       post + row * post_step, post_step);
  }
  if (base - row == 4) {
    BaseTile<4, kCols>(in, in_pitch, out + row * out_pitch, out_pitch, terms + row * base, base,
                       post + row * post_step, post_step);
  } else if (base - row == 2) {
    BaseTile<2, kCols>(in, in_pitch, out + row * out_pitch, out_pitch, terms + row * base, base,
                       post + row * post_step, post_step);
  }
}

// out[k] = post[k] * sum over j of +-in[j], j ascending; in and out apart. `width` columns, a
// multiple of the lanes. terms: Axis::terms.
template <class Out>
void BaseStage(const float* in, std::int64_t in_pitch, Out* out, std::int64_t out_pitch,
               std::int64_t width, const float* terms, std::int64_t base, const float* post,
               std::int64_t post_step) {
  std::int64_t c = 0;
  for (; c + kTileCols * kLanes <= width; c += kTileCols * kLanes) {
    BaseColumns<kTileCols>(in + c, in_pitch, out + c, out_pitch, terms, base, post, post_step);
  }
  for (; c < width; c += kLanes) {
    BaseColumns<1>(in + c, in_pitch, out + c, out_pitch, terms, base, post, post_step);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace sylvester::detail
HWY_AFTER_NAMESPACE();

#endif  // include guard
