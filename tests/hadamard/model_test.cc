// Every size of the models people rotate has a matrix, works, and is in the documentation.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "hadamard/hadamard_test_util.h"
#include "hadamard/model_dimensions.h"
#include "sylvester/hadamard/hadamard.h"
#include "test_util.h"

namespace sylvester {
namespace {

TEST(Models, EveryDimensionWorks) {
  for (const test::ModelDimension& m : test::kModelDimensions) {
    SCOPED_TRACE(std::string(m.model) + " " + m.dimension + " " + std::to_string(m.size));
    ASSERT_TRUE(has_hadamard(m.size));
    EXPECT_EQ(hadamard_base(m.size), m.base);
    const auto x = test::random_values<float>(m.size, 6);
    std::vector<float> y(x.size());
    const MatrixView<float> Y(y.data(), 1, m.size);
    hadamard_rows(MatrixView<const float>(x.data(), 1, m.size), Y, {.signs = 1});
    double before = 0, after = 0, error = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      before += static_cast<double>(x[i]) * x[i];
      after += static_cast<double>(y[i]) * y[i];
    }
    // Squares: twice the relative error of one output (see expected_error in transform_test),
    // averaged over n of them, so 1e-6 is far above it and far below any wrong sign.
    EXPECT_NEAR(after / before, 1.0, 1e-6);
    hadamard_rows(Y, Y, {.signs = 1, .inverse = true});
    for (std::size_t i = 0; i < x.size(); ++i) {
      error += (static_cast<double>(y[i]) - x[i]) * (static_cast<double>(y[i]) - x[i]);
    }
    // Two transforms of at most .41 2^-24 sqrt(14 + 924 / 2) each, and a factor of two.
    EXPECT_LT(std::sqrt(error / before), 2.2e-6);
  }
}

TEST(Models, DocumentedTable) {
  std::ifstream file(test::golden("../../docs/hadamard.md"));
  ASSERT_TRUE(file.good()) << "docs/hadamard.md";
  std::stringstream page;
  page << file.rdbuf();
  for (const test::ModelDimension& m : test::kModelDimensions) {
    std::ostringstream row;
    row << "| " << m.model << " | " << m.dimension << " | " << m.size << " | " << m.base << " | "
        << m.size / m.base << " |";
    EXPECT_NE(page.str().find(row.str()), std::string::npos) << "missing row: " << row.str();
  }
}

}  // namespace
}  // namespace sylvester
