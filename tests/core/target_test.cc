#include "sylvester/core/target.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "sylvester/core/error.h"

namespace sylvester {
namespace {

TEST(Target, NamesRoundTrip) {
  for (const Target t : {Target::kAuto, Target::kScalar, Target::kSse4, Target::kAvx2,
                         Target::kAvx512, Target::kNeon}) {
    EXPECT_EQ(parse_target(to_string(t)), t);
  }
  EXPECT_THROW(parse_target("avx1024"), ValueError);
}

TEST(Target, EveryAvailableTargetCanBeSetAndTheRestRefused) {
  const auto available = available_targets();
  ASSERT_FALSE(available.empty());
  EXPECT_EQ(available.front(), Target::kScalar);
  for (const Target t :
       {Target::kScalar, Target::kSse4, Target::kAvx2, Target::kAvx512, Target::kNeon}) {
    const bool present = std::find(available.begin(), available.end(), t) != available.end();
    if (present) {
      set_target(t);
      EXPECT_EQ(current_target(), t);
      EXPECT_EQ(scalar_target(), t == Target::kScalar);
    } else {
      EXPECT_THROW(set_target(t), UnsupportedError) << to_string(t);
    }
  }
  set_target(Target::kAuto);
}

}  // namespace
}  // namespace sylvester
