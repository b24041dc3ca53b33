// The CPU's Numerics hand tensors to the rooms below; the card's are compared with them in
// tests/cuda.
#include "sylvester/ops/numerics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "sylvester/core/error.h"
#include "sylvester/formats/convert.h"
#include "sylvester/ops/ops.h"

namespace sylvester {
namespace {

Tensor random(const Shape& shape, std::uint64_t seed, double scale = 1.0) {
  Tensor out(shape);
  cpu_ops().normal(out, 0.0, scale, {.seed = seed, .step = 0, .tensor = 0});
  return out;
}

std::vector<float> values(const Tensor& x) {
  std::vector<float> out(static_cast<std::size_t>(x.size()));
  cpu_ops().download(x, out);
  return out;
}

// The functions on tensors are those on arrays.
TEST(Numerics, CodesAndTransformsAreThoseOfTheRoomsBelow) {
  Numerics& cpu = numerics(Device::kCpu);
  const Tensor x = random({24, 64}, 40, 2.0);
  const std::vector<float> plain = values(x);
  std::vector<std::uint8_t> codes(plain.size());
  std::vector<float> decoded(plain.size());
  encode(plain, DType::kFloat8E4M3FN, codes);
  decode(codes, DType::kFloat8E4M3FN, decoded);
  Tensor c({24, 64}, DType::kUInt8), back({24, 64});
  cpu.encode(x, DType::kFloat8E4M3FN, c);
  cpu.decode(c, DType::kFloat8E4M3FN, back);
  EXPECT_EQ(std::vector<std::uint8_t>(c.data<std::uint8_t>(), c.data<std::uint8_t>() + c.size()),
            codes);
  EXPECT_EQ(values(back), decoded);
  Tensor wide({24, 64}, codes_dtype(DType::kFloat16));
  std::vector<std::uint16_t> wide_codes(plain.size());
  encode16(plain, DType::kFloat16, wide_codes);
  decode16(wide_codes, DType::kFloat16, decoded);
  cpu.encode(x, DType::kFloat16, wide, kIeeeEncode);
  cpu.decode(wide, DType::kFloat16, back);
  EXPECT_EQ(values(back), decoded);
  EXPECT_THROW(cpu.encode(x, DType::kFloat16, c), ShapeError);
  EXPECT_THROW(codes_dtype(DType::kFloat32), ValueError);
  const HadamardOptions options{.block = 8, .signs = 3};
  for (const bool columns : {false, true}) {
    Tensor y({24, 64}), want({24, 64});
    cpu.hadamard(x, columns, options, y);
    columns ? hadamard_cols(x.matrix<float>(), want.matrix<float>(), options)
            : hadamard_rows(x.matrix<float>(), want.matrix<float>(), options);
    EXPECT_EQ(values(y), values(want));
  }
}

// A quantized tensor's arrays, and its way to and from the form of the rooms below.
TEST(Numerics, PartsShareTheCodes) {
  Numerics& cpu = numerics(Device::kCpu);
  const Tensor x = random({6, 64}, 41);
  for (const char* text : {"int8", "int4:row:asym", "mxfp4", "nvfp4", "bfloat16"}) {
    SCOPED_TRACE(text);
    const QuantSpec spec = parse_quant_spec(text);
    QuantizedTensor q, copy;
    cpu.quantize(x, {}, spec, q);
    const QuantizedMatrix host = cpu.to_host(q);
    cpu.from_host(host, copy);
    const QuantizedParts parts = cpu.parts(copy);
    EXPECT_EQ(parts.codes.size(), host.codes.size());
    EXPECT_EQ(parts.scales.shape() == (Shape{host.scale_rows, host.scale_cols}),
              !host.scales.empty());
    EXPECT_EQ(parts.zeros.empty(), !spec.asymmetric);
    EXPECT_EQ(parts.values.empty(), !is_cast(spec));
    Tensor a({6, 64}), b({6, 64});
    cpu.dequantize(q, a);
    cpu.dequantize(copy, b);
    EXPECT_EQ(values(a), values(b));
    if (!is_cast(spec)) {
      const Tensor again = cpu.parts(q).codes;
      EXPECT_EQ(std::vector<std::uint8_t>(again.data<std::uint8_t>(),
                                          again.data<std::uint8_t>() + again.size()),
                std::vector<std::uint8_t>(host.codes.begin(), host.codes.end()));
    }
  }
  Tensor codes({2, 4}, DType::kUInt8), C({2, 2});
  std::fill_n(codes.data<std::uint8_t>(), 8, std::uint8_t{0x40});  // 2 in E4M3
  QuantizedTensor q;
  cpu.from_codes(codes, DType::kFloat8E4M3FN, q);
  cpu.matmul(q, false, q, false, parse_accumulation("exact"), C);
  EXPECT_EQ(values(C), (std::vector<float>{16, 16, 16, 16}));
}

TEST(Numerics, TogetherRunsEveryTask) {
  std::vector<int> done;
  const std::vector<std::function<void()>> tasks{[&] { done.push_back(1); },
                                                 [&] { done.push_back(2); }};
  numerics(Device::kCpu).together(tasks);
  EXPECT_EQ(done, (std::vector<int>{1, 2}));
  numerics(Device::kCpu).together({});
}

TEST(Numerics, WithoutACardTheErrorSaysWhatToDo) {
  try {
    numerics(Device::kCuda);
    GTEST_SKIP() << "there is a card";
  } catch (const UnsupportedError& error) {
    EXPECT_NE(std::string(error.what()).find("CPU"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace sylvester
