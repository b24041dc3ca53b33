#include "sylvester/cuda/hadamard.h"

#include <utility>

#include "cuda/base_matrix.cuh"
#include "cuda_test_util.h"
#include "sylvester/cuda/rotate_quantize.h"

namespace sylvester {
namespace {

using test::Fill;

struct Case {
  std::int64_t rows, cols;
  HadamardOptions options = {};
  std::int64_t padding = 0;  // of the stride
};

std::string text(const Case& c, const char* axis, Fill fill) {
  return std::string(axis) + " " + std::to_string(c.rows) + " x " + std::to_string(c.cols) +
         " block " + std::to_string(c.options.block) + (c.options.signs ? " signs" : "") +
         (c.options.inverse ? " inverse" : "") + (c.options.normalize ? "" : " raw") + " padding " +
         std::to_string(c.padding) + " " + test::name(fill);
}

// Rounded to bfloat16 and widened: what the CPU's 16-bit overload takes.
std::vector<std::uint16_t> to_bfloat16(const std::vector<float>& x) {
  std::vector<std::uint16_t> out(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto bits = std::bit_cast<std::uint32_t>(x[i]);
    out[i] = static_cast<std::uint16_t>(bits >> 16);
    if (std::isnan(x[i])) out[i] = 0x7FC0;
  }
  return out;
}

template <class T>
std::vector<T> values(const Buffer<T>& buffer) {
  return std::vector<T>(buffer.data(), buffer.data() + buffer.size());
}

template <class T>
void run_case(const Case& c, bool rows, const std::vector<T>& x, DType dtype,
              const std::string& what) {
  const std::int64_t stride = c.cols + c.padding;
  std::vector<T> want(x.size(), T{});
  const MatrixView<const T> X(x.data(), c.rows, c.cols, stride);
  const MatrixView<T> Y(want.data(), c.rows, c.cols, stride);
  if (rows) {
    hadamard_rows(X, Y, c.options);
  } else {
    hadamard_cols(X, Y, c.options);
  }
  const cuda::DeviceBuffer x_device = test::on_device(x);
  const cuda::DeviceBuffer y_device = test::on_device(std::vector<T>(x.size(), T{}));
  const cuda::DeviceMatrix Xd(x_device.data(), dtype, c.rows, c.cols, stride);
  const cuda::DeviceMatrix Yd(y_device.data(), dtype, c.rows, c.cols, stride);
  const auto apply = [&](const cuda::DeviceMatrix& to) {
    rows ? cuda::hadamard_rows(Xd, to, c.options) : cuda::hadamard_cols(Xd, to, c.options);
    cuda::synchronize();
  };
  const auto count = static_cast<std::int64_t>(x.size());
  apply(Yd);
  test::mismatches(test::from_device<T>(y_device.data(), count), want, what);
  if (c.padding == 0) {
    apply(Xd);
    test::mismatches(test::from_device<T>(x_device.data(), count), want, what + " in place");
  }
}

void run_case(const Case& c, bool rows, Fill fill) {
  const std::int64_t count = c.rows * (c.cols + c.padding);
  const std::vector<float> x = test::numbers(count, fill, static_cast<std::uint64_t>(count));
  const std::string what = text(c, rows ? "rows" : "cols", fill);
  run_case<float>(c, rows, x, DType::kFloat32, what + " float32");
  run_case<std::uint16_t>(c, rows, to_bfloat16(x), DType::kBFloat16, what + " bfloat16");
}

TEST(CudaHadamard, UnrolledBasesAreTheLibrarysMatrices) {
  for (const int K : {12, 20, 28, 36, 40, 44}) {
    const std::vector<std::int8_t> want = hadamard_matrix(K);
    for (int i = 0; i < K; ++i) {
      for (int j = 0; j < K; ++j) {
        ASSERT_EQ(cuda::detail::base_sign(K, i, j), want[static_cast<std::size_t>(i * K + j)])
            << "K " << K << " at " << i << ", " << j;
      }
    }
  }
}

// Small enough for the slow tools that watch memory and races.
TEST(CudaHadamard, EveryRowKernelEqualsTheCpuOnASmallShape) {
  SYLVESTER_NEEDS_DEVICE();
  for (std::int64_t n = 2; n <= 32768; n *= 2) run_case({3, n}, true, Fill::kRandom);
  for (const std::int64_t n :
       {48, 768, 2560, 7168, 2304, 20480, 5632, 960, 4864, 11008, 4992, 6400}) {
    run_case({5, n, {.signs = 4}}, true, Fill::kRandom);
  }
  run_case({3, 22528, {.inverse = true}}, true, Fill::kRandom);
}
TEST(CudaHadamard, EveryColumnKernelEqualsTheCpuOnASmallShape) {
  SYLVESTER_NEEDS_DEVICE();
  for (std::int64_t n = 2; n <= 32768; n *= 2) {
    run_case({n, 40, {.signs = 3, .inverse = n % 3 == 1}}, false, Fill::kRandom);
  }
}

TEST(CudaHadamard, RowsOfEveryPowerOfTwoEqualTheCpu) {
  SYLVESTER_NEEDS_DEVICE();
  for (std::int64_t n = 1; n <= 32768; n *= 2) {
    for (const std::int64_t rows : {std::int64_t{1}, std::int64_t{37}, 70000 / n + 1}) {
      if (rows * n > 2'000'000) continue;
      run_case({rows, n}, true, Fill::kRandom);
    }
    run_case({5, n}, true, Fill::kAdversarial);
    run_case({8, n}, true, Fill::kZeros);
  }
}

TEST(CudaHadamard, RowsOfOrdersWithABaseEqualTheCpu) {
  SYLVESTER_NEEDS_DEVICE();
  for (const std::int64_t n :
       {12,    24,   48,   96,    192,   768,  1536,  3072,  6144, 24576,  // 12
        20,    80,   320,  1280,  640,   5120,                             // 20 and 40
        28,    224,  448,  1792,  3584,  7168, 14336, 28672,               // 28
        160,   2560, 5120, 20480, 36,    576,  2304,  60,    960,  108,   13824,
        11008, 172,  688,  5632,  76,    4864, 148,   18944, 288,  1152,  9216,
        44,    88,   352,  704,   22528, 52,   416,   26624, 100,  6400,  140,
        8960,  156,  4992, 68,    17408, 84,   1344,  12288, 10240}) {
    run_case({3, n}, true, Fill::kRandom);
    run_case({2, n, {.inverse = true}}, true, Fill::kOutliers);
    if (n < 4000) run_case({101, n}, true, Fill::kAdversarial);
  }
}

// More tiles than the device holds at once: every block takes several in turn.
TEST(CudaHadamard, ManyRowsOfOrdersWithABaseEqualTheCpu) {
  SYLVESTER_NEEDS_DEVICE();
  for (const std::int64_t n : {96, 768, 24576, 640, 2560, 3584, 28672, 2304, 5120, 5632, 960, 4864,
                               6400, 13824, 8960, 11008, 18944}) {
    run_case({6'000'000 / n + 3000 * 1024 / n, n}, true, Fill::kRandom);
  }
  run_case({900, 11008, {.inverse = true}}, true, Fill::kRandom);
}

TEST(CudaHadamard, OptionsEqualTheCpu) {
  SYLVESTER_NEEDS_DEVICE();
  for (const bool inverse : {false, true}) {
    for (const std::int64_t n : {8, 64, 96, 512, 4096, 14336, 11008}) {
      run_case({9, n, {.signs = 7, .inverse = inverse}}, true, Fill::kRandom);
      run_case({9, n, {.inverse = inverse, .normalize = false}}, true, Fill::kRandom);
      run_case({9, n, {.signs = 8, .inverse = inverse}, 8}, true, Fill::kRandom);
      run_case({9, n, {.inverse = inverse}, 3}, true, Fill::kRandom);
    }
    run_case({11, 4096, {.block = 64, .signs = 5, .inverse = inverse}}, true, Fill::kRandom);
    run_case({11, 576, {.block = 36, .signs = 5, .inverse = inverse}}, true, Fill::kRandom);
    run_case({11, 96, {.block = 32, .signs = 5, .inverse = inverse}}, true, Fill::kRandom);
    run_case({11, 96, {.block = 32, .signs = 5, .inverse = inverse}, 16}, true, Fill::kRandom);
    run_case({11, 11008, {.block = 256, .inverse = inverse}}, true, Fill::kRandom);
  }
}

TEST(CudaHadamard, ColumnsEqualTheCpu) {
  SYLVESTER_NEEDS_DEVICE();
  for (const std::int64_t n : {1, 96, 1536, 5120}) {
    for (const std::int64_t cols : {7, 40}) run_case({n, cols}, false, Fill::kRandom);
  }
  run_case({96, 33, {.block = 32, .signs = 4}}, false, Fill::kRandom);
  run_case({192, 33, {.block = 12, .signs = 4, .inverse = true}}, false, Fill::kRandom);
}

TEST(CudaHadamard, ColumnsOfEveryPowerOfTwoEqualTheCpu) {
  SYLVESTER_NEEDS_DEVICE();
  for (std::int64_t n = 2; n <= 32768; n *= 2) {
    // Widths of whole panels, of parts of one, and that no fast kernel takes.
    run_case({n, 96}, false, Fill::kRandom);
    run_case({n, 104}, false, Fill::kOutliers);
    run_case({n, 8}, false, Fill::kAdversarial);
    run_case({n, 4}, false, Fill::kRandom);
    if (n <= 8192) run_case({n, 7}, false, Fill::kRandom);
    run_case({n, 64, {.signs = 3}, 16}, false, Fill::kRandom);
    run_case({n, 40, {.signs = 3, .inverse = true}, 8}, false, Fill::kOutliers);
    run_case({n, 64, {.normalize = false}}, false, Fill::kAdversarial);
    run_case({n, 32}, false, Fill::kZeros);
    if (n <= 8192) {
      run_case({3 * n, 72, {.block = n, .signs = 4}}, false, Fill::kRandom);
      run_case({4 * n, 40, {.block = n, .signs = 5, .inverse = true}, 8}, false, Fill::kRandom);
    }
  }
}

// More panels than the device holds at once: every block takes several in turn.
TEST(CudaHadamard, WideColumnsEqualTheCpu) {
  SYLVESTER_NEEDS_DEVICE();
  for (const auto& [n, cols] : std::vector<std::pair<std::int64_t, std::int64_t>>{{64, 9000},
                                                                                  {128, 17000},
                                                                                  {256, 17000},
                                                                                  {512, 9000},
                                                                                  {1024, 4504},
                                                                                  {2048, 4504},
                                                                                  {4096, 2024},
                                                                                  {4096, 6152},
                                                                                  {8192, 1000},
                                                                                  {16384, 488},
                                                                                  {32768, 264}}) {
    run_case({n, cols}, false, Fill::kRandom);
  }
}

// The fused quantizer sees columns through the same kernels: first their absmax, then codes.
TEST(CudaHadamard, QuantizedColumnsEqualTheCpu) {
  SYLVESTER_NEEDS_DEVICE();
  cuda::RotateWork work;
  for (std::int64_t n = 2; n <= 32768; n *= 2) {
    for (const std::int64_t cols : {40, 128}) {
      for (const Fill fill : {Fill::kRandom, Fill::kOutliers, Fill::kAdversarial, Fill::kZeros}) {
        std::vector<float> x = test::numbers(n * cols, fill, static_cast<std::uint64_t>(n));
        // Without Inf and NaN in half of the adversarial cases: they hide all other numbers.
        if (fill == Fill::kAdversarial && cols == 40) {
          for (float& v : x) v = std::isfinite(v) ? v * 0x1p-20f : 1.0f;
        }
        const std::vector<std::uint16_t> bits = to_bfloat16(x);
        for (std::size_t i = 0; i < x.size(); ++i) {
          x[i] = std::bit_cast<float>(static_cast<std::uint32_t>(bits[i]) << 16);
        }
        const cuda::DeviceBuffer device = test::on_device(bits);
        RotateQuantizeOptions options;
        options.cols = true;
        if (cols == 40) options.left = {.signs = 6, .inverse = n % 3 == 1};
        for (const char* text : {"float8_e4m3fn", "int8"}) {
          QuantizedMatrix want;
          cuda::DeviceQuantized got;
          rotate_quantize(MatrixView<const float>(x.data(), n, cols), options,
                          parse_quant_spec(text), want);
          cuda::rotate_quantize({device.data(), DType::kBFloat16, n, cols}, options,
                                parse_quant_spec(text), got, work);
          const QuantizedMatrix host = got.to_host();
          const std::string what = std::string(text) + " of " + std::to_string(n) + " x " +
                                   std::to_string(cols) + " " + test::name(fill);
          test::mismatches(values(host.codes), values(want.codes), what + " codes");
          test::mismatches(values(host.scales), values(want.scales), what + " scales");
        }
      }
    }
  }
}

TEST(CudaHadamard, BadShapesAreNamed) {
  SYLVESTER_NEEDS_DEVICE();
  const cuda::DeviceBuffer memory(1 << 20);
  const auto matrix = [&](std::int64_t rows, std::int64_t cols, DType dtype = DType::kFloat32) {
    return cuda::DeviceMatrix(memory.data(), dtype, rows, cols);
  };
  EXPECT_THROW(cuda::hadamard_rows(matrix(2, 64), matrix(2, 32)), ShapeError);
  EXPECT_THROW(cuda::hadamard_rows(matrix(2, 9), matrix(2, 9)), ShapeError);
  EXPECT_THROW(cuda::hadamard_rows(matrix(2, 64), matrix(2, 64), {.block = 48}), ShapeError);
  EXPECT_THROW(cuda::hadamard_rows(matrix(2, 65536), matrix(2, 65536)), UnsupportedError);
  EXPECT_THROW(cuda::hadamard_rows(matrix(2, 64, DType::kInt8), matrix(2, 64, DType::kInt8)),
               UnsupportedError);
  EXPECT_NO_THROW(cuda::hadamard_rows(matrix(0, 64), matrix(0, 64)));
}

}  // namespace
}  // namespace sylvester
