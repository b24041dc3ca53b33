// The card's Numerics against the CPU's: the same call with the same bits, whole linear layers
// included.
#include "sylvester/ops/numerics.h"

#include <gmock/gmock.h>

#include <cmath>
#include <functional>
#include <memory>
#include <utility>

#include "cuda_test_util.h"
#include "sylvester/core/error.h"
#include "sylvester/formats/convert.h"
#include "sylvester/nn/linear.h"

namespace sylvester {
namespace {

using test::Fill;

// Values that bfloat16 holds, so that both devices start from the same numbers.
std::vector<float> bfloat16_values(std::int64_t count, Fill fill, std::uint64_t seed) {
  std::vector<float> x = test::numbers(count, fill, seed);
  round_to_bfloat16(x, x);
  return x;
}

Tensor on(Device device, const std::vector<float>& x, const Shape& shape,
          DType dtype = DType::kFloat32) {
  Numerics& n = numerics(device);
  Tensor t = n.allocate(shape, device == Device::kCpu ? DType::kFloat32 : dtype);
  n.upload(x, t);
  n.synchronize();  // other streams may read it
  return t;
}

std::vector<float> values_of(const Tensor& x) {
  std::vector<float> out(static_cast<std::size_t>(x.size()));
  numerics_of(x).download(x, out);
  return out;
}

TEST(CudaNumerics, CopiesConvertAndAdd) {
  SYLVESTER_NEEDS_DEVICE();
  Numerics& card = numerics(Device::kCuda);
  const std::vector<float> x = test::numbers(1000, Fill::kOutliers, 1);
  const std::vector<float> y = test::numbers(1000, Fill::kRandom, 2);
  Tensor a = on(Device::kCuda, x, {10, 100}), b = on(Device::kCuda, y, {10, 100});
  card.add(a, b, b);
  std::vector<float> sum(x.size()), rounded(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) sum[i] = x[i] + y[i];
  test::mismatches(values_of(b), sum, "add");
  Tensor narrow = card.allocate({1000}, DType::kBFloat16);
  card.copy(b, narrow);
  round_to_bfloat16(sum, rounded);
  test::mismatches(values_of(narrow), rounded, "copy to bfloat16");
  card.round_to_bfloat16(b);
  test::mismatches(values_of(b), rounded, "round_to_bfloat16");
  card.fill(narrow, -2.5);
  test::mismatches(values_of(narrow), std::vector<float>(1000, -2.5f), "fill");
}

TEST(CudaNumerics, EncodeAndDecode) {
  SYLVESTER_NEEDS_DEVICE();
  const std::vector<float> x = test::numbers(4096, Fill::kAdversarial, 3);
  for (const DType to : {DType::kFloat8E4M3FN, DType::kFloat6E2M3FN, DType::kInt4}) {
    for (const Rounding rounding : {Rounding::kNearestEven, Rounding::kStochastic}) {
      EncodeOptions options;
      options.rounding = rounding;
      options.stream = {7, 1, 2};
      std::vector<std::uint8_t> codes(x.size());
      std::vector<float> decoded(x.size());
      encode(x, to, codes, options);
      decode(codes, to, decoded);
      Numerics& card = numerics(Device::kCuda);
      const Tensor source = on(Device::kCuda, x, {64, 64});
      Tensor out = card.allocate({64, 64}, DType::kUInt8), back = card.allocate({64, 64});
      card.encode(source, to, out, options);
      card.decode(out, to, back);
      test::mismatches(test::from_device<std::uint8_t>(out.raw(), 4096), codes, "encode");
      test::mismatches(values_of(back), decoded, "decode");
    }
  }
}

TEST(CudaNumerics, EncodesSixteenBitFormats) {
  SYLVESTER_NEEDS_DEVICE();
  const std::vector<float> x = test::numbers(4096, Fill::kAdversarial, 15);
  for (const DType to : {DType::kBFloat16, DType::kFloat16}) {
    std::vector<float> result[2];
    for (const Device device : {Device::kCpu, Device::kCuda}) {
      Numerics& n = numerics(device);
      Tensor codes = n.allocate({4096}, codes_dtype(to)), back = n.allocate({4096});
      n.encode(on(device, x, {4096}), to, codes, kIeeeEncode);
      n.decode(codes, to, back);
      result[static_cast<int>(device)] = values_of(back);
    }
    test::mismatches(result[1], result[0], std::string(to_string(to)));
  }
}

TEST(CudaNumerics, HadamardTakesBlocksAndSigns) {
  SYLVESTER_NEEDS_DEVICE();
  const std::vector<float> x = test::numbers(96 * 224, Fill::kOutliers, 4);
  const HadamardOptions cases[] = {
      {}, {.inverse = true}, {.block = 32, .signs = 5}, {.block = 16, .normalize = false}};
  for (const bool columns : {false, true}) {
    for (const HadamardOptions& options : cases) {
      std::vector<float> result[2];
      for (const Device device : {Device::kCpu, Device::kCuda}) {
        Tensor t = on(device, x, {96, 224});
        numerics(device).hadamard(t, columns, options, t);
        result[static_cast<int>(device)] = values_of(t);
      }
      test::mismatches(result[1], result[0], columns ? "columns" : "rows");
    }
  }
}

// Every way a linear arranges its operands: transposed, rotated on either side, padded rows for a
// token count without a matrix, padded columns for blocks.
TEST(CudaNumerics, QuantizeArrangesAndRotates) {
  SYLVESTER_NEEDS_DEVICE();
  const Rotation rotations[] = {
      {},
      {.rows = true},
      {.cols = true},
      {.rows = true, .cols = true},
      {.transpose = true},
      {.transpose = true, .rows = true, .cols = true},
      {.pad_cols = 32},
      {.transpose = true, .rows = true, .pad_cols = 32},
      {.transpose = true, .rows = true, .cols = true, .pad_cols = 64},
  };
  for (const auto& [rows, cols] : {std::pair{64, 96}, {50, 48}, {7, 20}, {36, 128}}) {
    const std::vector<float> x = bfloat16_values(rows * cols, Fill::kOutliers, 5);
    for (const Rotation& r : rotations) {
      for (const char* text : {"int8", "int4:row:asym", "mxfp4", "nvfp4", "bfloat16"}) {
        const QuantSpec spec = parse_quant_spec(text);
        const std::int64_t width = r.transpose ? rows : cols;
        const bool blocks = std::string(text) == "mxfp4" || std::string(text) == "nvfp4";
        if (blocks && r.pad_cols == 1 && width % 32 != 0) continue;
        if (r.rows && !has_hadamard(width)) continue;
        if (r.pad_cols > 1 && r.rows && !has_hadamard(width)) continue;
        QuantizedTensor q[3];
        const Tensor host = on(Device::kCpu, x, {rows, cols});
        numerics(Device::kCpu).quantize(host, r, spec, q[0], {1, 2, 3});
        const QuantizedMatrix want = numerics(Device::kCpu).to_host(q[0]);
        int at = 1;
        for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
          const std::string what = std::string(text) + " " + std::to_string(rows) + " x " +
                                   std::to_string(cols) + " " + std::string(to_string(dtype));
          const Tensor device = on(Device::kCuda, x, {rows, cols}, dtype);
          numerics(Device::kCuda).quantize(device, r, spec, q[at], {1, 2, 3});
          ASSERT_EQ(q[at].rows, q[0].rows) << what;
          ASSERT_EQ(q[at].cols, q[0].cols) << what;
          const QuantizedMatrix got = numerics(Device::kCuda).to_host(q[at]);
          const auto list = [](const auto& buffer) {
            using T = std::remove_cvref_t<decltype(buffer[0])>;
            return std::vector<T>(buffer.data(), buffer.data() + buffer.size());
          };
          test::mismatches(list(got.codes), list(want.codes), what + " codes");
          test::mismatches(list(got.scales), list(want.scales), what + " scales");
          test::mismatches(list(got.zeros), list(want.zeros), what + " zeros");
          test::mismatches(list(got.values), list(want.values), what + " values");
          if (!got.codes.empty()) {
            Tensor decoded = numerics(Device::kCuda).allocate({q[at].rows, q[at].cols});
            numerics(Device::kCuda).dequantize(q[at], decoded);
            std::vector<float> values(static_cast<std::size_t>(want.rows * want.cols));
            dequantize(want, {values.data(), want.rows, want.cols});
            test::mismatches(values_of(decoded), values, what + " decoded");
          }
          ++at;
        }
      }
    }
  }
}

struct Layer {
  std::vector<float> Y, dX, dW;
};

Layer run(Device device, const LinearRecipe& recipe, const char* policy, const Shape& shape,
          const std::vector<float>& x, const std::vector<float>& w, const std::vector<float>& e) {
  const std::int64_t T = shape[0], in = shape[1], out = shape[2];
  const Tensor X = on(device, x, {T, in}, DType::kBFloat16);
  const Tensor W = on(device, w, {out, in}, DType::kBFloat16);
  const Tensor E = on(device, e, {T, out}, DType::kBFloat16);
  Numerics& n = numerics(device);
  const auto empty = [&](std::int64_t rows, std::int64_t cols) {
    return n.allocate({rows, cols}, X.dtype());
  };
  Tensor Y = empty(T, out), dX = empty(T, in), dW = empty(out, in);
  LinearContext context;
  linear_forward(X, W, recipe, parse_accumulation(policy), Y, &context, {11, 3, 5});
  linear_backward(context, E, dX, dW);
  return {values_of(Y), values_of(dX), values_of(dW)};
}

// The recipe's row is read by one linear; where it runs does not change a bit.
TEST(CudaNumerics, LinearRecipesEqualTheCpu) {
  SYLVESTER_NEEDS_DEVICE();
  struct Case {
    const char* recipe;
    const char* policy;
    Shape shape;
  };
  for (const Case& c : {Case{"halo0-fp8+bf16", "sm90-cublaslt-fast", {128, 256, 384}},
                        {"halo1-fp8+bf16", "sm90-cublaslt", {128, 192, 256}},
                        {"halo2-fp8+bf16", "sm90-cublaslt-fast", {112, 256, 128}},
                        {"halo1-fp8+bf16", "sm90-cublaslt-fast", {64, 4096, 128}},
                        {"halo2-int8+bf16", "int32", {64, 4096, 128}},
                        {"halo1-int8+bf16", "int32", {128, 384, 256}},
                        {"halo0-e4m3/e5m2+bf16", "sm90-cublaslt-fast", {64, 128, 96}},
                        {"halo2-int8+bf16", "int32", {256, 192, 64}},
                        {"halo2-int8+bf16", "int32", {100, 96, 80}},
                        {"halo2-as-coded-int8+bf16", "int32", {64, 128, 128}},
                        {"bf16", "sm90-cublaslt", {64, 96, 128}},
                        {"halo1-bfloat16+bf16", "sm90-wgmma", {64, 96, 128}},
                        {"F.M+E.L.R+G.R-int8+bf16", "sm90-wgmma", {48, 160, 64}}}) {
    const std::int64_t T = c.shape[0], in = c.shape[1], out = c.shape[2];
    const std::vector<float> x = bfloat16_values(T * in, Fill::kOutliers, 6);
    const std::vector<float> w = bfloat16_values(out * in, Fill::kRandom, 7);
    const std::vector<float> e = bfloat16_values(T * out, Fill::kOutliers, 8);
    const LinearRecipe recipe = parse_recipe(c.recipe);
    const Layer want = run(Device::kCpu, recipe, c.policy, c.shape, x, w, e);
    const Layer got = run(Device::kCuda, recipe, c.policy, c.shape, x, w, e);
    test::mismatches(got.Y, want.Y, std::string(c.recipe) + " Y");
    test::mismatches(got.dX, want.dX, std::string(c.recipe) + " dX");
    test::mismatches(got.dW, want.dW, std::string(c.recipe) + " dW");
  }
}

// Forward and backward in one graph: after a first call nothing is allocated and nothing waits.
TEST(CudaNumerics, ALinearFitsInOneGraph) {
  SYLVESTER_NEEDS_DEVICE();
  const Shape shape{128, 256, 384};
  const std::vector<float> x = bfloat16_values(128 * 256, Fill::kOutliers, 12);
  const std::vector<float> w = bfloat16_values(384 * 256, Fill::kRandom, 13);
  const std::vector<float> e = bfloat16_values(128 * 384, Fill::kRandom, 14);
  for (const auto& [name, policy] :
       {std::pair{"halo2-int8+bf16", "int32"}, {"halo1-fp8+bf16", "sm90-cublaslt-fast"}}) {
    const Layer want = run(Device::kCuda, parse_recipe(name), policy, shape, x, w, e);
    const cuda::Stream stream;
    const std::unique_ptr<Numerics> card = make_cuda_numerics(stream.handle());
    const DType bf16 = DType::kBFloat16;
    const Tensor W = on(Device::kCuda, w, {384, 256}, bf16),
                 E = on(Device::kCuda, e, {128, 384}, bf16);
    Tensor X = card->allocate({128, 256}, bf16), Y = card->allocate({128, 384}, bf16);
    Tensor dX = card->allocate({128, 256}, bf16), dW = card->allocate({384, 256}, bf16);
    LinearGroup group({W}, 5);
    group.set_recipe(parse_recipe(name), parse_accumulation(policy));
    const auto step = [&] {
      Tensor* const out[] = {&Y};
      const Tensor* const errors[] = {&E};
      Tensor* const gradients[] = {&dW};
      group.weights_changed();
      group.forward(*card, X, out, true, 11, 3);
      group.backward(*card, errors, dX, gradients, true);
    };
    card->fill(X, 1.0);
    step();
    stream.synchronize();
    const cuda::Graph graph(stream, step);
    card->upload(x, X);
    graph.launch(stream);
    stream.synchronize();
    test::mismatches(values_of(Y), want.Y, std::string(name) + " Y");
    test::mismatches(values_of(dX), want.dX, std::string(name) + " dX");
    test::mismatches(values_of(dW), want.dW, std::string(name) + " dW");
  }
}

// Tasks beside each other have the bits of tasks one after the other; what follows sees all.
TEST(CudaNumerics, TogetherChangesNothing) {
  SYLVESTER_NEEDS_DEVICE();
  const cuda::Stream stream;
  const std::unique_ptr<Numerics> card = make_cuda_numerics(stream.handle());
  const Shape shape{2048, 1536};
  const Tensor x =
      on(Device::kCuda, test::numbers(2048 * 1536, Fill::kOutliers, 3), shape, DType::kBFloat16);
  const std::vector<std::pair<Rotation, const char*>> kinds{{{.rows = true}, "int8"},
                                                            {{.cols = true}, "float8_e4m3fn"},
                                                            {{.transpose = true}, "mxfp8_e4m3"},
                                                            {{.pad_cols = 1000}, "int8:row"}};
  std::vector<QuantizedTensor> want(kinds.size()), got(kinds.size());
  Tensor sum = card->allocate(shape, DType::kBFloat16),
         turned = card->allocate(shape, DType::kBFloat16);
  std::vector<std::function<void()>> tasks;
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    card->quantize(x, kinds[i].first, parse_quant_spec(kinds[i].second), want[i]);
    tasks.emplace_back(
        [&, i] { card->quantize(x, kinds[i].first, parse_quant_spec(kinds[i].second), got[i]); });
  }
  tasks.emplace_back([&] { card->rotate(x, {.cols = true}, false, turned); });
  for (int round = 0; round < 3; ++round) {
    card->fill(turned, 0.0);
    card->together(tasks);
    card->add(turned, turned, sum);
    for (std::size_t i = 0; i < kinds.size(); ++i) {
      const QuantizedMatrix a = card->to_host(want[i]), b = card->to_host(got[i]);
      test::mismatches(std::vector<std::uint8_t>(b.codes.begin(), b.codes.end()),
                       std::vector<std::uint8_t>(a.codes.begin(), a.codes.end()),
                       std::string(kinds[i].second) + " codes");
      test::mismatches(std::vector<float>(b.scales.begin(), b.scales.end()),
                       std::vector<float>(a.scales.begin(), a.scales.end()),
                       std::string(kinds[i].second) + " scales");
    }
    Tensor alone = card->allocate(shape, DType::kBFloat16);
    card->rotate(x, {.cols = true}, false, alone);
    card->add(alone, alone, alone);
    card->synchronize();
    test::mismatches(values_of(sum), values_of(alone), "sum of what a task made");
  }
}

TEST(CudaNumerics, TogetherEndsAfterAnError) {
  SYLVESTER_NEEDS_DEVICE();
  const std::unique_ptr<Numerics> card = make_cuda_numerics(nullptr);
  Tensor x = card->allocate({32, 32}, DType::kBFloat16),
         y = card->allocate({32, 32}, DType::kBFloat16);
  card->fill(x, 1.0);
  const std::vector<std::function<void()>> tasks{[&] { card->fill(y, 2.0); },
                                                 [&] { card->product(x, false, x, true, y); }};
  EXPECT_THROW(card->together(tasks), ValueError);  // products run alone
  card->product(x, false, x, true, y);
  test::mismatches(values_of(y), std::vector<float>(32 * 32, 32.0f), "product");
}

// Under "blas" bits are not promised: every row that has no float32 operand runs, and its error
// against the CPU's exact sums is that of bfloat16 results.
TEST(CudaNumerics, EveryRecipeRowRuns) {
  SYLVESTER_NEEDS_DEVICE();
  const Shape shape{128, 256, 128};
  const std::vector<float> x = bfloat16_values(128 * 256, Fill::kRandom, 9);
  const std::vector<float> w = bfloat16_values(128 * 256, Fill::kRandom, 10);
  const std::vector<float> e = bfloat16_values(128 * 128, Fill::kRandom, 11);
  for (const char* name : {"halo1-fp6+bf16", "halo2-fp4+bf16", "halo2-mxfp6_e3m2+bf16",
                           "te-mxfp8+bf16", "halo0-mxfp4+bf16", "halo0-int4+bf16"}) {
    const LinearRecipe recipe = parse_recipe(name);
    const Layer want = run(Device::kCpu, recipe, "blas", shape, x, w, e);
    const Layer got = run(Device::kCuda, recipe, "blas", shape, x, w, e);
    const auto close = [&](const std::vector<float>& a, const std::vector<float>& b) {
      double error = 0, size = 0;
      for (std::size_t i = 0; i < a.size(); ++i) {
        error += (a[i] - b[i]) * static_cast<double>(a[i] - b[i]);
        size += b[i] * static_cast<double>(b[i]);
      }
      // A few results lie so close to a tie that the other sum rounds them the other way: 2^-9 of a
      // value each, and the rotations spread it.
      EXPECT_LT(std::sqrt(error / size), 0x1p-9) << name;
    };
    close(got.Y, want.Y);
    close(got.dX, want.dX);
    close(got.dW, want.dW);
  }
}

TEST(CudaNumerics, BadCallsAreNamed) {
  SYLVESTER_NEEDS_DEVICE();
  Numerics& card = numerics(Device::kCuda);
  Tensor host({4, 4}), device = card.allocate({4, 4});
  EXPECT_THROW(card.add(host, device, device), ValueError);
  EXPECT_THROW(card.fill(host, 1.0), ValueError);
  Tensor other = card.allocate({4, 8});
  EXPECT_THROW(card.add(device, device, other), ShapeError);
  EXPECT_THROW(card.rotate(device, {.transpose = true}, false, device), ValueError);
  QuantizedTensor q;
  QuantStats stats;
  EXPECT_THROW(card.quantize(device, {}, parse_quant_spec("int8"), q, {}, &stats),
               UnsupportedError);
  EXPECT_THROW(numerics(Device::kCpu).dequantize(q, host), ValueError);
}

TEST(CudaNumerics, WithoutADeviceTheErrorSaysSo) {
  if (cuda::device_count() > 0) GTEST_SKIP() << "there is a device";
  try {
    numerics(Device::kCuda);
    FAIL() << "no error";
  } catch (const UnsupportedError& error) {
    EXPECT_THAT(std::string(error.what()), testing::HasSubstr("CPU"));
  }
}

}  // namespace
}  // namespace sylvester
