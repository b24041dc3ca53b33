// The decoding half of formats-inl.h, and how codes move between memory and lanes. The interface is
// described there.
#include <array>
#include <cstdint>
#include <type_traits>

#include "sylvester/formats/options.h"
#include "sylvester/formats/scalar.h"

#if defined(SYLVESTER_SIMD_FORMATS_DECODE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SYLVESTER_SIMD_FORMATS_DECODE_INL_H_
#undef SYLVESTER_SIMD_FORMATS_DECODE_INL_H_
#else
#define SYLVESTER_SIMD_FORMATS_DECODE_INL_H_
#endif

#include <hwy/highway.h>

// Instructions of x86 by name: any of SSE4 to AVX-512 (not Highway's emulation).
#undef SYLVESTER_X86
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_SSE4
#define SYLVESTER_X86 1
#else
#define SYLVESTER_X86 0
#endif
// Permutations of the bytes of two vectors.
#undef SYLVESTER_VBMI
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_DL
#define SYLVESTER_VBMI 1
#else
#define SYLVESTER_VBMI 0
#endif

HWY_BEFORE_NAMESPACE();
namespace sylvester::detail {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
#if HWY_TARGET != HWY_SCALAR

// Floating formats. A normal code moved to float32's mantissa and rebiased is the number; a
// subnormal one is (1 + m) 2^(1-bias) - 2^(1-bias), exact and free of float32 subnormals.
// Specials are compile-time so that formats without them pay nothing.
template <class D, Specials kSpecials>
class FloatDecoder {
 public:
  using DI = hn::RebindToSigned<D>;
  using VF = hn::Vec<D>;
  using VI = hn::Vec<DI>;

  FloatDecoder(D d, const Layout& f)
      : magnitude_mask_(hn::Set(DI(), static_cast<std::int32_t>(sign_code(f) - 1))),
        max_(hn::Set(DI(), static_cast<std::int32_t>(max_code(f)))),
        rebias_(hn::Set(DI(), (127 - f.bias) << 23)),
        subnormal_(hn::Set(DI(), 1 << f.mantissa_bits)),
        one_(hn::BitCast(d, hn::Set(DI(), (128 - f.bias) << 23))),
        mantissa_shift_(23 - f.mantissa_bits),
        sign_shift_(32 - code_bits(f)) {}

  HWY_INLINE VF Decode(VI code) const {
    const D d;
    const DI di;
    const VI magnitude = hn::And(code, magnitude_mask_);
    const VI sign = hn::And(hn::ShiftLeftSame(code, sign_shift_),
                            hn::Set(di, static_cast<std::int32_t>(0x80000000u)));
    const VI normal = hn::Add(hn::ShiftLeftSame(magnitude, mantissa_shift_), rebias_);
    const VF shifted = hn::BitCast(d, hn::Add(normal, hn::Set(di, 1 << 23)));
    const VI subnormal = hn::BitCast(di, hn::Sub(shifted, one_));
    VI bits = hn::IfThenElse(hn::Lt(magnitude, subnormal_), subnormal, normal);
    const VI nan = hn::Set(di, 0x7FC00000);
    if (kSpecials == Specials::kIeee) {
      bits = hn::IfThenElse(hn::Gt(magnitude, max_), hn::Set(di, 0x7F800000), bits);
    }
    bits = hn::Or(bits, sign);
    if (kSpecials == Specials::kIeee) {
      const VI infinity = hn::Add(max_, hn::Set(di, 1));
      bits = hn::IfThenElse(hn::Gt(magnitude, infinity), nan, bits);
    } else if (kSpecials == Specials::kFn) {
      bits = hn::IfThenElse(hn::Gt(magnitude, max_), nan, bits);
    } else if (kSpecials == Specials::kFnuz) {
      const VI negative_zero = hn::Set(di, static_cast<std::int32_t>(0x80000000u));
      bits = hn::IfThenElse(hn::Eq(bits, negative_zero), nan, bits);
    }
    return hn::BitCast(d, bits);
  }

 private:
  VI magnitude_mask_, max_, rebias_, subnormal_;
  VF one_;
  int mantissa_shift_, sign_shift_;
};

template <class D>
class BFloat16Decoder {
 public:
  using DI = hn::RebindToSigned<D>;
  explicit BFloat16Decoder(D) {}
  HWY_INLINE hn::Vec<D> Decode(hn::Vec<DI> code) const {
    const hn::Vec<D> x = hn::BitCast(D(), hn::ShiftLeft<16>(code));
    const hn::Vec<DI> nan = hn::Set(DI(), 0x7FC00000);
    return hn::IfThenElse(hn::IsNaN(x), hn::BitCast(D(), nan), x);
  }
};

template <class D>
class ScaleDecoder {
 public:
  using DI = hn::RebindToSigned<D>;
  explicit ScaleDecoder(D) {}
  HWY_INLINE hn::Vec<D> Decode(hn::Vec<DI> code) const {
    const DI di;
    const hn::Vec<DI> byte = hn::And(code, hn::Set(di, 0xFF));
    hn::Vec<DI> bits = hn::ShiftLeft<23>(byte);
    bits = hn::IfThenElse(hn::Eq(byte, hn::Zero(di)), hn::Set(di, 0x00400000), bits);
    bits = hn::IfThenElse(hn::Eq(byte, hn::Set(di, 0xFF)), hn::Set(di, 0x7FC00000), bits);
    return hn::BitCast(D(), bits);
  }
};

template <class D>
class IntegerDecoder {
 public:
  using DI = hn::RebindToSigned<D>;
  IntegerDecoder(D, const Layout& f) : shift_(32 - code_bits(f)) {}
  HWY_INLINE hn::Vec<D> Decode(hn::Vec<DI> code) const {
    return hn::ConvertTo(D(), hn::ShiftRightSame(hn::ShiftLeftSame(code, shift_), shift_));
  }

 private:
  int shift_;
};

template <class D, class F>
HWY_INLINE void WithDecoder(D d, DType from, const F& f) {
  const Layout layout_from = layout(from);
  if (from == DType::kBFloat16) return f(BFloat16Decoder<D>(d));
  switch (layout_from.specials) {
    case Specials::kIeee:
      return f(FloatDecoder<D, Specials::kIeee>(d, layout_from));
    case Specials::kFn:
      return f(FloatDecoder<D, Specials::kFn>(d, layout_from));
    case Specials::kFnuz:
      return f(FloatDecoder<D, Specials::kFnuz>(d, layout_from));
    case Specials::kFiniteOnly:
      return f(FloatDecoder<D, Specials::kFiniteOnly>(d, layout_from));
    case Specials::kE8m0:
      return f(ScaleDecoder<D>(d));
    case Specials::kInteger:
      return f(IntegerDecoder<D>(d, layout_from));
  }
}

// A source of numbers: float32, or patterns of bfloat16 or float16.
template <DType kFrom, class D>
HWY_INLINE hn::Vec<D> LoadFloat(D d, const void* HWY_RESTRICT p) {
  const hn::RebindToSigned<D> di;
  if constexpr (kFrom == DType::kFloat32) {
    return hn::LoadU(d, static_cast<const float*>(p));
  } else {
    const hn::Rebind<std::uint16_t, D> d16;
    const auto code = hn::PromoteTo(di, hn::LoadU(d16, static_cast<const std::uint16_t*>(p)));
    if constexpr (kFrom == DType::kBFloat16) {
      return hn::BitCast(d, hn::ShiftLeft<16>(code));
    } else {
      const auto magnitude = hn::And(code, hn::Set(di, 0x7FFF));
      const auto sign = hn::ShiftLeft<16>(hn::Xor(code, magnitude));
      const auto normal = hn::Add(hn::ShiftLeft<13>(magnitude), hn::Set(di, 112 << 23));
      const auto shifted = hn::BitCast(d, hn::Add(normal, hn::Set(di, 1 << 23)));
      const auto subnormal = hn::BitCast(di, hn::Sub(shifted, hn::Set(d, 0x1p-14f)));
      const auto special = hn::Or(normal, hn::Set(di, 0x7F800000));
      auto bits = hn::IfThenElse(hn::Lt(magnitude, hn::Set(di, 0x400)), subnormal, normal);
      bits = hn::IfThenElse(hn::Gt(magnitude, hn::Set(di, 0x7BFF)), special, bits);
      return hn::BitCast(d, hn::Or(bits, sign));
    }
  }
}

// Moves 32-bit lanes as a transposition of kRows x 4 or, with kBack, of 4 x kRows does, where kRows
// is the number of 128-bit blocks.
template <bool kBack, class V8>
HWY_INLINE V8 TransposeBlocks(V8 v) {
  const hn::DFromV<V8> d8;
  const hn::Repartition<std::int32_t, decltype(d8)> di;
  constexpr auto kRows = static_cast<std::int32_t>(hn::MaxLanes(di) / 4);
  if constexpr (kRows <= 1) {
    return v;
  } else {
    alignas(64) static constexpr auto kFrom = [] {
      std::array<std::int32_t, 4 * kRows> out{};
      for (std::int32_t i = 0; i < 4 * kRows; ++i) {
        out[static_cast<std::size_t>(i)] =
            kBack ? i % 4 * kRows + i / 4 : i % kRows * 4 + i / kRows;
      }
      return out;
    }();
    const auto indices = hn::SetTableIndices(di, kFrom.data());
    return hn::BitCast(d8, hn::TableLookupLanes(hn::BitCast(di, v), indices));
  }
}
// From blocks of four bytes of vector 0, of vector 1, 2 and 3, to all bytes of vector 0 first.
template <class V8>
HWY_INLINE V8 JoinBlocks(V8 blocks) {
  return TransposeBlocks<false>(blocks);
}
template <class V8>
HWY_INLINE V8 SplitBlocks(V8 bytes) {
  return TransposeBlocks<true>(bytes);
}

// Byte kByte of each int32 lane side by side, in element order; the other bytes do not matter.
#if SYLVESTER_VBMI
template <int kByte, class D, class VI = hn::Vec<hn::RebindToSigned<D>>>
HWY_INLINE hn::Vec<hn::Repartition<std::uint8_t, D>> PackByte(D, VI c0, VI c1, VI c2, VI c3) {
  alignas(64) static constexpr auto kIndices = [] {
    std::array<std::uint8_t, 64> out{};
    for (int i = 0; i < 64; ++i) out[i] = static_cast<std::uint8_t>(4 * (i % 32) + kByte);
    return out;
  }();
  const __m512i indices = _mm512_load_si512(kIndices.data());
  const __m512i low = _mm512_permutex2var_epi8(c0.raw, indices, c1.raw);
  const __m512i high = _mm512_permutex2var_epi8(c2.raw, indices, c3.raw);
  return hn::Vec<hn::Repartition<std::uint8_t, D>>{_mm512_mask_blend_epi64(0xF0, low, high)};
}
#else
template <int kByte, class D, class VI = hn::Vec<hn::RebindToSigned<D>>>
HWY_INLINE hn::Vec<hn::Repartition<std::uint8_t, D>> PackByte(D, VI c0, VI c1, VI c2, VI c3) {
  static_assert(kByte == 0);
  const hn::RebindToSigned<D> di;
  const hn::Repartition<std::uint8_t, D> d8;
  const hn::Repartition<std::uint16_t, D> d16;
  const auto low = hn::OddEven(hn::BitCast(d8, hn::ShiftLeft<8>(c1)), hn::BitCast(d8, c0));
  const auto high = hn::OddEven(hn::BitCast(d8, hn::ShiftLeft<8>(c3)), hn::BitCast(d8, c2));
  const auto high16 = hn::BitCast(d16, hn::ShiftLeft<16>(hn::BitCast(di, high)));
  const auto bytes = hn::BitCast(d8, hn::OddEven(high16, hn::BitCast(d16, low)));
  alignas(16) static constexpr std::uint8_t kInBlock[16] = {0, 4, 8,  12, 1, 5, 9,  13,
                                                            2, 6, 10, 14, 3, 7, 11, 15};
  return JoinBlocks(hn::TableLookupBytes(bytes, hn::LoadDup128(d8, kInBlock)));
}
#endif
template <class D, class VI = hn::Vec<hn::RebindToSigned<D>>>
HWY_INLINE hn::Vec<hn::Repartition<std::uint8_t, D>> PackBytes(D d, VI c0, VI c1, VI c2, VI c3) {
  return PackByte<0>(d, c0, c1, c2, c3);
}

// Toward zero; numbers below 2^31 (Highway's ConvertTo spends three instructions on larger ones).
template <class D, class VF = hn::Vec<D>, class VI = hn::Vec<hn::RebindToSigned<D>>>
HWY_INLINE VI CutToInt(D, VF x) {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  return VI{_mm512_cvttps_epi32(x.raw)};
#elif HWY_ARCH_X86 && HWY_TARGET == HWY_AVX2
  return VI{_mm256_cvttps_epi32(x.raw)};
#elif SYLVESTER_X86
  return VI{_mm_cvttps_epi32(x.raw)};
#else
  return hn::ConvertTo(hn::RebindToSigned<D>(), x);
#endif
}

#if SYLVESTER_X86
// Four vectors of int32 lanes to int8 or, of numbers of 16 bits, to uint8, saturated, in the order
// that JoinBlocks takes.
template <class T, class VI>
HWY_INLINE hn::Vec<hn::Repartition<T, hn::DFromV<VI>>> PackSaturated(VI c0, VI c1, VI c2, VI c3) {
  constexpr bool kSigned = std::is_signed_v<T>;
#if HWY_TARGET <= HWY_AVX3
  const auto low = _mm512_packs_epi32(c0.raw, c1.raw), high = _mm512_packs_epi32(c2.raw, c3.raw);
  return {kSigned ? _mm512_packs_epi16(low, high) : _mm512_packus_epi16(low, high)};
#elif HWY_TARGET == HWY_AVX2
  const auto low = _mm256_packs_epi32(c0.raw, c1.raw), high = _mm256_packs_epi32(c2.raw, c3.raw);
  return {kSigned ? _mm256_packs_epi16(low, high) : _mm256_packus_epi16(low, high)};
#else
  const auto low = _mm_packs_epi32(c0.raw, c1.raw), high = _mm_packs_epi32(c2.raw, c3.raw);
  return {kSigned ? _mm_packs_epi16(low, high) : _mm_packus_epi16(low, high)};
#endif
}
#endif

// Four vectors to int8: nearest, ties to even, saturated. For numbers below 2^31.
template <class D, class VF = hn::Vec<D>>
HWY_INLINE hn::Vec<hn::Repartition<std::int8_t, D>> SaturatedBytes(D, VF v0, VF v1, VF v2, VF v3) {
  const auto code = [](VF v) HWY_ATTR {
    using VI = hn::Vec<hn::RebindToSigned<D>>;
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
    return VI{_mm512_cvtps_epi32(v.raw)};
#elif HWY_ARCH_X86 && HWY_TARGET == HWY_AVX2
    return VI{_mm256_cvtps_epi32(v.raw)};
#elif SYLVESTER_X86
    return VI{_mm_cvtps_epi32(v.raw)};
#else
    const D d;
    return VI{hn::NearestInt(hn::Min(hn::Max(v, hn::Set(d, -128.0f)), hn::Set(d, 127.0f)))};
#endif
  };
#if SYLVESTER_X86
  return JoinBlocks(PackSaturated<std::int8_t>(code(v0), code(v1), code(v2), code(v3)));
#else
  const hn::Repartition<std::int8_t, D> d8;
  return hn::BitCast(d8, PackBytes(D(), code(v0), code(v1), code(v2), code(v3)));
#endif
}

template <class D>
HWY_INLINE hn::Vec<hn::RebindToSigned<D>> LoadCodes(D, const std::uint8_t* HWY_RESTRICT p) {
  return hn::PromoteTo(hn::RebindToSigned<D>(), hn::LoadU(hn::Rebind<std::uint8_t, D>(), p));
}

// Whole vectors of code bytes of floating formats. A float32 has their values in its two upper
// bytes, so a few operations on bytes do for all: a normal code is mantissa and exponent moved and
// rebiased; the codes below that, at most eight, come from a table.
template <class D, Specials kSpecials>
class ByteDecoder {
 public:
  using D8 = hn::Repartition<std::uint8_t, D>;
  using DS8 = hn::RebindToSigned<D8>;
  using D16 = hn::Repartition<std::uint16_t, D>;
  using V8 = hn::Vec<D8>;
  using VF = hn::Vec<D>;

  ByteDecoder(D, const Layout& f)
      : magnitude_mask_(Set(sign_code(f) - 1)),
        max_(Set(max_code(f))),
        subnormal_(Set(std::uint64_t{1} << f.mantissa_bits)),
        // An odd bias: one exponent more here, an even one below.
        odd_(Set((127 - f.bias) % 2 != 0 ? std::uint64_t{1} << f.mantissa_bits : 0)),
        rebias_(Set(static_cast<std::uint64_t>((127 - f.bias) / 2))),
        low_mask_(Set(0xFFu << (7 - f.mantissa_bits) & 0xFF)),
        high_mask_(Set(0xFFu >> (1 + f.mantissa_bits))),
        low_shift_(7 - f.mantissa_bits),
        high_shift_(1 + f.mantissa_bits),
        sign_shift_(8 - code_bits(f)) {
    alignas(16) std::uint8_t low[16] = {}, high[16] = {};
    for (std::uint32_t m = 0; m < (1u << f.mantissa_bits); ++m) {
      const std::uint32_t bits = decode_bits(m, f) >> 16;
      low[m] = static_cast<std::uint8_t>(bits & 0xFF);
      high[m] = static_cast<std::uint8_t>(bits >> 8);
    }
    table_low_ = hn::LoadDup128(D8(), low);
    table_high_ = hn::LoadDup128(D8(), high);
  }

  HWY_INLINE void DecodeBytes(const std::uint8_t* HWY_RESTRICT p, VF (&out)[4]) const {
    const D8 d8;
    const D16 d16;
    const V8 code = SplitBlocks(hn::LoadU(d8, p));
    const V8 magnitude = hn::And(code, magnitude_mask_);
    const auto words = hn::BitCast(d16, hn::Add(magnitude, odd_));
    V8 low = hn::And(hn::BitCast(d8, hn::ShiftLeftSame(words, low_shift_)), low_mask_);
    V8 high = hn::And(hn::BitCast(d8, hn::ShiftRightSame(words, high_shift_)), high_mask_);
    high = hn::Add(high, rebias_);
    const auto subnormal = Less(magnitude, subnormal_);
    low = hn::IfThenElse(subnormal, hn::TableLookupBytes(table_low_, magnitude), low);
    high = hn::IfThenElse(subnormal, hn::TableLookupBytes(table_high_, magnitude), high);
    if (kSpecials == Specials::kIeee) {
      const auto infinite = Less(max_, magnitude);
      low = hn::IfThenElse(infinite, Set(0x80), low);
      high = hn::IfThenElse(infinite, Set(0x7F), high);
    }
    const auto top = hn::ShiftLeftSame(hn::BitCast(d16, code), sign_shift_);
    high = hn::OrAnd(high, hn::BitCast(d8, top), Set(0x80));
    if (kSpecials != Specials::kFiniteOnly) {
      const auto nan = kSpecials == Specials::kFnuz ? hn::Eq(code, Set(0x80))
                       : kSpecials == Specials::kFn ? Less(max_, magnitude)
                                                    : Less(hn::Add(max_, Set(1)), magnitude);
      low = hn::IfThenElse(nan, Set(0xC0), low);
      high = hn::IfThenElse(nan, Set(0x7F), high);
    }
    const D d;
    const auto zero = hn::Zero(d16);
    const auto first = hn::BitCast(d16, hn::InterleaveLower(d8, low, high));
    const auto second = hn::BitCast(d16, hn::InterleaveUpper(d8, low, high));
    out[0] = hn::BitCast(d, hn::InterleaveLower(d16, zero, first));
    out[1] = hn::BitCast(d, hn::InterleaveUpper(d16, zero, first));
    out[2] = hn::BitCast(d, hn::InterleaveLower(d16, zero, second));
    out[3] = hn::BitCast(d, hn::InterleaveUpper(d16, zero, second));
  }

 private:
  static HWY_INLINE V8 Set(std::uint64_t byte) {
    return hn::Set(D8(), static_cast<std::uint8_t>(byte));
  }
  // Of numbers below 128.
  static HWY_INLINE hn::Mask<D8> Less(V8 a, V8 b) {
    return hn::RebindMask(D8(), hn::Lt(hn::BitCast(DS8(), a), hn::BitCast(DS8(), b)));
  }

  V8 magnitude_mask_, max_, subnormal_, odd_, rebias_, low_mask_, high_mask_;
  V8 table_low_, table_high_;
  int low_shift_, high_shift_, sign_shift_;
};

// The same by lanes, for the other formats of 8 bits and less.
template <class D, class Decoder>
class LaneDecoder {
 public:
  explicit LaneDecoder(const Decoder& decoder) : decoder_(decoder) {}
  HWY_INLINE void DecodeBytes(const std::uint8_t* HWY_RESTRICT p, hn::Vec<D> (&out)[4]) const {
    const D d;
    for (std::size_t v = 0; v < 4; ++v) {
      out[v] = decoder_.Decode(LoadCodes(d, p + v * hn::Lanes(d)));
    }
  }

 private:
  Decoder decoder_;
};

template <class D, class F>
HWY_INLINE void WithByteDecoder(D d, DType from, const F& f) {
  const Layout layout_from = layout(from);
  switch (layout_from.specials) {
    case Specials::kIeee:
      return f(ByteDecoder<D, Specials::kIeee>(d, layout_from));
    case Specials::kFn:
      return f(ByteDecoder<D, Specials::kFn>(d, layout_from));
    case Specials::kFnuz:
      return f(ByteDecoder<D, Specials::kFnuz>(d, layout_from));
    case Specials::kFiniteOnly:
      return f(ByteDecoder<D, Specials::kFiniteOnly>(d, layout_from));
    case Specials::kE8m0:
      return f(LaneDecoder<D, ScaleDecoder<D>>(ScaleDecoder<D>(d)));
    case Specials::kInteger:
      return f(LaneDecoder<D, IntegerDecoder<D>>(IntegerDecoder<D>(d, layout_from)));
  }
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace HWY_NAMESPACE
}  // namespace sylvester::detail
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
