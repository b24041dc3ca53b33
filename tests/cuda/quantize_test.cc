#include "sylvester/cuda/quantize.h"

#include <optional>

#include "cuda_test_util.h"
#include "sylvester/cuda/rotate_quantize.h"
#include "sylvester/formats/convert.h"

namespace sylvester {
namespace {

using test::Fill;

constexpr Fill kFills[] = {Fill::kRandom, Fill::kOutliers, Fill::kAdversarial, Fill::kZeros};

// Every format, rule, granularity, convention and option of the grammar.
const std::vector<std::string>& specs() {
  static const std::vector<std::string> all{
      "float8_e4m3fn",
      "float8_e5m2",
      "float8_e4m3fnuz",
      "float8_e5m2fnuz",
      "float6_e3m2fn",
      "float6_e2m3fn",
      "float4_e2m1fn",
      "float4_e3m0fn",
      "float4_e1m2fn",
      "int2",
      "int3",
      "int4",
      "int5",
      "int6",
      "int7",
      "int8",
      "int8:row",
      "int8:col",
      "float8_e4m3fn:row",
      "float8_e4m3fn:col",
      "int4:group=32",
      "float8_e4m3fn:block=1x128",
      "float8_e4m3fn:block=1x128:rule=rceil",
      "float8_e5m2:row:rule=floor",
      "float8_e5m2:block=128x128",
      "int8:block=32x32",
      "int8:block=7x5",
      "float8_e4m3fn:scale=bf16",
      "int8:scale=bf16",
      "int4:row:asym",
      "int4:asym:clip=0.95",
      "int8:asym:zero=nearest",
      "int4:group=16:asym",
      "int4:col:asym:zero=nearest",
      "int4:row:asym:range=with_zero:clip=0.9",
      "int4:row:clip=0.95",
      "float4_e2m1fn:margin=0.75",
      "float6_e3m2fn:margin=0.75:rounding=nearest_toward_negative",
      "float8_e4m3fn:rounding=stochastic",
      "int8:rounding=stochastic",
      "int4:row:asym:rounding=stochastic",
      "float8_e5m2:rounding=toward_zero",
      "float6_e2m3fn:rounding=nearest_away",
      "float8_e4m3fn:overflow=nonfinite",
      "float8_e5m2:overflow=nonfinite",
      "int4:rule=grid",
      "int4:rule=grid:rounding=stochastic",
      "int8:rule=grid:quotient=reciprocal",
      "float4_e2m1fn:rule=grid:rounding=nearest_toward_negative",
      "float6_e3m2fn:rule=grid:rounding=nearest_toward_negative",
      "float8_e4m3fn:rule=unit",
      "float8_e5m2:rule=unit:nan=keep_sign",
      "float4_e2m1fn:rule=unit:nan=signed_zero",
      "int8:quotient=bf16",
      "int8:quotient=reciprocal",
      "float8_e4m3fn:quotient=reciprocal",
      "mxfp8_e4m3",
      "mxfp8_e5m2",
      "mxfp6_e3m2",
      "mxfp6_e2m3",
      "mxfp4",
      "mxint8",
      "mxfp8_e4m3:rule=ceil",
      "mxfp8_e4m3:rule=even",
      "mxfp8_e4m3:rule=rceil",
      "mxfp6_e3m2:rule=even",
      "mxfp4:rule=rceil",
      "mxfp4:rounding=stochastic",
      "nvfp4",
      "nvfp4:rounding=stochastic",
      "float32",
      "bfloat16",
      "float16",
      "bfloat16:rounding=stochastic",
      "nvfp4:block=16x16",
      "nvfp4:levels=1",
      "nvfp4:as=te",
      "nvfp4:as=te_folded",
      "nvfp4:as=quartet2",
      "mxfp4:rule=quest",
      "mxfp8_e4m3:as=torchao",
      "mxfp8_e4m3:rule=rceil:as=torchao",
      "mxfp6_e3m2:as=microxcaling",
      "mxfp8_e4m3:rule=rceil:as=te",
      "mxfp8_e4m3:rule=rceil:as=cublas"};
  return all;
}

// The spec, or nothing where this build's grammar does not know the text.
std::optional<QuantSpec> spec_of(const std::string& text) {
  try {
    return resolve(parse_quant_spec(text));
  } catch (const ValueError& error) {
    ADD_FAILURE() << text << ": " << error.what();
    return std::nullopt;
  }
}

template <class T>
std::vector<T> copy(const Buffer<T>& b) {
  return {b.begin(), b.end()};
}

void expect_equal(const QuantizedMatrix& got, const QuantizedMatrix& want,
                  const std::string& what) {
  EXPECT_EQ(got.scale_rows, want.scale_rows) << what;
  EXPECT_EQ(got.scale_cols, want.scale_cols) << what;
  test::mismatches(copy(got.scales), copy(want.scales), what + " scales");
  test::mismatches(copy(got.scale_codes), copy(want.scale_codes), what + " scale codes");
  test::mismatches(copy(got.zeros), copy(want.zeros), what + " zeros");
  test::mismatches(copy(got.codes), copy(want.codes), what + " codes");
  test::mismatches(copy(got.values), copy(want.values), what + " values");
  test::mismatches(std::vector<float>{got.tensor_scale}, std::vector<float>{want.tensor_scale},
                   what + " tensor scale");
}

// 16-bit numbers as float32 and as bit patterns.
std::vector<std::uint16_t> narrow(std::vector<float>& x, DType dtype = DType::kBFloat16) {
  std::vector<std::uint16_t> bits(x.size());
  encode16(x, dtype, bits);
  decode16(bits, dtype, x);
  return bits;
}

void run_case(const std::string& text, std::int64_t rows, std::int64_t cols, Fill fill) {
  const std::string what =
      text + " " + std::to_string(rows) + " x " + std::to_string(cols) + " " + test::name(fill);
  const auto spec = spec_of(text);
  if (!spec) return;
  const RandomStream stream{11, 3, 5};
  std::vector<float> x = test::numbers(rows * cols, fill, static_cast<std::uint64_t>(rows + cols));
  cuda::DeviceQuantized q;
  const auto compare = [&](const void* data, DType dtype, const std::string& type) {
    const MatrixView<const float> X(x.data(), rows, cols);
    QuantizedMatrix want;
    quantize(X, *spec, want, nullptr, stream);
    cuda::quantize({const_cast<void*>(data), dtype, rows, cols}, *spec, q, stream);
    expect_equal(q.to_host(), want, what + " " + type);
    if (is_cast(*spec)) return;
    std::vector<float> values(x.size());
    dequantize(want, {values.data(), rows, cols});
    const cuda::DeviceArray out(DType::kFloat32, rows, cols);
    cuda::dequantize(q, out);
    cuda::synchronize();
    test::mismatches(test::from_device<float>(out.data(), rows * cols), values,
                     what + " " + type + " dequantized");
    cuda::transpose_codes(q);
    std::vector<std::uint8_t> turned(x.size());
    for (std::int64_t i = 0; i < rows * cols; ++i) {
      turned[static_cast<std::size_t>(i % cols * rows + i / cols)] = want.codes[i];
    }
    cuda::synchronize();
    test::mismatches(test::from_device<std::uint8_t>(q.codes_t.data(), rows * cols), turned,
                     what + " " + type + " transposed");
  };
  const std::vector<float> exact = x;
  const cuda::DeviceBuffer wide = test::on_device(x);
  compare(wide.data(), DType::kFloat32, "float32");
  for (const DType dtype : {DType::kBFloat16, DType::kFloat16}) {
    x = exact;
    const cuda::DeviceBuffer half = test::on_device(narrow(x, dtype));
    compare(half.data(), dtype, std::string(to_string(dtype)));
  }
}

TEST(CudaQuantize, EverySpecOnEveryKindOfData) {
  SYLVESTER_NEEDS_DEVICE();
  for (const std::string& text : specs()) {
    for (const Fill fill : kFills) run_case(text, 96, 256, fill);
  }
}

TEST(CudaQuantize, OddShapes) {
  SYLVESTER_NEEDS_DEVICE();
  constexpr std::int64_t kShapes[][2] = {{1, 1},   {1, 5},    {3, 7},    {17, 1},    {5, 129},
                                         {64, 33}, {2, 1000}, {1000, 3}, {257, 255}, {0, 8}};
  for (const auto& shape : kShapes) {
    for (const char* text :
         {"float8_e4m3fn", "int8", "int8:row", "int8:col", "int4:row:asym", "float6_e3m2fn",
          "int8:block=7x5", "float8_e5m2:rounding=stochastic", "bfloat16"}) {
      run_case(text, shape[0], shape[1], Fill::kOutliers);
    }
  }
  for (const std::int64_t rows : {1, 31, 33, 500}) {
    for (const std::int64_t cols : {32, 96, 416, 4096}) {
      for (const char* text : {"mxfp8_e4m3", "nvfp4", "mxfp6_e2m3:rule=even", "int4:group=32"}) {
        run_case(text, rows, cols, Fill::kOutliers);
      }
    }
  }
}

void expect_rotations(std::int64_t rows, std::int64_t cols, cuda::RotateWork& work,
                      cuda::DeviceQuantized& q) {
  for (const Fill fill : {Fill::kRandom, Fill::kOutliers, Fill::kAdversarial}) {
    std::vector<float> x = test::numbers(rows * cols, fill, 77);
    const std::vector<std::uint16_t> bits = narrow(x);
    const cuda::DeviceBuffer device = test::on_device(bits);
    for (const char* text :
         {"float8_e4m3fn", "float8_e5m2", "int8", "int4", "float6_e3m2fn", "int8:row"}) {
      for (int sides = 1; sides < 4; ++sides) {
        RotateQuantizeOptions options;
        options.rows = (sides & 1) != 0;
        options.cols = (sides & 2) != 0;
        if (options.cols && !has_hadamard(rows)) continue;
        options.transposed = true;
        if (cols % 3 == 0) options.right.signs = 9;
        const std::string what = std::string(text) + " rotated " + std::to_string(sides) + " " +
                                 std::to_string(rows) + " x " + std::to_string(cols) + " " +
                                 test::name(fill);
        QuantizedMatrix want;
        Buffer<std::uint8_t> turned;
        rotate_quantize(MatrixView<const float>(x.data(), rows, cols), options,
                        parse_quant_spec(text), want, &turned);
        cuda::rotate_quantize({device.data(), DType::kBFloat16, rows, cols}, options,
                              parse_quant_spec(text), q, work);
        expect_equal(q.to_host(), want, what);
        test::mismatches(test::from_device<std::uint8_t>(q.codes_t.data(), rows * cols),
                         copy(turned), what + " codes_t");
      }
    }
  }
}

TEST(CudaQuantize, RotationsEqualTheCpu) {
  SYLVESTER_NEEDS_DEVICE();
  cuda::RotateWork work;
  cuda::DeviceQuantized q;
  for (const auto& [rows, cols] : std::vector<std::pair<std::int64_t, std::int64_t>>{{64, 4},
                                                                                     {33, 64},
                                                                                     {96, 1536},
                                                                                     {64, 4096},
                                                                                     {16, 14336},
                                                                                     {8, 11008},
                                                                                     {4, 32768},
                                                                                     {20, 576},
                                                                                     {7, 960},
                                                                                     {16, 4864}}) {
    expect_rotations(rows, cols, work, q);
  }
}

// Apart from the others, which the slow tools that watch races get through.
TEST(CudaQuantize, ManyRowsOfALargeBaseEqualTheCpu) {
  SYLVESTER_NEEDS_DEVICE();
  cuda::RotateWork work;
  cuda::DeviceQuantized q;
  expect_rotations(300, 11008, work, q);
}

TEST(CudaQuantize, ShapesOfEveryKernel) {
  SYLVESTER_NEEDS_DEVICE();
  struct Family {
    std::vector<std::string> specs;
    std::vector<std::int64_t> rows, cols;
  };
  const std::vector<Family> families{
      {{"float8_e4m3fn", "int4", "float6_e2m3fn"},
       {1, 16, 31, 48, 130},
       {8, 24, 100, 136, 1000, 4096}},
      {{"mxfp8_e5m2", "mxfp6_e2m3", "mxfp4", "mxint8:rule=ceil"}, {1, 3, 40, 129}, {32, 96, 1056}},
      {{"nvfp4", "nvfp4:levels=1", "nvfp4:as=te"}, {1, 5, 64}, {16, 48, 208, 1040}},
      {{"int8:group=64", "float8_e4m3fn:group=256", "float4_e2m1fn:group=8", "int8:group=12"},
       {1, 7, 66},
       {768, 1536, 2304}},
      {{"float8_e5m2:group=96", "int6:group=480", "float6_e3m2fn:group=1920"},
       {1, 9, 50},
       {1920, 5760}},
      {{"int8:row", "float8_e4m3fn:row:rule=rceil", "float4_e1m2fn:row"},
       {1, 6, 33},
       {8, 16, 72, 256, 520, 4104, 8192}},
      {{"float8_e4m3fn:block=1x128", "int8:block=1x48"}, {1, 17}, {128, 130, 384, 2400}},
      {{"float8_e4m3fn:block=128x128", "int8:block=32x32", "float6_e3m2fn:block=16x8",
        "nvfp4:block=16x16", "float4_e2m1fn:block=64x128", "int4:block=20x20"},
       {1, 16, 100, 128, 272},
       {16, 144, 400}},
  };
  std::uint64_t count = 0;
  for (const Family& f : families) {
    for (const std::string& text : f.specs) {
      for (const std::int64_t rows : f.rows) {
        for (const std::int64_t cols : f.cols) {
          const bool nvfp4_block = text.find("16x16") != std::string::npos;
          if (nvfp4_block && (rows % 16 != 0 || cols % 16 != 0)) continue;
          run_case(text, rows, cols, kFills[count++ % 4]);
        }
      }
    }
  }
  EXPECT_GE(count, 300u);
  run_case("int8:row", 2, 32768, Fill::kOutliers);
  run_case("int8:row", 2, 32776, Fill::kOutliers);  // longer than a thread block holds
  run_case("float8_e4m3fn", 600, 8192, Fill::kOutliers);
}

// Windows of a larger matrix: rows with a stride, and rows that start off 16 bytes.
TEST(CudaQuantize, WindowsOfAMatrix) {
  SYLVESTER_NEEDS_DEVICE();
  constexpr std::int64_t kRows = 48, kStride = 544;
  std::vector<float> x = test::numbers(kRows * kStride, Fill::kOutliers, 5);
  const cuda::DeviceBuffer device = test::on_device(narrow(x));
  cuda::DeviceQuantized q;
  cuda::RotateWork work;
  for (const std::int64_t first : {0, 8, 3}) {
    for (const char* text : {"float8_e4m3fn", "int8:row", "mxfp4", "float8_e4m3fn:block=16x16",
                             "int8:group=128", "nvfp4"}) {
      for (const std::int64_t cols : {256, 512}) {
        const MatrixView<const float> X(x.data() + first, kRows, cols, kStride);
        const cuda::DeviceMatrix window(device.as<std::uint16_t>() + first, DType::kBFloat16, kRows,
                                        cols, kStride);
        const std::string what = std::string(text) + " window at " + std::to_string(first);
        cuda::quantize(window, parse_quant_spec(text), q);
        expect_equal(q.to_host(), quantize(X, parse_quant_spec(text)), what);
        for (const bool rows : {false, true}) {
          QuantizedMatrix want;
          Buffer<std::uint8_t> turned;
          const RotateQuantizeOptions options{.rows = rows, .transposed = true};
          rotate_quantize(X, options, parse_quant_spec(text), want, &turned);
          cuda::rotate_quantize(window, options, parse_quant_spec(text), q, work);
          expect_equal(q.to_host(), want, what + (rows ? " rotated" : " with codes_t"));
          test::mismatches(test::from_device<std::uint8_t>(q.codes_t.data(), kRows * cols),
                           copy(turned), what + " codes_t");
        }
      }
    }
  }
}

// Factors whose quotients come nearest to the middle between two codes: a significand within 20 of
// a multiple of 2^17, and numbers within a few units of middle * factor. One factor a block.
TEST(CudaQuantize, QuotientsNextToTies) {
  SYLVESTER_NEEDS_DEVICE();
  constexpr std::int64_t kRows = 512, kCols = 256, kBlock = 64;
  for (const char* text : {"float8_e4m3fn", "float8_e5m2", "int8", "float6_e2m3fn"}) {
    const float most = static_cast<float>(format(parse_quant_spec(text).format).max);
    std::vector<float> x(kRows * kCols);
    for (std::int64_t b = 0; b < kRows * kCols / kBlock; ++b) {
      const auto word = [&](std::uint64_t i) {
        return random_word({9, 9, static_cast<std::uint32_t>(i)}, static_cast<std::uint64_t>(b));
      };
      const std::uint32_t unit = b % 2 == 0 ? 1u << 17 : 1u << 20;
      const std::uint32_t near = word(1) % 41 - 20 + word(2) % (1u << 23) / unit * unit;
      const std::uint32_t exponent = b % 16 == 0 ? 40 + word(3) % 170 : 120 + word(3) % 14;
      const float factor = std::bit_cast<float>(exponent << 23 | (near & 0x7FFFFFu));
      for (std::int64_t i = 0; i < kBlock; ++i) {
        const std::uint32_t w = word(static_cast<std::uint64_t>(10 + i));
        // Odd numbers of up to 8 bits, and powers of two of them below the largest code.
        const float middle = static_cast<float>(w % 128 * 2 + 1) * 0.5f *
                             std::ldexp(1.0f, most > 127 ? static_cast<int>(w >> 8 & 7) - 6 : 0);
        const float y = std::min(middle, most) * factor;
        const float off = std::bit_cast<float>(std::bit_cast<std::uint32_t>(y) + (w >> 16) % 9 - 4);
        x[static_cast<std::size_t>(b * kBlock + i)] = (w >> 24) % 2 == 0 ? off : -off;
      }
      x[static_cast<std::size_t>(b * kBlock)] = most * factor;
    }
    const cuda::DeviceBuffer device = test::on_device(x);
    cuda::DeviceQuantized q;
    const std::string grouped = std::string(text) + ":group=64";
    cuda::quantize({device.data(), DType::kFloat32, kRows, kCols}, parse_quant_spec(grouped), q);
    expect_equal(q.to_host(), quantize({x.data(), kRows, kCols}, parse_quant_spec(grouped)),
                 grouped);
    for (std::int64_t b = 0; b < 64; ++b) {  // the same under one scale of a tensor
      const MatrixView<const float> X(x.data() + b * kBlock, 8, 8);
      cuda::quantize({device.as<float>() + b * kBlock, DType::kFloat32, 8, 8},
                     parse_quant_spec(text), q);
      expect_equal(q.to_host(), quantize(X, parse_quant_spec(text)),
                   std::string(text) + " tensor " + std::to_string(b));
    }
  }
}

// Transposed codes that the transform's own kernel makes, over several rounds of its blocks.
TEST(CudaQuantize, TurnedBehindTheTransform) {
  SYLVESTER_NEEDS_DEVICE();
  struct Shape {
    std::int64_t rows, cols;
  };
  cuda::RotateWork work;
  cuda::DeviceQuantized q;
  for (const Shape s : {Shape{32, 64},
                        {96, 128},
                        {64, 256},
                        {160, 512},
                        {32, 1024},
                        {96, 2048},
                        {32, 8192},
                        {64, 16384},
                        {32, 32768},
                        {16, 4096},
                        {2304, 4096},
                        {9216, 1024},
                        {1120, 8192},
                        {4096, 4096}}) {
    for (const char* text : {"float8_e4m3fn", "int8"}) {
      const Fill fill = s.rows == 96 ? Fill::kAdversarial : Fill::kOutliers;
      std::vector<float> x = test::numbers(s.rows * s.cols, fill, 78);
      const cuda::DeviceBuffer device = test::on_device(narrow(x));
      const RotateQuantizeOptions options{.rows = true, .transposed = true};
      const std::string what =
          std::string(text) + " turned " + std::to_string(s.rows) + " x " + std::to_string(s.cols);
      QuantizedMatrix want;
      Buffer<std::uint8_t> turned;
      rotate_quantize(MatrixView<const float>(x.data(), s.rows, s.cols), options,
                      parse_quant_spec(text), want, &turned);
      for (int repeat = 0; repeat < 3; ++repeat) {
        cuda::rotate_quantize({device.data(), DType::kBFloat16, s.rows, s.cols}, options,
                              parse_quant_spec(text), q, work);
        expect_equal(q.to_host(), want, what);
        test::mismatches(test::from_device<std::uint8_t>(q.codes_t.data(), s.rows * s.cols),
                         copy(turned), what + " codes_t");
      }
    }
  }
}

TEST(CudaQuantize, EncodeAndDecodeEqualTheCpu) {
  SYLVESTER_NEEDS_DEVICE();
  // Every bfloat16 and float16 number, and float32 around all their midpoints.
  std::vector<std::uint16_t> every(1 << 16);
  std::vector<float> wide(1 << 18);
  for (std::uint32_t i = 0; i < every.size(); ++i) {
    every[i] = static_cast<std::uint16_t>(i);
    for (std::uint32_t k = 0; k < 4; ++k) {
      constexpr std::uint32_t kLow[] = {0, 0x7FFF, 0x8000, 0xFFFF};
      wide[i * 4 + k] = std::bit_cast<float>(i << 16 | kLow[k]);
    }
  }
  const cuda::DeviceBuffer every_device = test::on_device(every);
  const cuda::DeviceBuffer wide_device = test::on_device(wide);
  const cuda::DeviceBuffer out(1 << 19);
  for (const Format& f : formats()) {
    if (f.bits > 8) continue;
    for (const Rounding rounding : {Rounding::kNearestEven, Rounding::kNearestAway,
                                    Rounding::kTowardZero, Rounding::kNearestTowardNegative,
                                    Rounding::kStochastic, Rounding::kDown, Rounding::kUp}) {
      for (const Overflow overflow : {Overflow::kSaturate, Overflow::kNonfinite}) {
        EncodeOptions options;
        options.rounding = rounding;
        options.overflow = overflow;
        options.nan = overflow == Overflow::kSaturate ? NanMode::kCanonical : NanMode::kKeepSign;
        options.stream = {4, 5, 6};
        options.first_element = 3;
        const std::string what = std::string(f.name) + " rounding " +
                                 std::to_string(static_cast<int>(rounding)) + " overflow " +
                                 std::to_string(static_cast<int>(overflow));
        std::vector<std::uint8_t> want(wide.size());
        encode(wide, f.dtype, want, options);
        cuda::encode(wide_device.data(), DType::kFloat32, 1 << 18, f.dtype, out.data(), options);
        cuda::synchronize();
        test::mismatches(test::from_device<std::uint8_t>(out.data(), 1 << 18), want, what);
        for (const DType from : {DType::kBFloat16, DType::kFloat16}) {
          std::vector<std::uint8_t> narrow_want(every.size());
          encode(every, from, f.dtype, narrow_want, options);
          cuda::encode(every_device.data(), from, 1 << 16, f.dtype, out.data(), options);
          cuda::synchronize();
          test::mismatches(test::from_device<std::uint8_t>(out.data(), 1 << 16), narrow_want,
                           what + " from " + std::string(to_string(from)));
        }
      }
    }
    std::vector<std::uint8_t> codes(256);
    for (std::size_t i = 0; i < 256; ++i) codes[i] = static_cast<std::uint8_t>(i);
    std::vector<float> want(256);
    decode(codes, f.dtype, want);
    const cuda::DeviceBuffer codes_device = test::on_device(codes);
    cuda::decode(codes_device.data(), f.dtype, 256, out.as<float>());
    cuda::synchronize();
    test::mismatches(test::from_device<float>(out.data(), 256), want,
                     std::string(f.name) + " decoded");
  }
}

// Sums over many tiles of the CPU's, and over parts of one.
TEST(CudaQuantize, GridSearchesEqualTheCpu) {
  SYLVESTER_NEEDS_DEVICE();
  for (const auto& [rows, cols] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {300, 20000}, {70, 8193}, {5000, 17}, {70000, 1}, {1, 70000}, {4096, 4160}}) {
    for (const Fill fill : {Fill::kRandom, Fill::kOutliers}) {
      run_case("int4:rule=grid", rows, cols, fill);
      run_case("float4_e2m1fn:rule=grid:rounding=nearest_toward_negative", rows, cols, fill);
    }
  }
}

TEST(CudaQuantize, BadCallsAreNamed) {
  SYLVESTER_NEEDS_DEVICE();
  const cuda::DeviceBuffer memory(1 << 16);
  cuda::DeviceQuantized q;
  const cuda::DeviceMatrix X(memory.data(), DType::kFloat32, 4, 36);
  EXPECT_THROW(cuda::quantize(X, parse_quant_spec("mxfp4"), q), ValueError);
  EXPECT_THROW(cuda::quantize({memory.data(), DType::kInt8, 4, 4}, parse_quant_spec("int8"), q),
               UnsupportedError);
  cuda::quantize(X, parse_quant_spec("int8"), q);
  EXPECT_THROW(cuda::dequantize(q, {memory.data(), DType::kFloat32, 4, 35}), ShapeError);
}

}  // namespace
}  // namespace sylvester
