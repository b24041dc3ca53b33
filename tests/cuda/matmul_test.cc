#include "sylvester/cuda/matmul.h"

#include <optional>

#include "cuda_test_util.h"
#include "sylvester/formats/convert.h"
#include "sylvester/gemm/matmul.h"

namespace sylvester {
namespace {

using test::Fill;

struct Shape {
  std::int64_t m, n, k;
};
std::string text(const Shape& s) {
  return std::to_string(s.m) + " x " + std::to_string(s.n) + " x " + std::to_string(s.k);
}

// Square, tall, flat, and K that is no multiple of 32 or 128. Multiples of 16, as FP8 asks.
constexpr Shape kShapes[] = {{16, 16, 16},    {16, 16, 48},     {32, 48, 64},     {64, 64, 96},
                             {128, 128, 128}, {48, 80, 144},    {112, 16, 272},   {16, 240, 400},
                             {256, 256, 512}, {384, 128, 1152}, {64, 512, 1040},  {48, 80, 2064},
                             {16, 2048, 512}, {2048, 16, 512},  {512, 64, 784},   {128, 512, 1024},
                             {16, 16, 8192},  {32, 32, 4112},   {272, 144, 1008}, {1024, 32, 256},
                             {80, 1040, 160}, {256, 128, 2048}};

QuantizedMatrix host(std::int64_t rows, std::int64_t cols, const char* spec, std::uint64_t seed,
                     Fill fill = Fill::kRandom) {
  const std::vector<float> x = test::numbers(rows * cols, fill, seed);
  return quantize({x.data(), rows, cols}, parse_quant_spec(spec));
}
cuda::DeviceQuantized device(std::int64_t rows, std::int64_t cols, const char* spec,
                             std::uint64_t seed, Fill fill = Fill::kRandom) {
  const cuda::DeviceBuffer x = test::on_device(test::numbers(rows * cols, fill, seed));
  cuda::DeviceQuantized q;
  cuda::quantize({x.data(), DType::kFloat32, rows, cols}, parse_quant_spec(spec), q);
  cuda::transpose_codes(q);
  cuda::synchronize();
  return q;
}

std::vector<std::uint16_t> sixteen(const std::vector<float>& x, DType to) {
  std::vector<std::uint16_t> out(x.size());
  encode16(x, to, out);
  return out;
}
std::vector<std::uint16_t> bf16(const std::vector<float>& x) {
  return sixteen(x, DType::kBFloat16);
}

// Runs f and says which split of K cuBLASLt would not do.
template <class F>
bool offered(F&& f, const std::string& what) {
  try {
    f();
    return true;
  } catch (const UnsupportedError& error) {
    std::printf("[ not offered ] %s: %s\n", what.c_str(), error.what());
    return false;
  }
}

void expect_product(const QuantizedMatrix& a, const QuantizedMatrix& b,
                    const cuda::DeviceQuantized& da, const cuda::DeviceQuantized& db,
                    const char* policy, const std::string& what) {
  std::vector<float> want(static_cast<std::size_t>(a.rows * b.rows));
  const cuda::DeviceArray wide(DType::kFloat32, a.rows, b.rows);
  const cuda::DeviceArray narrow(DType::kBFloat16, a.rows, b.rows);
  const Accumulation accumulation = parse_accumulation(policy);
  if (!offered([&] { cuda::matmul(da, db, accumulation, wide); }, what)) return;
  matmul(a, b, accumulation, {want.data(), a.rows, b.rows});
  cuda::synchronize();
  const auto count = static_cast<std::int64_t>(want.size());
  test::mismatches(test::from_device<float>(wide.data(), count), want, what + " float32");
  if (!offered([&] { cuda::matmul(da, db, accumulation, narrow); }, what + " bfloat16")) return;
  cuda::synchronize();
  test::mismatches(test::from_device<std::uint16_t>(narrow.data(), count), bf16(want),
                   what + " bfloat16");
}

TEST(CudaMatmul, Fp8EqualsTheEmulatedPolicies) {
  SYLVESTER_NEEDS_DEVICE();
  std::uint64_t seed = 1;
  for (const Shape& s : kShapes) {
    const char* b_spec = seed % 3 == 0 ? "float8_e5m2" : "float8_e4m3fn";
    const Fill fill = seed % 4 == 0 ? Fill::kOutliers : Fill::kRandom;
    const QuantizedMatrix a = host(s.m, s.k, "float8_e4m3fn", seed, fill);
    const QuantizedMatrix b = host(s.n, s.k, b_spec, seed + 100);
    const cuda::DeviceQuantized da = device(s.m, s.k, "float8_e4m3fn", seed, fill);
    const cuda::DeviceQuantized db = device(s.n, s.k, b_spec, seed + 100);
    for (const char* policy : {"sm90-cublaslt", "sm90-cublaslt-fast", "sm90-cublaslt:splitk=2",
                               "sm90-cublaslt-fast:splitk=4"}) {
      if (s.k < 512 && std::string(policy).find("splitk") != std::string::npos) continue;
      expect_product(a, b, da, db, policy, std::string(policy) + " " + text(s) + " " + b_spec);
    }
    ++seed;
  }
}

void expect_sixteen_bit_products(DType dtype) {
  std::uint64_t seed = 1;
  for (const Shape& s : kShapes) {
    const std::string spec(to_string(dtype));
    const QuantizedMatrix a = host(s.m, s.k, spec.c_str(), seed);
    const QuantizedMatrix b = host(s.n, s.k, spec.c_str(), seed + 50);
    const auto bits = [&](const QuantizedMatrix& q) {
      return test::on_device(sixteen({q.values.begin(), q.values.end()}, dtype));
    };
    const cuda::DeviceBuffer da = bits(a), db = bits(b);
    const cuda::DeviceMatrix A(da.data(), dtype, s.m, s.k), B(db.data(), dtype, s.n, s.k);
    for (const char* policy :
         {"sm90-cublaslt", "sm90-cublaslt:splitk=2", "sm90-cublaslt:splitk=4"}) {
      if (s.k < 512 && std::string(policy).find("splitk") != std::string::npos) continue;
      const std::string what = spec + " " + policy + " " + text(s);
      const cuda::DeviceArray C(DType::kFloat32, s.m, s.n), narrow(dtype, s.m, s.n);
      const Accumulation accumulation = parse_accumulation(policy);
      const auto run = [&] {
        cuda::product(A, false, B, false, accumulation, C);
        cuda::product(A, false, B, false, accumulation, narrow);
      };
      if (!offered(run, what)) continue;
      std::vector<float> want(static_cast<std::size_t>(s.m * s.n));
      matmul(a, b, accumulation, {want.data(), s.m, s.n});
      cuda::synchronize();
      test::mismatches(test::from_device<float>(C.data(), s.m * s.n), want, what);
      test::mismatches(test::from_device<std::uint16_t>(narrow.data(), s.m * s.n),
                       sixteen(want, dtype), what + " rounded");
    }
    ++seed;
  }
}

TEST(CudaMatmul, Bfloat16EqualsTheEmulatedPolicy) {
  SYLVESTER_NEEDS_DEVICE();
  expect_sixteen_bit_products(DType::kBFloat16);
}

TEST(CudaMatmul, Float16EqualsTheEmulatedPolicy) {
  SYLVESTER_NEEDS_DEVICE();
  expect_sixteen_bit_products(DType::kFloat16);
}

TEST(CudaMatmul, Int8EqualsTheCpu) {
  SYLVESTER_NEEDS_DEVICE();
  std::vector<Shape> shapes(std::begin(kShapes), std::end(kShapes));
  for (const Shape s : {Shape{1, 1, 1},
                        {3, 5, 7},
                        {33, 65, 129},
                        {128, 130, 64},
                        {100, 24, 1000},
                        {256, 512, 4096}}) {
    shapes.push_back(s);
  }
  std::uint64_t seed = 1;
  for (const Shape& s : shapes) {
    for (const char* spec : {"int8", "int8:row", "int4", "int5:row"}) {
      const QuantizedMatrix a = host(s.m, s.k, spec, seed);
      const QuantizedMatrix b = host(s.n, s.k, spec, seed + 9);
      expect_product(a, b, device(s.m, s.k, spec, seed), device(s.n, s.k, spec, seed + 9), "int32",
                     std::string(spec) + " " + text(s));
    }
    ++seed;
  }
}

TEST(CudaMatmul, NarrowFormatsThroughBfloat16) {
  SYLVESTER_NEEDS_DEVICE();
  const Accumulation accumulation = parse_accumulation("sm90-cublaslt");
  for (const char* spec : {"float6_e3m2fn", "float6_e2m3fn", "float4_e2m1fn", "mxfp8_e4m3",
                           "mxfp6_e3m2", "mxfp4", "nvfp4", "int4", "float8_e5m2"}) {
    const Shape s{64, 96, 512};
    const QuantizedMatrix a = host(s.m, s.k, spec, 1), b = host(s.n, s.k, spec, 2);
    const cuda::DeviceQuantized da = device(s.m, s.k, spec, 1), db = device(s.n, s.k, spec, 2);
    cuda::DeviceBuffer work;
    const cuda::DeviceArray C(DType::kFloat32, s.m, s.n);
    cuda::matmul_decoded(da, db, accumulation, C, work);
    // The definition: decoded numbers as bfloat16 operands, outer scales on the result.
    const auto decoded = [&](const QuantizedMatrix& q, float& outside) {
      std::vector<float> x(static_cast<std::size_t>(q.rows * q.cols));
      QuantizedMatrix inner = q;
      if (q.spec.granularity == Granularity::kTensor) {
        outside = q.scales[0];
        inner.scales[0] = 1.0f;
      } else if (q.spec.granularity == Granularity::kNvfp4) {
        outside = q.tensor_scale;
        decode(inner.scale_codes.span(), DType::kFloat8E4M3FN, inner.scales.span());
      }
      dequantize(inner, {x.data(), q.rows, q.cols});
      return quantize({x.data(), q.rows, q.cols}, parse_quant_spec("bfloat16"));
    };
    float scale_a = 1, scale_b = 1;
    const QuantizedMatrix wide_a = decoded(a, scale_a), wide_b = decoded(b, scale_b);
    std::vector<float> want(static_cast<std::size_t>(s.m * s.n));
    matmul(wide_a, wide_b, accumulation, {want.data(), s.m, s.n});
    for (float& x : want) x *= scale_a * scale_b;
    cuda::synchronize();
    test::mismatches(test::from_device<float>(C.data(), s.m * s.n), want,
                     std::string("decoded ") + spec);
  }
}

TEST(CudaMatmul, BadCallsAreNamed) {
  SYLVESTER_NEEDS_DEVICE();
  const cuda::DeviceQuantized a = device(16, 32, "float8_e4m3fn", 1);
  const cuda::DeviceQuantized b = device(16, 48, "float8_e4m3fn", 1);
  const cuda::DeviceArray C(DType::kFloat32, 16, 16);
  const Accumulation fast = parse_accumulation("sm90-cublaslt-fast");
  EXPECT_THROW(cuda::matmul(a, b, fast, C), ShapeError);
  EXPECT_THROW(cuda::matmul(a, a, parse_accumulation("sm80-mma"), C), UnsupportedError);
  EXPECT_THROW(cuda::matmul(a, a, parse_accumulation("int32"), C), UnsupportedError);
  const cuda::DeviceQuantized odd = device(16, 40, "float8_e4m3fn", 1);
  EXPECT_THROW(cuda::matmul(odd, odd, fast, C), UnsupportedError);
  cuda::DeviceQuantized untransposed = device(16, 16, "float8_e4m3fn", 1);
  untransposed.codes_t = {};
  EXPECT_THROW(cuda::matmul({untransposed, true}, {untransposed, true}, fast, C), ShapeError);
}

}  // namespace
}  // namespace sylvester
