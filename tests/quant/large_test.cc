// More than 2^31 elements: whole matrices, one row, and stripes. Registered only with
// SYLVESTER_NIGHTLY; needs about 9 GiB of memory.
#include <cmath>

#include "sylvester/core/philox.h"
#include "sylvester/quant/kernels.h"
#include "sylvester/quant/quantize.h"
#include "test_util.h"

namespace sylvester {
namespace {

constexpr std::int64_t kRows = (1 << 15) + 1, kCols = 1 << 16;  // 2^31 + 2^16 elements

// Numbers of row r, the same wherever the row stands.
void fill_row(std::int64_t r, float* x) {
  for (std::int64_t c = 0; c < kCols; ++c) {
    const auto mixed = static_cast<std::uint32_t>((r * kCols + c) * 2654435761u);
    x[c] = static_cast<float>(static_cast<std::int32_t>(mixed)) * 0x1p-31f;
  }
}

// Quantized in stripes of 64 rows: codes 2 GiB, the numbers 16 MiB at a time.
TEST(LargeMatrices, StripesEqualTheirRows) {
  for (const char* text : {"int8:row", "mxfp8_e4m3", "int8", "nvfp4"}) {
    SCOPED_TRACE(text);
    const QuantSpec spec = parse_quant_spec(text);
    QuantizedMatrix q;
    Quantization quantization(spec, kRows, kCols, q);
    std::vector<float> stripe(static_cast<std::size_t>(64 * kCols));
    const auto each = [&](auto&& use) {
      for (std::int64_t first = 0; first < kRows; first += 64) {
        const std::int64_t rows = std::min<std::int64_t>(64, kRows - first);
        for (std::int64_t i = 0; i < rows; ++i) fill_row(first + i, stripe.data() + i * kCols);
        // The tensor's largest number stands in the last row.
        if (first + rows == kRows) stripe[static_cast<std::size_t>((rows - 1) * kCols)] = -2.0f;
        use(MatrixView<const float>(stripe.data(), rows, kCols), first);
      }
    };
    if (quantization.needs_observation()) {
      each([&](MatrixView<const float> X, std::int64_t at) { quantization.observe(X, at); });
    }
    quantization.finish_observation();
    each([&](MatrixView<const float> X, std::int64_t at) { quantization.encode(X, at); });
    // The first and the last row as a matrix of their own, which has the same largest number.
    std::vector<float> two(static_cast<std::size_t>(2 * kCols));
    fill_row(0, two.data());
    fill_row(kRows - 1, two.data() + kCols);
    two[static_cast<std::size_t>(kCols)] = -2.0f;
    const QuantizedMatrix want = quantize({two.data(), 2, kCols}, spec);
    for (const std::int64_t row : {std::int64_t{0}, kRows - 1}) {
      const std::int64_t at = row == 0 ? 0 : 1;
      EXPECT_TRUE(std::equal(q.codes.data() + row * kCols, q.codes.data() + (row + 1) * kCols,
                             want.codes.data() + at * kCols))
          << "row " << row;
      EXPECT_EQ(q.scales[(q.scale_rows == 1 ? 0 : row) * q.scale_cols],
                want.scales[(want.scale_rows == 1 ? 0 : at) * want.scale_cols])
          << "row " << row;
    }
  }
}

// In place, as 32769 rows and as one row of 2^31 + 2^16 numbers.
TEST(LargeMatrices, FakeQuantizeInPlace) {
  Buffer<float> x(kRows * kCols);
  for (const bool one_row : {false, true}) {
    for (std::int64_t r = 0; r < kRows; ++r) fill_row(r, x.data() + r * kCols);
    std::vector<float> last(x.end() - kCols, x.end());
    const MatrixView<float> X(x.data(), one_row ? 1 : kRows, one_row ? kRows * kCols : kCols);
    QuantStats stats;
    const QuantSpec spec = parse_quant_spec("mxfp4");
    fake_quantize(X, spec, X, &stats);
    EXPECT_EQ(stats.count, kRows * kCols);
    EXPECT_GT(stats.sqnr_db, 10);
    std::vector<float> want(last.size());
    fake_quantize({last.data(), 1, kCols}, spec, {want.data(), 1, kCols});
    EXPECT_TRUE(std::equal(want.begin(), want.end(), x.end() - kCols)) << "one row: " << one_row;
  }
  // A scale of the whole row, whose largest number is its last one.
  x[x.size() - 1] = 254.0f;
  const MatrixView<float> X(x.data(), 1, kRows * kCols);
  fake_quantize(X, parse_quant_spec("int8:row"), X);
  EXPECT_EQ(x[x.size() - 1], 254.0f);
  EXPECT_EQ(std::fmod(x[x.size() - 2], 2.0f), 0.0f) << "a multiple of the scale 2";
}

}  // namespace
}  // namespace sylvester
