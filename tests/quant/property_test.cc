// What each quantizer does at the edges (empty, zero, subnormal, Inf, NaN) and the identities that
// hold between quantizers.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "sylvester/core/error.h"
#include "sylvester/core/philox.h"
#include "sylvester/formats/convert.h"
#include "sylvester/quant/kernels.h"
#include "sylvester/quant/quantize.h"
#include "test_util.h"

namespace sylvester {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::vector<float> normal(std::int64_t n, std::uint64_t seed) {
  std::vector<float> x(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i) {
    float sum = 0;
    for (std::uint64_t k = 0; k < 4; ++k) {
      sum += static_cast<float>(random_word({.seed = seed}, static_cast<std::uint64_t>(i) * 4 + k));
    }
    x[static_cast<std::size_t>(i)] = (sum * 0x1p-32f - 2.0f) * 1.7f;
  }
  return x;
}

std::vector<float> fake(const std::vector<float>& x, std::int64_t cols, const std::string& text) {
  const auto rows = static_cast<std::int64_t>(x.size()) / cols;
  std::vector<float> out(x.size());
  fake_quantize({x.data(), rows, cols}, parse_quant_spec(text), {out.data(), rows, cols});
  return out;
}

TEST(Quantizers, NoElements) {
  for (const char* text : {"int8", "int4:row:asym", "int8:col", "mxfp4", "nvfp4", "bf16",
                           "int8:group=16", "e4m3:block=3x3", "int8:rule=grid"}) {
    for (const auto& [rows, cols] : {std::pair{0, 0}, std::pair{0, 32}, std::pair{4, 0}}) {
      QuantStats stats;
      const QuantizedMatrix q = quantize({nullptr, rows, cols}, parse_quant_spec(text), &stats);
      EXPECT_EQ(q.codes.size(), 0) << text;
      EXPECT_EQ(stats.count, 0) << text;
      EXPECT_EQ(stats.mse, 0) << text;
      dequantize(q, {nullptr, rows, cols});
    }
  }
}

TEST(Quantizers, ZerosHaveScaleOne) {
  const std::vector<float> x(64, 0.0f);
  for (const char* text : {"int8", "int4:row", "e4m3:col", "int8:group=16", "e4m3:block=2x2",
                           "int8:scale=bf16", "int8:asym", "int8:row:scale=e4m3",
                           "e4m3:row:rule=rceil", "e4m3:block=2x2:rule=even:margin=0.75"}) {
    const QuantizedMatrix q = quantize({x.data(), 2, 32}, parse_quant_spec(text));
    for (const float s : q.scales) EXPECT_EQ(s, 1.0f) << text;
    for (const std::uint8_t c : q.codes) EXPECT_EQ(c, 0) << text;
  }
  // Block formats keep the codes that their references give.
  for (const char* text : {"mxfp8_e4m3", "mxfp4:rule=rceil", "mxint8"}) {
    const QuantizedMatrix q = quantize({x.data(), 2, 32}, parse_quant_spec(text));
    for (const std::uint8_t c : q.scale_codes) EXPECT_EQ(c, 0) << text;
  }
  for (const char* text : {"nvfp4", "nvfp4:as=te", "nvfp4:as=quartet2", "nvfp4:levels=1"}) {
    EXPECT_EQ(fake(x, 32, text), x) << text;
  }
}

TEST(Quantizers, InfAndNanPoisonTheirBlockAndNoOther) {
  for (const float bad : {kInf, -kInf, kNan, -kNan}) {
    test::for_each_target([&](Target) {
      for (const char* text :
           {"int8:row", "int4:row:asym", "e4m3:row", "int8:group=32", "int4:group=16:asym",
            "e4m3:block=1x48", "mxfp4", "mxfp8_e5m2:rule=rceil", "mxint8", "nvfp4:levels=1",
            "int8:row:scale=bf16", "int8:row:rounding=stochastic", "mxfp4:rule=quest",
            "e4m3:row:scale=e4m3"}) {
        std::vector<float> x = normal(4 * 96, 1);
        x[96 + 37] = bad;
        const QuantSpec spec = parse_quant_spec(text);
        const QuantizedMatrix q = quantize({x.data(), 4, 96}, spec);
        const std::vector<float> y = fake(x, 96, text);
        for (std::int64_t i = 0; i < 4; ++i) {
          for (std::int64_t j = 0; j < 96; ++j) {
            const bool hit = i == 1 && j / q.block_cols == 37 / q.block_cols;
            const auto at = static_cast<std::size_t>(i * 96 + j);
            ASSERT_EQ(std::isnan(y[at]), hit) << text << " bad " << bad << " at " << i << "," << j;
            if (hit) {
              ASSERT_EQ(q.codes[i * 96 + j], 0) << text;
            }
          }
        }
        for (std::int64_t k = 0; k < q.scale_codes.size(); ++k) {
          const bool hit = std::isnan(q.scales[k]);
          const int code = spec.scale_format == DType::kFloat8E4M3FN ? 0x7F : 0xFF;
          ASSERT_EQ(q.scale_codes[k] == code, hit) << text;
        }
      }
      // One scale of the tensor: one bad number is everybody's.
      for (const char* text :
           {"int8", "e4m3", "int8:asym", "nvfp4", "nvfp4:as=te", "e4m3:rule=grid"}) {
        std::vector<float> x = normal(64, 1);
        x[5] = bad;
        for (const float v : fake(x, 32, text)) ASSERT_TRUE(std::isnan(v)) << text;
      }
    });
  }
}

TEST(Quantizers, UnitScaleCastsElementByElement) {
  const std::vector<float> x{0.0f, -0.0f, 1.0f, 1000.0f, -1000.0f, kInf, -kInf, kNan};
  const std::vector<float> clamped = fake(x, 8, "e4m3:rule=unit");
  EXPECT_EQ(clamped[3], 448.0f);
  EXPECT_EQ(clamped[6], -448.0f);
  EXPECT_TRUE(std::isnan(clamped[7]));
  EXPECT_TRUE(std::signbit(clamped[1]));
  const std::vector<float> open = fake(x, 8, "e5m2:rule=unit:overflow=nonfinite");
  EXPECT_EQ(open[5], kInf);
  EXPECT_EQ(open[3], 1024.0f);
  EXPECT_EQ(fake(x, 8, "e2m1:rule=unit:nan=max_finite")[7], 6.0f);
  const std::vector<float> bf = fake(x, 8, "bf16");
  EXPECT_EQ(bf[5], kInf);
  EXPECT_TRUE(std::isnan(bf[7]));
}

// Asymmetric integers round x / scale themselves: min -7.5 and max 7.5 make scale 1 and zero 7
// (floor), and every half is a tie.
TEST(Quantizers, AsymmetricRoundingsDifferAtTies) {
  const std::vector<float> x{-7.5f, -2.5f, -1.5f, -0.75f, 0.5f, 1.5f, 2.5f, 7.5f};
  struct Row {
    const char* rounding;
    std::vector<float> values;
  };
  const Row rows[] = {
      {"nearest_even", {-7, -2, -2, -1, 0, 2, 2, 8}},
      {"nearest_away", {-7, -3, -2, -1, 1, 2, 3, 8}},
      {"nearest_toward_negative", {-7, -3, -2, -1, 0, 1, 2, 7}},
      {"nearest_toward_zero", {-7, -2, -1, -1, 0, 1, 2, 7}},
      {"toward_zero", {-7, -2, -1, 0, 0, 1, 2, 7}},
  };
  for (const Row& row : rows) {
    std::vector<float> got(x.size());
    fake_quantize(MatrixView<const float>(x.data(), 1, 8),
                  parse_quant_spec(std::string("int4:asym:rounding=") + row.rounding),
                  MatrixView<float>(got.data(), 1, 8));
    for (std::size_t i = 0; i < x.size(); ++i) {
      EXPECT_EQ(got[i], row.values[i]) << row.rounding << " x " << x[i];
    }
  }
}

TEST(Quantizers, SubnormalBlocks) {
  const float tiny = std::numeric_limits<float>::denorm_min();
  const std::vector<float> x{tiny, -tiny, 0.0f, 3 * tiny};
  test::for_each_target([&](Target) {
    // absmax / 127 underflows to 0, so the scale is 1 and everything is flushed.
    const QuantizedMatrix q = quantize({x.data(), 1, 4}, parse_quant_spec("int8"));
    EXPECT_EQ(q.scales[0], 1.0f);
    for (const std::uint8_t c : q.codes) EXPECT_EQ(c, 0);
    // A subnormal scale is used as it is: true division, no flushing.
    const std::vector<float> y{127 * tiny, -64 * tiny, 0.0f, tiny};
    EXPECT_EQ(fake(y, 4, "int8"), y);
  });
}

// The largest element decodes to itself up to one rounding of the scale, so quantizing the result
// again changes nothing where scales are powers of two.
TEST(Quantizers, PowerOfTwoScalesAreIdempotent) {
  const std::vector<float> x = normal(32 * 64, 4);
  for (const char* text : {"mxfp8_e4m3", "mxfp6_e2m3", "mxfp4:rule=ceil", "mxfp8_e5m2:rule=even",
                           "mxfp4:rule=rceil", "e4m3:row:scale=e8m0", "bf16", "e4m3:rule=unit"}) {
    const std::vector<float> once = fake(x, 64, text);
    EXPECT_EQ(fake(once, 64, text), once) << text;
  }
}

TEST(Quantizers, ScalingByPowersOfTwoCommutes) {
  const std::vector<float> x = normal(32 * 64, 5);
  for (const char* text : {"int8", "int4:row:asym:clip=0.95", "e4m3:col", "int3:group=32",
                           "e3m2:block=8x8:margin=0.75", "mxfp4", "mxfp8_e4m3:rule=even",
                           "int8:quotient=bf16:scale=bf16", "e2m1:rule=grid"}) {
    const std::vector<float> y = fake(x, 64, text);
    for (const int shift : {-20, 7, 30}) {
      std::vector<float> scaled(x);
      for (float& v : scaled) v = std::ldexp(v, shift);
      const std::vector<float> got = fake(scaled, 64, text);
      for (std::size_t i = 0; i < got.size(); ++i) {
        ASSERT_EQ(got[i], std::ldexp(y[i], shift)) << text << " shift " << shift << " index " << i;
      }
    }
  }
}

// Nearest rounding: no element moves by more than half a step of its scale (float formats: half of
// the step at its binade, at most half of the largest one).
TEST(Quantizers, IntegerErrorIsAtMostHalfAStep) {
  const std::vector<float> x = normal(64 * 128, 6);
  for (const char* text : {"int8", "int4:row", "int4:col:asym:zero=nearest:range=with_zero",
                           "int2:group=16", "int5:block=16x16"}) {
    const QuantizedMatrix q = quantize({x.data(), 64, 128}, parse_quant_spec(text));
    std::vector<float> y(x.size());
    dequantize(q, {y.data(), 64, 128});
    double worst = 0;
    for (std::int64_t i = 0; i < 64; ++i) {
      for (std::int64_t j = 0; j < 128; ++j) {
        const float s = q.scales[i / q.block_rows * q.scale_cols + j / q.block_cols];
        const auto at = static_cast<std::size_t>(i * 128 + j);
        worst = std::max(worst, std::fabs(double(x[at]) - y[at]) / s);
      }
    }
    // A nearest zero point may clip the ends of the range by another half step.
    const bool asym = q.spec.asymmetric;
    EXPECT_LE(worst, (asym ? 1.0 : 0.5) + 1e-4) << text;
    EXPECT_GE(worst, 0.45) << text << ": suspiciously good";
  }
}

TEST(Quantizers, HaloAsCodedReaches128AndWraps) {
  // In pure bfloat16 the absmax element becomes 126, 127 or 128; 128 wraps to -128.
  int seen[3] = {};
  for (int i = 0; i < 2000; ++i) {
    float x = 1.0f + static_cast<float>(i) / 997.0f;
    round_to_bfloat16({&x, 1}, {&x, 1});
    const QuantizedMatrix wrapped = quantize({&x, 1, 1}, parse_quant_spec("halo-int8-as-coded"));
    const QuantizedMatrix clamped =
        quantize({&x, 1, 1}, parse_quant_spec("int8:scale=bf16:quotient=bf16"));
    const int code = static_cast<std::int8_t>(wrapped.codes[0]);
    ASSERT_TRUE(code == 126 || code == 127 || code == -128) << "x " << x << " code " << code;
    ++seen[code == 126 ? 0 : code == 127 ? 1 : 2];
    if (code == -128) {
      ASSERT_EQ(clamped.codes[0], 127);
    }
    ASSERT_EQ(quantize({&x, 1, 1}, parse_quant_spec("int8")).codes[0], 127);
  }
  for (const int n : seen) EXPECT_GT(n, 0);
}

TEST(Quantizers, FourOverSixNeverIncreasesTheBlockError) {
  const std::vector<float> x = normal(16 * 64, 8);
  QuantStats six, best;
  // The same tensor scale (256 bound), with and without the choice.
  const QuantizedMatrix chosen =
      quantize({x.data(), 16, 64}, parse_quant_spec("nvfp4:four_over_six=mse:as=te"), &best);
  quantize({x.data(), 16, 64}, parse_quant_spec("nvfp4:as=te"), &six);
  EXPECT_LT(best.mse, six.mse);
  EXPECT_GT(best.mse, 0.5 * six.mse);
}

TEST(Quantizers, GridSearchIsNotWorseThanItsStart) {
  const std::vector<float> x = normal(16 * 64, 9);
  for (const char* format : {"float4_e2m1fn", "float6_e3m2fn", "int4"}) {
    QuantStats start, best;
    const MatrixView<const float> X{x.data(), 16, 64};
    quantize(X, parse_quant_spec(format), &start);
    const QuantizedMatrix q =
        quantize(X, parse_quant_spec(std::string(format) + ":rule=grid"), &best);
    EXPECT_LE(best.mse, start.mse) << format;
    const float first = quantize(X, parse_quant_spec(format)).scales[0];
    const double steps = std::log(double(first) / q.scales[0]) / std::log(1.1);
    EXPECT_NEAR(steps, std::round(steps), 1e-4) << format;
    EXPECT_LE(steps, 9.1) << format;
  }
}

TEST(Quantizers, EdenIsUnbiasedOverItsRandomScales) {
  const std::vector<float> x = normal(128, 10);
  const QuantSpec spec = parse_quant_spec("quartet2-backward");
  // Corrected values have <q, x> = <x, x> on average: that is what the correction is for.
  double dot = 0, squares = 0;
  constexpr int kDraws = 400;
  for (int draw = 0; draw < kDraws; ++draw) {
    std::vector<float> y(128);
    fake_quantize({x.data(), 1, 128}, spec, {y.data(), 1, 128}, nullptr,
                  {.seed = static_cast<std::uint64_t>(draw)});
    for (std::size_t i = 0; i < 128; ++i) dot += double(x[i]) * y[i];
  }
  for (const float v : x) squares += double(v) * v;
  // E4M3 scales are 1/16 apart: one draw's error is below 1/16 of the norm, the mean of 400 draws
  // of 8 scales below 4 standard errors of 1/16 / sqrt(400).
  EXPECT_NEAR(dot / kDraws / squares, 1.0, 4.0 / 16 / 20);
}

TEST(Quantizers, StatisticsCountWhatTheySay) {
  const std::vector<float> x{100.0f, -1.0f, 0.01f, 0.0f, 60.0f, -90.0f, 0.02f, 50.0f};
  QuantStats stats;
  // scale = 50 / 7: codes beyond +-7 or 8 saturate, numbers below half a step are flushed.
  const QuantizedMatrix q = quantize({x.data(), 1, 8}, parse_quant_spec("int4:clip=0.5"), &stats);
  EXPECT_EQ(stats.count, 8);
  EXPECT_EQ(stats.zeros, 3);
  EXPECT_EQ(stats.saturated, 3);  // 14, 8.4, -12.6; 50 / scale = 7
  std::vector<float> y(8);
  dequantize(q, {y.data(), 1, 8});
  double error = 0, most = 0;
  for (std::size_t i = 0; i < 8; ++i) {
    error += std::pow(double(x[i]) - y[i], 2);
    most = std::max(most, std::fabs(double(x[i]) - y[i]));
  }
  EXPECT_NEAR(stats.mse, error / 8, 1e-12 * error);
  EXPECT_EQ(stats.max_error, most);
  quantize({x.data(), 1, 8}, QuantSpec{}, &stats);
  EXPECT_EQ(stats.mse, 0);
  EXPECT_EQ(stats.sqnr_db, std::numeric_limits<double>::infinity());
}

TEST(Quantizers, ShapesThatDoNotFit) {
  const std::vector<float> x(100, 1.0f);
  for (const char* text : {"int8:group=48", "mxfp4", "nvfp4", "nvfp4:rule=eden"}) {
    try {
      quantize({x.data(), 1, 100}, parse_quant_spec(text));
      ADD_FAILURE() << text;
    } catch (const ValueError& e) {
      EXPECT_NE(std::string(e.what()).find("100 columns"), std::string::npos) << e.what();
    }
  }
  std::vector<float> y(100);
  EXPECT_THROW(fake_quantize({x.data(), 1, 100}, parse_quant_spec("int8"), {y.data(), 2, 50}),
               ShapeError);
  QuantizedMatrix out;
  EXPECT_THROW(Quantization(parse_quant_spec("bf16"), 1, 4, out), ValueError);
}

}  // namespace
}  // namespace sylvester
