// The fused pass against the separate steps: every kind of spec, side, target and thread count.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "hadamard/hadamard_test_util.h"
#include "sylvester/core/error.h"
#include "sylvester/core/parallel.h"
#include "sylvester/hadamard/rotate_quantize.h"
#include "test_util.h"

namespace sylvester {
namespace {

constexpr std::array<const char*, 32> kSpecs{"int8",
                                             "int8:row",
                                             "int8:col",
                                             "int8:group=32",
                                             "int4:row:asym",
                                             "int4:row:asym:clip=0.95:zero=nearest",
                                             "int4:group=32:asym",
                                             "int4:clip=0.9",
                                             "int8:block=32x32",
                                             "int8:block=1x32",
                                             "int6:block=16x8",
                                             "int8:rounding=stochastic",
                                             "int8:scale=bf16",
                                             "float8_e4m3fn",
                                             "float8_e5m2",
                                             "float8_e4m3fn:row",
                                             "float8_e4m3fn:block=1x32",
                                             "float8_e4m3fn:block=32x32",
                                             "float8_e5m2:rounding=stochastic",
                                             "float6_e3m2fn",
                                             "float6_e3m2fn:margin=0.75",
                                             "float6_e2m3fn:col",
                                             "float4_e2m1fn",
                                             "float4_e2m1fn:group=16",
                                             "mxfp8_e4m3",
                                             "mxfp8_e5m2:rule=rceil",
                                             "mxfp6_e3m2:rule=even",
                                             "mxfp4:rule=ceil",
                                             "nvfp4",
                                             "bf16",
                                             "fp16",
                                             "float4_e2m1fn:rule=grid"};

template <class T>
std::string difference(const char* name, const Buffer<T>& got, const Buffer<T>& expected) {
  const std::string found = test::first_difference(
      std::vector<T>(got.begin(), got.end()), std::vector<T>(expected.begin(), expected.end()));
  return found.empty() ? "" : std::string(name) + " " + found + "; ";
}

std::string difference(const QuantizedMatrix& got, const QuantizedMatrix& expected) {
  std::string out = difference("codes", got.codes, expected.codes) +
                    difference("scales", got.scales, expected.scales) +
                    difference("scale_codes", got.scale_codes, expected.scale_codes) +
                    difference("zeros", got.zeros, expected.zeros) +
                    difference("values", got.values, expected.values);
  const bool same_tensor_scale =
      got.tensor_scale == expected.tensor_scale ||
      (got.tensor_scale != got.tensor_scale && expected.tensor_scale != expected.tensor_scale);
  if (!same_tensor_scale) out += "tensor_scale; ";
  if (!(got.spec == expected.spec) || got.rows != expected.rows || got.cols != expected.cols ||
      got.block_rows != expected.block_rows || got.block_cols != expected.block_cols ||
      got.scale_rows != expected.scale_rows || got.scale_cols != expected.scale_cols) {
    out += "shape or spec; ";
  }
  return out;
}

QuantizedMatrix separate(const std::vector<float>& x, std::int64_t m, std::int64_t n,
                         const RotateQuantizeOptions& options, const QuantSpec& spec,
                         const RandomStream& stream) {
  std::vector<float> y = x;
  const MatrixView<float> view(y.data(), m, n);
  if (options.cols) hadamard_cols(view, view, options.left);
  if (options.rows) hadamard_rows(view, view, options.right);
  return quantize(view, spec, nullptr, stream);
}

void expect_equal_to_steps(const std::vector<float>& x, std::int64_t m, std::int64_t n,
                           const RotateQuantizeOptions& options, const std::string& text) {
  const QuantSpec spec = parse_quant_spec(text);
  const RandomStream stream{17, 3, 5};
  set_target(Target::kScalar);
  set_num_threads(1);
  const QuantizedMatrix expected = separate(x, m, n, options, spec, stream);
  test::for_each_target([&](Target) {
    for (const int threads : {1, 2}) {
      set_num_threads(threads);
      QuantizedMatrix got;
      Buffer<std::uint8_t> codes_t;
      rotate_quantize(MatrixView<const float>(x.data(), m, n), options, spec, got, &codes_t,
                      stream);
      ASSERT_EQ(difference(got, expected), "")
          << text << " " << m << " x " << n << " rows " << options.rows << " cols " << options.cols
          << " threads " << threads;
      if (!options.transposed) continue;
      ASSERT_EQ(codes_t.size(), expected.codes.size()) << text;
      for (std::int64_t i = 0; i < expected.codes.size(); ++i) {
        ASSERT_EQ(codes_t[i % n * m + i / n], expected.codes[i]) << text << " transposed, " << i;
      }
    }
  });
  set_num_threads(1);
}

TEST(RotateQuantize, EverySpecEqualsTheSteps) {
  for (const char* spec : kSpecs) {
    for (const auto& [m, n] : {std::array<std::int64_t, 2>{96, 192}, {64, 512}}) {
      const auto x = test::random_values<float>(m * n, 12);
      RotateQuantizeOptions options{.rows = true, .transposed = true};
      expect_equal_to_steps(x, m, n, options, spec);
      options.cols = true;
      options.right.signs = 9;
      options.left.inverse = true;
      expect_equal_to_steps(x, m, n, options, spec);
    }
  }
}

TEST(RotateQuantize, LargerThanTheStripes) {
  const std::int64_t m = 160, n = 1536;
  const auto x = test::random_values<float>(m * n, 4);
  Buffer<float> scratch;
  for (const char* spec : {"int8", "int8:row", "float8_e4m3fn:block=32x32", "mxfp6_e3m2", "nvfp4",
                           "float8_e5m2:rounding=stochastic", "int8:col"}) {
    expect_equal_to_steps(x, m, n, {.rows = true, .scratch = &scratch}, spec);
    expect_equal_to_steps(x, m, n, {.rows = true, .cols = true, .scratch = &scratch}, spec);
    expect_equal_to_steps(x, m, n, {.rows = true, .transposed = true}, spec);
    expect_equal_to_steps(x, m, n, {.cols = true}, spec);
    expect_equal_to_steps(x, m, n, {.transposed = true}, spec);
  }
}

// The ways of the two rounds of reading beyond the caches: the rotation kept, with and without
// scratch, or computed twice. The steps are compared with the scalar bodies above.
TEST(RotateQuantize, LargerThanTheCaches) {
  for (const auto& [m, n] : {std::array<std::int64_t, 2>{1030, 2048}, {2056, 4096}, {8800, 960}}) {
    const auto x = test::random_values<float>(m * n, 6);
    for (const char* text : {"int8", "nvfp4", "int4:asym", "float8_e4m3fn:col"}) {
      const QuantSpec spec = parse_quant_spec(text);
      const QuantizedMatrix expected = separate(x, m, n, {.rows = true}, spec, {});
      Buffer<float> scratch;
      for (Buffer<float>* kept : {static_cast<Buffer<float>*>(nullptr), &scratch}) {
        for (const int threads : {1, 2}) {
          set_num_threads(threads);
          QuantizedMatrix got;
          rotate_quantize(MatrixView<const float>(x.data(), m, n), {.rows = true, .scratch = kept},
                          spec, got);
          EXPECT_EQ(difference(got, expected), "")
              << text << " " << m << " x " << n << " threads " << threads;
        }
      }
      set_num_threads(1);
    }
  }
}

TEST(RotateQuantize, SpecialValues) {
  const std::int64_t m = 32;
  for (const std::int64_t n : {64, 512}) {
    for (const float special : {std::numeric_limits<float>::quiet_NaN(),
                                std::numeric_limits<float>::infinity(), 0.0f, 0x1p-149f, 3e38f}) {
      auto x = test::random_values<float>(m * n, 8);
      for (std::int64_t j = 0; j < n; ++j) x[static_cast<std::size_t>(5 * n + j)] = 0.0f;
      x[static_cast<std::size_t>(5 * n + 7)] = special;
      for (const char* spec : {"int8", "int8:row", "float8_e4m3fn:row", "mxfp8_e4m3", "nvfp4"}) {
        expect_equal_to_steps(x, m, n, {.rows = true, .transposed = true}, spec);
      }
    }
  }
}

// Powers of two of one, two and three passes, whose transform finds the absmax of rows.
TEST(RotateQuantize, PowersOfTwo) {
  for (const std::int64_t n : {128, 256, 512, 1024, 2048, 4096, 8192, 32768}) {
    const std::int64_t m = 7;
    const auto x = test::random_values<float>(m * n, 14);
    for (const char* spec : {"int8", "int8:row", "float8_e4m3fn:row", "int4:row:asym"}) {
      RotateQuantizeOptions options{.rows = true};
      expect_equal_to_steps(x, m, n, options, spec);
      options.right.signs = 9;
      expect_equal_to_steps(x, m, n, options, spec);
      options.right.inverse = true;
      expect_equal_to_steps(x, m, n, options, spec);
      options.right.block = n / 2;
      expect_equal_to_steps(x, m, n, options, spec);
    }
  }
}

TEST(RotateQuantize, OddShapesAndEmpty) {
  for (const auto& [m, n] :
       {std::array<std::int64_t, 2>{1, 64}, {3, 12}, {70, 20}, {0, 64}, {129, 8}}) {
    const auto x = test::random_values<float>(m * n, 1);
    for (const char* spec : {"int8", "int8:row", "float8_e4m3fn:col"}) {
      expect_equal_to_steps(x, m, n, {.rows = true, .transposed = true}, spec);
    }
  }
}

TEST(RotateQuantize, ErrorsLeaveTheOutputAlone) {
  const auto x = test::random_values<float>(6 * 64, 1);
  const MatrixView<const float> X(x.data(), 6, 64);
  QuantizedMatrix out;
  rotate_quantize(X, {.rows = true}, parse_quant_spec("int8"), out);
  const QuantizedMatrix before = out;
  EXPECT_THROW(rotate_quantize(X, {.cols = true}, parse_quant_spec("int8"), out), ShapeError);
  EXPECT_THROW(rotate_quantize(X, {.rows = true}, parse_quant_spec("int8:group=48"), out),
               ValueError);
  EXPECT_EQ(difference(out, before), "");
}

}  // namespace
}  // namespace sylvester
