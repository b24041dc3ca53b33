#include "sylvester/formats/dtype.h"

#include <set>
#include <string>

#include "sylvester/core/error.h"
#include "sylvester/formats/convert.h"
#include "test_util.h"

namespace sylvester {
namespace {

TEST(DTypeTest, NamesAndAliasesParseToThemselves) {
  std::set<std::string> seen;
  for (const Format& f : formats()) {
    EXPECT_EQ(parse_dtype(f.name), f.dtype) << f.name;
    EXPECT_EQ(to_string(f.dtype), f.name);
    EXPECT_TRUE(seen.insert(std::string(f.name)).second) << f.name;
    if (f.alias.empty()) continue;
    EXPECT_EQ(parse_dtype(f.alias), f.dtype) << f.alias;
    EXPECT_TRUE(seen.insert(std::string(f.alias)).second) << f.alias;
  }
  for (const DType d : {DType::kFloat64, DType::kFloat32, DType::kInt32, DType::kUInt8}) {
    EXPECT_EQ(parse_dtype(to_string(d)), d);
    EXPECT_THROW(format(d), ValueError);
  }
}

TEST(DTypeTest, UnknownNameGivesTheNearest) {
  try {
    parse_dtype("float8_e4m3");
    FAIL() << "no exception";
  } catch (const ValueError& error) {
    EXPECT_STREQ(error.what(), "format: 'float8_e4m3' is not known; did you mean 'float8_e4m3fn'?");
  }
  EXPECT_THROW(parse_dtype(""), ValueError);
}

TEST(DTypeTest, StorageBytes) {
  EXPECT_EQ(storage_bytes(DType::kFloat4E2M1FN), 1);
  EXPECT_EQ(storage_bytes(DType::kFloat16), 2);
  EXPECT_EQ(storage_bytes(DType::kFloat64), 8);
  EXPECT_TRUE(is_integer(DType::kInt3));
  EXPECT_FALSE(is_integer(DType::kFloat8E8M0FNU));
}

TEST(OptionsTest, TextFormsRoundTripAndNameWhatIsAllowed) {
  for (const char* name : {"nearest_even", "nearest_away", "toward_zero", "nearest_toward_negative",
                           "stochastic", "down", "up", "nearest_toward_zero"}) {
    EXPECT_EQ(to_string(parse_rounding(name)), name);
  }
  for (const char* name : {"saturate", "nonfinite"}) {
    EXPECT_EQ(to_string(parse_overflow(name)), name);
  }
  for (const char* name : {"canonical", "keep_sign", "max_finite", "signed_zero", "quiet",
                           "quiet_keep_sign", "negative"}) {
    EXPECT_EQ(to_string(parse_nan_mode(name)), name);
  }
  try {
    parse_overflow("wrap");
    FAIL() << "no exception";
  } catch (const ValueError& error) {
    EXPECT_STREQ(error.what(), "overflow: 'wrap'; want saturate, nonfinite");
  }
  try {
    encode_preset("torch", DType::kFloat6E3M2FN);
    FAIL() << "no exception";
  } catch (const ValueError& error) {
    EXPECT_STREQ(error.what(),
                 "preset: 'torch' has no conversion to float6_e3m2fn; want cuda, cuda_rz, "
                 "ml_dtypes, ocp, gfloat, gfloat_rz, gfloat_rna");
  }
  EXPECT_THROW(encode_preset("tensorflow", DType::kFloat16), ValueError);
}

TEST(ConvertTest, WrongLengthsAndWidthsAreRefused) {
  std::vector<float> x(4);
  std::vector<std::uint8_t> codes(3);
  std::vector<std::uint16_t> wide(4);
  EXPECT_THROW(encode(x, DType::kFloat8E5M2, codes), ShapeError);
  EXPECT_THROW(decode(codes, DType::kFloat8E5M2, x), ShapeError);
  codes.resize(4);
  EXPECT_THROW(encode(x, DType::kBFloat16, codes), ValueError);
  EXPECT_THROW(encode(x, DType::kFloat32, codes), ValueError);
  EXPECT_THROW(encode16(x, DType::kInt8, wide), ValueError);
  EXPECT_THROW(encode(wide, DType::kFloat8E5M2, DType::kInt8, codes), ValueError);
  EXPECT_THROW(decode(codes, DType::kFloat16, x), ValueError);
  EXPECT_THROW(decode16(wide, DType::kInt8, x), ValueError);
  EXPECT_NO_THROW(encode(std::span<const float>(), DType::kInt8, std::span<std::uint8_t>()));
}

}  // namespace
}  // namespace sylvester
