#include "sylvester/core/text.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sylvester {
namespace {

TEST(Text, NearestNameFindsTypingErrorsAndNothingElse) {
  const std::vector<std::string> names{"float8_e4m3fn", "float8_e5m2", "int8", "learning-rate"};
  EXPECT_EQ(nearest_name("float8_e4m3", names), "float8_e4m3fn");
  EXPECT_EQ(nearest_name("learningrate", names), "learning-rate");
  EXPECT_EQ(nearest_name("imt8", names), "int8");
  EXPECT_EQ(nearest_name("entirely-different", names), "");
  EXPECT_EQ(did_you_mean("imt8", names), "; did you mean 'int8'?");
  EXPECT_EQ(did_you_mean("zzzzzzzzzz", names), "");
}

}  // namespace
}  // namespace sylvester
