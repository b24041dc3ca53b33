// One definition, many ways to run it: scalar, every SIMD target, any thread count, in stripes, in
// place, strided, with and without statistics. All give the same bits.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "quant/engine.h"
#include "sylvester/core/parallel.h"
#include "sylvester/core/philox.h"
#include "sylvester/quant/kernels.h"
#include "sylvester/quant/quantize.h"
#include "test_util.h"

namespace sylvester {
namespace {

std::vector<std::string> all_specs() {
  std::vector<std::string> out;
  for (const QuantPreset& p : quant_presets()) out.emplace_back(p.text);
  for (const char* format : {"int8", "int4", "int2", "float8_e4m3fn", "float8_e5m2",
                             "float8_e4m3fnuz", "float8_e5m2fnuz", "float6_e3m2fn", "float6_e2m3fn",
                             "float4_e2m1fn", "float4_e3m0fn", "float4_e1m2fn"}) {
    for (const char* option :
         {"", ":row", ":col", ":group=16", ":group=48", ":block=16x16", ":block=5x7", ":block=1x64",
          ":mx", ":mx:rule=ceil", ":mx:rule=even", ":mx:rule=rceil", ":row:scale=bf16",
          ":group=32:scale=e4m3", ":row:quotient=reciprocal", ":rounding=stochastic",
          ":group=16:rounding=toward_zero:clip=0.8", ":rule=unit"}) {
      out.push_back(std::string(format) + option);
    }
  }
  for (const char* asym : {"int8:asym",
                           "int4:row:asym:clip=0.95",
                           "int4:col:asym:zero=nearest",
                           "int3:group=16:asym:range=with_zero:zero=nearest",
                           "int5:block=9x11:asym",
                           "int4:row:asym:rounding=stochastic",
                           "int8:row:asym:scale=bf16",
                           "int8:row:codes=narrow:clip=0.9",
                           "int4:group=16:codes=narrow:rounding=stochastic",
                           "mxint8:rule=rceil",
                           "int8:mx:as=microxcaling",
                           "mxint8:rule=floor",
                           "float8_e4m3fn:rule=unit:overflow=nonfinite",
                           "float8_e5m2:rule=unit:overflow=nonfinite:nan=keep_sign",
                           "nvfp4:levels=1:rounding=stochastic",
                           "nvfp4:as=quartet2",
                           "nvfp4:as=te_folded:block=16x16",
                           "nvfp4:four_over_six=mae:block=16x16",
                           "bfloat16",
                           "float16",
                           "float32",
                           "bfloat16:rounding=stochastic"}) {
    out.push_back(asym);
  }
  return out;
}

// Numbers of many sizes; `special` adds zeros of both signs, subnormals, FLT_MAX.
std::vector<float> numbers(std::int64_t n, std::uint64_t seed, bool special) {
  std::vector<float> x(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i) {
    const auto word = random_word({.seed = seed}, static_cast<std::uint64_t>(i));
    const float u = static_cast<float>(static_cast<std::int32_t>(word)) * 0x1p-31f;
    x[static_cast<std::size_t>(i)] = u * std::ldexp(1.0f, static_cast<int>(word % 13) - 6);
    if (!special) continue;
    const float odd[] = {0.0f, -0.0f, 1e-45f, -3e-39f, 0.5f, -6.0f, 448.0f, 1e30f};
    if (word % 7 == 0) x[static_cast<std::size_t>(i)] = odd[word / 7 % 8];
  }
  return x;
}

struct Result {
  std::vector<std::uint8_t> codes, scale_codes;
  std::vector<float> scales, zeros, values;
  float tensor_scale = 0;
};

template <class T>
std::vector<T> copy(const Buffer<T>& b) {
  return {b.begin(), b.end()};
}

Result run(MatrixView<const float> X, const QuantSpec& spec) {
  const RandomStream stream{.seed = 9, .step = 2, .tensor = 3};
  const QuantizedMatrix q = quantize(X, spec, nullptr, stream);
  Result r{copy(q.codes), copy(q.scale_codes), copy(q.scales), copy(q.zeros), {}, q.tensor_scale};
  r.values.resize(static_cast<std::size_t>(X.size()));
  dequantize(q, {r.values.data(), X.rows, X.cols});
  return r;
}

// NaN equals NaN, zeros differ by sign.
template <class T>
void expect_same(const std::vector<T>& got, const std::vector<T>& want, const std::string& what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (got[i] != got[i] && want[i] != want[i]) continue;
    ASSERT_TRUE(got[i] == want[i] && std::signbit(double(got[i])) == std::signbit(double(want[i])))
        << what << ": index " << i << " got " << +got[i] << " want " << +want[i];
  }
}

void expect_same(const Result& got, const Result& want, const std::string& what) {
  expect_same(got.scale_codes, want.scale_codes, what + " scale codes");
  expect_same(got.scales, want.scales, what + " scales");
  expect_same(got.zeros, want.zeros, what + " zeros");
  expect_same(got.codes, want.codes, what + " codes");
  expect_same(got.values, want.values, what + " values");
}

bool fits(const QuantSpec& spec, std::int64_t cols) {
  if (spec.granularity == Granularity::kGroup) return cols % spec.group == 0;
  if (spec.granularity == Granularity::kMx) return cols % 32 == 0;
  if (spec.granularity != Granularity::kNvfp4) return true;
  return cols % (spec.rule == ScaleRule::kEden ? spec.group : 16) == 0;
}

struct Shape {
  std::int64_t rows, cols, stride;
};
const Shape kShapes[] = {{1, 1, 1},   {5, 1, 1},     {3, 7, 9},
                         {1, 33, 33}, {17, 96, 100}, {33, 384, 384}};

TEST(QuantBits, TargetsThreadsAndWaysAgree) {
  for (const std::string& text : all_specs()) {
    const QuantSpec spec = parse_quant_spec(text);
    for (const Shape& s : kShapes) {
      if (!fits(spec, s.cols)) continue;
      const std::vector<float> x = numbers(s.rows * s.stride, 17, s.cols % 2 == 1);
      const MatrixView<const float> X{x.data(), s.rows, s.cols, s.stride};
      set_target(Target::kScalar);
      set_num_threads(1);
      const Result want = run(X, spec);
      test::for_each_target([&](Target target) {
        const std::string what = text + " " + std::to_string(s.rows) + "x" +
                                 std::to_string(s.cols) + " " + to_string(target);
        for (const int threads : {1, 3}) {
          set_num_threads(threads);
          expect_same(run(X, spec), want, what);
        }
        const RandomStream stream{.seed = 9, .step = 2, .tensor = 3};
        std::vector<float> fake(x);
        QuantStats stats;
        const MatrixView<float> in_place{fake.data(), s.rows, s.cols, s.stride};
        fake_quantize(in_place, spec, in_place, &stats, stream);
        std::vector<float> packed;
        for (std::int64_t i = 0; i < s.rows; ++i) {
          packed.insert(packed.end(), in_place.row(i), in_place.row(i) + s.cols);
        }
        expect_same(packed, want.values, what + " fake");
        EXPECT_EQ(stats.count, s.rows * s.cols) << what;
        std::vector<float> plain(static_cast<std::size_t>(s.rows * s.cols));
        fake_quantize(X, spec, {plain.data(), s.rows, s.cols}, nullptr, stream);
        expect_same(plain, want.values, what + " fake, no statistics");
      });
    }
  }
}

TEST(QuantBits, LargeMatricesAgreeForAnyThreadCount) {
  // More than one tile in both directions, and results that go around the caches.
  const std::int64_t rows = 70, cols = 32768;
  const std::vector<float> x = numbers(rows * cols, 3, false);
  const MatrixView<const float> X{x.data(), rows, cols};
  for (const char* text : {"int8", "int4:row:asym", "float8_e4m3fn:col", "mxfp8_e4m3", "nvfp4",
                           "float8_e4m3fn:block=64x128", "int8:block=70x32768",
                           "mxfp4:rounding=stochastic", "int8:rule=grid"}) {
    const QuantSpec spec = parse_quant_spec(text);
    set_target(Target::kAuto);
    set_num_threads(1);
    const Result want = run(X, spec);
    QuantStats want_stats;
    quantize(X, spec, &want_stats);
    for (const int threads : {2, 3}) {
      set_num_threads(threads);
      const std::string what = text + std::string(" threads ") + std::to_string(threads);
      expect_same(run(X, spec), want, what);
      std::vector<float> fake(x.size());
      QuantStats stats;
      fake_quantize(X, spec, {fake.data(), rows, cols}, &stats,
                    {.seed = 9, .step = 2, .tensor = 3});
      expect_same(fake, want.values, what + " fake");
      quantize(X, spec, &stats);
      EXPECT_EQ(stats.mse, want_stats.mse) << what;
      EXPECT_EQ(stats.max_error, want_stats.max_error) << what;
    }
  }
  set_num_threads(1);
}

// The scalar bodies and every target over long rows, many tiles, and with results that go around
// the caches; the rest of the specs is compared on small matrices.
TEST(QuantBits, LargeMatricesAgreeOnEveryTarget) {
  const std::int64_t rows = 65, cols = 32800;  // no power of two; 32800 = 1025 * 32
  const std::vector<float> x = numbers(rows * cols, 23, false);
  const MatrixView<const float> X{x.data(), rows, cols};
  for (const char* text :
       {"int8", "float8_e4m3fn", "int8:row", "float6_e3m2fn:row", "int4:row:asym", "int4:col",
        "int8:group=32", "mxfp8_e4m3", "mxint8", "nvfp4", "nvfp4:block=16x16:as=te",
        "float8_e4m3fn:block=1x128", "float8_e4m3fn:block=64x128"}) {
    const QuantSpec spec = parse_quant_spec(text);
    set_target(Target::kScalar);
    const Result want = run(X, spec);
    test::for_each_target([&](Target target) {
      if (target == Target::kScalar) return;
      const std::string what = text + std::string(" ") + to_string(target);
      expect_same(run(X, spec), want, what);
      std::vector<float> fake(x);
      const MatrixView<float> in_place{fake.data(), rows, cols};
      fake_quantize(in_place, spec, in_place);
      expect_same(fake, want.values, what + " in place");
    });
  }
}

// Tiles are larger without statistics, and blocks are found in another order.
TEST(QuantBits, StatisticsDoNotChangeResults) {
  const std::int64_t rows = 4099, cols = 4096;
  const std::vector<float> x = numbers(rows * cols, 29, false);
  const MatrixView<const float> X{x.data(), rows, cols};
  std::vector<float> plain(x.size()), with(x.size());
  for (const char* text : {"int8", "nvfp4", "float8_e4m3fn:block=128x128", "int4:col"}) {
    QuantStats stats;
    fake_quantize(X, parse_quant_spec(text), {plain.data(), rows, cols});
    fake_quantize(X, parse_quant_spec(text), {with.data(), rows, cols}, &stats);
    EXPECT_EQ(plain, with) << text;
    EXPECT_EQ(stats.count, rows * cols) << text;
  }
}

// Scales at the ends of float32 and beside them, where divisions and products take other ways, zero
// rows and rows with Inf and NaN, in rows of one and of several panels.
TEST(QuantBits, ExtremeScalesAgreeOnEveryTarget) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  const float sizes[] = {0.0f, 1e-45f, 3e-44f,  1e-40f,   0x1p-126f, 0x1p-84f, 0x1p-74f, 1e-10f,
                         1.0f, 1e10f,  0x1p99f, 0x1p106f, 0x1p126f,  3e38f,    kInf,     kNan};
  std::vector<std::string> specs;
  for (const char* format : {"int8", "int4", "float8_e4m3fn", "float8_e5m2fnuz", "float4_e2m1fn"}) {
    for (const char* option :
         {":row", ":row:quotient=reciprocal", ":row:clip=0.000001", ":row:margin=0.0001",
          ":row:scale=bf16", ":group=32:scale=e4m3", ":col", ":block=2x32", ":block=1x160",
          ":mx:rule=ceil", ":mx:rule=rceil", ":mx:rule=even", ":mx:margin=0.75",
          ":row:rule=rceil"}) {
      specs.push_back(std::string(format) + option);
    }
  }
  for (const char* text : {"int4:row:asym", "int4:group=32:asym:zero=nearest", "nvfp4:levels=1",
                           "nvfp4:as=te", "nvfp4:as=quartet2", "mxint8:rule=rceil"}) {
    specs.emplace_back(text);
  }
  for (const std::int64_t cols : {32, 160, 2080}) {
    const auto rows = static_cast<std::int64_t>(std::size(sizes));
    std::vector<float> x = numbers(rows * cols, 41, false);
    for (std::int64_t i = 0; i < rows; ++i) {
      float* row = x.data() + i * cols;
      float most = 0;
      for (std::int64_t j = 0; j < cols; ++j) most = std::max(most, std::fabs(row[j]));
      const float size = std::isfinite(sizes[i]) ? sizes[i] : 1.0f;
      for (std::int64_t j = 0; j < cols; ++j) row[j] = row[j] / most * size;
      if (!std::isfinite(sizes[i])) row[cols / 3] = sizes[i];
    }
    const MatrixView<const float> X{x.data(), rows, cols};
    for (const std::string& text : specs) {
      const QuantSpec spec = parse_quant_spec(text);
      set_target(Target::kScalar);
      const Result want = run(X, spec);
      test::for_each_target([&](Target target) {
        const std::string what = text + " " + std::to_string(cols) + " " + to_string(target);
        expect_same(run(X, spec), want, what);
        std::vector<float> fake(x.size());
        fake_quantize(X, spec, {fake.data(), rows, cols});
        expect_same(fake, want.values, what + " fake");
      });
    }
  }
}

TEST(QuantBits, StatisticsAgreeBitForBit) {
  const Shape s{33, 384, 400};
  const std::vector<float> x = numbers(s.rows * s.stride, 5, false);
  const MatrixView<const float> X{x.data(), s.rows, s.cols, s.stride};
  for (const std::string& text : all_specs()) {
    const QuantSpec spec = parse_quant_spec(text);
    if (!fits(spec, s.cols)) continue;
    set_target(Target::kScalar);
    set_num_threads(1);
    QuantStats want, measured;
    const QuantizedMatrix q = quantize(X, spec, &want);
    test::for_each_target([&](Target target) {
      for (const int threads : {1, 2, 3}) {
        set_num_threads(threads);
        QuantStats got;
        quantize(X, spec, &got);
        const std::string what = text + " " + to_string(target);
        EXPECT_EQ(std::bit_cast<std::uint64_t>(got.mse), std::bit_cast<std::uint64_t>(want.mse))
            << what << " got " << got.mse << " want " << want.mse;
        EXPECT_EQ(got.sqnr_db, want.sqnr_db) << what;
        EXPECT_EQ(got.max_error, want.max_error) << what;
        EXPECT_EQ(got.zeros, want.zeros) << what;
        EXPECT_EQ(got.saturated, want.saturated) << what;
        measured = quantization_error(X, q);
        EXPECT_EQ(measured.mse, want.mse) << what;
        EXPECT_EQ(measured.zeros, want.zeros) << what;
      }
    });
  }
}

TEST(QuantBits, StripesAgreeWithTheWholeMatrix) {
  const Shape s{48, 384, 384};
  const std::vector<float> x = numbers(s.rows * s.stride, 7, true);
  const MatrixView<const float> X{x.data(), s.rows, s.cols, s.stride};
  set_num_threads(1);
  for (const std::string& text : all_specs()) {
    const QuantSpec spec = parse_quant_spec(text);
    if (!fits(spec, s.cols) || is_cast(spec)) continue;
    const RandomStream stream{.seed = 9, .step = 2, .tensor = 3};
    QuantizedMatrix out;
    Quantization pieces(spec, s.rows, s.cols, out, stream);
    if (pieces.needs_whole_matrix()) continue;
    const std::int64_t step = pieces.row_multiple() * 3;
    const auto stripe = [&](std::int64_t row) {
      return MatrixView<const float>{X.row(row), std::min(step, s.rows - row), s.cols, s.stride};
    };
    if (pieces.needs_observation()) {  // in any order
      for (std::int64_t row = (s.rows - 1) / step * step; row >= 0; row -= step) {
        pieces.observe(stripe(row), row);
      }
    }
    pieces.finish_observation();
    std::vector<float> values(x.size());
    for (std::int64_t row = 0; row < s.rows; row += step) {
      const auto part = stripe(row);
      pieces.encode(part, row, {values.data() + row * s.cols, part.rows, s.cols});
    }
    const Result want = run(X, spec);
    Result got{copy(out.codes), copy(out.scale_codes), copy(out.scales), copy(out.zeros),
               values,          out.tensor_scale};
    expect_same(got, want, text + " stripes");
    EXPECT_EQ(out.tensor_scale, want.tensor_scale) << text;
  }
}

TEST(QuantBits, BlockScaleIsTheScaleOfTheBlock) {
  const std::vector<float> x = numbers(16 * 32, 11, false);
  for (const char* text : {"int8:row", "float8_e4m3fn:row:margin=0.75", "int8:row:scale=bf16",
                           "mxfp4:rule=even", "nvfp4:levels=1", "nvfp4:as=te"}) {
    const QuantSpec spec = parse_quant_spec(text);
    const QuantizedMatrix q = quantize({x.data(), 16, 32}, spec);
    const float most = absmax(x);
    const std::int64_t width = q.block_cols;
    for (std::int64_t k = 0; k < q.scales.size(); ++k) {
      const float block = absmax({x.data() + k * width, static_cast<std::size_t>(width)});
      const BlockScale s = block_scale(spec, block, most);
      EXPECT_EQ(s.scale, q.scales[k]) << text << " block " << k;
    }
  }
}

// What a grid search compares must not depend on whether statistics are asked for.
TEST(QuantBits, GridSearchesHaveFixedTiles) {
  const QuantSpec spec = resolve(parse_quant_spec("int4:rule=grid"));
  for (const std::int64_t rows : {64, 4096, 65536}) {
    const detail::Geometry a(spec, rows, 4096, false), b(spec, rows, 4096, true);
    EXPECT_EQ(a.tile_rows, b.tile_rows) << rows;
    EXPECT_EQ(a.tile_cols, b.tile_cols) << rows;
  }
}

}  // namespace
}  // namespace sylvester
