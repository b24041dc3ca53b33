// The quadratic character of a finite field GF(p^k), from powers of a primitive element.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace sylvester::detail {

struct PrimePower {
  std::int64_t p = 0;
  int k = 0;
};

// q = p^k with p prime, or nothing. q >= 2.
std::optional<PrimePower> prime_power(std::int64_t q) noexcept;

// Elements of GF(q) are numbered 0 ... q - 1 by their base-p digits, digit t the coefficient of
// x^t, so that for prime q an element is its own residue.
class QuadraticCharacter {
 public:
  explicit QuadraticCharacter(PrimePower field);
  std::int64_t order() const noexcept { return order_; }
  // chi(a - b): 0 for a = b, 1 when a - b is a square, -1 otherwise.
  int of_difference(std::int64_t a, std::int64_t b) const noexcept;

 private:
  PrimePower field_;
  std::int64_t order_;
  std::vector<std::int8_t> chi_;
};

}  // namespace sylvester::detail
