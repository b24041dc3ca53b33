// The decoding half of formats-inl.h, and how codes move between memory and lanes. The interface is
// described there.
#include <cstdint>

#include "sylvester/formats/options.h"
#include "sylvester/formats/scalar.h"

#if defined(SYLVESTER_SIMD_FORMATS_DECODE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SYLVESTER_SIMD_FORMATS_DECODE_INL_H_
#undef SYLVESTER_SIMD_FORMATS_DECODE_INL_H_
#else
#define SYLVESTER_SIMD_FORMATS_DECODE_INL_H_
#endif

#include <hwy/highway.h>

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

template <class D>
HWY_INLINE hn::Vec<hn::RebindToSigned<D>> LoadCodes(D, const std::uint8_t* HWY_RESTRICT p) {
  return hn::PromoteTo(hn::RebindToSigned<D>(), hn::LoadU(hn::Rebind<std::uint8_t, D>(), p));
}

// The low bytes of the int32 lanes side by side, then a 4 x Lanes transposition: inside each
// 128-bit block by bytes, across blocks by 32-bit lanes. The other bytes of the lanes do not
// matter.
template <class D, class VI = hn::Vec<hn::RebindToSigned<D>>>
HWY_INLINE hn::Vec<hn::Repartition<std::uint8_t, D>> PackBytes(D, VI c0, VI c1, VI c2, VI c3) {
  const hn::RebindToSigned<D> di;
  const hn::Repartition<std::uint8_t, D> d8;
  const hn::Repartition<std::uint16_t, D> d16;
  const auto low = hn::OddEven(hn::BitCast(d8, hn::ShiftLeft<8>(c1)), hn::BitCast(d8, c0));
  const auto high = hn::OddEven(hn::BitCast(d8, hn::ShiftLeft<8>(c3)), hn::BitCast(d8, c2));
  const auto high16 = hn::BitCast(d16, hn::ShiftLeft<16>(hn::BitCast(di, high)));
  const auto bytes = hn::BitCast(d8, hn::OddEven(high16, hn::BitCast(d16, low)));
  alignas(16) static constexpr std::uint8_t kInBlock[16] = {0, 4, 8,  12, 1, 5, 9,  13,
                                                            2, 6, 10, 14, 3, 7, 11, 15};
  const auto blocks = hn::TableLookupBytes(bytes, hn::LoadDup128(d8, kInBlock));
  constexpr std::size_t kBlocks = hn::MaxLanes(di) / 4;
  if constexpr (kBlocks <= 1) {
    return blocks;
  } else {
    alignas(64) static constexpr std::int32_t kAcross[2][16] = {
        {0, 4, 1, 5, 2, 6, 3, 7}, {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15}};
    const auto indices = hn::SetTableIndices(di, kAcross[kBlocks == 2 ? 0 : 1]);
    return hn::BitCast(d8, hn::TableLookupLanes(hn::BitCast(di, blocks), indices));
  }
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace HWY_NAMESPACE
}  // namespace sylvester::detail
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
