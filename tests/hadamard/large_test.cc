// 2^31 elements and rows of 2^24. Registered only with SYLVESTER_NIGHTLY; needs about 5 GiB.
#include <cmath>

#include "sylvester/core/buffer.h"
#include "sylvester/hadamard/hadamard.h"
#include "test_util.h"

namespace sylvester {
namespace {

constexpr std::int64_t kSize = std::int64_t{1} << 31;

// A bfloat16 near one, from its place.
std::uint16_t number(std::int64_t i) {
  const auto mixed = static_cast<std::uint32_t>(i) * 2654435761u;
  return static_cast<std::uint16_t>((mixed >> 31 << 15) | 0x3F80u | (mixed >> 20 & 0x7Fu));
}

void fill(Buffer<std::uint16_t>& x) {
  for (std::int64_t i = 0; i < x.size(); ++i) x[i] = number(i);
}

TEST(LargeTransforms, RowsInPlace) {
  Buffer<std::uint16_t> x(kSize);
  for (const std::int64_t n : {std::int64_t{1} << 20, std::int64_t{1} << 24}) {
    fill(x);
    const std::int64_t rows = kSize / n;
    hadamard_rows(MatrixView<const std::uint16_t>(x.data(), rows, n), {x.data(), rows, n});
    std::vector<std::uint16_t> row(static_cast<std::size_t>(n));
    for (const std::int64_t r : {std::int64_t{0}, rows / 2 - 1, rows - 1}) {
      for (std::int64_t c = 0; c < n; ++c) row[static_cast<std::size_t>(c)] = number(r * n + c);
      hadamard_rows(MatrixView<const std::uint16_t>(row.data(), 1, n), {row.data(), 1, n});
      EXPECT_TRUE(std::equal(row.begin(), row.end(), x.data() + r * n)) << n << " row " << r;
    }
  }
}

TEST(LargeTransforms, ColumnsInPlace) {
  constexpr std::int64_t kRows = 768, kCols = kSize / kRows;
  Buffer<std::uint16_t> x(kRows * kCols);
  fill(x);
  hadamard_cols(MatrixView<const std::uint16_t>(x.data(), kRows, kCols), {x.data(), kRows, kCols});
  for (const std::int64_t c : {std::int64_t{0}, kCols / 2, kCols - 1}) {
    std::vector<std::uint16_t> column(kRows);
    for (std::int64_t r = 0; r < kRows; ++r) {
      column[static_cast<std::size_t>(r)] = number(r * kCols + c);
    }
    hadamard_rows(MatrixView<const std::uint16_t>(column.data(), 1, kRows),
                  {column.data(), 1, kRows});
    for (std::int64_t r = 0; r < kRows; ++r) {
      ASSERT_EQ(x[r * kCols + c], column[static_cast<std::size_t>(r)]) << c << " row " << r;
    }
  }
}

}  // namespace
}  // namespace sylvester
