#include "sylvester/formats/describe.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <sstream>

#include "sylvester/core/error.h"
#include "test_util.h"

namespace sylvester {
namespace {

using testing::HasSubstr;

// With SYLVESTER_REWRITE_DOCS set the page is written instead of compared.
TEST(FormatsPageTest, FileIsWhatTheTablesGive) {
  const auto path = test::golden("../../docs/formats.md");
  if (std::getenv("SYLVESTER_REWRITE_DOCS") != nullptr) {
    std::ofstream(path, std::ios::binary) << formats_page();
  }
  std::ifstream file(path, std::ios::binary);
  ASSERT_TRUE(file.good()) << path;
  std::istringstream expected(formats_page());
  std::string got_line, expected_line;
  for (int line = 1;; ++line) {
    const bool more = static_cast<bool>(std::getline(expected, expected_line));
    ASSERT_EQ(static_cast<bool>(std::getline(file, got_line)), more) << "length, line " << line;
    if (!more) break;
    ASSERT_EQ(got_line, expected_line)
        << "line " << line
        << "; to rewrite: SYLVESTER_REWRITE_DOCS=1 formats_test --gtest_filter=FormatsPage*";
  }
}

TEST(DescribeTest, LayoutLimitsAndConventions) {
  const std::string text = describe_format(DType::kFloat8E4M3FN);
  EXPECT_THAT(text, HasSubstr("    bit  7 |  6  5  4  3 |  2  1  0\n"
                              "         s |  e  e  e  e |  m  m  m\n"));
  EXPECT_THAT(text, HasSubstr("| largest | 448 | 0x7E | 0 1111 110 |"));
  EXPECT_THAT(text, HasSubstr("NaN: 0x7F, 0xFF"));
  EXPECT_THAT(text, HasSubstr("| `cuda` |"));
  EXPECT_THAT(describe_format(DType::kFloat4E3M0FN), HasSubstr("No reference library"));
  EXPECT_THAT(describe_format(DType::kInt4), HasSubstr("-8 ... 7"));
  EXPECT_THROW(describe_format(DType::kFloat32), ValueError);
}

TEST(DescribeTest, CodeTableHasEveryCode) {
  const std::string fp4 = code_table(DType::kFloat4E2M1FN);
  EXPECT_EQ(std::count(fp4.begin(), fp4.end(), '\n'), 18);
  EXPECT_THAT(fp4, HasSubstr("| 0x08 | 1 00 0 | zero | -0 |\n"));
  EXPECT_THAT(fp4, HasSubstr("| 0x07 | 0 11 1 | normal | 6 |\n"));
  EXPECT_THAT(fp4, HasSubstr("| 0x01 | 0 00 1 | subnormal | 0.5 = 2^-1 |\n"));
  EXPECT_THAT(code_table(DType::kFloat16), HasSubstr("| 0x7C00 | 0 11111 0000000000 | infinity"));
}

TEST(DescribeTest, RoundingStepByStep) {
  EXPECT_EQ(explain_rounding(0.3, DType::kFloat8E4M3FN),
            "0.3 to float8_e4m3fn, rounding nearest_even, overflow saturate, nan canonical\n"
            "1. |x| = 1.2 * 2^-2\n"
            "2. the last place there is 2^-5\n"
            "3. |x| / 2^-5 = 9.6: between 0.28125 and 0.3125, fraction 0.5999999999999996\n"
            "4. above the middle\n"
            "result 0x2A = 0 0101 010 (normal) = 0.3125, error 0.012500000000000011\n");
  EXPECT_THAT(
      explain_rounding(-2.5, DType::kFloat4E2M1FN),
      HasSubstr("4. a tie; the lower code is even, so down\nresult 0x0C = 1 10 0 (normal) = -2"));
  EXPECT_THAT(explain_rounding(1e6, DType::kFloat8E5M2, {.overflow = Overflow::kNonfinite}),
              HasSubstr("5. beyond the largest finite value 57344: becomes Inf\n"
                        "result 0x7C = 0 11111 00 (infinity) = Inf"));
  EXPECT_THAT(explain_rounding(465, DType::kFloat8E4M3FN), HasSubstr("saturates"));
  EXPECT_THAT(explain_rounding(-0.3, DType::kInt4), HasSubstr("(integers)"));
  EXPECT_THAT(explain_rounding(0x1p-10, DType::kFloat8E4M3FN), HasSubstr("subnormal: below 2^-6"));
  EXPECT_THAT(explain_rounding(3, DType::kFloat8E8M0FNU), HasSubstr("a tie, which goes up"));
  // Every format and mode gives some text, none throws.
  for (const Format& f : formats()) {
    for (const double x : {0.0, -1.7, 1e30, 1e-40, std::numeric_limits<double>::infinity(),
                           std::numeric_limits<double>::quiet_NaN()}) {
      for (int r = 0; r <= static_cast<int>(Rounding::kNearestTowardZero); ++r) {
        EXPECT_THAT(explain_rounding(x, f.dtype, {.rounding = static_cast<Rounding>(r)}),
                    HasSubstr("result"));
      }
    }
  }
}

TEST(SelfCheckTest, IsCleanOnEveryTarget) {
  test::for_each_target([](Target) { EXPECT_THAT(self_check(), testing::ElementsAre()); });
}

}  // namespace
}  // namespace sylvester
