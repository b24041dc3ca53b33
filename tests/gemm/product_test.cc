// Real products against a long double sum, all transposes, strides, alpha and beta.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "sylvester/core/parallel.h"
#include "sylvester/gemm/matmul.h"

namespace sylvester {
namespace {

template <class T>
struct Case {
  std::int64_t M, N, K;
  bool ta, tb;
  T alpha, beta;
};

// |got - want| <= (K + 3) eps sum |a b| (+ the beta term): Higham, "Accuracy and Stability",
// section 3.1, for any order of summation; alpha and beta add two roundings and one sum.
template <class T>
void check(const Case<T>& c, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  const std::int64_t ar = c.ta ? c.K : c.M, ac = c.ta ? c.M : c.K;
  const std::int64_t br = c.tb ? c.N : c.K, bc = c.tb ? c.K : c.N;
  std::vector<T> A(static_cast<std::size_t>(ar * (ac + 3))),
      B(static_cast<std::size_t>(br * (bc + 1)));
  std::vector<T> C(static_cast<std::size_t>(c.M * (c.N + 2)));
  for (T& x : A) x = static_cast<T>(normal(random));
  for (T& x : B) x = static_cast<T>(normal(random));
  for (T& x : C) x = static_cast<T>(normal(random));
  if (c.beta == T(0)) C.assign(C.size(), std::numeric_limits<T>::quiet_NaN());
  const std::vector<T> before = C;
  const MatrixView<const T> a(A.data(), ar, ac, ac + 3), b(B.data(), br, bc, bc + 1);
  const MatrixView<T> out(C.data(), c.M, c.N, c.N + 2);
  product(a, c.ta, b, c.tb, out, c.alpha, c.beta);
  for (std::int64_t i = 0; i < c.M; ++i) {
    for (std::int64_t j = 0; j < c.N; ++j) {
      long double sum = 0, size = 0;
      for (std::int64_t k = 0; k < c.K; ++k) {
        const long double term = static_cast<long double>(c.ta ? a(k, i) : a(i, k)) *
                                 static_cast<long double>(c.tb ? b(j, k) : b(k, j));
        sum += term;
        size += std::abs(term);
      }
      const T old = before[static_cast<std::size_t>(i * (c.N + 2) + j)];
      const long double start = c.beta == T(0) ? 0.0L : c.beta * static_cast<long double>(old);
      const long double want = c.alpha * sum + start;
      const long double bound = static_cast<long double>(std::numeric_limits<T>::epsilon()) *
                                ((c.K + 3) * std::abs(c.alpha) * size + 3 * std::abs(start));
      ASSERT_LE(std::abs(out(i, j) - want), bound)
          << "got " << out(i, j) << " expected " << static_cast<double>(want) << " at (" << i
          << ", " << j << ") of " << c.M << " x " << c.N << " x " << c.K << " ta " << c.ta << " tb "
          << c.tb << " seed " << seed;
    }
    for (std::int64_t j = c.N; j < c.N + 2; ++j) {
      const T got = C[static_cast<std::size_t>(i * (c.N + 2) + j)];
      const T want = before[static_cast<std::size_t>(i * (c.N + 2) + j)];
      ASSERT_TRUE(got == want || (std::isnan(got) && std::isnan(want))) << "padding of row " << i;
    }
  }
}

template <class T>
void sweep() {
  std::uint64_t seed = 1;
  for (const int threads : {1, 2}) {
    set_num_threads(threads);
    for (const bool ta : {false, true}) {
      for (const bool tb : {false, true}) {
        check<T>({1, 1, 1, ta, tb, T(1), T(0)}, ++seed);
        check<T>({5, 97, 33, ta, tb, T(1), T(0)}, ++seed);
        check<T>({131, 64, 100, ta, tb, T(-0.5), T(0)}, ++seed);
        check<T>({64, 131, 100, ta, tb, T(2), T(0.25)}, ++seed);
        check<T>({200, 7, 1, ta, tb, T(1), T(1)}, ++seed);
        check<T>({3, 4, 0, ta, tb, T(1), T(0)}, ++seed);
      }
    }
  }
}

TEST(Product, FloatWithinBound) { sweep<float>(); }
TEST(Product, DoubleWithinBound) { sweep<double>(); }

TEST(Product, SameBitsForEveryThreadCount) {
  std::mt19937_64 random(7);
  std::normal_distribution<float> normal;
  for (const auto& [M, N, K] : {std::array<std::int64_t, 3>{300, 520, 90}, {700, 100, 64}}) {
    std::vector<float> A(static_cast<std::size_t>(M * K)), B(static_cast<std::size_t>(N * K));
    for (float& x : A) x = normal(random);
    for (float& x : B) x = normal(random);
    std::vector<float> one(static_cast<std::size_t>(M * N)), many(one.size());
    for (int threads = 1; threads <= 3; ++threads) {
      set_num_threads(threads);
      std::vector<float>& out = threads == 1 ? one : many;
      product(MatrixView<const float>(A.data(), M, K), false,
              MatrixView<const float>(B.data(), N, K), true, MatrixView<float>(out.data(), M, N));
      if (threads > 1) {
        for (std::size_t i = 0; i < one.size(); ++i) {
          ASSERT_EQ(one[i], many[i]) << "element " << i << " threads " << threads << " seed 7";
        }
      }
    }
  }
}

TEST(Product, EmptySizesWriteNothingAndZeroKScalesC) {
  std::vector<float> c{1, 2, 3, 4};
  product(MatrixView<const float>(nullptr, 0, 5), false, MatrixView<const float>(nullptr, 5, 0),
          false, MatrixView<float>(nullptr, 0, 0));
  product(MatrixView<const float>(nullptr, 2, 0), false, MatrixView<const float>(nullptr, 0, 2),
          false, MatrixView<float>(c.data(), 2, 2), 1.0f, 2.0f);
  EXPECT_EQ(c, (std::vector<float>{2, 4, 6, 8}));
}

TEST(Product, ShapeMismatchNamesAllShapes) {
  std::vector<float> x(64);
  const MatrixView<const float> a(x.data(), 2, 3), b(x.data(), 4, 5);
  try {
    product(a, false, b, false, MatrixView<float>(x.data(), 2, 5));
    FAIL() << "no error";
  } catch (const ShapeError& e) {
    EXPECT_NE(std::string(e.what()).find("2 x 3"), std::string::npos) << e.what();
    EXPECT_NE(std::string(e.what()).find("4 x 5"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace sylvester
