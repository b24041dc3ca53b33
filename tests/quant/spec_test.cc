#include "sylvester/quant/spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "sylvester/core/error.h"
#include "test_util.h"

namespace sylvester {
namespace {

using testing::HasSubstr;

TEST(QuantSpec, CanonicalTextParsesToItself) {
  // Text and its canonical form.
  const std::vector<std::pair<std::string, std::string>> cases{
      {"int8", "int8"},
      {"int8:tensor", "int8"},
      {"int8:sym:row", "int8:row"},
      {"e4m3", "float8_e4m3fn"},
      {"float8_e5m2:col", "float8_e5m2:col"},
      {"fp32", "float32"},
      {"bf16", "bfloat16"},
      {"fp16:rounding=stochastic", "float16:rounding=stochastic"},
      {"int4:row:asym:clip=0.95", "int4:row:asym:clip=0.95"},
      {"int4:clip=0.95:asym:row", "int4:row:asym:clip=0.95"},
      {"int4:row:asym:zero=nearest:range=with_zero", "int4:row:asym:zero=nearest:range=with_zero"},
      {"int4:group=128", "int4:group=128"},
      {"float8_e4m3fn:block=1x128", "float8_e4m3fn:block=1x128"},
      {"float8_e4m3fn:mx", "mxfp8_e4m3"},
      {"mxfp8_e5m2", "mxfp8_e5m2"},
      {"mxfp6_e3m2:rule=rceil", "mxfp6_e3m2:rule=rceil"},
      {"mxfp6_e3m2:rule=floor", "mxfp6_e3m2"},
      {"mxfp6_e2m3:scale=e8m0", "mxfp6_e2m3"},
      {"mxfp4:rounding=stochastic", "mxfp4:rounding=stochastic"},
      {"int8:mx", "mxint8"},
      {"nvfp4", "nvfp4"},
      {"nvfp4:block=16x16:as=te", "nvfp4:block=16x16:as=te"},
      {"nvfp4:block=1x16", "nvfp4"},
      {"nvfp4:levels=1", "nvfp4:levels=1"},
      {"nvfp4:rule=eden", "nvfp4:rule=eden:as=quartet2"},
      {"nvfp4:rule=eden:group=32", "nvfp4:group=32:rule=eden:as=quartet2"},
      {"mxfp8_e4m3:as=te", "mxfp8_e4m3:as=te"},
      {"mxfp8_e4m3:as=torchao:rule=rceil", "mxfp8_e4m3:rule=rceil:as=torchao"},
      {"float4_e2m1fn:margin=0.75", "float4_e2m1fn:margin=0.75"},
      {"e4m3:row:scale=e8m0", "float8_e4m3fn:row:scale=e8m0"},
      {"e4m3:block=128x128:rule=rceil", "float8_e4m3fn:block=128x128:rule=rceil"},
      {"int8:scale=bf16:quotient=bf16:codes=wrap", "int8:scale=bf16:quotient=bf16:codes=wrap"},
      {"e4m3:overflow=nonfinite:nan=keep_sign:rule=unit",
       "float8_e4m3fn:rule=unit:overflow=nonfinite:nan=keep_sign"},
      {"int8:least=1e-05", "int8:least=1e-05"},
  };
  for (const auto& [text, canonical] : cases) {
    const QuantSpec spec = parse_quant_spec(text);
    EXPECT_EQ(to_string(spec), canonical) << text;
    EXPECT_EQ(parse_quant_spec(canonical), spec) << text;
  }
}

TEST(QuantSpec, EveryEnumeratorSurvivesTheRoundTrip) {
  std::vector<QuantSpec> specs;
  for (const DType format : {DType::kFloat8E4M3FN, DType::kFloat8E5M2, DType::kFloat6E3M2FN,
                             DType::kFloat4E2M1FN, DType::kInt2, DType::kInt8}) {
    for (const Rounding rounding :
         {Rounding::kNearestEven, Rounding::kNearestAway, Rounding::kTowardZero,
          Rounding::kNearestTowardNegative, Rounding::kNearestTowardZero, Rounding::kStochastic}) {
      for (const Granularity g : {Granularity::kTensor, Granularity::kRow, Granularity::kColumn,
                                  Granularity::kGroup, Granularity::kBlock, Granularity::kMx}) {
        QuantSpec s{.format = format, .granularity = g, .rounding = rounding};
        if (g == Granularity::kGroup) s.group = 48;
        if (g == Granularity::kBlock) s.block_rows = 3, s.block_cols = 5;
        specs.push_back(s);
        s.overflow = Overflow::kNonfinite;
        s.nan = NanMode::kSignedZero;
        specs.push_back(s);
        s.rule = ScaleRule::kEven;
        specs.push_back(s);
        s.margin = 4.0f / 3.0f;
        specs.push_back(s);
      }
    }
  }
  for (const float clip : {1.0f, 0.95f, 0.9f, 1e-7f, 0.33333334f}) {
    specs.push_back({.format = DType::kInt4, .asymmetric = true, .clip = clip});
  }
  for (const QuantSpec& s : specs) {
    const QuantSpec full = resolve(s);
    EXPECT_EQ(parse_quant_spec(to_string(full)), full) << to_string(full);
    EXPECT_EQ(to_string(s), to_string(full));
  }
}

TEST(QuantSpec, PresetsAreValidAndCanonical) {
  for (const QuantPreset& p : quant_presets()) {
    const QuantSpec spec = parse_quant_spec(p.name);
    EXPECT_EQ(to_string(spec), p.text) << p.name;
    EXPECT_EQ(parse_quant_spec(p.text), spec) << p.name;
  }
}

// docs/quantizers.md is what users read: its table of presets must be the code's.
TEST(QuantSpec, TheDocumentedPresetsAreTheseOnes) {
  std::ifstream file(test::golden("../../docs/quantizers.md"));
  ASSERT_TRUE(file.good());
  const std::string page((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  for (const QuantPreset& p : quant_presets()) {
    const std::string row = "| `" + std::string(p.name) + "` | `" + std::string(p.text) + "` |";
    EXPECT_THAT(page, HasSubstr(row));
  }
}

TEST(QuantSpec, BadTextNamesOptionValueAndWhatIsAllowed) {
  // Text, then pieces the message must have.
  const std::vector<std::pair<std::string, std::vector<std::string>>> cases{
      {"", {"format"}},
      {"int9", {"int9"}},
      {"mxfp5", {"mxfp5", "mean"}},
      {"float64", {"format: float64"}},
      {"float8_e8m0fnu", {"format: float8_e8m0fnu"}},
      {"int8:", {"unknown option ''"}},
      {"int8:rows", {"unknown option 'rows'", "did you mean 'row'"}},
      {"int8:clip", {"clip: no value", "clip=VALUE"}},
      {"int8:row=3", {"row: takes no value", "'3'"}},
      {"int8:clip=0", {"clip: 0", "(0, 1]"}},
      {"int8:clip=1.5", {"clip: 1.5", "(0, 1]"}},
      {"int8:clip=nan", {"clip: nan", "(0, 1]"}},
      {"int8:clip=x", {"clip: 'x'", "number"}},
      {"int8:clip=0.9:clip=0.8", {"clip: given twice"}},
      {"int8:row:col", {"col", "granularity"}},
      {"int8:asym:sym", {"given twice"}},
      {"int8:group=0", {"group: 0", ">= 1"}},
      {"int8:group=-4", {"group: -4", ">= 1"}},
      {"int8:group=4x", {"group: '4x'", ">= 1"}},
      {"int8:block=128", {"block: '128'", "RxC"}},
      {"int8:block=0x4", {"block: '0x4'", "RxC"}},
      {"int8:block=4x", {"block: '4x'", "RxC"}},
      {"e4m3:asym", {"asym", "integer format", "float8_e4m3fn"}},
      {"int8:zero=nearest", {"zero: nearest", "asym"}},
      {"int8:zero=up", {"zero: 'up'", "floor or nearest"}},
      {"int8:range=with_zero", {"range: with_zero", "asym"}},
      {"int8:scale=fp8", {"scale: 'fp8'", "fp32, bf16, e8m0 or e4m3"}},
      {"int8:rule=best", {"rule: 'best'", "absmax, floor"}},
      {"mxfp4:rule=absmax", {"rule: absmax", "floor, ceil, even or rceil"}},
      {"mxfp4:scale=bf16", {"scale"}},
      {"mxfp4:clip=0.9", {"clip: 0.9"}},
      {"nvfp4:margin=0.5", {"margin: 0.5", "nvfp4"}},
      {"nvfp4:block=2x16", {"block: 2x16", "1x16 or 16x16"}},
      {"e4m3:nvfp4", {"nvfp4", "float4_e2m1fn"}},
      {"int8:margin=0", {"margin: 0", "(0, 2]"}},
      {"e4m3:codes=wrap", {"codes: wrap", "integer"}},
      {"int8:levels=1", {"levels: 1", "nvfp4"}},
      {"int8:as=torchao", {"as: torchao", "mx"}},
      {"mxfp4:as=te:rule=floor", {"as: te", "rceil"}},
      {"int8:rounding=banker", {"rounding", "banker", "nearest_even"}},
      {"int8:rounding=up", {"rounding: up"}},
      {"int8:overflow=wrap", {"overflow", "wrap", "saturate"}},
      {"int8:nan=zero", {"nan", "zero", "canonical"}},
      {"bf16:row", {"bfloat16 has no scale"}},
      {"fp32:clip=0.5", {"float32 has no scale"}},
      {"int4:row:rule=grid", {"rule: grid", "tensor"}},
      {"e4m3:mx:rule=quest", {"rule: quest", "mxfp4"}},
      {"nvfp4:four_over_six=mse:rounding=stochastic", {"rounding: stochastic"}},
  };
  for (const auto& [text, pieces] : cases) {
    try {
      const QuantSpec spec = parse_quant_spec(text);
      ADD_FAILURE() << "'" << text << "' was taken as " << to_string(spec);
    } catch (const ValueError& e) {
      if (!text.empty()) {
        EXPECT_THAT(e.what(), HasSubstr(text));
      }
      for (const std::string& piece : pieces) EXPECT_THAT(e.what(), HasSubstr(piece)) << text;
    }
  }
}

TEST(QuantSpec, StructsAreCompletedAndChecked) {
  const QuantSpec mx{.format = DType::kFloat4E2M1FN, .granularity = Granularity::kMx};
  EXPECT_EQ(resolve(mx), parse_quant_spec("mxfp4"));
  const QuantSpec nvfp4{.format = DType::kFloat4E2M1FN, .granularity = Granularity::kNvfp4};
  EXPECT_EQ(resolve(nvfp4), parse_quant_spec("nvfp4"));
  EXPECT_THROW(resolve({.format = DType::kInt8, .clip = 0.0f}), ValueError);
  EXPECT_THROW(resolve({.format = DType::kInt8, .granularity = Granularity::kGroup}), ValueError);
  EXPECT_TRUE(is_identity(QuantSpec{}));
  EXPECT_FALSE(is_identity(parse_quant_spec("bf16")));
  EXPECT_TRUE(is_cast(parse_quant_spec("bf16")));
}

}  // namespace
}  // namespace sylvester
