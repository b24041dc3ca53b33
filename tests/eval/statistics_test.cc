#include "sylvester/eval/statistics.h"

#include <gtest/gtest.h>

#include <cmath>

#include "sylvester/core/error.h"

namespace sylvester {
namespace {

TEST(MeanEstimate, EqualsTheTextbook) {
  const double x[] = {1, 0, 1, 1};
  const Estimate e = mean_estimate(x);
  EXPECT_EQ(e.value, 0.75);
  // Variance with n - 1: .25; error sqrt(.25 / 4).
  EXPECT_DOUBLE_EQ(e.stderr_, 0.25);
  EXPECT_EQ(e.samples, 4);
}

TEST(MeanEstimate, OneSampleHasNoErrorAndNoneNoMean) {
  const double x[] = {3};
  EXPECT_EQ(mean_estimate(x).value, 3);
  EXPECT_TRUE(std::isnan(mean_estimate(x).stderr_));
  EXPECT_TRUE(std::isnan(mean_estimate({}).value));
}

TEST(RatioEstimate, EqualWeightsGiveTheMean) {
  const double x[] = {2, 4, 9, 1}, w[] = {2, 2, 2, 2}, half[] = {1, 2, 4.5, 0.5};
  EXPECT_DOUBLE_EQ(ratio_estimate(x, w).value, mean_estimate(half).value);
  EXPECT_DOUBLE_EQ(ratio_estimate(x, w).stderr_, mean_estimate(half).stderr_);
}

TEST(RatioEstimate, WeighsByTokens) {
  const double nll[] = {10, 2}, tokens[] = {10, 1};
  const Estimate e = ratio_estimate(nll, tokens);
  EXPECT_DOUBLE_EQ(e.value, 12.0 / 11.0);
  // d = 10 - 120/11 = -10/11 and 2 - 12/11 = 10/11; sqrt(2 * 2 * (10/11)^2) / 11.
  EXPECT_DOUBLE_EQ(e.stderr_, 20.0 / 121.0);
  const double one[] = {1};
  EXPECT_THROW(ratio_estimate(nll, one), ShapeError);
}

}  // namespace
}  // namespace sylvester
