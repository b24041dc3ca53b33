// What the row kernels of the quantizers are made of: the numbers of segments, steps over rows,
// quotients and elements. Include after <hwy/highway.h> inside a foreach_target file.
#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "quant/simd_rows.h"

#if defined(SYLVESTER_SIMD_QUANT_ELEMENTS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SYLVESTER_SIMD_QUANT_ELEMENTS_INL_H_
#undef SYLVESTER_SIMD_QUANT_ELEMENTS_INL_H_
#else
#define SYLVESTER_SIMD_QUANT_ELEMENTS_INL_H_
#endif

#include <hwy/highway.h>

#include "simd/formats-inl.h"
#include "simd/memory-inl.h"
#include "simd/quant_bounds-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sylvester::detail {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
#if HWY_TARGET != HWY_SCALAR

// D, DI and VI are those of quant_bounds-inl.h.
using D8 = hn::Repartition<std::uint8_t, D>;
using VF = hn::Vec<D>;

// ---- numbers that belong to segments ------------------------------------------------------------

// The arrays of RowScales. A missing one, which is not read, is replaced.
struct Arrays {
  const float *scale, *factor, *zero, *inverse;
  explicit Arrays(const RowScales& s) {
    const float* some = s.scale != nullptr ? s.scale : s.factor;
    const auto or_some = [some](const float* p) { return p != nullptr ? p : some; };
    scale = or_some(s.scale), factor = or_some(s.factor);
    zero = or_some(s.zero), inverse = or_some(s.inverse);
  }
};

// The numbers of four vectors.
struct Numbers {
  VF scale[4], factor[4], zero[4], inverse[4];

  // Those of vector v are at(array, v).
  template <class At>
  HWY_INLINE Numbers(const Arrays& p, const At& at) {
    for (int v = 0; v < 4; ++v) {
      scale[v] = at(p.scale, v), factor[v] = at(p.factor, v);
      zero[v] = at(p.zero, v), inverse[v] = at(p.inverse, v);
    }
  }

  // One for all.
  static HWY_INLINE Numbers Uniform(const Arrays& p, std::int64_t k) {
    return Numbers(p, [k](const float* a, int) HWY_ATTR { return hn::Set(D(), a[k]); });
  }
  // One for kPer vectors, kPer = 1, 2 or 4.
  template <int kPer>
  static HWY_INLINE Numbers Short(const Arrays& p, std::int64_t k) {
    return Numbers(p,
                   [k](const float* a, int v) HWY_ATTR { return hn::Set(D(), a[k + v / kPer]); });
  }
  // One for each element.
  static HWY_INLINE Numbers Each(const Arrays& p, std::int64_t i) {
    return Numbers(
        p, [i](const float* a, int v) HWY_ATTR { return hn::LoadU(D(), a + i + v * lanes()); });
  }
};

// Up to 4 N numbers of each array, padded.
class PaddedArrays {
 public:
  PaddedArrays(const Arrays& p, std::int64_t first, std::int64_t count) {
    const float* from[4] = {p.scale, p.factor, p.zero, p.inverse};
    for (int a = 0; a < 4; ++a) {
      std::fill_n(numbers_[a], 4 * lanes(), 1.0f);
      std::copy_n(from[a] + first, count, numbers_[a]);
    }
  }
  Arrays Get() const {
    return Arrays(
        {.scale = numbers_[0], .factor = numbers_[1], .zero = numbers_[2], .inverse = numbers_[3]});
  }

 private:
  alignas(64) float numbers_[4][4 * hn::MaxLanes(D())];
};

// ---- walks over rows ----------------------------------------------------------------------------

// Rows, and where their results go.
template <class In, class Out>
struct Strip {
  const In* in;
  std::int64_t in_stride;
  Out* out;
  std::int64_t out_stride, rows, n, ahead;
  bool streams;  // out is aligned and may go around the caches

  Strip(MatrixView<const In> X, MatrixView<Out> Y, const Access& access)
      : in(X.data),
        in_stride(X.stride),
        out(Y.data),
        out_stride(Y.stride),
        rows(X.rows),
        n(X.cols),
        ahead(access.ahead) {
    constexpr std::size_t kAlignment = sizeof(Out) == 1 ? 4 * hn::MaxLanes(D()) : HWY_MAX_BYTES;
    const auto aligned = [](std::size_t bytes) { return bytes % kAlignment == 0; };
    streams = access.streams && aligned(reinterpret_cast<std::uintptr_t>(out)) &&
              (rows == 1 || aligned(static_cast<std::size_t>(out_stride) * sizeof(Out)));
  }
};

// One step: step(numbers, in, out, streams) reads in[0 .. 4N) and writes out[0 .. 4N), in this
// order. What lies `ahead` is asked for.
template <class In, class Out, class Step>
HWY_INLINE void one_step(const Strip<In, Out>& strip, const Numbers& numbers, const In* in,
                         Out* out, const Step& step) {
  if (strip.ahead != 0) {
    PrefetchLines(in + strip.ahead, 4 * lanes() * static_cast<std::int64_t>(sizeof(In)));
  }
  step(numbers, in, out, strip.streams);
}

// The rest of a row, shorter than a step, on padded copies.
template <class In, class Out, class Step>
HWY_NOINLINE void last_step(const In* in, std::int64_t count, Out* out, Numbers numbers,
                            const Step& step) {
  alignas(64) In in_tail[4 * hn::MaxLanes(D())] = {};
  alignas(64) Out out_tail[4 * hn::MaxLanes(D())];
  std::copy_n(in, count, in_tail);
  step(numbers, in_tail, out_tail, false);
  std::copy_n(out_tail, count, out);
}

// A number for each element. Rows take turns, so that a step's numbers are loaded once for several.
template <class In, class Out, class Step>
HWY_INLINE void walk_columns(const Strip<In, Out>& strip, const Arrays& arrays, const Step& step) {
  const std::int64_t length = 4 * lanes(), full = strip.n / length * length;
  for (std::int64_t first = 0; first < strip.rows; first += kStreams) {
    const std::int64_t turns = std::min(kStreams, strip.rows - first);
    for (std::int64_t i = 0; i < full; i += length) {
      const Numbers numbers = Numbers::Each(arrays, i);
      const In* in = strip.in + first * strip.in_stride + i;
      Out* out = strip.out + first * strip.out_stride + i;
      for (std::int64_t r = 0; r < turns; ++r) {
        one_step(strip, numbers, in, out, step);
        in += strip.in_stride;
        out += strip.out_stride;
      }
    }
  }
  const std::int64_t rest = strip.n - full;
  if (rest == 0) return;
  const PaddedArrays padded(arrays, full, rest);
  const Numbers numbers = Numbers::Each(padded.Get(), 0);
  for (std::int64_t r = 0; r < strip.rows; ++r) {
    last_step(strip.in + r * strip.in_stride + full, rest, strip.out + r * strip.out_stride + full,
              numbers, step);
  }
}

// Segments of kPer vectors, or of 2^shift steps (kPer = 4).
template <int kPer, class In, class Out, class Step>
HWY_INLINE void walk_short(const Strip<In, Out>& strip, const Arrays& arrays, int shift,
                           const Step& step) {
  const std::int64_t length = 4 * lanes(), whole = strip.n / length;
  const std::int64_t full = whole * length, rest = strip.n - full;
  const auto number_at = [shift](std::int64_t i)
                             HWY_ATTR { return kPer == 4 ? i >> shift : i * (4 / kPer); };
  for (std::int64_t r = 0; r < strip.rows; ++r) {
    const In* in = strip.in + r * strip.in_stride;
    Out* out = strip.out + r * strip.out_stride;
    for (std::int64_t i = 0; i < whole; ++i) {
      const Numbers numbers = Numbers::Short<kPer>(arrays, number_at(i));
      one_step(strip, numbers, in + i * length, out + i * length, step);
    }
    if (rest == 0) continue;
    const std::int64_t segment = kPer * lanes();
    const PaddedArrays padded(arrays, number_at(whole), (rest + segment - 1) / segment);
    last_step(in + full, rest, out + full, Numbers::Short<kPer>(padded.Get(), 0), step);
  }
}

// Any other segments, one after the other.
template <class In, class Out, class Step>
HWY_INLINE void walk_segments(const Strip<In, Out>& strip, const Arrays& arrays,
                              std::int64_t segment, const Step& step) {
  const std::int64_t length = 4 * lanes();
  for (std::int64_t r = 0; r < strip.rows; ++r) {
    for (std::int64_t begin = 0, k = 0; begin < strip.n; begin += segment, ++k) {
      const std::int64_t n = std::min(segment, strip.n - begin), full = n / length * length;
      const In* in = strip.in + r * strip.in_stride + begin;
      Out* out = strip.out + r * strip.out_stride + begin;
      const Numbers numbers = Numbers::Uniform(arrays, k);
      for (std::int64_t i = 0; i < full; i += length) {
        one_step(strip, numbers, in + i, out + i, step);
      }
      if (full < n) last_step(in + full, n - full, out + full, numbers, step);
    }
  }
}

// One number for everything: long runs are cut in streams that take turns.
template <class In, class Out, class Step>
HWY_INLINE void walk_run(const Strip<In, Out>& strip, const Arrays& arrays, const Step& step) {
  const std::int64_t length = 4 * lanes(), n = strip.n;
  const std::int64_t part = n >= kLongRun ? n / (kStreams * length) * length : 0;
  const Numbers numbers = Numbers::Uniform(arrays, 0);
  for (std::int64_t i = 0; i < part; i += length) {
    const In* in = strip.in + i;
    Out* out = strip.out + i;
    for (std::int64_t s = 0; s < kStreams; ++s, in += part, out += part) {
      one_step(strip, numbers, in, out, step);
    }
  }
  std::int64_t i = kStreams * part;
  for (; i + length <= n; i += length) {
    one_step(strip, numbers, strip.in + i, strip.out + i, step);
  }
  if (i < n) last_step(strip.in + i, n - i, strip.out + i, numbers, step);
}

template <class In, class Out, class Step>
HWY_INLINE void walk_rows(MatrixView<const In> X, MatrixView<Out> Y, std::int64_t segment,
                          const RowScales& scales, const Access& access, const Step& step) {
  const Arrays arrays(scales);
  if (segment >= X.cols && X.contiguous() && Y.contiguous()) {
    const std::int64_t n = X.size();  // rows that lie end to end
    return walk_run(Strip<In, Out>({X.data, 1, n}, {Y.data, 1, n}, access), arrays, step);
  }
  const Strip<In, Out> strip(X, Y, access);
  if (segment == 1) return walk_columns(strip, arrays, step);
  const std::int64_t N = lanes();
  if (segment == N) return walk_short<1>(strip, arrays, 0, step);
  if (segment == 2 * N) return walk_short<2>(strip, arrays, 0, step);
  int shift = 0;
  while ((4 * N << shift) < segment) ++shift;
  if ((4 * N << shift) == segment) return walk_short<4>(strip, arrays, shift, step);
  walk_segments(strip, arrays, segment, step);
}

// ---- elements -----------------------------------------------------------------------------------

// Quotients of vector v of a step.
struct Multiply {
  explicit Multiply(const RowScales&) {}
  HWY_INLINE VF operator()(VF x, const Numbers& s, int v) const { return hn::Mul(x, s.factor[v]); }
};
// Where the target has FMA and the inverse r, the nearest float32 to 1/f, is given: the correctly
// rounded quotient without a division (Markstein). The remainder is exact, so the second FMA rounds
// x/f once. Needs f in [2^-80, 2^100] so that no product that matters to a code (|x/f| >= 2^-17) is
// subnormal; smaller quotients stay far below half of the smallest value of any element format. A
// zero may lose its sign.
struct Divide {
  bool whole;
  explicit Divide(const RowScales& scales) : whole(!HWY_NATIVE_FMA || scales.inverse == nullptr) {}
  HWY_INLINE VF operator()(VF x, const Numbers& s, int v) const {
    if (HWY_UNLIKELY(whole)) return hn::Div(x, s.factor[v]);
    const VF q = hn::Mul(x, s.inverse[v]);
    const VF rest = hn::NegMulAdd(q, s.factor[v], x);
    return hn::MulAdd(rest, s.inverse[v], q);
  }
};

// The classes below turn four vectors of quotients y of x into code bytes, or one into values. They
// need tame quotients (see RowScales).

// Integers, round to nearest even and clamp. 1.5 * 2^23 has its last place at 1: adding it rounds
// and leaves the integer in the low bits. The bounds are integers, so clamping first is the same.
class SymmetricElements {
 public:
  explicit SymmetricElements(const ElementMap& map)
      : low_(hn::Set(D(), map.low)),
        high_(hn::Set(D(), map.high)),
        low_byte_(hn::Set(DS8(), static_cast<std::int8_t>(map.low))),
        high_byte_(hn::Set(DS8(), static_cast<std::int8_t>(map.high))) {}
  HWY_INLINE hn::Vec<D8> Bytes(const VF (&y)[4], const VF (&)[4], const Numbers&) const {
    const auto bytes = SaturatedBytes(D(), y[0], y[1], y[2], y[3]);
    return hn::BitCast(D8(), hn::Min(hn::Max(bytes, low_byte_), high_byte_));
  }
  HWY_INLINE VF Value(VF y, VF, const Numbers& s, int v) const {
    const VF sum = hn::Add(hn::Min(hn::Max(y, low_), high_), hn::Set(D(), 0x1.8p23f));
    return hn::Mul(hn::Sub(sum, hn::Set(D(), 0x1.8p23f)), s.scale[v]);
  }

 private:
  using DS8 = hn::RebindToSigned<D8>;
  VF low_, high_;
  hn::Vec<DS8> low_byte_, high_byte_;
};

class AsymmetricElements {
 public:
  explicit AsymmetricElements(const ElementMap& map)
      : low_(hn::Set(D(), map.low)), high_(hn::Set(D(), map.high)) {}
  HWY_INLINE hn::Vec<D8> Bytes(const VF (&y)[4], const VF (&)[4], const Numbers& s) const {
    return PackBytes(D(), Code(y[0], s.zero[0]), Code(y[1], s.zero[1]), Code(y[2], s.zero[2]),
                     Code(y[3], s.zero[3]));
  }
  HWY_INLINE VF Value(VF y, VF, const Numbers& s, int v) const {
    const VF zero = s.zero[v];
    return hn::Mul(hn::Sub(Rounded(y, zero), zero), s.scale[v]);
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

class FloatElements {
 public:
  explicit FloatElements(const ElementMap& map)
      : encoder_(D(), map.to), unsigned_zero_(map.to.specials == Specials::kFnuz) {}
  HWY_INLINE hn::Vec<D8> Bytes(const VF (&y)[4], const VF (&x)[4], const Numbers&) const {
    auto bytes = encoder_.Bytes(y, x);
    if (unsigned_zero_) {
      const D8 d8;
      bytes = hn::IfThenZeroElse(hn::Eq(bytes, hn::Set(d8, 0x80)), bytes);
    }
    return bytes;
  }
  HWY_INLINE VF Value(VF y, VF x, const Numbers& s, int v) const {
    VF value = encoder_.Round(y, x);
    if (unsigned_zero_) value = hn::IfThenZeroElse(hn::Eq(value, hn::Zero(D())), value);
    return hn::Mul(value, s.scale[v]);
  }

 private:
  PlainEncoder<D> encoder_;
  bool unsigned_zero_;
};

// Calls f(elements) with the class for a plain map.
template <class F>
HWY_INLINE void with_elements(const ElementMap& map, const F& f) {
  if (map.asymmetric) return f(AsymmetricElements(map));
  if (map.integer) return f(SymmetricElements(map));
  f(FloatElements(map));
}

HWY_INLINE void StoreFour(const VF (&v)[4], float* to, bool streams) {
  const std::int64_t N = lanes();
  if (streams) {
    for (int k = 0; k < 4; ++k) hn::Stream(v[k], D(), to + k * N);
  } else {
    for (int k = 0; k < 4; ++k) hn::StoreU(v[k], D(), to + k * N);
  }
}

// Codes (Out is a byte) or values (float) of one step.
template <class Out, class E, class Q>
struct ElementStep {
  E elements;
  Q quotient;
  HWY_INLINE void operator()(const Numbers& s, const float* from, Out* to, bool streams) const {
    const std::int64_t N = lanes();
    VF x[4], y[4];
    for (int v = 0; v < 4; ++v) {
      x[v] = hn::LoadU(D(), from + v * N);
      y[v] = quotient(x[v], s, v);
    }
    if constexpr (sizeof(Out) == 1) {
      const hn::Vec<D8> bytes = elements.Bytes(y, x, s);
      streams ? hn::Stream(bytes, D8(), to) : hn::StoreU(bytes, D8(), to);
    } else {
      for (int v = 0; v < 4; ++v) y[v] = elements.Value(y[v], x[v], s, v);
      StoreFour(y, to, streams);
    }
  }
};

// The steps get copies of the elements: stores of bytes cannot change those, so they stay in
// registers.
template <class Out, class E>
HWY_INLINE void run_elements(const E& elements, bool multiplies, MatrixView<const float> X,
                             std::int64_t segment, const RowScales& scales, MatrixView<Out> out,
                             const Access& access) {
  if (multiplies) {
    const ElementStep<Out, E, Multiply> step{elements, Multiply(scales)};
    walk_rows(X, out, segment, scales, access, step);
  } else {
    const ElementStep<Out, E, Divide> step{elements, Divide(scales)};
    walk_rows(X, out, segment, scales, access, step);
  }
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace HWY_NAMESPACE
}  // namespace sylvester::detail
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
