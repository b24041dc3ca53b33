// The K x K matrices behind the orders K 2^m.
#pragma once

#include <cstdint>
#include <vector>

namespace sylvester::detail {

// Dense K x K matrices stop here: 2^12 squared is 16 MiB of signs.
inline constexpr std::int64_t kMaxBase = 4096;

struct BaseMatrix {
  std::int64_t order = 0;
  std::vector<std::int8_t> signs;  // [order][order] row-major, +-1
  // The coefficients of the forward and of the inverse map as the kernels read them: output rows
  // in tiles of 6 (the last of 4 or 2), each tile [input][row of the tile]. Every third row of a
  // tile holds +-0.0f (to flip the sign with), the others +-1.0f (to multiply by).
  std::vector<float> tiles[2];

  int at(std::int64_t i, std::int64_t j) const {
    return signs[static_cast<std::size_t>(i * order + j)];
  }
};

// The base K of n = K 2^m, or 0 when no construction here gives one. Order of the search:
// powers of two (K = 1); the published tables 172, 156, 140, 108, 100, 60, 52, 36, 28, 40, 20, 12,
// 44, first match with n / K a power of two (HALO's and QuaRot's order); then the smallest
// K = 4, 8, ... times the odd part of n that is a Paley I or Paley II order.
std::int64_t find_base(std::int64_t n) noexcept;
// The matrix of a base returned by find_base. Built once, kept for the life of the process; safe
// to call from several threads.
const BaseMatrix& base_matrix(std::int64_t base);

}  // namespace sylvester::detail
