#include "sylvester/eval/compare.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "sylvester/core/error.h"
#include "sylvester/formats/convert.h"

namespace sylvester {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

ArrayRef ref(const std::vector<float>& x, std::vector<std::int64_t> shape = {}) {
  if (shape.empty()) shape = {static_cast<std::int64_t>(x.size())};
  return {DType::kFloat32, std::move(shape), std::as_bytes(std::span(x))};
}
Comparison check(const std::vector<float>& a, const std::vector<float>& b, const char* tolerance) {
  return compare(ref(a), ref(b), parse_tolerance(tolerance));
}

TEST(Tolerance, ParsesAndPrints) {
  for (const char* text : {"exact", "ulp:3", "abs:0.001", "rel:1e-06"}) {
    EXPECT_EQ(to_string(parse_tolerance(text)), text);
  }
  for (const char* bad : {"", "ulp", "ulp:", "ulp:1.5", "ulp:-1", "abs:x", "rel:nan", "exact:1"}) {
    EXPECT_THROW(parse_tolerance(bad), ValueError) << bad;
  }
}

TEST(Compare, ExactMeansBits) {
  EXPECT_TRUE(check({1, kNan, -0.0f}, {1, kNan, -0.0f}, "exact").ok());
  EXPECT_EQ(check({0.0f}, {-0.0f}, "exact").mismatches, 1);
  EXPECT_TRUE(check({0.0f}, {-0.0f}, "ulp:0").ok());
  EXPECT_EQ(check({std::bit_cast<float>(0x7FC00001u)}, {kNan}, "exact").mismatches, 1);
  EXPECT_TRUE(check({std::bit_cast<float>(0x7FC00001u)}, {kNan}, "ulp:0").ok());
}

TEST(Compare, UlpsCountRepresentableValuesAcrossZero) {
  const float least = std::numeric_limits<float>::denorm_min();
  EXPECT_TRUE(check({least}, {-least}, "ulp:2").ok());
  EXPECT_FALSE(check({least}, {-least}, "ulp:1").ok());
  EXPECT_TRUE(check({std::nextafter(1.0f, 2.0f)}, {1.0f}, "ulp:1").ok());
  EXPECT_FALSE(check({kNan}, {1.0f}, "ulp:1000000").ok());
  EXPECT_TRUE(check({std::numeric_limits<float>::max()}, {kInf}, "ulp:1").ok());
}

TEST(Compare, AbsoluteAndRelative) {
  EXPECT_TRUE(check({1.5f}, {1.0f}, "abs:0.5").ok());
  EXPECT_FALSE(check({1.5f}, {1.0f}, "abs:0.4").ok());
  EXPECT_TRUE(check({11.0f}, {10.0f}, "rel:0.1").ok());
  EXPECT_FALSE(check({11.1f}, {10.0f}, "rel:0.1").ok());
  EXPECT_TRUE(check({kInf, kNan}, {kInf, kNan}, "rel:0").ok());
  EXPECT_FALSE(check({kInf}, {-kInf}, "abs:1e30").ok());
  EXPECT_FALSE(check({kInf}, {1.0f}, "rel:1e30").ok());
}

TEST(Compare, NamesTheFirstMismatchWithItsNeighbours) {
  const std::vector<float> a = {1, 2, 3, 4, 5, 6}, b = {1, 2, 3, 4, 5.5f, 7};
  const Comparison c = compare(ref(a, {2, 3}), ref(b, {2, 3}));
  EXPECT_EQ(c.mismatches, 2);
  ASSERT_TRUE(c.first.has_value());
  EXPECT_EQ(c.first->flat, 4);
  EXPECT_EQ(c.first->index, (std::vector<std::int64_t>{1, 1}));
  EXPECT_EQ(c.first->a, 5.0);
  EXPECT_EQ(c.first->b, 5.5);
  EXPECT_EQ(c.first->b_code, std::bit_cast<std::uint32_t>(5.5f));
  EXPECT_EQ(c.first->below, std::nextafter(5.5f, 0.0f));
  EXPECT_EQ(c.first->above, std::nextafter(5.5f, 9.0f));
  EXPECT_EQ(c.max_abs, 1.0);
  EXPECT_EQ(c.histogram[0], 4);
  EXPECT_EQ(c.histogram[8], 2);
}

TEST(Compare, ReadsEveryCodeOfNarrowFormats) {
  for (const DType dtype : {DType::kFloat8E4M3FN, DType::kFloat8E5M2, DType::kFloat6E2M3FN,
                            DType::kFloat4E2M1FN, DType::kFloat8E8M0FNU, DType::kInt4}) {
    SCOPED_TRACE(to_string(dtype));
    const int bits = format(dtype).bits;
    std::vector<std::uint8_t> codes(std::size_t{1} << bits);
    for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::uint8_t>(i);
    std::vector<std::uint8_t> other = codes;
    other[1] ^= 2;
    const std::vector<std::int64_t> shape = {static_cast<std::int64_t>(codes.size())};
    const ArrayRef a{dtype, shape, std::as_bytes(std::span(codes))};
    EXPECT_TRUE(compare(a, a).ok());
    const Comparison c = compare({dtype, shape, std::as_bytes(std::span(other))}, a);
    EXPECT_EQ(c.mismatches, 1);
    EXPECT_EQ(c.first->b, decode_one(1, dtype));
    EXPECT_EQ(c.first->a, decode_one(3, dtype));
    EXPECT_EQ(c.first->ulps, 2u);
    EXPECT_EQ(c.first->above, decode_one(2, dtype));
  }
}

TEST(Compare, RefusesWhatCannotBeCompared) {
  const std::vector<float> x = {1, 2};
  const std::vector<double> y = {1, 2};
  EXPECT_THROW(compare(ref(x), ref(x, {2, 1})), ShapeError);
  EXPECT_THROW(compare(ref(x), {DType::kFloat64, {2}, std::as_bytes(std::span(y))}), ValueError);
  EXPECT_THROW(compare(ref(x, {3}), ref(x, {3})), ValueError);
  EXPECT_TRUE(compare({DType::kFloat32, {0}, {}}, {DType::kFloat32, {0}, {}}).ok());
}

TEST(Compare, ReportsInWords) {
  const std::string text = report(check({1, 2}, {1, 3}, "exact"), DType::kFloat32);
  EXPECT_NE(text.find("DIFFERENT: 1 of 2"), std::string::npos) << text;
  EXPECT_NE(text.find("first at [1]"), std::string::npos) << text;
  EXPECT_NE(text.find("code 0x40400000"), std::string::npos) << text;
}

}  // namespace
}  // namespace sylvester
