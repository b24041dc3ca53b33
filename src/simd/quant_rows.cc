// Row kernels of the quantizers. The bodies in src/quant/row_kernels.cc define the results.
#include <algorithm>
#include <cstring>

#include "quant/simd_rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/quant_rows.cc"
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)
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

// ---- absmax and range ---------------------------------------------------------------------------

HWY_INLINE VI magnitude_of(const float* HWY_RESTRICT x) {
  return hn::And(hn::BitCast(DI(), hn::LoadU(D(), x)), hn::Set(DI(), 0x7FFFFFFF));
}

std::uint32_t absmax_run(const float* HWY_RESTRICT x, std::int64_t n) {
  const std::int64_t N = lanes();
  VI m0 = hn::Zero(DI()), m1 = m0, m2 = m0, m3 = m0;
  std::int64_t i = 0;
  for (; i + 4 * N <= n; i += 4 * N) {
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

// Exactly 4 N elements in kParts equal segments of whole vectors.
template <int kParts>
HWY_INLINE void absmax_parts(const float* HWY_RESTRICT x, std::uint32_t* HWY_RESTRICT out) {
  const std::int64_t N = lanes();
  const VI m[4] = {magnitude_of(x), magnitude_of(x + N), magnitude_of(x + 2 * N),
                   magnitude_of(x + 3 * N)};
  constexpr int kVectors = 4 / kParts;
  for (int p = 0; p < kParts; ++p) {
    VI most = m[p * kVectors];
    for (int v = 1; v < kVectors; ++v) most = hn::Max(most, m[p * kVectors + v]);
    const auto got = static_cast<std::uint32_t>(hn::GetLane(hn::MaxOfLanes(DI(), most)));
    out[p] = std::max(out[p], got);
  }
}

void AbsmaxSegments(const float* HWY_RESTRICT x, std::int64_t n, std::int64_t segment,
                    std::uint32_t* HWY_RESTRICT magnitude) {
  const std::int64_t N = lanes();
  if (segment == 1) {
    std::int64_t i = 0;
    auto* out = reinterpret_cast<std::int32_t*>(magnitude);
    for (; i + N <= n; i += N) {
      hn::StoreU(hn::Max(hn::LoadU(DI(), out + i), magnitude_of(x + i)), DI(), out + i);
    }
    for (; i < n; ++i) {
      magnitude[i] = std::max(magnitude[i], std::bit_cast<std::uint32_t>(x[i]) & kMagnitudeMask);
    }
    return;
  }
  std::int64_t i = 0, k = 0;
  if (segment * 4 == 4 * N) {
    for (; i + 4 * N <= n; i += 4 * N, k += 4) absmax_parts<4>(x + i, magnitude + k);
  } else if (segment * 2 == 4 * N) {
    for (; i + 4 * N <= n; i += 4 * N, k += 2) absmax_parts<2>(x + i, magnitude + k);
  }
  for (; i < n; i += segment, ++k) {
    magnitude[k] = std::max(magnitude[k], absmax_run(x + i, std::min(segment, n - i)));
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
// Segments of 2^shift vectors, at most four vectors long.
struct Small {
  const float* values;
  int shift;
  std::int64_t last;
  HWY_INLINE VF Get(std::int64_t i, int v) const {
    if (values == nullptr) return hn::Zero(D());
    const std::int64_t k = (i / lanes() + v) >> shift;
    return hn::Set(D(), values[std::min(k, last)]);
  }
};
// One for each element; readable up to a multiple of four vectors.
struct Each {
  const float* values;
  HWY_INLINE VF Get(std::int64_t i, int v) const {
    return values == nullptr ? hn::Zero(D()) : hn::LoadU(D(), values + i + v * lanes());
  }
};

// Calls body(i, x, out) for each full step of 4 N elements, and once for the rest on padded
// copies. `body` reads x[0 .. 4N) and writes out[0 .. 4N).
template <class X, class Out, class Body>
HWY_INLINE void steps(const X* HWY_RESTRICT x, std::int64_t n, Out* HWY_RESTRICT out,
                      const Body& body) {
  const std::int64_t step = 4 * lanes();
  std::int64_t i = 0;
  for (; i + step <= n; i += step) body(i, x + i, out + i);
  if (i == n) return;
  alignas(64) X x_tail[HWY_MAX_BYTES] = {};
  alignas(64) Out out_tail[HWY_MAX_BYTES];
  std::copy_n(x + i, n - i, x_tail);
  body(i, x_tail, out_tail);
  std::copy_n(out_tail, n - i, out + i);
}

// The three arrays of RowScales as the class that fits the segments.
template <class S>
struct Numbers {
  S factor, zero, scale;
};

// Cuts the row in runs that one kind of Numbers describes and calls
// run(numbers, begin, end) for each.
template <class F>
HWY_INLINE void with_numbers(const RowScales& s, std::int64_t n, std::int64_t segment, bool zeros,
                             const F& run) {
  const std::int64_t N = lanes();
  const float* zero = zeros ? s.zero : nullptr;
  if (segment == 1) {
    const std::int64_t full = n / (4 * N) * 4 * N;
    run(Numbers<Each>{{s.factor}, {zero}, {s.scale}}, 0, full);
    if (full == n) return;
    alignas(64) float tail[3][HWY_MAX_BYTES];
    const float* from[3] = {s.factor, zero, s.scale};
    for (int a = 0; a < 3; ++a) {
      std::fill_n(tail[a], 4 * N, 1.0f);
      if (from[a] != nullptr) std::copy_n(from[a] + full, n - full, tail[a]);
      from[a] = from[a] != nullptr ? tail[a] : nullptr;
    }
    run(Numbers<Each>{{from[0]}, {from[1]}, {from[2]}}, full, n);
    return;
  }
  if (segment == N || segment == 2 * N) {
    const int shift = segment == N ? 0 : 1;
    const std::int64_t last = (n - 1) / segment;
    run(Numbers<Small>{{s.factor, shift, last}, {zero, shift, last}, {s.scale, shift, last}}, 0, n);
    return;
  }
  for (std::int64_t k = 0, begin = 0; begin < n; ++k, begin += segment) {
    run(Numbers<Uniform>{Uniform(s.factor != nullptr ? s.factor + k : nullptr),
                         Uniform(zero != nullptr ? zero + k : nullptr),
                         Uniform(s.scale != nullptr ? s.scale + k : nullptr)},
        begin, std::min(n, begin + segment));
  }
}

// ---- elements -----------------------------------------------------------------------------------

struct Divide {
  HWY_INLINE VF operator()(VF x, VF factor) const { return hn::Div(x, factor); }
};
struct Multiply {
  HWY_INLINE VF operator()(VF x, VF factor) const { return hn::Mul(x, factor); }
};

// Round to nearest even and clamp: symmetric (zero = 0, low < 0) and asymmetric integers.
class IntegerElements {
 public:
  explicit IntegerElements(const ElementMap& map)
      : low_(hn::Set(D(), map.low)), high_(hn::Set(D(), map.high)) {}
  HWY_INLINE VF Rounded(VF y, VF zero) const {
    // Adding zero turns -0 into +0.
    return hn::Min(hn::Max(hn::Add(hn::Round(y), zero), low_), high_);
  }
  HWY_INLINE VI Encode(VF y, VF zero) const { return hn::NearestInt(Rounded(y, zero)); }
  HWY_INLINE VF Value(VF y, VF zero, VF scale) const {
    return hn::Mul(hn::Sub(Rounded(y, zero), zero), scale);
  }

 private:
  VF low_, high_;
};

template <bool kClamp>
class FloatElements {
 public:
  explicit FloatElements(const ElementMap& map) : encoder_(D(), map.to, map.options) {}
  HWY_INLINE VI Encode(VF y, VF) const { return encoder_.Encode(y); }
  HWY_INLINE VF Value(VF y, VF, VF scale) const { return hn::Mul(encoder_.Round(y), scale); }

 private:
  NearestEvenEncoder<D, kClamp> encoder_;
};

// Calls f(elements, quotient) with the classes for a plain map.
template <class F>
HWY_INLINE void with_elements(const ElementMap& map, const F& f) {
  const auto with_quotient = [&](const auto& elements) HWY_ATTR {
    if (map.multiplies) {
      f(elements, Multiply());
    } else {
      f(elements, Divide());
    }
  };
  if (map.integer) return with_quotient(IntegerElements(map));
  if (ClampsMagnitude(map.to, map.options)) return with_quotient(FloatElements<true>(map));
  with_quotient(FloatElements<false>(map));
}

void EncodeRow(const ElementMap& map, const float* HWY_RESTRICT x, std::int64_t n,
               std::int64_t segment, const RowScales& scales, std::uint8_t* HWY_RESTRICT codes) {
  const std::int64_t N = lanes();
  with_elements(map, [&](const auto& elements, const auto& quotient) HWY_ATTR {
    with_numbers(scales, n, segment, map.asymmetric,
                 [&](const auto& numbers, std::int64_t begin, std::int64_t end) HWY_ATTR {
                   steps(x + begin, end - begin, codes + begin,
                         [&](std::int64_t i, const float* from, std::uint8_t* to) HWY_ATTR {
                           VI c[4];
                           for (int v = 0; v < 4; ++v) {
                             const VF y =
                                 quotient(hn::LoadU(D(), from + v * N), numbers.factor.Get(i, v));
                             c[v] = elements.Encode(y, numbers.zero.Get(i, v));
                           }
                           hn::StoreU(PackBytes(D(), c[0], c[1], c[2], c[3]), D8(), to);
                         });
                 });
  });
}

void ValuesRow(const ElementMap& map, const float* x, std::int64_t n, std::int64_t segment,
               const RowScales& scales, float* out) {
  const std::int64_t N = lanes();
  with_elements(map, [&](const auto& elements, const auto& quotient) HWY_ATTR {
    with_numbers(scales, n, segment, map.asymmetric,
                 [&](const auto& numbers, std::int64_t begin, std::int64_t end) HWY_ATTR {
                   // x and out may be the same memory: each step reads before it writes.
                   const std::int64_t step = 4 * N, count = end - begin;
                   const float* from = x + begin;
                   float* to = out + begin;
                   const bool stream_out =
                       map.stream_values &&
                       reinterpret_cast<std::uintptr_t>(to) % HWY_MAX_BYTES == 0;
                   const auto vector = [&](std::int64_t i, int v, const float* p) HWY_ATTR {
                     const VF y = quotient(hn::LoadU(D(), p), numbers.factor.Get(i, v));
                     return elements.Value(y, numbers.zero.Get(i, v), numbers.scale.Get(i, v));
                   };
                   std::int64_t i = 0;
                   if (stream_out) {
                     for (; i + step <= count; i += step) {
                       for (int v = 0; v < 4; ++v) {
                         hn::Stream(vector(i, v, from + i + v * N), D(), to + i + v * N);
                       }
                     }
                   }
                   for (; i + step <= count; i += step) {
                     VF r[4];
                     for (int v = 0; v < 4; ++v) r[v] = vector(i, v, from + i + v * N);
                     for (int v = 0; v < 4; ++v) hn::StoreU(r[v], D(), to + i + v * N);
                   }
                   if (i == count) return;
                   alignas(64) float tail[4 * hn::MaxLanes(D())] = {};
                   std::copy_n(from + i, count - i, tail);
                   for (int v = 0; v < 4; ++v) {
                     hn::StoreU(vector(i, v, tail + v * N), D(), tail + v * N);
                   }
                   std::copy_n(tail, count - i, to + i);
                 });
  });
}

void DecodeRow(const ElementMap& map, const std::uint8_t* HWY_RESTRICT codes, std::int64_t n,
               std::int64_t segment, const RowScales& scales, float* HWY_RESTRICT out) {
  const std::int64_t N = lanes();
  const auto run = [&](const auto& decode) HWY_ATTR {
    with_numbers(scales, n, segment, map.asymmetric,
                 [&](const auto& numbers, std::int64_t begin, std::int64_t end) HWY_ATTR {
                   steps(codes + begin, end - begin, out + begin,
                         [&](std::int64_t i, const std::uint8_t* from, float* to) HWY_ATTR {
                           for (int v = 0; v < 4; ++v) {
                             const VF value = hn::Sub(decode(LoadCodes(D(), from + v * N)),
                                                      numbers.zero.Get(i, v));
                             hn::StoreU(hn::Mul(value, numbers.scale.Get(i, v)), D(), to + v * N);
                           }
                         });
                 });
  };
  if (map.asymmetric) {
    run([](VI c) HWY_ATTR { return hn::ConvertTo(D(), c); });
  } else {
    WithDecoder(D(), map.format, [&](const auto& decoder) HWY_ATTR {
      run([&](VI c) HWY_ATTR { return decoder.Decode(c); });
    });
  }
}

void QuotientRow(const ElementMap& map, const float* HWY_RESTRICT x, std::int64_t n,
                 std::int64_t segment, const float* factors, float* HWY_RESTRICT y) {
  const std::int64_t N = lanes();
  const BFloat16Encoder<D> to_bf16(D(), kIeeeEncode);
  with_numbers({factors, factors, nullptr}, n, segment, false,
               [&](const auto& numbers, std::int64_t begin, std::int64_t end) HWY_ATTR {
                 steps(x + begin, end - begin, y + begin,
                       [&](std::int64_t i, const float* from, float* to) HWY_ATTR {
                         for (int v = 0; v < 4; ++v) {
                           const VF a = hn::LoadU(D(), from + v * N);
                           const VF f = numbers.factor.Get(i, v);
                           VF q = map.multiplies ? hn::Mul(a, f) : hn::Div(a, f);
                           if (map.bf16_quotient) {
                             q = hn::BitCast(D(), hn::ShiftLeft<16>(to_bf16.Encode(q)));
                           }
                           hn::StoreU(q, D(), to + v * N);
                         }
                       });
               });
}

// ---- statistics ---------------------------------------------------------------------------------

void ErrorSums(const float* HWY_RESTRICT x, const float* HWY_RESTRICT values, std::int64_t n,
               StatsSum& sum) {
  const hn::CappedTag<double, 8> dd;
  const hn::Rebind<float, decltype(dd)> df;
  using VD = hn::Vec<decltype(dd)>;
  constexpr std::size_t kWidth = hn::MaxLanes(dd), kVectors = 8 / kWidth;
  VD error2[kVectors], x2[kVectors], most = hn::Zero(dd);
  for (std::size_t v = 0; v < kVectors; ++v) error2[v] = x2[v] = hn::Zero(dd);
  std::int64_t i = 0;
  std::size_t zeros = 0;
  for (; i + 8 <= n; i += 8) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      const auto at = i + static_cast<std::int64_t>(v * kWidth);
      const auto xf = hn::LoadU(df, x + at), vf = hn::LoadU(df, values + at);
      const VD wide = hn::PromoteTo(dd, xf);
      const VD error = hn::Sub(wide, hn::PromoteTo(dd, vf));
      error2[v] = hn::Add(error2[v], hn::Mul(error, error));
      x2[v] = hn::Add(x2[v], hn::Mul(wide, wide));
      most = hn::Max(most, hn::Abs(error));
      const auto zero = hn::Zero(df);
      zeros += hn::CountTrue(df, hn::And(hn::Ne(xf, zero), hn::Eq(vf, zero)));
    }
  }
  double lane_error[8], lane_x[8];
  for (std::size_t v = 0; v < kVectors; ++v) {
    hn::StoreU(error2[v], dd, lane_error + v * kWidth);
    hn::StoreU(x2[v], dd, lane_x + v * kWidth);
  }
  sum.max_error = std::max(sum.max_error, hn::GetLane(hn::MaxOfLanes(dd, most)));
  for (; i < n; ++i) {
    const double wide = x[i], error = wide - static_cast<double>(values[i]);
    lane_error[i % 8] += error * error;
    lane_x[i % 8] += wide * wide;
    sum.max_error = std::max(sum.max_error, error < 0 ? -error : error);
    zeros += x[i] != 0.0f && values[i] == 0.0f ? 1 : 0;
  }
  for (int width = 4; width > 0; width /= 2) {
    for (int lane = 0; lane < width; ++lane) {
      lane_error[lane] += lane_error[lane + width];
      lane_x[lane] += lane_x[lane + width];
    }
  }
  sum.error2 += lane_error[0];
  sum.x2 += lane_x[0];
  sum.zeros += static_cast<std::int64_t>(zeros);
}

#else  // a CPU without any of the instruction sets above

void AbsmaxSegments(const float* x, std::int64_t n, std::int64_t segment,
                    std::uint32_t* magnitude) {
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
void ErrorSums(const float* x, const float* values, std::int64_t n, StatsSum& sum) {
  scalar::error_sums(x, values, n, sum);
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
HWY_EXPORT(ErrorSums);

void absmax_segments_simd(const float* x, std::int64_t n, std::int64_t segment,
                          std::uint32_t* magnitude) noexcept {
  HWY_DYNAMIC_DISPATCH(AbsmaxSegments)(x, n, segment, magnitude);
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
void error_sums_simd(const float* x, const float* values, std::int64_t n, StatsSum& sum) noexcept {
  HWY_DYNAMIC_DISPATCH(ErrorSums)(x, values, n, sum);
}

}  // namespace sylvester::detail
#endif  // HWY_ONCE
