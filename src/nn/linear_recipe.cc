#include "sylvester/nn/linear_recipe.h"

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>
#include <vector>

#include "sylvester/core/error.h"
#include "sylvester/core/text.h"

namespace sylvester {
namespace {

struct Alias {
  std::string_view name, spec;
};
constexpr Alias kSpecAliases[] = {
    {"fp8", "float8_e4m3fn"}, {"fp6", "float6_e3m2fn"}, {"fp4", "float4_e2m1fn"}};

// The specs HALO's tables and its MX appendix use, for recipe_names().
constexpr std::string_view kPaperSpecs[] = {"int8",       "fp8",        "fp6",  "fp4",
                                            "mxfp8_e4m3", "mxfp6_e3m2", "mxfp4"};

[[noreturn]] void unknown_recipe(std::string_view text) {
  const std::vector<std::string> names = recipe_names();
  throw ValueError("recipe: '" + std::string(text) + "' is not known" + did_you_mean(text, names) +
                   (did_you_mean(text, names).empty()
                        ? "; want fp32, bf16, PLACEMENT-SPEC such as halo2-int8, or a name of "
                          "`sylvester train --help`"
                        : ""));
}

QuantSpec parse_spec(std::string_view text) {
  for (const Alias& alias : kSpecAliases) {
    if (text == alias.name) return parse_quant_spec(alias.spec);
    // "fp6:margin=0.75": the alias stands for the format, options follow.
    if (text.starts_with(alias.name) && text.substr(alias.name.size()).starts_with(":")) {
      return parse_quant_spec(std::string(alias.spec) +
                              std::string(text.substr(alias.name.size())));
    }
  }
  return parse_quant_spec(text);
}

bool is_pattern_head(std::string_view text) {
  if (text.size() < 3 || text[1] != '.') return false;
  const char product = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
  return product == 'F' || product == 'E' || product == 'G';
}

// One "F.M" of a pattern.
void apply_sides(std::string_view part, std::string_view whole, LinearRecipe& recipe) {
  if (!is_pattern_head(part)) {
    throw ValueError("recipe: '" + std::string(part) + "' in '" + std::string(whole) +
                     "'; want PRODUCT.SIDES, PRODUCT one of F E G, SIDES letters of L M R");
  }
  const char name = static_cast<char>(std::toupper(static_cast<unsigned char>(part[0])));
  Product& product = name == 'F' ? recipe.F : name == 'E' ? recipe.E : recipe.G;
  if (product.left || product.middle || product.right) {
    throw ValueError("recipe: product " + std::string(1, name) + " twice in '" +
                     std::string(whole) + "'");
  }
  for (const char c : part.substr(2)) {
    switch (std::toupper(static_cast<unsigned char>(c))) {
      case 'L':
        product.left = true;
        break;
      case 'M':
        product.middle = true;
        break;
      case 'R':
        product.right = true;
        break;
      case '.':
        break;
      default:
        throw ValueError("recipe: side '" + std::string(1, c) + "' in '" + std::string(whole) +
                         "'; want letters of L M R");
    }
  }
}

void apply_pattern(std::string_view pattern, LinearRecipe& recipe) {
  const std::string_view whole = pattern;
  while (!pattern.empty()) {
    const std::size_t plus = pattern.find('+');
    apply_sides(pattern.substr(0, plus), whole, recipe);
    pattern = plus == std::string_view::npos ? "" : pattern.substr(plus + 1);
  }
}

void set_specs(const QuantSpec& x, const QuantSpec& w, const QuantSpec& e, LinearRecipe& recipe) {
  recipe.F.a = x;
  recipe.F.b = w;
  recipe.E.a = e;
  recipe.E.b = w;
  recipe.G.a = e;
  recipe.G.b = x;
}

LinearRecipe plain(std::string_view name, std::string_view spec, bool bfloat16_values) {
  LinearRecipe recipe;
  recipe.name = name;
  const QuantSpec s = parse_quant_spec(spec);
  set_specs(s, s, s, recipe);
  recipe.bfloat16_values = bfloat16_values;
  return recipe;
}

LinearRecipe from_row(const RecipeRow& row) {
  LinearRecipe recipe;
  recipe.name = row.name;
  apply_pattern(row.pattern, recipe);
  set_specs(parse_spec(row.x), parse_spec(row.w), parse_spec(row.e), recipe);
  recipe.G.a = parse_spec(row.gradient_e);
  recipe.G.b = parse_spec(row.gradient_x);
  return recipe;
}

// "x=SPEC,w=SPEC,e=SPEC"; an operand left out stays float32.
void apply_named_specs(std::string_view text, LinearRecipe& recipe) {
  const std::string_view whole = text;
  QuantSpec x, w, e;
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), part.size() + 1));
    const char operand = part.size() > 2 && part[1] == '=' ? part[0] : '?';
    if (operand != 'x' && operand != 'w' && operand != 'e') {
      throw ValueError("recipe: '" + std::string(part) + "' in '" + std::string(whole) +
                       "'; want x=SPEC,w=SPEC,e=SPEC");
    }
    (operand == 'x' ? x : operand == 'w' ? w : e) = parse_spec(part.substr(2));
  }
  set_specs(x, w, e, recipe);
}

// "PLACEMENT-SPEC[/SPEC]" once the suffix is cut off; false when the placement is none.
bool parse_placement(std::string_view text, LinearRecipe& recipe) {
  std::string_view pattern, spec;
  for (const PlacementRow& row : placement_rows()) {
    // The longest name wins: halo2-as-coded before halo2.
    if (text.starts_with(row.name) && text.substr(row.name.size()).starts_with("-") &&
        text.size() - row.name.size() - 1 < (spec.empty() ? text.size() : spec.size())) {
      pattern = row.pattern;
      spec = text.substr(row.name.size() + 1);
    }
  }
  if (spec.empty() && is_pattern_head(text)) {
    const std::size_t dash = text.find('-');
    if (dash == std::string_view::npos) {
      throw ValueError("recipe: '" + std::string(text) +
                       "' has no spec; want PATTERN-SPEC, as in " + std::string(text) + "-int8");
    }
    pattern = text.substr(0, dash);
    spec = text.substr(dash + 1);
  }
  if (spec.empty()) return false;
  apply_pattern(pattern, recipe);
  if (spec.size() > 1 && spec[1] == '=') {
    apply_named_specs(spec, recipe);
    return true;
  }
  const std::size_t slash = spec.find('/');
  const QuantSpec forward = parse_spec(spec.substr(0, slash));
  const QuantSpec error =
      slash == std::string_view::npos ? forward : parse_spec(spec.substr(slash + 1));
  set_specs(forward, forward, error, recipe);
  return true;
}

// ---- describe ----------------------------------------------------------------------------------

std::string sides(bool before, const std::string& matrix, bool after) {
  return std::string(before ? "H " : "") + matrix + (after ? " H" : "");
}

std::string product_line(const std::string& result, const Product& p, const std::string& a,
                         const std::string& b) {
  std::string line = result + " = ";
  const bool undone = p.left || p.right;
  if (p.left) line += "H' ";
  if (undone) line += "[ ";
  line += "Qa(" + sides(p.left, a, p.middle) + ") Qb(" + (p.middle ? "H' " : "") + b +
          (p.right ? " H" : "") + ")";
  if (undone) line += " ]";
  if (p.right) line += " H'";
  return line + "    Qa = " + to_string(p.a) + ", Qb = " + to_string(p.b) + "\n";
}

}  // namespace

const std::vector<PlacementRow>& placement_rows() {
  static const std::vector<PlacementRow> rows{
      {"halo0", "", "HALO Table 3, level 0"},
      {"halo1", "F.M+E.R+G.R", "HALO Table 3, level 1"},
      {"halo2", "F.M+E.LR+G.R", "HALO Table 3, level 2"},
      {"halo2-as-coded", "F.M+E.L+G.R", "HALO's example scripts: W is not rotated in E"},
  };
  return rows;
}

const std::vector<RecipeRow>& recipe_rows() {
  static const std::vector<RecipeRow> rows{
      {"switchback-int8", "", "int8:row", "int8", "int8:row", "bf16", "bf16",
       "SwitchBack (Wortsman et al. 2023): row-wise X and E_Y, tensor-wise W, G in bfloat16"},
      {"jetfire-int8", "", "int8:block=32x32", "int8:block=32x32", "int8:block=32x32",
       "int8:block=32x32", "int8:block=32x32", "Jetfire (Xi et al. 2024): blocks of 32 x 32"},
      {"deepseek-fp8", "", "float8_e4m3fn:group=128", "float8_e4m3fn:block=128x128",
       "float8_e4m3fn:group=128", "float8_e4m3fn:group=128", "float8_e4m3fn:group=128",
       "DeepSeek-V3: 1 x 128 activations and errors, 128 x 128 weights"},
      {"te-mxfp8", "", "mxfp8_e4m3:rule=rceil", "mxfp8_e4m3:rule=rceil", "mxfp8_e4m3:rule=rceil",
       "mxfp8_e4m3:rule=rceil", "mxfp8_e4m3:rule=rceil",
       "TransformerEngine MXFP8BlockScaling: 1 x 32, E8M0 scales rounded up"},
  };
  return rows;
}

LinearRecipe parse_recipe(std::string_view text) {
  if (text == "fp32") return plain("fp32", "float32", false);
  if (text == "bf16") return plain("bf16", "bfloat16", true);
  LinearRecipe recipe;
  std::string_view body = text;
  constexpr std::string_view kSuffix = "+bf16";
  const bool bfloat16_values = body.ends_with(kSuffix) && body.size() > kSuffix.size();
  if (bfloat16_values) body.remove_suffix(kSuffix.size());
  bool found = false;
  for (const RecipeRow& row : recipe_rows()) {
    if (body == row.name) {
      recipe = from_row(row);
      found = true;
    }
  }
  if (!found && !parse_placement(body, recipe)) unknown_recipe(text);
  recipe.name = text;
  recipe.bfloat16_values = bfloat16_values;
  return recipe;
}

std::vector<std::string> recipe_names() {
  std::vector<std::string> names{"fp32", "bf16"};
  for (const PlacementRow& row : placement_rows()) {
    for (const std::string_view spec : kPaperSpecs) {
      names.push_back(std::string(row.name) + "-" + std::string(spec));
    }
  }
  for (const RecipeRow& row : recipe_rows()) names.emplace_back(row.name);
  return names;
}

std::string describe(const LinearRecipe& recipe) {
  return recipe.name + (recipe.bfloat16_values ? " (results rounded to bfloat16)" : "") + "\n" +
         product_line("  F: Y  ", recipe.F, "X", "W'") +
         product_line("  E: dX ", recipe.E, "E", "W") +
         product_line("  G: dW ", recipe.G, "E'", "X");
}

}  // namespace sylvester
