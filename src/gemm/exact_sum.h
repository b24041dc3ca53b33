// A sum of products of doubles without any rounding, and its one rounding to float32.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace sylvester::detail {

// A 1024-bit two's complement fixed-point number (Kulisch's accumulator); bit 0 weighs 2^-512.
// Operand values, scale included, lie between 2^-165 (a float8_e5m2 subnormal under the least
// float32 scale) and 2^144, so products lie between 2^-330 and 2^288: nothing is lost below, and
// 2^200 products fit above.
class ExactSum {
 public:
  void add_product(double a, double b) {
    if (std::isnan(a) || std::isnan(b) || (std::isinf(a) && b == 0) || (a == 0 && std::isinf(b))) {
      nan_ = true;
    } else if (std::isinf(a) || std::isinf(b)) {
      (std::signbit(a) != std::signbit(b) ? minus_inf_ : plus_inf_) = true;
    } else if (a != 0 && b != 0) {
      int ea = 0, eb = 0;
      const auto ma = static_cast<std::int64_t>(std::ldexp(std::frexp(a, &ea), 53));
      const auto mb = static_cast<std::int64_t>(std::ldexp(std::frexp(b, &eb), 53));
      add(static_cast<__int128>(ma) * mb, ea + eb - 106);
    }
  }

  // += integer * 2^exponent
  void add(__int128 integer, int exponent) {
    const bool negative = integer < 0;
    unsigned __int128 magnitude = negative ? -static_cast<unsigned __int128>(integer)
                                           : static_cast<unsigned __int128>(integer);
    int position = exponent + kPoint;
    if (position < 0) {  // whole products never have bits there: trailing zeros of the significand
      magnitude >>= -position;
      position = 0;
    }
    const int word = position / 64, shift = position % 64;
    const auto low = static_cast<std::uint64_t>(magnitude);
    const auto high = static_cast<std::uint64_t>(magnitude >> 64);
    const std::array<std::uint64_t, 3> part{
        low << shift, shift == 0 ? high : (high << shift) | (low >> (64 - shift)),
        shift == 0 ? 0 : high >> (64 - shift)};
    std::uint64_t carry = 0;
    for (int i = word; i < kWords; ++i) {
      const std::uint64_t term = i - word < 3 ? part[static_cast<std::size_t>(i - word)] : 0;
      if (i - word >= 3 && carry == 0) break;
      const unsigned __int128 sum = negative
                                        ? static_cast<unsigned __int128>(words_[i]) - term - carry
                                        : static_cast<unsigned __int128>(words_[i]) + term + carry;
      words_[i] = static_cast<std::uint64_t>(sum);
      carry = static_cast<std::uint64_t>(sum >> 64) & 1u;
    }
  }

  // To nearest even; zero is +0, NaN 0x7FC00000, beyond FLT_MAX by half an ulp Inf.
  float to_float() const {
    if (nan_ || (plus_inf_ && minus_inf_)) return std::numeric_limits<float>::quiet_NaN();
    if (plus_inf_) return std::numeric_limits<float>::infinity();
    if (minus_inf_) return -std::numeric_limits<float>::infinity();
    std::array<std::uint64_t, kWords> w = words_;
    const bool negative = (w[kWords - 1] >> 63) != 0;
    if (negative) {
      std::uint64_t carry = 1;
      for (std::uint64_t& word : w) {
        word = ~word + carry;
        carry = carry != 0 && word == 0 ? 1 : 0;
      }
    }
    int top = kWords - 1;
    while (top >= 0 && w[top] == 0) --top;
    if (top < 0) return 0.0f;
    const int msb = top * 64 + 63 - std::countl_zero(w[top]);
    // Kept bits end at `last`: 24 of a normal result, or the weight 2^-149.
    const int last = std::max(msb - 23, kPoint - 149);
    const auto bit = [&w](int i) { return (w[i / 64] >> (i % 64)) & 1u; };
    std::uint32_t kept = 0;
    for (int i = msb; i >= last; --i) kept = kept * 2 + static_cast<std::uint32_t>(bit(i));
    bool sticky = false;
    for (int i = last - 2; i >= 0 && !sticky; --i) sticky = bit(i) != 0;
    const bool half = last >= 1 && bit(last - 1) != 0;
    if (half && (sticky || (kept & 1u) != 0)) ++kept;
    const double value = std::ldexp(static_cast<double>(kept), last - kPoint);
    const float magnitude =
        value >= 0x1p128 ? std::numeric_limits<float>::infinity() : static_cast<float>(value);
    return negative ? -magnitude : magnitude;
  }

 private:
  static constexpr int kWords = 16;
  static constexpr int kPoint = 512;
  std::array<std::uint64_t, kWords> words_{};
  bool nan_ = false, plus_inf_ = false, minus_inf_ = false;
};

}  // namespace sylvester::detail
