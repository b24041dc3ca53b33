// The K x K matrices of the orders 12, 20, 28 and 40 as constants, so that an unrolled kernel adds
// and subtracts without reading a sign. hadamard_matrix(K) is the definition; a test compares.
#pragma once

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

// Entry (i, j): transposed Paley I for 12 and 20, Paley II for 28, the doubled 20 for 40.
constexpr int base_sign(int order, int i, int j) {
  if (order == 40) {
    const int sign = base_sign(20, i % 20, j % 20);
    return i >= 20 && j >= 20 ? -sign : sign;
  }
  if (order == 28) {
    const int r = i % 14, c = j % 14;
    const bool lower = i >= 14, right = j >= 14;
    if (r == c) return !lower && !right ? 1 : -1;
    const int conference = r == 0 || c == 0 ? 1 : legendre(c - r, 13);
    return lower && right ? -conference : conference;
  }
  if (j == 0) return 1;
  if (i == 0) return -1;
  return i == j ? 1 : legendre(i - j, order - 1);
}

template <int kOrder>
struct BaseSigns {
  signed char at[kOrder][kOrder] = {};
  constexpr BaseSigns() {
    for (int i = 0; i < kOrder; ++i) {
      for (int j = 0; j < kOrder; ++j) at[i][j] = static_cast<signed char>(base_sign(kOrder, i, j));
    }
  }
};
template <int kOrder>
inline constexpr BaseSigns<kOrder> kBaseSigns{};

}  // namespace sylvester::cuda::detail
