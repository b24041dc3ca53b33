// One fused step of a matrix core, in plain integers: the definition that every fast form equals.
// Source: docs/tensor_cores.md, "One fused step".
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "gemm/policy.h"

namespace sylvester::detail {

// The one NaN of tensor cores with float32 results.
inline float core_nan() { return std::bit_cast<float>(0x7FFFFFFFu); }

enum class CoreClass : std::uint8_t { kFinite, kInf, kNan };

// value = significand * 2^(exponent - point), point = the format's mantissa bits. Subnormals keep
// the least exponent and are not normalised.
struct CoreNumber {
  std::int32_t significand = 0;  // signed
  std::int16_t exponent = 0;
  CoreClass kind = CoreClass::kFinite;
};

// A float32 (C, or a value known to be exact in a format of `point` mantissa bits and least normal
// exponent `emin`).
inline CoreNumber core_number(float x, int point, int emin) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const int field = static_cast<int>((bits >> 23) & 0xFF);
  const std::uint32_t fraction = bits & 0x7FFFFFu;
  if (field == 0xFF) {
    const CoreClass kind = fraction == 0 ? CoreClass::kInf : CoreClass::kNan;
    return {(bits >> 31) != 0 ? -1 : 1, 0, kind};
  }
  const std::uint32_t whole = field == 0 ? fraction : fraction | 0x800000u;
  const int exponent = std::max(field, 1) - 127;
  const int own = std::max(exponent, emin);  // below emin the format is subnormal
  const int shift = (23 - point) + (own - exponent);
  const auto magnitude = static_cast<std::int32_t>(shift > 31 ? 0u : whole >> shift);
  return {(bits >> 31) != 0 ? -magnitude : magnitude, static_cast<std::int16_t>(own),
          CoreClass::kFinite};
}

// What a step sums. Terms with significand 0 take no part in the alignment.
class FusedSum {
 public:
  explicit FusedSum(const FusedStep& step) : step_(step) {}

  void add_product(const CoreNumber& a, const CoreNumber& b, int point, int scale_exponent = 0) {
    if (a.kind != CoreClass::kFinite || b.kind != CoreClass::kFinite) return add_special(a, b);
    add_term(std::int64_t{a.significand} * b.significand, a.exponent + b.exponent + scale_exponent,
             point);
  }
  void add_c(float c) {
    const CoreNumber x = core_number(c, 23, -126);
    if (x.kind == CoreClass::kFinite) return add_term(x.significand, x.exponent, 23);
    if (x.kind == CoreClass::kNan) nan_ = true;
    (x.significand < 0 ? minus_inf_ : plus_inf_) |= x.kind == CoreClass::kInf;
  }
  // integer * 2^(exponent - point)
  void add_term(std::int64_t integer, int exponent, int point) {
    if (integer == 0) return;
    terms_[count_++] = {integer, exponent, point};
    emax_ = std::max(emax_, exponent);
  }
  void add_nan() { nan_ = true; }

  float result() const {
    if (nan_ || (plus_inf_ && minus_inf_)) return core_nan();
    if (plus_inf_) return std::numeric_limits<float>::infinity();
    if (minus_inf_) return -std::numeric_limits<float>::infinity();
    if (count_ == 0) return 0.0f;
    const int emax = std::max(emax_, step_.floor);
    std::int64_t sum = 0;
    for (int i = 0; i < count_; ++i) sum += aligned(terms_[i], emax);
    return round(sum, emax - step_.fraction_bits);
  }

  static constexpr int kMostTerms = 65;  // 64 products and C

 private:
  struct Term {
    std::int64_t integer;
    int exponent, point;
  };

  void add_special(const CoreNumber& a, const CoreNumber& b) {
    const auto zero = [](const CoreNumber& x) {
      return x.kind == CoreClass::kFinite && x.significand == 0;
    };
    if (a.kind == CoreClass::kNan || b.kind == CoreClass::kNan || zero(a) || zero(b)) {
      nan_ = true;
    } else {
      ((a.significand < 0) != (b.significand < 0) ? minus_inf_ : plus_inf_) = true;
    }
  }

  // The term as a multiple of 2^(emax - F), its magnitude cut toward zero.
  std::int64_t aligned(const Term& t, int emax) const {
    const int left = step_.fraction_bits - t.point + t.exponent - emax;
    const std::int64_t magnitude = std::abs(t.integer);
    const std::int64_t cut = left >= 0 ? magnitude << left : -left > 62 ? 0 : magnitude >> -left;
    return t.integer < 0 ? -cut : cut;
  }

  // sum * 2^unit in the output format.
  float round(std::int64_t sum, int unit) const {
    if (sum == 0) return 0.0f;
    const auto magnitude = static_cast<std::uint64_t>(std::abs(sum));
    const int exponent = 63 - std::countl_zero(magnitude) + unit;
    const int kept_bits = step_.output == StepOutput::kE8M13 ? 13 : 23;
    const int last = std::max(exponent, -126) - kept_bits;  // weight of the last bit
    const int drop = last - unit;
    const std::uint64_t kept = drop > 63 ? 0 : magnitude >> std::max(drop, 0);
    if (kept == 0) return 0.0f;
    const double value = std::ldexp(static_cast<double>(kept), std::max(drop, 0) + unit);
    const float result =
        value >= 0x1p128 ? std::numeric_limits<float>::infinity() : static_cast<float>(value);
    return sum < 0 ? -result : result;
  }

  const FusedStep& step_;
  Term terms_[kMostTerms];
  int count_ = 0;
  int emax_ = kNoFloor;
  bool nan_ = false, plus_inf_ = false, minus_inf_ = false;
};

}  // namespace sylvester::detail
