// Butterflies of the Walsh-Hadamard transform in vectors, for the kernels of this room. Include
// inside a foreach_target file. Sums are formed in the order of hadamard/definition.h.
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "hadamard/kernels.h"

#if defined(SYLVESTER_SIMD_HADAMARD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SYLVESTER_SIMD_HADAMARD_INL_H_
#undef SYLVESTER_SIMD_HADAMARD_INL_H_
#else
#define SYLVESTER_SIMD_HADAMARD_INL_H_
#endif

#include <hwy/cache_control.h>
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

inline constexpr bool kFused = HWY_NATIVE_FMA != 0;
// 1, which the compiler must not see through.
HWY_INLINE V One() { return hn::Set(D(), kOpaqueOne); }

// ---- stages inside a register ----

// +1 in lanes whose bit of the stage is clear, -1 in the others.
struct LaneSigns {
  V stage[4], flip[4];
  LaneSigns() {
    const D d;
    const hn::RebindToSigned<D> di;
    const auto lane = hn::Iota(di, 0);
    for (int i = 0; i < 4; ++i) {
      const auto set = hn::TestBit(lane, hn::Set(di, 1 << i));
      stage[i] = hn::IfThenElse(hn::RebindMask(d, set), hn::Set(d, -1.0f), hn::Set(d, 1.0f));
      flip[i] = hn::And(stage[i], hn::Set(d, -0.0f));
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
      if (kFused && kMaxBits >= 4 && i % 4 == 3) {
        v[i] = hn::Add(hn::Xor(v[i], signs.flip[kIndex]), Partner<kStage>(v[i]));
      } else {
        v[i] = hn::MulAdd(v[i], signs.stage[kIndex], Partner<kStage>(v[i]));
      }
    }
    LaneStages<kCount, kLimit, 2 * kStage, kIndex + 1>(signs, v);
  }
}

// Stages across kCount vectors, neighbours first. Every other pair is a fused multiply-add with
// `one`, which rounds as the plain addition does, so that multipliers and adders share the work.
template <int kCount, int kStride = 1>
HWY_INLINE void CrossStages(V one, V* HWY_RESTRICT v) {
  if constexpr (kStride < kCount) {
    SYLVESTER_UNROLL
    for (int i = 0; i < kCount / 2; ++i) {
      const int a = i / kStride * 2 * kStride + i % kStride;
      const V x = v[a], y = v[a + kStride];
      if (kFused && i % 2 == 1) {
        v[a] = hn::MulAdd(x, one, y);
        v[a + kStride] = hn::NegMulAdd(y, one, x);
      } else {
        v[a] = hn::Add(x, y);
        v[a + kStride] = hn::Sub(x, y);
      }
    }
    CrossStages<kCount, 2 * kStride>(one, v);
  }
}

// Asks for a line of what is read later in the second-level cache: in the first it would push out
// what is being worked on.
template <class T>
HWY_INLINE void PrefetchFar(const T* p) {
#if HWY_COMPILER_GCC || HWY_COMPILER_CLANG
  __builtin_prefetch(p, 0, 2);
#else
  hwy::Prefetch(p);
#endif
}

// ---- stages across rows ----

// Rows combined in one pass over memory: rows a power of two apart fall into the same cache sets,
// which have room for 8 lines and more, but rarely for 16.
inline constexpr int kRowBits = 3;

// 2^kBits rows, `width` columns (a multiple of the lanes), one vector of columns at a time. Each
// row is multiplied by pre (kPre) and post (kPost). The same columns `ahead` elements further on
// are prefetched: they come next.
template <int kBits, bool kPre, bool kPost, class In, class Out>
HWY_NOINLINE void ColumnPass(const In* in, std::int64_t in_step, Out* out, std::int64_t out_step,
                             std::int64_t width, const float* pre, const float* post,
                             std::int64_t post_step, std::int64_t ahead) {
  const D d;
  constexpr int kCount = 1 << kBits;
  for (std::int64_t c = 0; c < width; c += kLanes) {
    V v[kCount];
    SYLVESTER_UNROLL
    for (int i = 0; i < kCount; ++i) {
      const In* at = in + i * in_step + c;
      v[i] = Load(at);
      PrefetchFar(at + ahead);
      if constexpr (kPre) v[i] = hn::Mul(v[i], hn::Set(d, pre[i]));
    }
    CrossStages<kCount>(One(), v);
    SYLVESTER_UNROLL
    for (int i = 0; i < kCount; ++i) {
      if constexpr (kPost) v[i] = hn::Mul(v[i], hn::Set(d, post[i * post_step]));
      Store(v[i], out + i * out_step + c);
    }
  }
}

template <bool kPre, bool kPost, class In, class Out>
void ColumnPassOf(int bits, const In* in, std::int64_t in_step, Out* out, std::int64_t out_step,
                  std::int64_t width, const float* pre, const float* post, std::int64_t post_step,
                  std::int64_t ahead) {
  const auto run = [&](auto pass) {
    pass(in, in_step, out, out_step, width, pre, post, post_step, ahead);
  };
  switch (bits) {
    case 0:
      return run(ColumnPass<0, kPre, kPost, In, Out>);
    case 1:
      return run(ColumnPass<1, kPre, kPost, In, Out>);
    case 2:
      return run(ColumnPass<2, kPre, kPost, In, Out>);
    default:
      return run(ColumnPass<3, kPre, kPost, In, Out>);
  }
}

// Bits of the last of the passes that 2^left rows need.
inline int TopBits(int left) {
  const int passes = (left + kRowBits - 1) / kRowBits;
  return passes == 0 ? 0 : left / passes;
}

// Stages 1, 2, ... over 2^left rows, from `in` to `mid`; depth first, so that rows are still in
// cache when the next stages want them. pre may be null.
template <class In>
void ColumnStages(const In* in, std::int64_t in_stride, float* mid, std::int64_t mid_stride,
                  int left, std::int64_t width, const float* pre) {
  if (left <= kRowBits) {
    const std::int64_t ahead = in_stride << left;
    if (pre != nullptr) {
      ColumnPassOf<true, false>(left, in, in_stride, mid, mid_stride, width, pre, pre, 0, ahead);
    } else {
      ColumnPassOf<false, false>(left, in, in_stride, mid, mid_stride, width, pre, pre, 0, ahead);
    }
    return;
  }
  const int bits = TopBits(left);
  const std::int64_t part = std::int64_t{1} << (left - bits);
  for (std::int64_t row = 0; row < part << bits; row += part) {
    ColumnStages(in + row * in_stride, in_stride, mid + row * mid_stride, mid_stride, left - bits,
                 width, pre != nullptr ? pre + row : nullptr);
  }
  for (std::int64_t row = 0; row < part; ++row) {
    float* at = mid + row * mid_stride;
    ColumnPassOf<false, false>(bits, static_cast<const float*>(at), part * mid_stride, at,
                               part * mid_stride, width, pre, pre, 0, mid_stride);
  }
}

// All stages over 2^left rows of `width` columns (a multiple of the lanes): in -> out, with partial
// results in mid. pre may be null; kPost: row r is multiplied by post[r * post_step].
template <bool kPost, class In, class Out>
void Columns(const In* in, std::int64_t in_stride, float* mid, std::int64_t mid_stride, Out* out,
             std::int64_t out_stride, int left, std::int64_t width, const float* pre,
             const float* post, std::int64_t post_step) {
  if (left <= kRowBits) {
    const std::int64_t ahead = in_stride << left;
    if (pre != nullptr) {
      ColumnPassOf<true, kPost>(left, in, in_stride, out, out_stride, width, pre, post, post_step,
                                ahead);
    } else {
      ColumnPassOf<false, kPost>(left, in, in_stride, out, out_stride, width, pre, post, post_step,
                                 ahead);
    }
    return;
  }
  const int bits = TopBits(left);
  const std::int64_t part = std::int64_t{1} << (left - bits);
  for (std::int64_t row = 0; row < part << bits; row += part) {
    ColumnStages(in + row * in_stride, in_stride, mid + row * mid_stride, mid_stride, left - bits,
                 width, pre != nullptr ? pre + row : nullptr);
  }
  for (std::int64_t row = 0; row < part; ++row) {
    ColumnPassOf<false, kPost>(bits, static_cast<const float*>(mid + row * mid_stride),
                               part * mid_stride, out + row * out_stride, part * out_stride, width,
                               pre, post + row * post_step, part * post_step, mid_stride);
  }
}

// One trip through memory does up to kTripBits stages on rows that are a power of two apart, in
// strips of columns copied together: rows of a power-of-two matrix share cache sets where they are.
// Stages 2^done ... 2^(done + now - 1) of 2^bits rows.
template <bool kPost, class In, class Out>
void Trip(const In* in, std::int64_t in_stride, Out* out, std::int64_t out_stride, int bits,
          int done, int now, std::int64_t width, const float* pre, const float* post,
          std::int64_t post_step, float* strip) {
  const std::int64_t step = std::int64_t{1} << done;
  const std::int64_t most = std::min<std::int64_t>(kStripElements >> now, kMostStrip);
  for (std::int64_t first = 0; first < std::int64_t{1} << bits; first += step << now) {
    for (std::int64_t row = first; row < first + step; ++row) {
      for (std::int64_t c = 0; c < width; c += most) {
        Columns<kPost>(in + row * in_stride + c, step * in_stride, strip, most + kLanes,
                       out + row * out_stride + c, step * out_stride, now,
                       std::min(most, width - c), pre != nullptr ? pre + row : nullptr,
                       post + row * post_step, step * post_step);
      }
    }
  }
}

// All stages over 2^bits rows, with results between trips in mid (out itself where that is
// float32).
template <bool kPost, class In, class Out>
void Trips(const In* in, std::int64_t in_stride, float* mid, std::int64_t mid_stride, Out* out,
           std::int64_t out_stride, int bits, std::int64_t width, const float* pre,
           const float* post, std::int64_t post_step, float* strip) {
  int trips = std::max(1, (bits + kTripBits - 1) / kTripBits);
  if (trips == 1) {
    return Trip<kPost>(in, in_stride, out, out_stride, bits, 0, bits, width, pre, post, post_step,
                       strip);
  }
  int done = (bits + trips - 1) / trips;
  const float* none = nullptr;
  Trip<false>(in, in_stride, mid, mid_stride, bits, 0, done, width, pre, post, 0, strip);
  for (--trips; trips > 1; --trips) {
    const int now = (bits - done + trips - 1) / trips;
    Trip<false>(static_cast<const float*>(mid), mid_stride, mid, mid_stride, bits, done, now, width,
                none, post, 0, strip);
    done += now;
  }
  Trip<kPost>(static_cast<const float*>(mid), mid_stride, out, out_stride, bits, done, bits - done,
              width, none, post, post_step, strip);
}

// ---- the stage along K ----

// Rows that multiply by +-1.0f and add in one fused step; the others flip the sign bit by +-0.0f
// and add, so that the adders beside the multipliers have work too. See BaseMatrix::tiles.
constexpr bool IsMultiplied(int row) { return row % 3 != 2; }

// One input row: sum[r][c] = +-z[c] (kFirst) or sum[r][c] +- z[c].
template <int kRows, int kCols, bool kFirst>
HWY_INLINE void TileStep(const V* HWY_RESTRICT z, const float* terms,
                         V (*HWY_RESTRICT sum)[kCols]) {
  const D d;
  SYLVESTER_UNROLL
  for (int r = 0; r < kRows; ++r) {
    const V term = hn::Set(d, terms[r]);
    SYLVESTER_UNROLL
    for (int c = 0; c < kCols; ++c) {
      if constexpr (kFirst) {
        sum[r][c] = IsMultiplied(r) ? hn::Mul(z[c], term) : hn::Xor(z[c], term);
      } else {
        sum[r][c] = IsMultiplied(r) ? hn::MulAdd(z[c], term, sum[r][c])
                                    : hn::Add(sum[r][c], hn::Xor(z[c], term));
      }
    }
  }
}

// kStack tiles of kRows output rows each, kCols vectors of columns.
template <int kStack, int kRows, int kCols, class Out>
HWY_NOINLINE void BaseTile(const float* in, std::int64_t in_pitch, Out* out, std::int64_t out_pitch,
                           const float* terms, std::int64_t base, const float* post,
                           std::int64_t post_step) {
  V sum[kStack][kRows][kCols], z[kCols];
  const auto step = [&](auto first, std::int64_t j) HWY_ATTR {
    SYLVESTER_UNROLL
    for (int c = 0; c < kCols; ++c) z[c] = Load(in + j * in_pitch + c * kLanes);
    SYLVESTER_UNROLL
    for (int s = 0; s < kStack; ++s) {
      TileStep<kRows, kCols, decltype(first)::value>(z, terms + (s * base + j) * kRows, sum[s]);
    }
  };
  step(std::true_type(), 0);
  for (std::int64_t j = 1; j < base; ++j) step(std::false_type(), j);
  SYLVESTER_UNROLL
  for (int s = 0; s < kStack; ++s) {
    SYLVESTER_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const std::int64_t row = s * kRows + r;
      const V factor = hn::Set(D(), post[row * post_step]);
      SYLVESTER_UNROLL
      for (int c = 0; c < kCols; ++c) {
        Store(hn::Mul(sum[s][r][c], factor), out + row * out_pitch + c * kLanes);
      }
    }
  }
}

template <int kCols, class Out>
void BaseColumns(const float* in, std::int64_t in_pitch, Out* out, std::int64_t out_pitch,
                 const float* terms, std::int64_t base, const float* post, std::int64_t post_step) {
  std::int64_t row = 0;
  const auto run = [&](auto tile, int rows) {
    tile(in, in_pitch, out + row * out_pitch, out_pitch, terms + row * base, base,
         post + row * post_step, post_step);
    row += rows;
  };
  // NOLINTBEGIN(bugprone-infinite-loop): run() moves row
  if constexpr (kMaxBits >= 4 && kCols <= 2) {
    while (row + 12 <= base) run(BaseTile<2, 6, kCols, Out>, 12);
  }
  while (row + 6 <= base) run(BaseTile<1, 6, kCols, Out>, 6);
  // NOLINTEND(bugprone-infinite-loop)
  if (base - row == 4) run(BaseTile<1, 4, kCols, Out>, 4);
  if (base - row == 2) run(BaseTile<1, 2, kCols, Out>, 2);
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
  if (kTileCols > 2 && c + 2 * kLanes <= width) {
    BaseColumns<2>(in + c, in_pitch, out + c, out_pitch, terms, base, post, post_step);
    c += 2 * kLanes;
  }
  for (; c < width; c += kLanes) {
    BaseColumns<1>(in + c, in_pitch, out + c, out_pitch, terms, base, post, post_step);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace sylvester::detail
HWY_AFTER_NAMESPACE();

#endif  // include guard
