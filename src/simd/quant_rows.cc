// Row kernels of the quantizers. The bodies in src/quant/row_kernels.cc define the results.
#include <algorithm>

#include "quant/simd_rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/quant_rows.cc"
// Beside AVX3 for its permutations of bytes.
#define HWY_WANT_AVX3_DL
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#include <hwy/foreach_target.h>
// After foreach_target.
#include <hwy/highway.h>

#include "simd/quant_elements-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sylvester::detail {
namespace HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

template <class Out>
void Elements(const ElementMap& map, MatrixView<const float> X, std::int64_t segment,
              const RowScales& scales, MatrixView<Out> out, const Access& access) {
  with_elements(map, [&](const auto& elements) HWY_ATTR {
    run_elements(elements, map.multiplies, X, segment, scales, out, access);
  });
  if (access.streams) hwy::FlushStream();
}

void EncodeRows(const ElementMap& map, MatrixView<const float> X, std::int64_t segment,
                const RowScales& scales, MatrixView<std::uint8_t> codes, const Access& access) {
  Elements(map, X, segment, scales, codes, access);
}

void ValuesRows(const ElementMap& map, MatrixView<const float> X, std::int64_t segment,
                const RowScales& scales, MatrixView<float> out, const Access& access) {
  Elements(map, X, segment, scales, out, access);
}

// The unsigned codes of asymmetric integers.
struct CodesAsNumbers {
  HWY_INLINE void DecodeBytes(const std::uint8_t* HWY_RESTRICT p, VF (&out)[4]) const {
    for (int v = 0; v < 4; ++v) out[v] = hn::ConvertTo(D(), LoadCodes(D(), p + v * lanes()));
  }
};

template <bool kZero, class Decoder>
HWY_INLINE void decode_walk(const Decoder& shared, MatrixView<const std::uint8_t> codes,
                            std::int64_t segment, const RowScales& scales, MatrixView<float> out,
                            const Access& access) {
  const Decoder decoder = shared;
  const auto step = [decoder](const Numbers& s, const std::uint8_t* from, float* to, bool streams)
                        HWY_ATTR {
                          VF r[4];
                          decoder.DecodeBytes(from, r);
                          for (int v = 0; v < 4; ++v) {
                            if (kZero) r[v] = hn::Sub(r[v], s.zero[v]);
                            r[v] = hn::Mul(r[v], s.scale[v]);
                          }
                          StoreFour(r, to, streams);
                        };
  walk_rows(codes, out, segment, scales, access, step);
}

void DecodeRows(const ElementMap& map, MatrixView<const std::uint8_t> codes, std::int64_t segment,
                const RowScales& scales, MatrixView<float> out, const Access& access) {
  if (map.asymmetric) {
    decode_walk<true>(CodesAsNumbers(), codes, segment, scales, out, access);
  } else {
    WithByteDecoder(D(), map.format, [&](const auto& decoder) HWY_ATTR {
      decode_walk<false>(decoder, codes, segment, scales, out, access);
    });
  }
  if (access.streams) hwy::FlushStream();
}

void QuotientRow(const ElementMap& map, const float* HWY_RESTRICT x, std::int64_t n,
                 std::int64_t segment, const float* factors, float* HWY_RESTRICT y) {
  const BFloat16Encoder<D> to_bf16(D(), kIeeeEncode);
  const auto step = [&](const Numbers& s, const float* from, float* to, bool) HWY_ATTR {
    for (int v = 0; v < 4; ++v) {
      const VF a = hn::LoadU(D(), from + v * lanes());
      VF q = map.multiplies ? hn::Mul(a, s.factor[v]) : hn::Div(a, s.factor[v]);
      if (map.bf16_quotient) q = hn::BitCast(D(), hn::ShiftLeft<16>(to_bf16.Encode(q)));
      hn::StoreU(q, D(), to + v * lanes());
    }
  };
  walk_rows<float, float>({x, 1, n}, {y, 1, n}, segment, {.factor = factors}, {}, step);
}

#else   // a CPU without any of the instruction sets above

void EncodeRows(const ElementMap& map, MatrixView<const float> X, std::int64_t segment,
                const RowScales& scales, MatrixView<std::uint8_t> codes, const Access&) {
  for (std::int64_t i = 0; i < X.rows; ++i) {
    scalar::encode_row(map, X.row(i), X.cols, segment, scales, 0, codes.row(i));
  }
}
void ValuesRows(const ElementMap& map, MatrixView<const float> X, std::int64_t segment,
                const RowScales& scales, MatrixView<float> out, const Access&) {
  for (std::int64_t i = 0; i < X.rows; ++i) {
    scalar::values_row(map, X.row(i), X.cols, segment, scales, 0, out.row(i));
  }
}
void DecodeRows(const ElementMap& map, MatrixView<const std::uint8_t> codes, std::int64_t segment,
                const RowScales& scales, MatrixView<float> out, const Access&) {
  for (std::int64_t i = 0; i < codes.rows; ++i) {
    scalar::decode_row(map, codes.row(i), codes.cols, segment, scales, out.row(i));
  }
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

HWY_EXPORT(EncodeRows);
HWY_EXPORT(ValuesRows);
HWY_EXPORT(DecodeRows);
HWY_EXPORT(QuotientRow);

void encode_rows_simd(const ElementMap& map, MatrixView<const float> X, std::int64_t segment,
                      const RowScales& scales, MatrixView<std::uint8_t> codes,
                      const Access& access) noexcept {
  HWY_DYNAMIC_DISPATCH(EncodeRows)(map, X, segment, scales, codes, access);
}
void values_rows_simd(const ElementMap& map, MatrixView<const float> X, std::int64_t segment,
                      const RowScales& scales, MatrixView<float> out,
                      const Access& access) noexcept {
  HWY_DYNAMIC_DISPATCH(ValuesRows)(map, X, segment, scales, out, access);
}
void decode_rows_simd(const ElementMap& map, MatrixView<const std::uint8_t> codes,
                      std::int64_t segment, const RowScales& scales, MatrixView<float> out,
                      const Access& access) noexcept {
  HWY_DYNAMIC_DISPATCH(DecodeRows)(map, codes, segment, scales, out, access);
}
void quotient_row_simd(const ElementMap& map, const float* x, std::int64_t n, std::int64_t segment,
                       const float* factors, float* y) noexcept {
  HWY_DYNAMIC_DISPATCH(QuotientRow)(map, x, n, segment, factors, y);
}
}  // namespace sylvester::detail
#endif  // HWY_ONCE
