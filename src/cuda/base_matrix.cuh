// The K x K matrices of the orders 12, 20, 28, 36, 40 and 44 as constants, so that an unrolled
// kernel adds and subtracts without reading a sign. hadamard_matrix(K) is the definition; a test
// compares.
#pragma once

#include <cstdint>

namespace sylvester::cuda::detail {

// Legendre symbol of a modulo the prime q; 0 at multiples of q.
constexpr int legendre(int a, int q) {
  a = (a % q + q) % q;
  if (a == 0) return 0;
  for (int i = 1; i < q; ++i) {
    if (i * i % q == a) return 1;
  }
  return -1;
}

// Entry (i, j) of the Williamson matrix of order 44: four symmetric circulants of order 11.
constexpr int williamson_44(int i, int j) {
  constexpr const char* kRows[4] = {"+-++----++-", "++-++--++-+", "++-+-++-+-+", "++--------+"};
  constexpr int kNegative[4] = {0b0000, 0b1010, 0b1001, 0b1100};  // block columns from the left
  const int r = i / 11, c = j / 11, shift = (j % 11 - i % 11 + 11) % 11;
  const bool negative = (kNegative[r] >> (3 - c) & 1) != 0;
  return (kRows[r ^ c][shift] == '+') != negative ? 1 : -1;
}

// Entry (i, j): transposed Paley I for 12 and 20, Paley II for 28 and 36, the doubled 20 for 40.
constexpr int base_sign(int order, int i, int j) {
  if (order == 44) return williamson_44(i, j);
  if (order == 40) {
    const int sign = base_sign(20, i % 20, j % 20);
    return i >= 20 && j >= 20 ? -sign : sign;
  }
  if (order == 28 || order == 36) {
    const int half = order / 2, r = i % half, c = j % half;
    const bool lower = i >= half, right = j >= half;
    if (r == c) return !lower && !right ? 1 : -1;
    const int conference = r == 0 || c == 0 ? 1 : legendre(c - r, half - 1);
    return lower && right ? -conference : conference;
  }
  if (j == 0) return 1;
  if (i == 0) return -1;
  return i == j ? 1 : legendre(i - j, order - 1);
}

// Signs of output i of H_K, or of H_K', as bits; bit k = subtract term k.
template <int kBase, bool kTransposed>
constexpr std::uint64_t sign_mask(int i) {
  std::uint64_t mask = 0;
  for (int k = 0; k < kBase; ++k) {
    const int sign = kTransposed ? base_sign(kBase, k, i) : base_sign(kBase, i, k);
    if (sign < 0) mask |= std::uint64_t{1} << k;
  }
  return mask;
}

// Outputs in the order of their signs, the first term's first: those that begin with the same terms
// are neighbours, so that the compiler computes the common part once and drops it soon. (Equal sums
// of equal terms: the same bits.)
template <int kBase, bool kTransposed>
struct OutputOrder {
  int at[kBase] = {};
  std::uint64_t mask[kBase] = {};

  constexpr OutputOrder() {
    for (int i = 0; i < kBase; ++i) {
      const std::uint64_t signs = sign_mask<kBase, kTransposed>(i);
      int t = i;
      for (; t > 0 && before(signs, mask[t - 1]); --t) {
        at[t] = at[t - 1];
        mask[t] = mask[t - 1];
      }
      at[t] = i;
      mask[t] = signs;
    }
  }

 private:
  static constexpr bool before(std::uint64_t a, std::uint64_t b) {
    for (int k = 0; k < kBase; ++k) {
      if ((a >> k & 1) != (b >> k & 1)) return (a >> k & 1) < (b >> k & 1);
    }
    return false;
  }
};
template <int kBase, bool kTransposed>
inline constexpr OutputOrder<kBase, kTransposed> kOutputOrder{};

}  // namespace sylvester::cuda::detail
