// Absmax of the segments of rows, for the kernels of this room. Include after <hwy/highway.h>
// inside a foreach_target file.
#include <algorithm>
#include <bit>
#include <cstdint>

#include "quant/scale.h"

#if defined(SYLVESTER_SIMD_QUANT_BOUNDS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SYLVESTER_SIMD_QUANT_BOUNDS_INL_H_
#undef SYLVESTER_SIMD_QUANT_BOUNDS_INL_H_
#else
#define SYLVESTER_SIMD_QUANT_BOUNDS_INL_H_
#endif

#include <hwy/highway.h>

#include "simd/memory-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sylvester::detail {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
#if HWY_TARGET != HWY_SCALAR

using D = hn::ScalableTag<float>;
using DI = hn::RebindToSigned<D>;
using VI = hn::Vec<DI>;

inline std::int64_t lanes() { return static_cast<std::int64_t>(hn::Lanes(D())); }

// Asks for `vectors` vectors that are read later (ahead = 0: nothing is known).
HWY_INLINE void prefetch(const float* x, std::int64_t ahead, std::int64_t vectors) {
  if (ahead != 0) PrefetchLines(x + ahead, vectors * lanes() * 4);
}

HWY_INLINE VI magnitude_of(const float* HWY_RESTRICT x) {
  return hn::And(hn::BitCast(DI(), hn::LoadU(D(), x)), hn::Set(DI(), 0x7FFFFFFF));
}

// A scalar of the rest of a row.
HWY_INLINE std::uint32_t magnitude_at(const float* x) {
  return std::bit_cast<std::uint32_t>(*x) & kMagnitudeMask;
}

inline std::uint32_t absmax_run(const float* HWY_RESTRICT x, std::int64_t n, std::int64_t ahead) {
  const std::int64_t N = lanes();
  VI m0 = hn::Zero(DI()), m1 = m0, m2 = m0, m3 = m0;
  const auto step = [&](const float* p) HWY_ATTR {
    prefetch(p, ahead, 4);
    m0 = hn::Max(m0, magnitude_of(p));
    m1 = hn::Max(m1, magnitude_of(p + N));
    m2 = hn::Max(m2, magnitude_of(p + 2 * N));
    m3 = hn::Max(m3, magnitude_of(p + 3 * N));
  };
  std::int64_t i = 0;
  if (n >= kLongRun) {
    const std::int64_t part = n / kStreams / (4 * N) * 4 * N;
    for (; i < part; i += 4 * N) {
      for (std::int64_t s = 0; s < kStreams; ++s) step(x + s * part + i);
    }
    i = kStreams * part;
  }
  for (; i + 4 * N <= n; i += 4 * N) step(x + i);
  for (; i + N <= n; i += N) m0 = hn::Max(m0, magnitude_of(x + i));
  m0 = hn::Max(hn::Max(m0, m1), hn::Max(m2, m3));
  auto most = static_cast<std::uint32_t>(hn::GetLane(hn::MaxOfLanes(DI(), m0)));
  for (; i < n; ++i) most = std::max(most, magnitude_at(x + i));
  return most;
}

// Maxima of four vectors, in this order.
template <class Tag>
HWY_INLINE hn::Vec<hn::FixedTag<std::int32_t, 4>> maxima_of_four(Tag di, hn::Vec<Tag> a,
                                                                 hn::Vec<Tag> b, hn::Vec<Tag> c,
                                                                 hn::Vec<Tag> d) {
  const hn::Repartition<std::int64_t, Tag> dw;
  // Interleaving pairs halves the work: first a and b, c and d, then all four in each 128 bits.
  const auto ab = hn::Max(hn::InterleaveLower(di, a, b), hn::InterleaveUpper(di, a, b));
  const auto cd = hn::Max(hn::InterleaveLower(di, c, d), hn::InterleaveUpper(di, c, d));
  const auto ab2 = hn::BitCast(dw, ab), cd2 = hn::BitCast(dw, cd);
  const auto all = hn::Max(hn::BitCast(di, hn::InterleaveLower(dw, ab2, cd2)),
                           hn::BitCast(di, hn::InterleaveUpper(dw, ab2, cd2)));
  constexpr std::size_t kLanes = hn::MaxLanes(Tag());
  if constexpr (kLanes == 4) {
    return all;
  } else {
    const hn::Half<Tag> dh;
    const auto half = hn::Max(hn::LowerHalf(dh, all), hn::UpperHalf(dh, all));
    if constexpr (kLanes == 8) {
      return half;
    } else {
      const hn::Half<decltype(dh)> dq;
      return hn::Max(hn::LowerHalf(dq, half), hn::UpperHalf(dq, half));
    }
  }
}

// Four segments of kVectors vectors, over kRows rows.
template <int kVectors, int kRows>
HWY_INLINE void absmax_four(const float* HWY_RESTRICT x, std::int64_t stride,
                            std::uint32_t* HWY_RESTRICT out, std::int64_t ahead) {
  const std::int64_t N = lanes();
  const hn::FixedTag<std::int32_t, 4> d4;
  VI m[4];
  for (int s = 0; s < 4; ++s) {
    m[s] = hn::Zero(DI());
    for (int r = 0; r < kRows; ++r) {
      const float* p = x + r * stride + s * kVectors * N;
      prefetch(p, ahead, kVectors);
      for (int v = 0; v < kVectors; ++v) m[s] = hn::Max(m[s], magnitude_of(p + v * N));
    }
  }
  auto* to = reinterpret_cast<std::int32_t*>(out);
  hn::StoreU(hn::Max(hn::LoadU(d4, to), maxima_of_four(DI(), m[0], m[1], m[2], m[3])), d4, to);
}

// Segments of kVectors vectors of kRows rows, four at a time; returns the first one not done.
template <int kVectors, int kRows>
std::int64_t absmax_short(const float* HWY_RESTRICT x, std::int64_t stride, std::int64_t segments,
                          std::uint32_t* HWY_RESTRICT out, std::int64_t ahead) {
  const std::int64_t segment = kVectors * lanes();
  std::int64_t k = 0;
  if (kRows == 1 && segments * segment >= kLongRun) {
    const std::int64_t part = segments / kStreams / 4 * 4;
    for (; k < part; k += 4) {
      for (std::int64_t s = 0; s < kStreams; ++s) {
        const std::int64_t at = s * part + k;
        absmax_four<kVectors, kRows>(x + at * segment, stride, out + at, ahead);
      }
    }
    k = kStreams * part;
  }
  for (; k + 4 <= segments; k += 4) {
    absmax_four<kVectors, kRows>(x + k * segment, stride, out + k, ahead);
  }
  return k;
}

// magnitude[k] = max(magnitude[k], |x| over segment k of kRows rows), segment > 1.
template <int kRows>
HWY_INLINE void absmax_segments(const float* HWY_RESTRICT x, std::int64_t stride, std::int64_t n,
                                std::int64_t segment, std::uint32_t* HWY_RESTRICT magnitude,
                                std::int64_t ahead) {
  const std::int64_t whole = n / segment, vectors = segment / lanes();
  std::int64_t k = 0;
  if (vectors * lanes() == segment) {
    if (vectors == 1) k = absmax_short<1, kRows>(x, stride, whole, magnitude, ahead);
    if (vectors == 2) k = absmax_short<2, kRows>(x, stride, whole, magnitude, ahead);
    if (vectors == 4) k = absmax_short<4, kRows>(x, stride, whole, magnitude, ahead);
    if (vectors == 8) k = absmax_short<8, kRows>(x, stride, whole, magnitude, ahead);
    if (vectors == 16) k = absmax_short<16, kRows>(x, stride, whole, magnitude, ahead);
  }
  for (std::int64_t i = k * segment; i < n; i += segment, ++k) {
    for (int r = 0; r < kRows; ++r) {
      const float* p = x + r * stride + i;
      magnitude[k] = std::max(magnitude[k], absmax_run(p, std::min(segment, n - i), ahead));
    }
  }
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace HWY_NAMESPACE
}  // namespace sylvester::detail
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
