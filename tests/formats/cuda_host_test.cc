// The host conversions of the CUDA toolkit (cuda_fp8.h, cuda_fp6.h, cuda_fp4.h), compiled by the
// host compiler: all bfloat16 and float16 inputs, the golden float32 inputs, doubles around ties.
#include "test_util.h"

#ifdef SYLVESTER_HAVE_CUDA_HEADERS

#include <cuda_fp4.h>
#include <cuda_fp6.h>
#include <cuda_fp8.h>

#include <bit>
#include <cmath>
#include <functional>

#include "formats/slow_format.h"
#include "sylvester/formats/convert.h"

namespace sylvester {
namespace {

// One conversion of the toolkit: the same call for each source type.
struct Peer {
  const char* format;
  const char* preset;
  std::function<int(float)> from_float;
  std::function<int(double)> from_double;
  std::function<int(std::uint16_t)> from_half, from_bfloat16;
};

__half_raw half(std::uint16_t bits) {
  __half_raw h;
  h.x = bits;
  return h;
}
__nv_bfloat16_raw bfloat16(std::uint16_t bits) {
  __nv_bfloat16_raw b;
  b.x = bits;
  return b;
}

Peer fp8(const char* format, const char* preset, __nv_saturation_t s,
         __nv_fp8_interpretation_t kind) {
  return {format,
          preset,
          [=](float x) { return __nv_cvt_float_to_fp8(x, s, kind); },
          [=](double x) { return __nv_cvt_double_to_fp8(x, s, kind); },
          [=](std::uint16_t x) { return __nv_cvt_halfraw_to_fp8(half(x), s, kind); },
          [=](std::uint16_t x) { return __nv_cvt_bfloat16raw_to_fp8(bfloat16(x), s, kind); }};
}
Peer fp6(const char* format, const char* preset, __nv_fp6_interpretation_t kind, cudaRoundMode r) {
  return {format,
          preset,
          [=](float x) { return __nv_cvt_float_to_fp6(x, kind, r); },
          [=](double x) { return __nv_cvt_double_to_fp6(x, kind, r); },
          [=](std::uint16_t x) { return __nv_cvt_halfraw_to_fp6(half(x), kind, r); },
          [=](std::uint16_t x) { return __nv_cvt_bfloat16raw_to_fp6(bfloat16(x), kind, r); }};
}
Peer fp4(const char* preset, cudaRoundMode r) {
  const auto kind = __NV_E2M1;
  return {"float4_e2m1fn",
          preset,
          [=](float x) { return __nv_cvt_float_to_fp4(x, kind, r); },
          [=](double x) { return __nv_cvt_double_to_fp4(x, kind, r); },
          [=](std::uint16_t x) { return __nv_cvt_halfraw_to_fp4(half(x), kind, r); },
          [=](std::uint16_t x) { return __nv_cvt_bfloat16raw_to_fp4(bfloat16(x), kind, r); }};
}
Peer scale(const char* preset, __nv_saturation_t s, cudaRoundMode r) {
  return {"float8_e8m0fnu",
          preset,
          [=](float x) { return __nv_cvt_float_to_e8m0(x, s, r); },
          [=](double x) { return __nv_cvt_double_to_e8m0(x, s, r); },
          nullptr,
          [=](std::uint16_t x) { return __nv_cvt_bfloat16raw_to_e8m0(bfloat16(x), s, r); }};
}

std::vector<Peer> peers() {
  const auto near = cudaRoundNearest, zero = cudaRoundZero, up = cudaRoundPosInf;
  return {fp8("float8_e4m3fn", "cuda", __NV_SATFINITE, __NV_E4M3),
          fp8("float8_e4m3fn", "cuda_nosat", __NV_NOSAT, __NV_E4M3),
          fp8("float8_e5m2", "cuda", __NV_SATFINITE, __NV_E5M2),
          fp8("float8_e5m2", "cuda_nosat", __NV_NOSAT, __NV_E5M2),
          fp6("float6_e3m2fn", "cuda", __NV_E3M2, near),
          fp6("float6_e3m2fn", "cuda_rz", __NV_E3M2, zero),
          fp6("float6_e2m3fn", "cuda", __NV_E2M3, near),
          fp6("float6_e2m3fn", "cuda_rz", __NV_E2M3, zero),
          fp4("cuda", near),
          fp4("cuda_rz", zero),
          scale("cuda", __NV_SATFINITE, up),
          scale("cuda_nosat", __NV_NOSAT, up),
          scale("cuda_rz", __NV_SATFINITE, zero),
          scale("cuda_nosat_rz", __NV_NOSAT, zero)};
}

template <class Source, class Reference, class Encode>
void compare(const Peer& peer, const char* what, const std::vector<Source>& x,
             const Reference& reference, const Encode& encode_all) {
  if (!reference) return;
  std::vector<std::uint8_t> codes(x.size());
  const DType to = parse_dtype(peer.format);
  encode_all(to, codes, encode_preset(peer.preset, to));
  for (std::size_t i = 0; i < x.size(); ++i) {
    ASSERT_EQ(int{codes[i]}, reference(x[i]) & ((1 << format(to).bits) - 1))
        << peer.format << " " << peer.preset << " from " << what << ", input " << i << " = "
        << +x[i];
  }
}

TEST(CudaHostTest, EveryConversionGivesTheSameCode) {
  std::vector<std::uint16_t> all(65536);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(i);
  const auto bits = test::read_golden<std::uint32_t>("elem/input.u32");
  std::vector<float> x(bits.size());
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::bit_cast<float>(bits[i]);
  std::vector<double> ties;
  for (const test::SlowFormat& slow : test::kSlowFormats) {
    const auto values = test::slow_values(slow);
    for (std::size_t i = 0; i + 1 < values.size() && i < 128; ++i) {
      const double middle = (values[i] + values[i + 1]) / 2;
      for (const double v : {middle, std::nextafter(middle, 0), std::nextafter(middle, 1e9)}) {
        ties.push_back(v);
        ties.push_back(-v);
      }
    }
  }
  for (const Peer& peer : peers()) {
    compare(peer, "float32", x, peer.from_float,
            [&](DType to, auto& codes, const EncodeOptions& o) { encode(x, to, codes, o); });
    compare(peer, "float64", ties, peer.from_double,
            [&](DType to, auto& codes, const EncodeOptions& o) { encode(ties, to, codes, o); });
    compare(peer, "float16", all, peer.from_half,
            [&](DType to, auto& codes, const EncodeOptions& o) {
              encode(all, DType::kFloat16, to, codes, o);
            });
    compare(peer, "bfloat16", all, peer.from_bfloat16,
            [&](DType to, auto& codes, const EncodeOptions& o) {
              encode(all, DType::kBFloat16, to, codes, o);
            });
  }
}

TEST(CudaHostTest, EveryCodeDecodesToTheSameHalf) {
  const auto compare_decode = [](const char* name, auto&& reference) {
    const DType from = parse_dtype(name);
    for (int code = 0; code < 1 << format(from).bits; ++code) {
      const float expected = decode_one(reference(code), DType::kFloat16);
      EXPECT_EQ(std::bit_cast<std::uint32_t>(decode_one(static_cast<std::uint32_t>(code), from)),
                std::bit_cast<std::uint32_t>(expected))
          << name << " code " << code;
    }
  };
  compare_decode("float8_e4m3fn", [](int c) {
    return __nv_cvt_fp8_to_halfraw(static_cast<std::uint8_t>(c), __NV_E4M3).x;
  });
  compare_decode("float8_e5m2", [](int c) {
    return __nv_cvt_fp8_to_halfraw(static_cast<std::uint8_t>(c), __NV_E5M2).x;
  });
  compare_decode("float6_e3m2fn", [](int c) {
    return __nv_cvt_fp6_to_halfraw(static_cast<std::uint8_t>(c), __NV_E3M2).x;
  });
  compare_decode("float6_e2m3fn", [](int c) {
    return __nv_cvt_fp6_to_halfraw(static_cast<std::uint8_t>(c), __NV_E2M3).x;
  });
  compare_decode("float4_e2m1fn", [](int c) {
    return __nv_cvt_fp4_to_halfraw(static_cast<std::uint8_t>(c), __NV_E2M1).x;
  });
}

}  // namespace
}  // namespace sylvester

#else

TEST(CudaHostTest, SkippedWithoutTheToolkit) {
  GTEST_SKIP() << "cuda_fp8.h, cuda_fp6.h, cuda_fp4.h not found when this was built";
}

#endif
