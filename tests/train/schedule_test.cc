#include "sylvester/train/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

#include "sylvester/core/error.h"

namespace sylvester {
namespace {

// Printed by transformers 5.23.0: get_scheduler(kind, SGD(lr=2e-4), num_warmup_steps=3,
// num_training_steps=10).get_last_lr() after each of 10 steps.
constexpr double kLinear[] = {0.0,
                              6.666666666666667e-05,
                              0.00013333333333333334,
                              0.0002,
                              0.00017142857142857143,
                              0.00014285714285714287,
                              0.00011428571428571428,
                              8.571428571428571e-05,
                              5.714285714285714e-05,
                              2.857142857142857e-05};
constexpr double kCosine[] = {0.0,
                              6.666666666666667e-05,
                              0.00013333333333333334,
                              0.0002,
                              0.0001900968867902419,
                              0.00016234898018587337,
                              0.00012225209339563145,
                              7.774790660436858e-05,
                              3.7651019814126654e-05,
                              9.903113209758096e-06};

void expect_rates(ScheduleKind kind, const double (&expected)[10]) {
  const Schedule schedule{kind, 2e-4, 3, 10};
  for (int step = 0; step < 10; ++step) {
    // One rounding apart at most: the two compute the same quotient in another order.
    EXPECT_NEAR(learning_rate(schedule, step), expected[step], 1e-19)
        << to_string(kind) << " step " << step;
  }
}

TEST(Schedule, LinearAndCosineEqualTransformers) {
  expect_rates(ScheduleKind::kLinear, kLinear);
  expect_rates(ScheduleKind::kCosine, kCosine);
}

TEST(Schedule, ConstantKinds) {
  EXPECT_EQ(learning_rate({ScheduleKind::kConstant, 0.5, 3, 10}, 0), 0.5);
  const Schedule warm{ScheduleKind::kConstantWithWarmup, 0.5, 4, 10};
  EXPECT_EQ(learning_rate(warm, 0), 0.0);
  EXPECT_EQ(learning_rate(warm, 1), 0.125);
  EXPECT_EQ(learning_rate(warm, 4), 0.5);
  EXPECT_EQ(learning_rate(warm, 999), 0.5);
}

TEST(Schedule, NeverNegativePastTheEnd) {
  EXPECT_EQ(learning_rate({ScheduleKind::kLinear, 1.0, 0, 10}, 12), 0.0);
  EXPECT_GE(learning_rate({ScheduleKind::kCosine, 1.0, 0, 10}, 10), 0.0);
  // All warm-up: the peak is never reached, and nothing divides by zero.
  EXPECT_EQ(learning_rate({ScheduleKind::kLinear, 1.0, 10, 10}, 9), 0.9);
}

TEST(Schedule, WarmupStepsWinOverRatio) {
  EXPECT_EQ(resolve_warmup_steps(5, 0.5, 100), 5);
  EXPECT_EQ(resolve_warmup_steps(0, 0.03, 101), 4);
  EXPECT_EQ(resolve_warmup_steps(0, 0.0, 100), 0);
}

TEST(Schedule, NamesRoundTripAndUnknownIsRefused) {
  for (const std::string& name : schedule_names()) {
    EXPECT_EQ(to_string(parse_schedule(name)), name);
  }
  EXPECT_EQ(parse_schedule("constant-with-warmup"), ScheduleKind::kConstantWithWarmup);
  EXPECT_THROW(parse_schedule("cosin"), ValueError);
}

}  // namespace
}  // namespace sylvester
