// Packing, int16 dot-product tiles and epilogue rows of the integer and bfloat16 products, for
// every instruction set.
#include "gemm/panel_kernel.h"

#include <algorithm>
#include <bit>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/gemm_panels.cc"
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

using DI = hn::ScalableTag<std::int32_t>;
using VI = hn::Vec<DI>;
using DF = hn::ScalableTag<float>;
using DH = hn::Repartition<std::int16_t, DI>;

// Registers: 2 kMr accumulators (4 kMr on NEON, which splits even and odd), 2 of B, 1 of A.
#if HWY_TARGET == HWY_SCALAR
constexpr int kMr = 4;
#elif HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
constexpr int kMr = 12;
#else
constexpr int kMr = 6;
#endif
constexpr int kVectors = 2;

// ---------------------------------------------------------------------------- int16 dot products

// sum += the two int16 products of each int32 lane; wraps.
#if HWY_TARGET == HWY_SCALAR
HWY_INLINE VI dot2(VI a, VI b, VI sum, VI&) {
  const std::int32_t x = hn::GetLane(a), y = hn::GetLane(b);
  const std::int32_t low = static_cast<std::int16_t>(x) * static_cast<std::int16_t>(y);
  const std::int32_t high = (x >> 16) * (y >> 16);
  return hn::Add(sum, hn::Add(hn::Set(DI(), low), hn::Set(DI(), high)));
}
HWY_INLINE VI fold(VI sum, VI) { return sum; }
#else
HWY_INLINE VI dot2(VI a, VI b, VI sum, VI& odd) {
  return hn::ReorderWidenMulAccumulate(DI(), hn::BitCast(DH(), a), hn::BitCast(DH(), b), sum, odd);
}
HWY_INLINE VI fold(VI sum, VI odd) { return hn::RearrangeToOddPlusEven(sum, odd); }
#endif

template <int R>
void int16_rows(const std::uint32_t* HWY_RESTRICT a, const std::uint32_t* HWY_RESTRICT b,
                std::int64_t groups, const std::int32_t* HWY_RESTRICT start,
                std::int32_t* HWY_RESTRICT out, std::int64_t stride) {
  const DI d;
  const std::int64_t N = hn::Lanes(d);
  const auto* HWY_RESTRICT words_a = reinterpret_cast<const std::int32_t*>(a);
  const auto* HWY_RESTRICT words_b = reinterpret_cast<const std::int32_t*>(b);
  VI sum[R][kVectors], odd[R][kVectors];
#pragma GCC unroll 12
  for (int i = 0; i < R; ++i) {
    sum[i][0] = sum[i][1] = hn::Set(d, start[i]);
    odd[i][0] = odd[i][1] = hn::Zero(d);
  }
  for (std::int64_t g = 0; g < groups; ++g) {
    const VI b0 = hn::LoadU(d, words_b), b1 = hn::LoadU(d, words_b + N);
    words_b += kVectors * N;
#pragma GCC unroll 12
    for (int i = 0; i < R; ++i) {
      const VI row = hn::Set(d, words_a[i]);
      sum[i][0] = dot2(row, b0, sum[i][0], odd[i][0]);
      sum[i][1] = dot2(row, b1, sum[i][1], odd[i][1]);
    }
    words_a += kMr;
  }
#pragma GCC unroll 12
  for (int i = 0; i < R; ++i) {
    hn::StoreU(fold(sum[i][0], odd[i][0]), d, out + i * stride);
    hn::StoreU(fold(sum[i][1], odd[i][1]), d, out + i * stride + N);
  }
}

template <int R>
void int16_tile_rows(const std::uint32_t* a, const std::uint32_t* b, std::int64_t groups, int rows,
                     const std::int32_t* start, std::int32_t* out, std::int64_t stride) {
  if constexpr (R > 1) {
    if (rows < R) return int16_tile_rows<R - 1>(a, b, groups, rows, start, out, stride);
  }
  int16_rows<R>(a, b, groups, start, out, stride);
}

void int16_tile(const std::uint32_t* a, const std::uint32_t* b, std::int64_t groups, int rows, int,
                const std::int32_t* start, void* out, std::int64_t stride) {
  int16_tile_rows<kMr>(a, b, groups, rows, start, static_cast<std::int32_t*>(out), stride);
}

const PanelKernel* int16_description() {
  static const PanelKernel kernel{"int16 dot",
                                  WordKind::kInt16,
                                  WordKind::kInt16,
                                  kMr,
                                  static_cast<int>(kVectors * hn::Lanes(DI())),
                                  int16_tile};
  return &kernel;
}

// The tiles of gemm_vnni.cc belong to the AVX-512 target.
#if HWY_TARGET == HWY_AVX3
const PanelKernel* best_int_kernel() {
  const PanelKernel* vnni = vnni_kernel();
  return vnni != nullptr ? vnni : int16_description();
}
const PanelKernel* best_bfloat16_kernel() { return avx512_bf16_kernel(); }
#else
const PanelKernel* best_int_kernel() { return int16_description(); }
const PanelKernel* best_bfloat16_kernel() { return nullptr; }
#endif

// --------------------------------------------------------------------------------------- packing

// Word (g, r) element by element, zeros past the ends.
std::uint32_t one_word(const PackJob& job, std::int64_t g, std::int64_t r) {
  const int group = group_of(job.word);
  std::uint32_t word = 0;
  for (int i = 0; i < group; ++i) {
    const std::int64_t k = g * group + i;
    if (r >= job.rows || k >= job.K) continue;
    const std::int64_t at = r * job.row_stride + k * job.k_stride;
    std::uint32_t element = 0;
    if (job.values != nullptr) {
      element = std::bit_cast<std::uint32_t>(job.values[at]) >> 16;
    } else {
      const auto code = static_cast<std::uint8_t>(job.src[at] ^ job.flip);
      switch (job.word) {
        case WordKind::kInt8:
          element = code;
          break;
        case WordKind::kUint8:
          element = code ^ 0x80u;
          break;
        case WordKind::kInt16:
          element = static_cast<std::uint16_t>(static_cast<std::int8_t>(code));
          break;
        case WordKind::kBFloat16:
          element = job.table[code];
          break;
      }
    }
    word |= element << (group == 4 ? 8 * i : 16 * i);
  }
  return word;
}

void pack_words(const PackJob& job, std::int64_t g0, std::int64_t g1, std::int64_t r0,
                std::int64_t r1, std::uint32_t* out) {
  for (std::int64_t g = g0; g < g1; ++g) {
    for (std::int64_t r = r0; r < r1; ++r) out[g * job.width + r] = one_word(job, g, r);
  }
}

#if HWY_TARGET == HWY_SCALAR

void pack_any(const PackJob& job, std::uint32_t* out) {
  const int group = group_of(job.word);
  pack_words(job, 0, (job.K + group - 1) / group, 0, job.width, out);
}

#else

using D4 = hn::Full128<std::uint32_t>;
using V4 = hn::Vec<D4>;

// Eight codes of float8_e4m3fn or float8_e5m2 to bfloat16 patterns: the exponent is re-biased in
// place, subnormals and what lies above the finite numbers come from the table.
class Fp8ToBFloat16 {
 public:
  // Recognises the format by its table; `valid` is false for any other.
  explicit Fp8ToBFloat16(const std::uint16_t* table) {
    if (table == nullptr) return;
    const bool e4m3 = table[0x7E] == 0x43E0;  // 448
    const bool e5m2 = table[0x7B] == 0x4760;  // 57344
    valid = e4m3 || e5m2;
    up_ = e5m2 ? 5 : 4;
    bias_ = static_cast<std::int16_t>((e5m2 ? 112 : 120) << 7);
    subnormals_ = e5m2 ? 4 : 8;
    special_ = e5m2 ? 0x7C : 0x7F;
    special_add_ = static_cast<std::int16_t>(e5m2 ? 0x7F80 - (0x7C << 5) : 0x7FC0 - (0x7F << 4));
    for (int i = 0; i < 8; ++i) table_[i] = i < subnormals_ ? table[i] : 0;
  }
  bool valid = false;

  HWY_INLINE V4 operator()(const std::uint8_t* HWY_RESTRICT p) const {
    const hn::Full128<std::int16_t> d;
    const hn::Full128<std::uint8_t> d8;
    const auto code = hn::BitCast(
        d, hn::PromoteTo(hn::Full128<std::uint16_t>(), hn::LoadU(hn::Full64<std::uint8_t>(), p)));
    const auto magnitude = hn::And(code, hn::Set(d, 0x7F));
    const auto sign = hn::ShiftLeft<8>(hn::Sub(code, magnitude));
    const auto shifted = up_ == 5 ? hn::ShiftLeft<5>(magnitude) : hn::ShiftLeft<4>(magnitude);
    const auto add = hn::IfThenElse(hn::Lt(magnitude, hn::Set(d, special_)), hn::Set(d, bias_),
                                    hn::Set(d, special_add_));
    // Bytes 2 m and 2 m + 1 of the table.
    const auto index = hn::Add(hn::Mul(magnitude, hn::Set(d, 0x0202)), hn::Set(d, 0x0100));
    const auto small = hn::BitCast(
        d, hn::TableLookupBytes(hn::LoadU(d8, reinterpret_cast<const std::uint8_t*>(table_)),
                                hn::And(hn::BitCast(d8, index), hn::Set(d8, 0x0F))));
    const auto value =
        hn::IfThenElse(hn::Lt(magnitude, hn::Set(d, subnormals_)), small, hn::Add(shifted, add));
    return hn::BitCast(D4(), hn::Or(sign, value));
  }

 private:
  int up_ = 4;
  std::int16_t bias_ = 0, subnormals_ = 0, special_ = 0, special_add_ = 0;
  alignas(16) std::uint16_t table_[8] = {};
};

// Codes become words of kWord; `byte_flip` repeats the code flip, the offset of kUint8 included.
template <WordKind kWord>
class WordLoader {
 public:
  explicit WordLoader(const PackJob& job)
      : flip_(hn::Set(
            D16(), static_cast<std::uint8_t>(job.flip ^ (kWord == WordKind::kUint8 ? 0x80 : 0)))),
        fp8_(kWord == WordKind::kBFloat16 ? job.table : nullptr),
        table_(job.table) {}

  // Four words of one row whose codes are contiguous.
  HWY_INLINE V4 Load(const std::uint8_t* HWY_RESTRICT p) const {
    if constexpr (kWord == WordKind::kInt8 || kWord == WordKind::kUint8) {
      return hn::BitCast(D4(), hn::Xor(hn::LoadU(D16(), p), flip_));
    } else if constexpr (kWord == WordKind::kInt16) {
      const hn::Half<D16> half;
      const auto codes = hn::Xor(hn::LoadU(half, p), hn::LowerHalf(half, flip_));
      const auto wide = hn::PromoteTo(hn::Full128<std::int16_t>(),
                                      hn::BitCast(hn::RebindToSigned<decltype(half)>(), codes));
      return hn::BitCast(D4(), wide);
    } else {
      if (fp8_.valid) return fp8_(p);
      alignas(16) std::uint16_t lanes[8];
      for (int i = 0; i < 8; ++i) lanes[i] = table_[p[i]];
      return hn::BitCast(D4(), hn::Load(hn::Full128<std::uint16_t>(), lanes));
    }
  }

 private:
  using D16 = hn::Full128<std::uint8_t>;
  hn::Vec<D16> flip_;
  Fp8ToBFloat16 fp8_;
  const std::uint16_t* table_;
};

// Rows whose codes are contiguous along K: four rows by four words at a time, transposed.
template <WordKind kWord>
void pack_contiguous_k(const PackJob& job, std::uint32_t* HWY_RESTRICT out) {
  constexpr int kGroup = group_of(kWord);
  const WordLoader<kWord> loader(job);
  const std::int64_t groups = (job.K + kGroup - 1) / kGroup;
  const std::int64_t whole_groups = job.K / (4 * kGroup) * 4;
  const std::int64_t whole_rows = job.rows / 4 * 4;
  const D4 d;
  for (std::int64_t r = 0; r < whole_rows; r += 4) {
    const std::uint8_t* row = job.src + r * job.row_stride;
    for (std::int64_t g = 0; g < whole_groups; g += 4) {
      const V4 v0 = loader.Load(row + g * kGroup);
      const V4 v1 = loader.Load(row + job.row_stride + g * kGroup);
      const V4 v2 = loader.Load(row + 2 * job.row_stride + g * kGroup);
      const V4 v3 = loader.Load(row + 3 * job.row_stride + g * kGroup);
      const hn::Full128<std::uint64_t> d64;
      const auto low01 = hn::BitCast(d64, hn::InterleaveLower(d, v0, v1));
      const auto low23 = hn::BitCast(d64, hn::InterleaveLower(d, v2, v3));
      const auto high01 = hn::BitCast(d64, hn::InterleaveUpper(d, v0, v1));
      const auto high23 = hn::BitCast(d64, hn::InterleaveUpper(d, v2, v3));
      std::uint32_t* to = out + g * job.width + r;
      hn::StoreU(hn::BitCast(d, hn::InterleaveLower(d64, low01, low23)), d, to);
      hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(d64, low01, low23)), d, to + job.width);
      hn::StoreU(hn::BitCast(d, hn::InterleaveLower(d64, high01, high23)), d, to + 2 * job.width);
      hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(d64, high01, high23)), d, to + 3 * job.width);
    }
    pack_words(job, whole_groups, groups, r, r + 4, out);
  }
  pack_words(job, 0, groups, whole_rows, job.width, out);
}

// kStep rows of one word each, from kGroup lines of codes that are contiguous across the rows.
template <WordKind kWord, int kStep>
HWY_INLINE void interleave(const PackJob& job, const std::uint8_t* HWY_RESTRICT from,
                           std::uint32_t* HWY_RESTRICT to) {
  const hn::CappedTag<std::uint8_t, kStep> d8;
  const auto flip =
      hn::Set(d8, static_cast<std::uint8_t>(job.flip ^ (kWord == WordKind::kUint8 ? 0x80 : 0)));
  const auto load = [&](int k) { return hn::Xor(hn::LoadU(d8, from + k * job.k_stride), flip); };
  if constexpr (group_of(kWord) == 4) {
    hn::StoreInterleaved4(load(0), load(1), load(2), load(3), d8,
                          reinterpret_cast<std::uint8_t*>(to));
  } else if constexpr (kWord == WordKind::kInt16) {
    const hn::RebindToSigned<decltype(d8)> d8s;
    const hn::Rebind<std::int16_t, decltype(d8)> d16;
    hn::StoreInterleaved2(hn::PromoteTo(d16, hn::BitCast(d8s, load(0))),
                          hn::PromoteTo(d16, hn::BitCast(d8s, load(1))), d16,
                          reinterpret_cast<std::int16_t*>(to));
  } else {
    for (int i = 0; i < kStep; ++i) {
      to[i] = job.table[from[i]] | static_cast<std::uint32_t>(job.table[from[job.k_stride + i]])
                                       << 16;
    }
  }
}

// Rows that are contiguous across r: a transposed operand.
template <WordKind kWord>
void pack_contiguous_rows(const PackJob& job, std::uint32_t* HWY_RESTRICT out) {
  constexpr int kGroup = group_of(kWord);
  constexpr int kStep = kGroup == 4 ? 16 : 8;
  const std::int64_t groups = (job.K + kGroup - 1) / kGroup;
  const std::int64_t whole_groups = job.K / kGroup;
  std::int64_t done = 0;
  for (std::int64_t g = 0; g < whole_groups; ++g) {
    const std::uint8_t* from = job.src + g * kGroup * job.k_stride;
    std::uint32_t* to = out + g * job.width;
    std::int64_t r = 0;
    for (; r + kStep <= job.rows; r += kStep) interleave<kWord, kStep>(job, from + r, to + r);
    for (; r + 4 <= job.rows; r += 4) interleave<kWord, 4>(job, from + r, to + r);
    done = r;
  }
  pack_words(job, 0, whole_groups, done, job.width, out);
  pack_words(job, whole_groups, groups, 0, job.width, out);
}

template <WordKind kWord>
void pack_kind(const PackJob& job, std::uint32_t* out) {
  if (job.values == nullptr && job.k_stride == 1) {
    pack_contiguous_k<kWord>(job, out);
  } else if (job.values == nullptr && job.row_stride == 1) {
    pack_contiguous_rows<kWord>(job, out);
  } else {
    pack_words(job, 0, (job.K + group_of(kWord) - 1) / group_of(kWord), 0, job.width, out);
  }
}

void pack_any(const PackJob& job, std::uint32_t* out) {
  switch (job.word) {
    case WordKind::kInt8:
      return pack_kind<WordKind::kInt8>(job, out);
    case WordKind::kUint8:
      return pack_kind<WordKind::kUint8>(job, out);
    case WordKind::kInt16:
      return pack_kind<WordKind::kInt16>(job, out);
    case WordKind::kBFloat16:
      return pack_kind<WordKind::kBFloat16>(job, out);
  }
}

#endif

// Sums of the four bytes of each word over all words, for Lanes(d) rows.
template <class D>
void row_sums_of(D d, const std::int32_t* HWY_RESTRICT words, std::int64_t groups,
                 std::int64_t width, std::int32_t* HWY_RESTRICT sums) {
  auto even = hn::Zero(d), odd = hn::Zero(d);
  for (std::int64_t g = 0; g < groups; ++g, words += width) {
    const auto w = hn::LoadU(d, words);
    odd = hn::Add(odd, hn::Add(hn::ShiftRight<24>(hn::ShiftLeft<16>(w)), hn::ShiftRight<24>(w)));
    even = hn::Add(even, hn::Add(hn::ShiftRight<24>(hn::ShiftLeft<24>(w)),
                                 hn::ShiftRight<24>(hn::ShiftLeft<8>(w))));
  }
  hn::StoreU(hn::Add(even, odd), d, sums);
}

void row_sums_any(const std::uint32_t* panel, std::int64_t groups, std::int64_t width,
                  std::int32_t* sums) {
  const auto* words = reinterpret_cast<const std::int32_t*>(panel);
  std::int64_t r = 0;
#if HWY_TARGET != HWY_SCALAR
  constexpr hn::CappedTag<std::int32_t, 8> d8;
  constexpr hn::CappedTag<std::int32_t, 4> d4;
  const std::int64_t n8 = hn::Lanes(d8), n4 = hn::Lanes(d4);
  for (; r + n8 <= width; r += n8) row_sums_of(d8, words + r, groups, width, sums + r);
  for (; r + n4 <= width; r += n4) row_sums_of(d4, words + r, groups, width, sums + r);
#endif
  for (; r < width; ++r) {
    row_sums_of(hn::CappedTag<std::int32_t, 1>(), words + r, groups, width, sums + r);
  }
}

void translate_any(const std::uint8_t* HWY_RESTRICT codes, const std::uint8_t* HWY_RESTRICT table,
                   std::uint8_t* HWY_RESTRICT out, std::int64_t n) {
  std::int64_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::ScalableTag<std::uint8_t> d;
  const std::int64_t N = hn::Lanes(d);
  const auto t0 = hn::LoadDup128(d, table), t1 = hn::LoadDup128(d, table + 16);
  const auto t2 = hn::LoadDup128(d, table + 32), t3 = hn::LoadDup128(d, table + 48);
  const auto low = hn::Set(d, 15), bit4 = hn::Set(d, 16), bit5 = hn::Set(d, 32);
  for (; i + N <= n; i += N) {
    const auto code = hn::LoadU(d, codes + i);
    const auto index = hn::And(code, low);
    const auto odd = hn::Eq(hn::And(code, bit4), bit4), upper = hn::Eq(hn::And(code, bit5), bit5);
    const auto a =
        hn::IfThenElse(odd, hn::TableLookupBytes(t1, index), hn::TableLookupBytes(t0, index));
    const auto b =
        hn::IfThenElse(odd, hn::TableLookupBytes(t3, index), hn::TableLookupBytes(t2, index));
    hn::StoreU(hn::IfThenElse(upper, b, a), d, out + i);
  }
#endif
  for (; i < n; ++i) out[i] = table[codes[i] & 63];
}

// ------------------------------------------------------------------------------------- epilogues

void scale_int_any(const std::int32_t* in, float a, const float* b, float* out, std::int64_t n) {
  const DF d;
  const DI di;
  const std::int64_t N = hn::Lanes(d);
  std::int64_t j = 0;
  for (; j + N <= n; j += N) {
    auto factor = hn::Set(d, a);
    if (b != nullptr) factor = hn::Mul(factor, hn::LoadU(d, b + j));
    hn::StoreU(hn::Mul(hn::ConvertTo(d, hn::LoadU(di, in + j)), factor), d, out + j);
  }
  for (; j < n; ++j) out[j] = static_cast<float>(in[j]) * (b == nullptr ? a : a * b[j]);
}

void scale_float_any(const float* in, float a, const float* b, float* out, std::int64_t n) {
  const DF d;
  const std::int64_t N = hn::Lanes(d);
  std::int64_t j = 0;
  for (; j + N <= n; j += N) {
    auto factor = hn::Set(d, a);
    if (b != nullptr) factor = hn::Mul(factor, hn::LoadU(d, b + j));
    hn::StoreU(hn::Mul(hn::LoadU(d, in + j), factor), d, out + j);
  }
  for (; j < n; ++j) out[j] = in[j] * (b == nullptr ? a : a * b[j]);
}

void zero_terms_any(const std::int32_t* in, std::int32_t za, const std::int32_t* sum_b,
                    const std::int32_t* zero_b, std::int32_t row_term, std::int32_t* out,
                    std::int64_t n) {
  const DI d;
  const std::int64_t N = hn::Lanes(d);
  const VI z = hn::Set(d, za), t = hn::Set(d, row_term);
  std::int64_t j = 0;
  for (; j + N <= n; j += N) {
    const VI minus = hn::Mul(z, hn::LoadU(d, sum_b + j));
    const VI plus = hn::Mul(t, hn::LoadU(d, zero_b + j));
    hn::StoreU(hn::Add(hn::Sub(hn::LoadU(d, in + j), minus), plus), d, out + j);
  }
  for (; j < n; ++j) {
    out[j] = static_cast<std::int32_t>(
        static_cast<std::uint32_t>(in[j]) -
        static_cast<std::uint32_t>(za) * static_cast<std::uint32_t>(sum_b[j]) +
        static_cast<std::uint32_t>(row_term) * static_cast<std::uint32_t>(zero_b[j]));
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace sylvester::detail
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sylvester::detail {

HWY_EXPORT(int16_description);
HWY_EXPORT(best_int_kernel);
HWY_EXPORT(best_bfloat16_kernel);
HWY_EXPORT(pack_any);
HWY_EXPORT(row_sums_any);
HWY_EXPORT(translate_any);
HWY_EXPORT(scale_int_any);
HWY_EXPORT(scale_float_any);
HWY_EXPORT(zero_terms_any);

void pack_panel(const PackJob& job, std::uint32_t* out) noexcept {
  HWY_DYNAMIC_DISPATCH(pack_any)(job, out);
}
void panel_row_sums(const std::uint32_t* panel, std::int64_t groups, std::int64_t width,
                    std::int32_t* sums) noexcept {
  HWY_DYNAMIC_DISPATCH(row_sums_any)(panel, groups, width, sums);
}
void translate_codes(const std::uint8_t* codes, const std::uint8_t* table, std::uint8_t* out,
                     std::int64_t n) noexcept {
  HWY_DYNAMIC_DISPATCH(translate_any)(codes, table, out, n);
}
void scale_int_row(const std::int32_t* in, float a, const float* b, float* out,
                   std::int64_t n) noexcept {
  HWY_DYNAMIC_DISPATCH(scale_int_any)(in, a, b, out, n);
}
void scale_float_row(const float* in, float a, const float* b, float* out,
                     std::int64_t n) noexcept {
  HWY_DYNAMIC_DISPATCH(scale_float_any)(in, a, b, out, n);
}
void add_zero_terms(const std::int32_t* in, std::int32_t za, const std::int32_t* sum_b,
                    const std::int32_t* zero_b, std::int32_t row_term, std::int32_t* out,
                    std::int64_t n) noexcept {
  HWY_DYNAMIC_DISPATCH(zero_terms_any)(in, za, sum_b, zero_b, row_term, out, n);
}

const PanelKernel& int16_kernel() noexcept { return *HWY_DYNAMIC_DISPATCH(int16_description)(); }

const PanelKernel& int_kernel() noexcept { return *HWY_DYNAMIC_DISPATCH(best_int_kernel)(); }
const PanelKernel* bfloat16_kernel() noexcept {
  return HWY_DYNAMIC_DISPATCH(best_bfloat16_kernel)();
}

}  // namespace sylvester::detail
#endif  // HWY_ONCE
