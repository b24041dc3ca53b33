// Row kernels of the quantizers. The bodies in src/quant/row_kernels.cc define the results.
#include <algorithm>
#include <type_traits>

#include "quant/simd_rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/quant_rows.cc"
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#include <hwy/foreach_target.h>
// After foreach_target.
#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include "simd/formats-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sylvester::detail {
namespace HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

using D = hn::ScalableTag<float>;
using DI = hn::RebindToSigned<D>;
using D8 = hn::Repartition<std::uint8_t, D>;
using VF = hn::Vec<D>;
using VI = hn::Vec<DI>;

inline std::int64_t lanes() { return static_cast<std::int64_t>(hn::Lanes(D())); }

// Asks for 4 N elements that are read later (ahead = 0: nothing is known).
HWY_INLINE void prefetch(const float* x, std::int64_t ahead) {
  if (ahead == 0) return;
  constexpr std::int64_t kLine = 16;  // floats in a cache line
  for (std::int64_t i = 0; i < 4 * lanes(); i += kLine) hwy::Prefetch(x + ahead + i);
}

// ---- absmax and range ---------------------------------------------------------------------------

HWY_INLINE VI magnitude_of(const float* HWY_RESTRICT x) {
  return hn::And(hn::BitCast(DI(), hn::LoadU(D(), x)), hn::Set(DI(), 0x7FFFFFFF));
}

std::uint32_t absmax_run(const float* HWY_RESTRICT x, std::int64_t n, std::int64_t ahead) {
  const std::int64_t N = lanes();
  VI m0 = hn::Zero(DI()), m1 = m0, m2 = m0, m3 = m0;
  std::int64_t i = 0;
  for (; i + 4 * N <= n; i += 4 * N) {
    prefetch(x + i, ahead);
    m0 = hn::Max(m0, magnitude_of(x + i));
    m1 = hn::Max(m1, magnitude_of(x + i + N));
    m2 = hn::Max(m2, magnitude_of(x + i + 2 * N));
    m3 = hn::Max(m3, magnitude_of(x + i + 3 * N));
  }
  for (; i + N <= n; i += N) m0 = hn::Max(m0, magnitude_of(x + i));
  m0 = hn::Max(hn::Max(m0, m1), hn::Max(m2, m3));
  auto most = static_cast<std::uint32_t>(hn::GetLane(hn::MaxOfLanes(DI(), m0)));
  for (; i < n; ++i) most = std::max(most, std::bit_cast<std::uint32_t>(x[i]) & kMagnitudeMask);
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

// Four segments of kVectors vectors at a time; returns the first segment not done.
template <int kVectors>
std::int64_t absmax_short(const float* HWY_RESTRICT x, std::int64_t segments,
                          std::uint32_t* HWY_RESTRICT out) {
  const std::int64_t N = lanes();
  const hn::FixedTag<std::int32_t, 4> d4;
  std::int64_t k = 0;
  for (; k + 4 <= segments; k += 4) {
    VI m[4];
    for (int s = 0; s < 4; ++s) {
      const float* p = x + (k + s) * kVectors * N;
      m[s] = magnitude_of(p);
      for (int v = 1; v < kVectors; ++v) m[s] = hn::Max(m[s], magnitude_of(p + v * N));
    }
    auto* to = reinterpret_cast<std::int32_t*>(out) + k;
    hn::StoreU(hn::Max(hn::LoadU(d4, to), maxima_of_four(DI(), m[0], m[1], m[2], m[3])), d4, to);
  }
  return k;
}

void AbsmaxSegments(const float* HWY_RESTRICT x, std::int64_t n, std::int64_t segment,
                    std::uint32_t* HWY_RESTRICT magnitude, std::int64_t ahead) {
  const std::int64_t N = lanes();
  if (segment == 1) {
    std::int64_t i = 0;
    for (; ahead != 0 && i < n; i += 4 * N) prefetch(x + i, ahead);
    i = 0;
    auto* out = reinterpret_cast<std::int32_t*>(magnitude);
    for (; i + N <= n; i += N) {
      hn::StoreU(hn::Max(hn::LoadU(DI(), out + i), magnitude_of(x + i)), DI(), out + i);
    }
    for (; i < n; ++i) {
      magnitude[i] = std::max(magnitude[i], std::bit_cast<std::uint32_t>(x[i]) & kMagnitudeMask);
    }
    return;
  }
  std::int64_t k = 0;
  if (segment == N) k = absmax_short<1>(x, n / segment, magnitude);
  if (segment == 2 * N) k = absmax_short<2>(x, n / segment, magnitude);
  if (segment == 4 * N) k = absmax_short<4>(x, n / segment, magnitude);
  if (segment == 8 * N) k = absmax_short<8>(x, n / segment, magnitude);
  std::int64_t i = k * segment;
  for (; i < n; i += segment, ++k) {
    magnitude[k] = std::max(magnitude[k], absmax_run(x + i, std::min(segment, n - i), ahead));
  }
}

HWY_INLINE VI key_of(const float* HWY_RESTRICT x) {
  const VI bits = hn::BitCast(DI(), hn::LoadU(D(), x));
  return hn::Xor(bits, hn::And(hn::ShiftRight<31>(bits), hn::Set(DI(), 0x7FFFFFFF)));
}

void RangeSegments(const float* HWY_RESTRICT x, std::int64_t n, std::int64_t segment,
                   std::int32_t* HWY_RESTRICT low, std::int32_t* HWY_RESTRICT high) {
  const std::int64_t N = lanes();
  if (segment == 1) {
    std::int64_t i = 0;
    for (; i + N <= n; i += N) {
      const VI key = key_of(x + i);
      hn::StoreU(hn::Min(hn::LoadU(DI(), low + i), key), DI(), low + i);
      hn::StoreU(hn::Max(hn::LoadU(DI(), high + i), key), DI(), high + i);
    }
    for (; i < n; ++i) {
      low[i] = std::min(low[i], order_key(x[i]));
      high[i] = std::max(high[i], order_key(x[i]));
    }
    return;
  }
  for (std::int64_t k = 0, begin = 0; begin < n; ++k, begin += segment) {
    const std::int64_t end = std::min(n, begin + segment);
    std::int64_t i = begin;
    VI least0 = hn::Set(DI(), kHighestKey), most0 = hn::Set(DI(), kLowestKey);
    VI least1 = least0, most1 = most0;
    for (; i + 2 * N <= end; i += 2 * N) {
      const VI a = key_of(x + i), b = key_of(x + i + N);
      least0 = hn::Min(least0, a);
      most0 = hn::Max(most0, a);
      least1 = hn::Min(least1, b);
      most1 = hn::Max(most1, b);
    }
    least0 = hn::Min(least0, least1);
    most0 = hn::Max(most0, most1);
    low[k] = std::min(low[k], hn::GetLane(hn::MinOfLanes(DI(), least0)));
    high[k] = std::max(high[k], hn::GetLane(hn::MaxOfLanes(DI(), most0)));
    for (; i < end; ++i) {
      low[k] = std::min(low[k], order_key(x[i]));
      high[k] = std::max(high[k], order_key(x[i]));
    }
  }
}

// ---- numbers that belong to segments ------------------------------------------------------------

// One number for the whole run.
struct Uniform {
  VF value;
  explicit Uniform(const float* p) : value(hn::Set(D(), p != nullptr ? *p : 0.0f)) {}
  HWY_INLINE VF Get(std::int64_t, int) const { return value; }
};
// Segments of 2^shift vectors.
struct Small {
  const float* values;
  int shift;
  std::int64_t last;
  HWY_INLINE VF Get(std::int64_t i, int v) const {
    const std::int64_t k = (i / lanes() + v) >> shift;
    return hn::Set(D(), values[std::min(k, last)]);
  }
};
// One for each element; readable up to a multiple of four vectors.
struct Each {
  const float* values;
  HWY_INLINE VF Get(std::int64_t i, int v) const {
    return hn::LoadU(D(), values + i + v * lanes());
  }
};

// The arrays of RowScales as the class that fits the segments. Members whose array is null must
// not be asked.
template <class S>
struct Numbers {
  S scale, factor, zero, inverse;
};

// Segments of at most this many elements go through Small.
constexpr std::int64_t kSmallSegment = 1024;

// Cuts the row in runs that one kind of Numbers describes and calls run(numbers, begin, end).
template <class F>
HWY_INLINE void with_numbers(const RowScales& s, std::int64_t n, std::int64_t segment,
                             const F& run) {
  const std::int64_t N = lanes();
  if (segment == 1) {
    const std::int64_t full = n / (4 * N) * 4 * N;
    run(Numbers<Each>{{s.scale}, {s.factor}, {s.zero}, {s.inverse}}, 0, full);
    if (full == n) return;
    alignas(64) float tail[4][4 * hn::MaxLanes(D())];
    const float* from[4] = {s.scale, s.factor, s.zero, s.inverse};
    for (int a = 0; a < 4; ++a) {
      std::fill_n(tail[a], 4 * N, 1.0f);
      if (from[a] != nullptr) std::copy_n(from[a] + full, n - full, tail[a]);
    }
    run(Numbers<Each>{{tail[0]}, {tail[1]}, {tail[2]}, {tail[3]}}, full, n);
    return;
  }
  const std::int64_t vectors = segment / N;
  if (vectors * N == segment && (vectors & (vectors - 1)) == 0 && segment <= kSmallSegment &&
      segment < n) {
    int shift = 0;
    while ((std::int64_t{1} << shift) < vectors) ++shift;
    const std::int64_t last = (n - 1) / segment;
    run(Numbers<Small>{{s.scale, shift, last},
                       {s.factor, shift, last},
                       {s.zero, shift, last},
                       {s.inverse, shift, last}},
        0, n);
    return;
  }
  const auto at = [](const float* p, std::int64_t k) {
    return Uniform(p != nullptr ? p + k : nullptr);
  };
  for (std::int64_t k = 0, begin = 0; begin < n; ++k, begin += segment) {
    run(Numbers<Uniform>{at(s.scale, k), at(s.factor, k), at(s.zero, k), at(s.inverse, k)}, begin,
        std::min(n, begin + segment));
  }
}

// Calls step(i, x, out) for each full step of 4 N elements, and once for the rest on padded
// copies. `step` reads x[0 .. 4N) and writes out[0 .. 4N); streaming says that out is aligned and
// may go around the caches. Each step reads before it writes.
template <class X, class Out, class Step>
HWY_INLINE void steps(const X* x, std::int64_t n, Out* out, bool streams, const Step& step) {
  const std::int64_t length = 4 * lanes();
  constexpr std::size_t kAlignment = sizeof(Out) == 1 ? 4 * hn::MaxLanes(D()) : HWY_MAX_BYTES;
  std::int64_t i = 0;
  if (streams && reinterpret_cast<std::uintptr_t>(out) % kAlignment == 0) {
    for (; i + length <= n; i += length) step(i, x + i, out + i, std::true_type());
  }
  for (; i + length <= n; i += length) step(i, x + i, out + i, std::false_type());
  if (i == n) return;
  alignas(64) X x_tail[4 * hn::MaxLanes(D())] = {};
  alignas(64) Out out_tail[4 * hn::MaxLanes(D())];
  std::copy_n(x + i, n - i, x_tail);
  step(i, x_tail, out_tail, std::false_type());
  std::copy_n(out_tail, n - i, out + i);
}

template <class Streams, class V, class DV, class T>
HWY_INLINE void store(Streams, V v, DV d, T* p) {
  if constexpr (Streams::value) {
    hn::Stream(v, d, p);
  } else {
    hn::StoreU(v, d, p);
  }
}

// ---- elements -----------------------------------------------------------------------------------

// Quotients. Each sees the vector of x and the numbers at (i, v).
struct Divide {
  template <class S>
  HWY_INLINE VF operator()(VF x, const Numbers<S>& s, std::int64_t i, int v) const {
    return hn::Div(x, s.factor.Get(i, v));
  }
};
struct Multiply {
  template <class S>
  HWY_INLINE VF operator()(VF x, const Numbers<S>& s, std::int64_t i, int v) const {
    return hn::Mul(x, s.factor.Get(i, v));
  }
};
// The correctly rounded quotient without a division (Markstein): r is the nearest float32 to 1/f,
// the remainder is exact, so the second FMA rounds x/f once. Needs f in [2^-60, 2^60] so that no
// product that matters to a code (|x/f| >= 2^-17) is subnormal; smaller quotients keep their sign
// and stay far below half of the smallest value of any element format.
template <bool kSignedZero>
struct DivideByFma {
  template <class S>
  HWY_INLINE VF operator()(VF x, const Numbers<S>& s, std::int64_t i, int v) const {
    const VF factor = s.factor.Get(i, v), inverse = s.inverse.Get(i, v);
    const VF q = hn::Mul(x, inverse);
    const VF rest = hn::NegMulAdd(q, factor, x);
    const VF y = hn::MulAdd(rest, inverse, q);
    return kSignedZero ? hn::CopySign(y, x) : y;
  }
};

// Integers, round to nearest even and clamp. 1.5 * 2^23 has its last place at 1: adding it rounds
// and leaves the integer in the low bits. The bounds are integers, so clamping first is the same.
class SymmetricElements {
 public:
  static constexpr bool kSignedZero = false;
  explicit SymmetricElements(const ElementMap& map)
      : low_(hn::Set(D(), map.low)), high_(hn::Set(D(), map.high)) {}
  template <class S>
  HWY_INLINE hn::Vec<D8> Bytes(VF y0, VF y1, VF y2, VF y3, const Numbers<S>&, std::int64_t) const {
    return PackBytes(D(), hn::BitCast(DI(), Sum(y0)), hn::BitCast(DI(), Sum(y1)),
                     hn::BitCast(DI(), Sum(y2)), hn::BitCast(DI(), Sum(y3)));
  }
  template <class S>
  HWY_INLINE VF Value(VF y, const Numbers<S>& s, std::int64_t i, int v) const {
    return hn::Mul(hn::Sub(Sum(y), hn::Set(D(), 0x1.8p23f)), s.scale.Get(i, v));
  }

 private:
  HWY_INLINE VF Sum(VF y) const {
    return hn::Add(hn::Min(hn::Max(y, low_), high_), hn::Set(D(), 0x1.8p23f));
  }
  VF low_, high_;
};

class AsymmetricElements {
 public:
  static constexpr bool kSignedZero = false;
  explicit AsymmetricElements(const ElementMap& map)
      : low_(hn::Set(D(), map.low)), high_(hn::Set(D(), map.high)) {}
  template <class S>
  HWY_INLINE hn::Vec<D8> Bytes(VF y0, VF y1, VF y2, VF y3, const Numbers<S>& s,
                               std::int64_t i) const {
    return PackBytes(D(), Code(y0, s.zero.Get(i, 0)), Code(y1, s.zero.Get(i, 1)),
                     Code(y2, s.zero.Get(i, 2)), Code(y3, s.zero.Get(i, 3)));
  }
  template <class S>
  HWY_INLINE VF Value(VF y, const Numbers<S>& s, std::int64_t i, int v) const {
    const VF zero = s.zero.Get(i, v);
    return hn::Mul(hn::Sub(Rounded(y, zero), zero), s.scale.Get(i, v));
  }

 private:
  HWY_INLINE VI Code(VF y, VF zero) const {
    return hn::BitCast(DI(), hn::Add(Rounded(y, zero), hn::Set(D(), 0x1.8p23f)));
  }
  HWY_INLINE VF Rounded(VF y, VF zero) const {
    return hn::Min(hn::Max(hn::Add(hn::Round(y), zero), low_), high_);
  }
  VF low_, high_;
};

template <bool kClamp>
class FloatElements {
 public:
  static constexpr bool kSignedZero = true;
  explicit FloatElements(const ElementMap& map) : encoder_(D(), map.to, map.options) {}
  template <class S>
  HWY_INLINE hn::Vec<D8> Bytes(VF y0, VF y1, VF y2, VF y3, const Numbers<S>&, std::int64_t) const {
    return encoder_.EncodeBytes(y0, y1, y2, y3);
  }
  template <class S>
  HWY_INLINE VF Value(VF y, const Numbers<S>& s, std::int64_t i, int v) const {
    return hn::Mul(encoder_.Round(y), s.scale.Get(i, v));
  }

 private:
  NearestEvenEncoder<D, kClamp> encoder_;
};

// Calls f(elements, quotient) with the classes for a plain map.
template <class F>
HWY_INLINE void with_elements(const ElementMap& map, const RowScales& scales, const F& f) {
  const auto with_quotient = [&](const auto& elements) HWY_ATTR {
    if (map.multiplies) {
      f(elements, Multiply());
    } else if (HWY_NATIVE_FMA && scales.inverse != nullptr) {
      f(elements, DivideByFma<std::decay_t<decltype(elements)>::kSignedZero>());
    } else {
      f(elements, Divide());
    }
  };
  if (map.asymmetric) return with_quotient(AsymmetricElements(map));
  if (map.integer) return with_quotient(SymmetricElements(map));
  if (ClampsMagnitude(map.to, map.options)) return with_quotient(FloatElements<true>(map));
  with_quotient(FloatElements<false>(map));
}

void EncodeRow(const ElementMap& map, const float* HWY_RESTRICT x, std::int64_t n,
               std::int64_t segment, const RowScales& scales, std::uint8_t* HWY_RESTRICT codes) {
  const std::int64_t N = lanes();
  with_elements(map, scales, [&](const auto& elements, const auto& quotient) HWY_ATTR {
    with_numbers(scales, n, segment,
                 [&](const auto& numbers_in, std::int64_t begin, std::int64_t end) HWY_ATTR {
                   // Copies of one's own: stores of bytes cannot change them, so they stay in
                   // registers.
                   const auto e = elements;
                   const auto q = quotient;
                   const auto numbers = numbers_in;
                   const std::int64_t ahead = scales.ahead;
                   const auto step = [&](std::int64_t i, const float* from, std::uint8_t* to,
                                         auto streams) HWY_ATTR {
                     prefetch(x + begin + i, ahead);
                     VF y[4];
                     for (int v = 0; v < 4; ++v) {
                       y[v] = q(hn::LoadU(D(), from + v * N), numbers, i, v);
                     }
                     store(streams, e.Bytes(y[0], y[1], y[2], y[3], numbers, i), D8(), to);
                   };
                   steps(x + begin, end - begin, codes + begin, map.stream_codes, step);
                 });
  });
}

void ValuesRow(const ElementMap& map, const float* x, std::int64_t n, std::int64_t segment,
               const RowScales& scales, float* out) {
  const std::int64_t N = lanes();
  with_elements(map, scales, [&](const auto& elements, const auto& quotient) HWY_ATTR {
    with_numbers(scales, n, segment,
                 [&](const auto& numbers_in, std::int64_t begin, std::int64_t end) HWY_ATTR {
                   // Copies of one's own: stores of bytes cannot change them, so they stay in
                   // registers.
                   const auto e = elements;
                   const auto q = quotient;
                   const auto numbers = numbers_in;
                   const std::int64_t ahead = scales.ahead;
                   const auto step = [&](std::int64_t i, const float* from, float* to,
                                         auto streams) HWY_ATTR {
                     prefetch(x + begin + i, ahead);
                     VF r[4];
                     for (int v = 0; v < 4; ++v) {
                       const VF y = q(hn::LoadU(D(), from + v * N), numbers, i, v);
                       r[v] = e.Value(y, numbers, i, v);
                     }
                     for (int v = 0; v < 4; ++v) store(streams, r[v], D(), to + v * N);
                   };
                   steps(x + begin, end - begin, out + begin, map.stream_values, step);
                 });
  });
}

void DecodeRow(const ElementMap& map, const std::uint8_t* HWY_RESTRICT codes, std::int64_t n,
               std::int64_t segment, const RowScales& scales, float* HWY_RESTRICT out) {
  const std::int64_t N = lanes();
  const auto run = [&](const auto& decode) HWY_ATTR {
    with_numbers(scales, n, segment,
                 [&](const auto& numbers_in, std::int64_t begin, std::int64_t end) HWY_ATTR {
                   const auto numbers = numbers_in;
                   const auto d = decode;
                   const auto step = [&](std::int64_t i, const std::uint8_t* from, float* to,
                                         auto streams) HWY_ATTR {
                     for (int v = 0; v < 4; ++v) {
                       const VF value = d(LoadCodes(D(), from + v * N), numbers, i, v);
                       const VF result = hn::Mul(value, numbers.scale.Get(i, v));
                       store(streams, result, D(), to + v * N);
                     }
                   };
                   steps(codes + begin, end - begin, out + begin, map.stream_values, step);
                 });
  };
  if (map.asymmetric) {
    run([](VI c, const auto& numbers, std::int64_t i, int v)
            HWY_ATTR { return hn::Sub(hn::ConvertTo(D(), c), numbers.zero.Get(i, v)); });
  } else {
    WithDecoder(D(), map.format, [&](const auto& decoder) HWY_ATTR {
      run([decoder](VI c, const auto&, std::int64_t, int) HWY_ATTR { return decoder.Decode(c); });
    });
  }
}

void QuotientRow(const ElementMap& map, const float* HWY_RESTRICT x, std::int64_t n,
                 std::int64_t segment, const float* factors, float* HWY_RESTRICT y) {
  const std::int64_t N = lanes();
  const BFloat16Encoder<D> to_bf16(D(), kIeeeEncode);
  with_numbers(
      {.factor = factors}, n, segment,
      [&](const auto& numbers, std::int64_t begin, std::int64_t end) HWY_ATTR {
        const auto step = [&](std::int64_t i, const float* from, float* to, auto) HWY_ATTR {
          for (int v = 0; v < 4; ++v) {
            const VF a = hn::LoadU(D(), from + v * N);
            VF q = map.multiplies ? Multiply()(a, numbers, i, v) : Divide()(a, numbers, i, v);
            if (map.bf16_quotient) {
              q = hn::BitCast(D(), hn::ShiftLeft<16>(to_bf16.Encode(q)));
            }
            hn::StoreU(q, D(), to + v * N);
          }
        };
        steps(x + begin, end - begin, y + begin, false, step);
      });
}

#else   // a CPU without any of the instruction sets above

void AbsmaxSegments(const float* x, std::int64_t n, std::int64_t segment, std::uint32_t* magnitude,
                    std::int64_t) {
  scalar::absmax_segments(x, n, segment, magnitude);
}
void RangeSegments(const float* x, std::int64_t n, std::int64_t segment, std::int32_t* low,
                   std::int32_t* high) {
  scalar::range_segments(x, n, segment, low, high);
}
void EncodeRow(const ElementMap& map, const float* x, std::int64_t n, std::int64_t segment,
               const RowScales& scales, std::uint8_t* codes) {
  scalar::encode_row(map, x, n, segment, scales, 0, codes);
}
void ValuesRow(const ElementMap& map, const float* x, std::int64_t n, std::int64_t segment,
               const RowScales& scales, float* out) {
  scalar::values_row(map, x, n, segment, scales, 0, out);
}
void DecodeRow(const ElementMap& map, const std::uint8_t* codes, std::int64_t n,
               std::int64_t segment, const RowScales& scales, float* out) {
  scalar::decode_row(map, codes, n, segment, scales, out);
}
void QuotientRow(const ElementMap& map, const float* x, std::int64_t n, std::int64_t segment,
                 const float* factors, float* y) {
  scalar::quotient_row(map, x, n, segment, factors, y);
}
#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace HWY_NAMESPACE
}  // namespace sylvester::detail
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sylvester::detail {

HWY_EXPORT(AbsmaxSegments);
HWY_EXPORT(RangeSegments);
HWY_EXPORT(EncodeRow);
HWY_EXPORT(ValuesRow);
HWY_EXPORT(DecodeRow);
HWY_EXPORT(QuotientRow);

void absmax_segments_simd(const float* x, std::int64_t n, std::int64_t segment,
                          std::uint32_t* magnitude, std::int64_t ahead) noexcept {
  HWY_DYNAMIC_DISPATCH(AbsmaxSegments)(x, n, segment, magnitude, ahead);
}
void range_segments_simd(const float* x, std::int64_t n, std::int64_t segment, std::int32_t* low,
                         std::int32_t* high) noexcept {
  HWY_DYNAMIC_DISPATCH(RangeSegments)(x, n, segment, low, high);
}
void encode_row_simd(const ElementMap& map, const float* x, std::int64_t n, std::int64_t segment,
                     const RowScales& scales, std::uint8_t* codes) noexcept {
  HWY_DYNAMIC_DISPATCH(EncodeRow)(map, x, n, segment, scales, codes);
}
void values_row_simd(const ElementMap& map, const float* x, std::int64_t n, std::int64_t segment,
                     const RowScales& scales, float* out) noexcept {
  HWY_DYNAMIC_DISPATCH(ValuesRow)(map, x, n, segment, scales, out);
}
void decode_row_simd(const ElementMap& map, const std::uint8_t* codes, std::int64_t n,
                     std::int64_t segment, const RowScales& scales, float* out) noexcept {
  HWY_DYNAMIC_DISPATCH(DecodeRow)(map, codes, n, segment, scales, out);
}
void quotient_row_simd(const ElementMap& map, const float* x, std::int64_t n, std::int64_t segment,
                       const float* factors, float* y) noexcept {
  HWY_DYNAMIC_DISPATCH(QuotientRow)(map, x, n, segment, factors, y);
}
}  // namespace sylvester::detail
#endif  // HWY_ONCE
