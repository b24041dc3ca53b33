// The transform against a dense product in double, its algebra, and equality of bits.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "hadamard/hadamard_test_util.h"
#include "sylvester/core/error.h"
#include "sylvester/core/parallel.h"
#include "sylvester/hadamard/hadamard.h"
#include "test_util.h"

namespace sylvester {
namespace {

using test::first_difference;
using test::random_values;

constexpr std::array<std::int64_t, 14> kBases{1,  12, 20,  28,  36,  40,  44,
                                              52, 60, 100, 108, 140, 156, 172};

template <class T>
std::vector<T> rows_of(const std::vector<T>& x, std::int64_t n, const HadamardOptions& options) {
  const auto m = static_cast<std::int64_t>(x.size()) / n;
  std::vector<T> y(x.size());
  hadamard_rows(MatrixView<const T>(x.data(), m, n), MatrixView<T>(y.data(), m, n), options);
  return y;
}
template <class T>
std::vector<T> cols_of(const std::vector<T>& x, std::int64_t m, const HadamardOptions& options) {
  const auto n = static_cast<std::int64_t>(x.size()) / m;
  std::vector<T> y(x.size());
  hadamard_cols(MatrixView<const T>(x.data(), m, n), MatrixView<T>(y.data(), m, n), options);
  return y;
}
template <class T>
std::vector<T> transposed(const std::vector<T>& x, std::int64_t rows) {
  const auto cols = static_cast<std::int64_t>(x.size()) / rows;
  std::vector<T> out(x.size());
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < cols; ++j) {
      out[static_cast<std::size_t>(j * rows + i)] = x[static_cast<std::size_t>(i * cols + j)];
    }
  }
  return out;
}

// y = x Diag(r) H' / sqrt(n) (inverse: x H Diag(r)) with the dense matrix, in double.
std::vector<double> dense(const std::vector<float>& x, std::int64_t n, const HadamardOptions& o) {
  const std::int64_t block = o.block > 0 ? o.block : n;
  const auto h = hadamard_matrix(block);
  const std::vector<std::int8_t> r = o.signs
                                         ? hadamard_signs(*o.signs, n)
                                         : std::vector<std::int8_t>(static_cast<std::size_t>(n), 1);
  const double scale = o.normalize ? 1.0 / std::sqrt(static_cast<double>(block)) : 1.0;
  std::vector<double> y(x.size());
  for (std::size_t row = 0; row < x.size(); row += static_cast<std::size_t>(n)) {
    for (std::int64_t j = 0; j < n; ++j) {
      const std::int64_t begin = j / block * block;
      double sum = 0;
      for (std::int64_t i = 0; i < block; ++i) {
        const std::int64_t at = o.inverse ? i * block + j % block : j % block * block + i;
        const int sign_in = o.inverse ? 1 : r[static_cast<std::size_t>(begin + i)];
        sum += h[static_cast<std::size_t>(at)] * sign_in *
               static_cast<double>(x[row + static_cast<std::size_t>(begin + i)]);
      }
      const int sign_out = o.inverse ? r[static_cast<std::size_t>(j)] : 1;
      y[row + static_cast<std::size_t>(j)] = sum * scale * sign_out;
    }
  }
  return y;
}

// Rounding errors of the additions, as independent relative errors of size r u, u = 2^-24 (for a
// mantissa spread over a binade r^2 = 1/3 * mean of 1/mantissa^2 = 1/6 if every addition rounds;
// r = .41). Variances relative to the output's: 1 for each stage along 2^m, sum j/K = (K+1)/2 for
// the partial sums along K, 1 for the scale. First stages of few-bit values may be exact.
double expected_error(std::int64_t base, std::int64_t power) {
  const double stages = std::log2(static_cast<double>(power));
  const double along_base = base > 1 ? (static_cast<double>(base) + 1) / 2 : 0;
  return 0.41 * 0x1p-24 * std::sqrt(stages + along_base + 1);
}

// Root mean square error within a factor of two of the derived one, in both directions: a wrong
// sign or order of H is 10^7 times over; sums carried in double would be far under.
TEST(Transform, DenseProductWithinDerivedBound) {
  for (const std::int64_t base : kBases) {
    for (const std::int64_t power : {1, 2, 4, 32, 64}) {
      const std::int64_t n = base * power;
      if (n < 12 || n > 3000) continue;
      const std::int64_t m = std::max<std::int64_t>(3, 256 / n);
      const auto x = random_values<float>(m * n, static_cast<std::uint64_t>(n));
      for (const bool inverse : {false, true}) {
        const HadamardOptions options{.signs = 7, .inverse = inverse};
        const auto expected = dense(x, n, options);
        const auto got = rows_of(x, n, options);
        double error = 0, norm = 0;
        for (std::size_t i = 0; i < got.size(); ++i) {
          error += (got[i] - expected[i]) * (got[i] - expected[i]);
          norm += expected[i] * expected[i];
        }
        const double ratio =
            std::sqrt(error / norm) / expected_error(hadamard_base(n), n / hadamard_base(n));
        EXPECT_GT(ratio, 0.5) << "n " << n << " inverse " << inverse;
        EXPECT_LT(ratio, 2.0) << "n " << n << " inverse " << inverse;
      }
    }
  }
}

// Small integers: every sum is exact, so the unnormalised transform equals the dense product.
TEST(Transform, IntegersExact) {
  test::for_each_target([](Target) {
    for (const std::int64_t n : {1,  2,  4,  8,  12,  16,  20,  24,  28,   32,   36,  40,
                                 48, 64, 68, 76, 128, 256, 352, 512, 1024, 1376, 2048}) {
      std::vector<float> x(static_cast<std::size_t>(2 * n));
      for (std::size_t i = 0; i < x.size(); ++i) {
        x[i] = static_cast<float>(static_cast<int>(i * 2654435761u >> 25 & 127) - 64);
      }
      for (const bool inverse : {false, true}) {
        const HadamardOptions options{.signs = 3, .inverse = inverse, .normalize = false};
        const auto y = rows_of(x, n, options);
        const auto exact = dense(x, n, options);
        ASSERT_EQ(first_difference(y, std::vector<float>(exact.begin(), exact.end())), "")
            << "n " << n << " inverse " << inverse;
      }
    }
  });
}

// Every target and thread count, both axes, against the scalar body on one thread.
template <class T>
void expect_same_bits(std::int64_t rows, std::int64_t n, const HadamardOptions& options) {
  const auto x = random_values<T>(rows * n, static_cast<std::uint64_t>(rows + n));
  set_num_threads(1);
  set_target(Target::kScalar);
  const auto right = rows_of(x, n, options);
  const auto xt = transposed(x, rows);
  const auto left = transposed(right, rows);
  test::for_each_target([&](Target) {
    for (const int threads : {1, 3}) {
      set_num_threads(threads);
      ASSERT_EQ(first_difference(rows_of(x, n, options), right), "")
          << "rows " << rows << " n " << n << " block " << options.block << " threads " << threads
          << " bytes " << sizeof(T);
      ASSERT_EQ(first_difference(cols_of(xt, n, options), left), "")
          << "columns " << rows << " n " << n << " block " << options.block << " threads "
          << threads << " bytes " << sizeof(T);
      auto in_place = x;
      const MatrixView<T> view(in_place.data(), rows, n);
      hadamard_rows(view, view, options);
      ASSERT_EQ(first_difference(in_place, right), "") << "in place, rows " << rows << " n " << n;
      in_place = xt;
      const MatrixView<T> view_t(in_place.data(), n, rows);
      hadamard_cols(view_t, view_t, options);
      ASSERT_EQ(first_difference(in_place, left), "") << "in place, cols " << rows << " n " << n;
    }
  });
  set_num_threads(1);
}

TEST(Transform, SameBitsPowersOfTwo) {
  for (std::int64_t n = 1; n <= 8192; n *= 2) {
    for (const std::int64_t rows : {1, 5, 37}) {
      if (rows * n > 100000) continue;
      expect_same_bits<float>(rows, n, {.signs = 11});
      expect_same_bits<float>(rows, n, {.inverse = true, .normalize = false});
    }
  }
  expect_same_bits<float>(2, 1 << 16, {});
  expect_same_bits<float>(1, 1 << 18, {.signs = 11, .inverse = true});
}

TEST(Transform, SameBitsEveryBase) {
  for (const std::int64_t base : kBases) {
    for (std::int64_t power = 1; power <= 256; power *= 2) {
      if (base * power > 6000) continue;
      expect_same_bits<float>(3, base * power, {.signs = 5, .inverse = power % 3 == 1});
    }
    expect_same_bits<float>(70, base, {.inverse = true});
    expect_same_bits<float>(70, 4 * base, {});
  }
  for (const std::int64_t n : {68 * 16, 76 * 64, 148 * 8}) expect_same_bits<float>(2, n, {});
}

TEST(Transform, SameBitsOtherTypes) {
  for (const std::int64_t n : {1, 2, 8, 12, 24, 64, 160, 256, 576, 1024, 4096, 8192}) {
    expect_same_bits<std::uint16_t>(5, n, {.signs = 2});
    expect_same_bits<std::uint16_t>(2, n, {.signs = 2, .inverse = true});
    expect_same_bits<double>(5, n, {.signs = 2});
    expect_same_bits<double>(2, n, {.signs = 2, .inverse = true});
  }
}

TEST(Transform, SameBitsBlockDiagonal) {
  for (const std::int64_t block : {1, 2, 16, 12, 64, 128, 20}) {
    expect_same_bits<float>(9, block * 6, {.block = block, .signs = 4});
    expect_same_bits<std::uint16_t>(3, block * 3, {.block = block, .signs = 4, .inverse = true});
  }
}

// The order of additions itself: the definition written out naively, one row at a time.
TEST(Transform, AdditionOrder) {
  for (const std::int64_t base : {1, 12, 28, 44}) {
    const std::int64_t power = 64, n = base * power;
    ASSERT_EQ(hadamard_base(n), base);
    auto x = random_values<float>(n, 99);
    const auto got = rows_of(x, n, {});
    const auto h = hadamard_matrix(base);
    for (std::int64_t stage = 1; stage < power; stage *= 2) {
      auto next = x;
      for (std::int64_t i = 0; i < n; ++i) {
        const auto at = static_cast<std::size_t>(i);
        const auto far = static_cast<std::size_t>(i ^ stage);
        next[at] = (i & stage) != 0 ? x[far] - x[at] : x[at] + x[far];
      }
      x = next;
    }
    std::vector<float> expected(x.size());
    for (std::int64_t i = 0; i < n; ++i) {
      const std::int64_t out = i / power;
      float sum = 0;
      for (std::int64_t in = 0; in < base; ++in) {
        const float term = static_cast<float>(h[static_cast<std::size_t>(out * base + in)]) *
                           x[static_cast<std::size_t>(in * power + i % power)];
        sum = in == 0 ? term : sum + term;
      }
      expected[static_cast<std::size_t>(i)] =
          sum * static_cast<float>(1.0 / std::sqrt(static_cast<double>(n)));
    }
    EXPECT_EQ(first_difference(got, expected), "") << "base " << base;
  }
}

// bfloat16 = widen, float32 transform, one rounding.
TEST(Transform, Bfloat16RoundsOnce) {
  const std::int64_t n = 2560;
  const auto x = random_values<std::uint16_t>(3 * n, 1);
  std::vector<float> wide(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) wide[i] = detail::widen_bfloat16(x[i]);
  const auto y = rows_of(wide, n, {});
  std::vector<std::uint16_t> expected(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) expected[i] = detail::round_bfloat16(y[i]);
  EXPECT_EQ(first_difference(rows_of(x, n, {}), expected), "");
}

// Windows of a wider matrix: nothing outside them is read into the result or written.
TEST(Transform, StridedViews) {
  test::for_each_target([](Target) {
    for (const std::int64_t n : {8, 24, 64, 192, 512}) {
      const std::int64_t m = 16, stride_x = n + 5, stride_y = n + 3;
      const auto wide = random_values<float>(m * stride_x, 21);
      std::vector<float> y(static_cast<std::size_t>(m * stride_y), -77.0f), packed;
      for (std::int64_t i = 0; i < m; ++i) {
        packed.insert(packed.end(), wide.begin() + i * stride_x, wide.begin() + i * stride_x + n);
      }
      for (const bool left : {false, true}) {
        const MatrixView<const float> X(wide.data(), m, n, stride_x);
        const MatrixView<float> Y(y.data(), m, n, stride_y);
        if (left) {
          hadamard_cols(X, Y);
        } else {
          hadamard_rows(X, Y);
        }
        const auto expected = left ? cols_of(packed, m, {}) : rows_of(packed, n, {});
        for (std::int64_t i = 0; i < m; ++i) {
          for (std::int64_t j = 0; j < stride_y; ++j) {
            const float want = j < n ? expected[static_cast<std::size_t>(i * n + j)] : -77.0f;
            ASSERT_EQ(y[static_cast<std::size_t>(i * stride_y + j)], want)
                << "n " << n << " left " << left << " at " << i << ", " << j;
          }
        }
      }
    }
  });
}

TEST(Transform, SpecialValues) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const float nan = std::nanf("");
  test::for_each_target([&](Target) {
    std::vector<float> x(4 * 96, -0.0f);
    x[0 * 96 + 7] = kInf;
    x[1 * 96 + 95] = nan;
    x[2 * 96 + 3] = 0x1p-149f;
    const auto y = rows_of(x, 96, {.normalize = false});
    for (std::size_t j = 0; j < 96; ++j) {
      EXPECT_TRUE(std::isinf(y[j])) << j;
      EXPECT_TRUE(std::isnan(y[96 + j])) << j;
      EXPECT_EQ(std::fabs(y[2 * 96 + j]), 0x1p-149f) << j;
      EXPECT_EQ(y[3 * 96 + j], 0.0f) << j;
    }
    set_target(Target::kScalar);
    const auto scalar = rows_of(x, 96, {.normalize = false});
    EXPECT_EQ(first_difference(y, scalar), "");
  });
}

TEST(Transform, SmallAndEmpty) {
  const std::vector<float> one{3.5f};
  EXPECT_EQ(rows_of(one, 1, {}), one);
  EXPECT_EQ(cols_of(one, 1, {}), one);
  std::vector<float> y;
  hadamard_rows(MatrixView<const float>(y.data(), 0, 64), MatrixView<float>(y.data(), 0, 64));
  hadamard_cols(MatrixView<const float>(y.data(), 64, 0), MatrixView<float>(y.data(), 64, 0));
  hadamard_rows(MatrixView<const float>(y.data(), 5, 0), MatrixView<float>(y.data(), 5, 0));
  hadamard_cols(MatrixView<const float>(y.data(), 0, 5), MatrixView<float>(y.data(), 0, 5));
}

TEST(Transform, BadShapes) {
  std::vector<float> x(6 * 6), y(6 * 6, 5.0f);
  const MatrixView<const float> X(x.data(), 6, 6);
  const MatrixView<float> Y(y.data(), 6, 6);
  EXPECT_THROW(hadamard_rows(X, Y), ShapeError);
  EXPECT_THROW(hadamard_cols(X, Y), ShapeError);
  EXPECT_THROW(hadamard_rows(X, Y, {.block = 4}), ShapeError);
  EXPECT_THROW(hadamard_rows(X, Y, {.block = -2}), ShapeError);
  EXPECT_THROW(hadamard_rows(X, MatrixView<float>(y.data(), 4, 6), {.block = 2}), ShapeError);
  // No rows: the order is still checked, so that the first real batch is not the one to fail.
  EXPECT_THROW(
      hadamard_rows(MatrixView<const float>(x.data(), 0, 6), MatrixView<float>(y.data(), 0, 6)),
      ShapeError);
  for (const float value : y) EXPECT_EQ(value, 5.0f);
}

TEST(Signs, SeededAndBalanced) {
  const auto a = hadamard_signs(1, 4096), b = hadamard_signs(2, 4096);
  EXPECT_EQ(a, hadamard_signs(1, 4096));
  EXPECT_NE(a, b);
  const auto prefix = hadamard_signs(1, 100);
  EXPECT_TRUE(std::equal(prefix.begin(), prefix.end(), a.begin()));
  // Sum of 4096 signs: standard deviation 64; five of them.
  int sum = 0, product = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ASSERT_TRUE(a[i] == 1 || a[i] == -1);
    sum += a[i];
    product += a[i] * b[i];
  }
  EXPECT_LT(std::abs(sum), 320);
  EXPECT_LT(std::abs(product), 320);
}

}  // namespace
}  // namespace sylvester
