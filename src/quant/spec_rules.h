// What a QuantSpec implies and what it forbids; shared by the parser and the printer.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "sylvester/quant/spec.h"

namespace sylvester::detail {

// Text of each enumerator, in one place for parsing, printing and messages.
template <class E>
struct EnumName {
  E value;
  std::string_view name;
};
inline constexpr EnumName<ScaleRule> kScaleRules[] = {
    {ScaleRule::kAbsmax, "absmax"}, {ScaleRule::kFloor, "floor"}, {ScaleRule::kCeil, "ceil"},
    {ScaleRule::kEven, "even"},     {ScaleRule::kRceil, "rceil"}, {ScaleRule::kUnit, "unit"},
    {ScaleRule::kGrid, "grid"},     {ScaleRule::kQuest, "quest"}, {ScaleRule::kEden, "eden"}};
inline constexpr EnumName<ZeroRule> kZeroRules[] = {{ZeroRule::kFloor, "floor"},
                                                    {ZeroRule::kNearest, "nearest"}};
inline constexpr EnumName<RangeRule> kRangeRules[] = {{RangeRule::kLiteral, "literal"},
                                                      {RangeRule::kWithZero, "with_zero"}};
inline constexpr EnumName<Quotient> kQuotients[] = {{Quotient::kDivide, "divide"},
                                                    {Quotient::kReciprocal, "reciprocal"},
                                                    {Quotient::kBFloat16, "bf16"}};
inline constexpr EnumName<CodeRange> kCodeRanges[] = {
    {CodeRange::kFull, "full"}, {CodeRange::kNarrow, "narrow"}, {CodeRange::kWrap, "wrap"}};
inline constexpr EnumName<Convention> kConventions[] = {
    {Convention::kReference, "reference"},       {Convention::kTorchao, "torchao"},
    {Convention::kMicroxcaling, "microxcaling"}, {Convention::kTe, "te"},
    {Convention::kTeFolded, "te_folded"},        {Convention::kCublas, "cublas"},
    {Convention::kQuartet2, "quartet2"}};
inline constexpr EnumName<FourOverSix> kFourOverSixes[] = {
    {FourOverSix::kNone, "none"}, {FourOverSix::kMse, "mse"}, {FourOverSix::kMae, "mae"}};
inline constexpr EnumName<DType> kScaleFormats[] = {{DType::kFloat32, "fp32"},
                                                    {DType::kBFloat16, "bf16"},
                                                    {DType::kFloat8E8M0FNU, "e8m0"},
                                                    {DType::kFloat8E4M3FN, "e4m3"}};

// Block formats with a name of their own: format + granularity.
struct Shorthand {
  std::string_view name;
  DType format;
  Granularity granularity;
};
inline constexpr Shorthand kShorthands[] = {{"mxfp8_e4m3", DType::kFloat8E4M3FN, Granularity::kMx},
                                            {"mxfp8_e5m2", DType::kFloat8E5M2, Granularity::kMx},
                                            {"mxfp6_e3m2", DType::kFloat6E3M2FN, Granularity::kMx},
                                            {"mxfp6_e2m3", DType::kFloat6E2M3FN, Granularity::kMx},
                                            {"mxfp4", DType::kFloat4E2M1FN, Granularity::kMx},
                                            {"mxint8", DType::kInt8, Granularity::kMx},
                                            {"nvfp4", DType::kFloat4E2M1FN, Granularity::kNvfp4}};

template <class E, std::size_t N>
std::string_view name_of(const EnumName<E> (&table)[N], E value) {
  for (const auto& row : table) {
    if (row.value == value) return row.name;
  }
  return "?";
}
// "a, b or c".
template <class E, std::size_t N>
std::string names_of(const EnumName<E> (&table)[N]) {
  std::string out;
  for (std::size_t i = 0; i < N; ++i) {
    if (i > 0) out += i + 1 == N ? " or " : ", ";
    out += table[i].name;
  }
  return out;
}

// True for floor, ceil, even, rceil and quest.
bool is_power_of_two_rule(ScaleRule rule) noexcept;
// What a spec has when its text does not say.
DType default_scale_format(const QuantSpec& spec) noexcept;
ScaleRule default_rule(const QuantSpec& spec) noexcept;
// Fills in what the granularity implies.
QuantSpec complete(QuantSpec spec) noexcept;
// The first rule that a completed spec breaks ("option: value; want ..."), or "".
std::string spec_problem(const QuantSpec& spec);

}  // namespace sylvester::detail
