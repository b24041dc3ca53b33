// Orders, constructions and the dense matrices.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "hadamard/field.h"
#include "hadamard/matrices.h"
#include "sylvester/core/error.h"
#include "sylvester/hadamard/hadamard.h"

namespace sylvester {
namespace {

// First pair of rows of an order that are not orthogonal (or not +-1), "" when H H' = n I.
std::string defect(const std::vector<std::int8_t>& h, std::int64_t n) {
  if (static_cast<std::int64_t>(h.size()) != n * n) return "size";
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = i; j < n; ++j) {
      const std::int8_t *a = &h[static_cast<std::size_t>(i * n)],
                        *b = &h[static_cast<std::size_t>(j * n)];
      std::int64_t dot = 0;
      for (std::int64_t k = 0; k < n; ++k) dot += a[k] * b[k];
      if (dot != (i == j ? n : 0)) {
        return "rows " + std::to_string(i) + ", " + std::to_string(j) + ": " + std::to_string(dot);
      }
    }
  }
  return "";
}

TEST(Matrices, PublishedBasesAreHadamard) {
  for (const std::int64_t k : {1, 12, 20, 28, 36, 40, 44, 52, 60, 100, 108, 140, 156, 172}) {
    EXPECT_EQ(hadamard_base(k), k);
    EXPECT_EQ(defect(hadamard_matrix(k), k), "") << "order " << k;
  }
}

// Multiples of 4 up to 512 that neither the tables nor Paley's constructions, times a power of two,
// reach (docs/hadamard.md).
constexpr std::array<std::int64_t, 21> kMissing{92,  116, 184, 188, 232, 236, 260,
                                                268, 292, 324, 356, 372, 376, 404,
                                                412, 428, 436, 452, 472, 476, 508};

TEST(Matrices, EveryOfferedOrderIsHadamard) {
  for (std::int64_t n = 1; n <= 512; ++n) {
    const bool missing = std::find(kMissing.begin(), kMissing.end(), n) != kMissing.end();
    ASSERT_EQ(has_hadamard(n), n <= 2 || (n % 4 == 0 && !missing)) << "order " << n;
    if (has_hadamard(n)) {
      ASSERT_EQ(defect(hadamard_matrix(n), n), "") << "order " << n;
    }
  }
}

// FNV-1a over the signs (1 for +, 0 for -), row-major, of the tables in HALO's public code
// (github.com/IST-DASLab/HALO d8c1dc9, qllmt/functional/hadamard.py, get_had12 ... get_had172).
TEST(Matrices, PublishedTablesEntryForEntry) {
  struct Row {
    std::int64_t order;
    std::uint64_t hash;
  };
  constexpr std::array<Row, 13> kRows{{{12, 0xBD7D0AC1FD516D7Full},
                                       {20, 0x800AFE1BED89E99Full},
                                       {28, 0x01227E2C512720CFull},
                                       {36, 0x3B71FC93A665625Full},
                                       {40, 0x79BCF1EE9B4D36FBull},
                                       {44, 0x3CC69EA23FE1E607ull},
                                       {52, 0xCE98A3704AF55947ull},
                                       {60, 0x552F2CD9548D6E07ull},
                                       {100, 0x17DA057BBB7F7457ull},
                                       {108, 0x854F90A327628617ull},
                                       {140, 0xBB65F25EB2B40897ull},
                                       {156, 0x3B4768770A16FEA7ull},
                                       {172, 0xEDDB2B7CC440CFA7ull}}};
  for (const Row& row : kRows) {
    std::uint64_t hash = 1469598103934665603ull;
    for (const std::int8_t sign : hadamard_matrix(row.order)) {
      hash = (hash ^ (sign > 0 ? 1u : 0u)) * 1099511628211ull;
    }
    EXPECT_EQ(hash, row.hash) << "order " << row.order;
  }
}

// Of the published tables only 28 and 36 are symmetric: a kernel that forgets the transpose of the
// inverse passes with those and fails with the rest.
TEST(Matrices, SymmetricOnes) {
  for (const std::int64_t k : {12, 20, 28, 36, 40, 44, 52, 60, 100, 108, 140, 156, 172}) {
    const auto h = hadamard_matrix(k);
    bool symmetric = true;
    for (std::int64_t i = 0; i < k * k; ++i) {
      symmetric = symmetric &&
                  h[static_cast<std::size_t>(i)] == h[static_cast<std::size_t>(i % k * k + i / k)];
    }
    EXPECT_EQ(symmetric, k == 28 || k == 36) << "order " << k;
  }
}

// HALO's search order decides between tables where two divide.
TEST(Matrices, BaseOfModelDimensions) {
  struct Row {
    std::int64_t n, base;
  };
  constexpr std::array<Row, 24> kRows{
      {{4096, 1},  {11008, 172}, {5120, 40},   {13824, 108}, {14336, 28},  {28672, 28},
       {3072, 12}, {5632, 44},   {768, 12},    {576, 36},    {1536, 12},   {960, 60},
       {2560, 40}, {8960, 140},  {27648, 108}, {25600, 100}, {2304, 36},   {9216, 36},
       {7168, 28}, {18432, 36},  {4864, 76},   {18944, 148}, {29568, 924}, {17408, 68}}};
  for (const Row& row : kRows) EXPECT_EQ(hadamard_base(row.n), row.base) << "n " << row.n;
}

TEST(Matrices, NoMatrixNamesTheBlockDiagonal) {
  for (const std::int64_t n : {6, 92, 184, 3 * 1024, 23 * 64}) {
    if (has_hadamard(n)) continue;
    try {
      hadamard_base(n);
      ADD_FAILURE() << "order " << n << " must throw";
    } catch (const ShapeError& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr("block=" + std::to_string(n & -n)));
      EXPECT_THAT(error.what(), testing::HasSubstr(std::to_string(n)));
    }
  }
  EXPECT_THROW(hadamard_base(0), ShapeError);
  EXPECT_THROW(hadamard_base(-4), ShapeError);
  EXPECT_THROW(hadamard_matrix(1 << 16), ShapeError);
  EXPECT_FALSE(has_hadamard(0));
  EXPECT_FALSE(has_hadamard(-1));
  EXPECT_FALSE(has_hadamard((std::int64_t{1} << 62) - 4));
}

// The character of GF(q): as many squares as non-squares, multiplicative where the field is prime,
// chi(-1) = 1 exactly for q = 1 mod 4, and the Jacobsthal sum that makes Paley's cores orthogonal.
TEST(Field, QuadraticCharacter) {
  for (const std::int64_t q : {3, 7, 9, 13, 25, 27, 37, 49, 81, 121, 125, 243}) {
    const auto field = detail::prime_power(q);
    ASSERT_TRUE(field.has_value()) << q;
    const detail::QuadraticCharacter chi(*field);
    ASSERT_EQ(chi.order(), q);
    int sum = 0;
    for (std::int64_t a = 0; a < q; ++a) {
      sum += chi.of_difference(a, 0);
      EXPECT_EQ(chi.of_difference(0, a), chi.of_difference(a, 0) * (q % 4 == 1 ? 1 : -1)) << q;
      int correlation = 0;
      for (std::int64_t b = 0; b < q; ++b) {
        correlation += chi.of_difference(b, 0) * chi.of_difference(b, a);
      }
      EXPECT_EQ(correlation, a == 0 ? q - 1 : -1) << "q " << q << " shift " << a;
    }
    EXPECT_EQ(sum, 0) << q;
  }
  for (const std::int64_t q : {1, 6, 15, 35, 91}) EXPECT_FALSE(detail::prime_power(q)) << q;
}

TEST(Matrices, LargePaleyBases) {
  for (const std::int64_t k : {68, 76, 148, 924}) {
    EXPECT_EQ(hadamard_base(k), k);
    EXPECT_EQ(defect(hadamard_matrix(k), k), "") << "order " << k;
  }
}

}  // namespace
}  // namespace sylvester
