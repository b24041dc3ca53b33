#include "sylvester/nn/linear_recipe.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "sylvester/core/error.h"

namespace sylvester {
namespace {

std::string letters(const Product& p) {
  return std::string(p.left ? "L" : "") + (p.middle ? "M" : "") + (p.right ? "R" : "");
}
std::string placement(const std::string& recipe) {
  const LinearRecipe r = parse_recipe(recipe);
  return "F" + letters(r.F) + " E" + letters(r.E) + " G" + letters(r.G);
}

// HALO Table 3.
TEST(LinearRecipe, PlacementsAreTheTable) {
  EXPECT_EQ(placement("halo0-int8"), "F E G");
  EXPECT_EQ(placement("halo1-int8"), "FM ER GR");
  EXPECT_EQ(placement("halo2-int8"), "FM ELR GR");
  EXPECT_EQ(placement("halo2-as-coded-int8"), "FM EL GR");
}

TEST(LinearRecipe, PatternsSpellAnyPlacement) {
  EXPECT_EQ(placement("F.M+E.L.R+G.R-int8"), "FM ELR GR");
  EXPECT_EQ(placement("f.m+e.lr+g.r-int8"), "FM ELR GR");
  EXPECT_EQ(placement("E.L-int8"), "F EL G");
  LinearRecipe pattern = parse_recipe("F.M+E.L.R+G.R-fp8");
  pattern.name = "halo2-fp8";
  EXPECT_EQ(pattern, parse_recipe("halo2-fp8"));
}

TEST(LinearRecipe, SpecsReachTheirOperands) {
  const LinearRecipe r = parse_recipe("halo0-e4m3/e5m2");
  EXPECT_EQ(r.F.a.format, DType::kFloat8E4M3FN);
  EXPECT_EQ(r.F.b.format, DType::kFloat8E4M3FN);
  EXPECT_EQ(r.E.a.format, DType::kFloat8E5M2);
  EXPECT_EQ(r.E.b.format, DType::kFloat8E4M3FN);
  EXPECT_EQ(r.G.a.format, DType::kFloat8E5M2);
  EXPECT_EQ(r.G.b.format, DType::kFloat8E4M3FN);
  EXPECT_EQ(parse_recipe("halo1-fp6").F.a, parse_quant_spec("float6_e3m2fn"));
  EXPECT_EQ(parse_recipe("halo1-fp6:margin=0.75").F.a,
            parse_quant_spec("float6_e3m2fn:margin=0.75"));
  EXPECT_EQ(parse_recipe("halo1-int4:group=128").G.b, parse_quant_spec("int4:group=128"));
  const LinearRecipe named = parse_recipe("halo2-e=int8,w=int4:row");
  EXPECT_TRUE(is_identity(named.F.a));
  EXPECT_EQ(named.E.b, parse_quant_spec("int4:row"));
  EXPECT_EQ(named.G.a, parse_quant_spec("int8"));
  EXPECT_EQ(parse_recipe("switchback-int8").G.a, parse_quant_spec("bf16"));
}

TEST(LinearRecipe, HighPrecisionRows) {
  EXPECT_TRUE(is_identity(parse_recipe("fp32").F.a));
  EXPECT_FALSE(parse_recipe("fp32").bfloat16_values);
  EXPECT_EQ(parse_recipe("bf16").E.b.format, DType::kBFloat16);
  EXPECT_TRUE(parse_recipe("bf16").bfloat16_values);
  EXPECT_TRUE(parse_recipe("halo2-int8+bf16").bfloat16_values);
  EXPECT_FALSE(parse_recipe("halo2-int8").bfloat16_values);
}

TEST(LinearRecipe, EveryNameParsesAndKeepsItsName) {
  std::set<std::string> seen;
  for (const std::string& name : recipe_names()) {
    EXPECT_TRUE(seen.insert(name).second) << name;
    EXPECT_EQ(parse_recipe(name).name, name);
  }
}

TEST(LinearRecipe, DescribeWritesTheProductsOut) {
  const std::string text = describe(parse_recipe("halo2-int8"));
  EXPECT_NE(text.find("Y   = Qa(X H) Qb(H' W')"), std::string::npos) << text;
  EXPECT_NE(text.find("dX  = H' [ Qa(H E) Qb(W H) ] H'"), std::string::npos) << text;
  EXPECT_NE(text.find("dW  = [ Qa(E') Qb(X H) ] H'"), std::string::npos) << text;
}

TEST(LinearRecipe, MistakesAreNamed) {
  const auto message = [](const std::string& text) -> std::string {
    try {
      parse_recipe(text);
    } catch (const ValueError& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_NE(message("halo2-imt8").find("int8"), std::string::npos) << message("halo2-imt8");
  EXPECT_NE(message("hallo2-int8").find("halo2-int8"), std::string::npos);
  EXPECT_NE(message("F.X-int8").find("'X'"), std::string::npos);
  EXPECT_NE(message("F.M+F.R-int8").find("twice"), std::string::npos);
  EXPECT_NE(message("F.M").find("no spec"), std::string::npos);
  EXPECT_NE(message("").find("halo2-int8"), std::string::npos);
  EXPECT_NE(message("halo2-int8:clip=0").find("clip"), std::string::npos);
}

}  // namespace
}  // namespace sylvester
