#include "hadamard/field.h"

namespace sylvester::detail {
namespace {

std::int64_t power(std::int64_t p, int k) {
  std::int64_t q = 1;
  for (int i = 0; i < k; ++i) q *= p;
  return q;
}

// x * element modulo the monic polynomial x^k - (lower), where `lower` holds the base-p digits of
// x^k reduced. The top digit of the element moves to x^k and is replaced by its multiple of lower.
std::int64_t times_x(std::int64_t element, std::int64_t lower, PrimePower field) {
  const std::int64_t top_place = power(field.p, field.k - 1);
  const std::int64_t top = element / top_place;
  std::int64_t shifted = (element % top_place) * field.p;
  std::int64_t out = 0;
  for (std::int64_t place = 1; place < top_place * field.p; place *= field.p) {
    const std::int64_t digit =
        ((shifted / place) % field.p + top * ((lower / place) % field.p)) % field.p;
    out += digit * place;
  }
  return out;
}

// chi along the powers of x: squares are the even powers of a primitive element. Empty when x is
// not primitive modulo this polynomial, that is when 1 comes back before all q - 1 units are seen.
std::vector<std::int8_t> character(std::int64_t lower, PrimePower field, std::int64_t order) {
  std::vector<std::int8_t> chi(static_cast<std::size_t>(order), 0);
  std::int64_t element = 1;
  for (std::int64_t i = 0; i < order - 1; ++i) {
    if (element == 0 || chi[static_cast<std::size_t>(element)] != 0) return {};
    chi[static_cast<std::size_t>(element)] = i % 2 == 0 ? 1 : -1;
    element = times_x(element, lower, field);
  }
  return chi;
}

}  // namespace

std::optional<PrimePower> prime_power(std::int64_t q) noexcept {
  if (q < 2) return std::nullopt;
  std::int64_t p = 2;
  while (p * p <= q && q % p != 0) ++p;
  if (p * p > q) return PrimePower{q, 1};
  int k = 0;
  while (q % p == 0) {
    q /= p;
    ++k;
  }
  if (q != 1) return std::nullopt;
  return PrimePower{p, k};
}

QuadraticCharacter::QuadraticCharacter(PrimePower field)
    : field_(field), order_(power(field.p, field.k)) {
  // The first primitive polynomial; one exists for every field.
  for (std::int64_t lower = 1; lower < order_ && chi_.empty(); ++lower) {
    chi_ = character(lower, field_, order_);
  }
}

int QuadraticCharacter::of_difference(std::int64_t a, std::int64_t b) const noexcept {
  std::int64_t difference = 0;
  for (std::int64_t place = 1; place < order_; place *= field_.p) {
    const std::int64_t digit = ((a / place) % field_.p + field_.p - (b / place) % field_.p);
    difference += digit % field_.p * place;
  }
  return chi_[static_cast<std::size_t>(difference)];
}

}  // namespace sylvester::detail
