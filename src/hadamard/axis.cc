#include "hadamard/axis.h"

#include "hadamard/kernels.h"

#include <bit>
#include <cmath>
#include <string>

#include "sylvester/core/philox.h"

namespace sylvester {
namespace {

// Keeps the draws of rotations apart from those of stochastic rounding under the same seed.
constexpr std::uint32_t kSignTensor = 0x5369676Eu;  // "Sign"

[[noreturn]] void no_matrix(std::int64_t n, const char* what) {
  const std::int64_t block = n & -n;  // the largest power of two that divides n
  throw ShapeError("hadamard " + std::string(what) + ": no matrix of order " + std::to_string(n) +
                   " is known here (orders are K 2^m, docs/hadamard.md); a block-diagonal "
                   "transform fits: block=" +
                   std::to_string(block) + " (block=" + std::to_string(block) +
                   " is the largest power of two that divides " + std::to_string(n) + ")");
}

}  // namespace

bool has_hadamard(std::int64_t n) noexcept { return detail::find_base(n) > 0; }

std::int64_t hadamard_base(std::int64_t n) {
  const std::int64_t base = detail::find_base(n);
  if (base > 0) return base;
  if (n > 0) no_matrix(n, "order");
  throw ShapeError("hadamard order: " + std::to_string(n) + "; want >= 1");
}

std::vector<std::int8_t> hadamard_matrix(std::int64_t n) {
  // 2^15 squared is 1 GiB: a larger dense matrix is a mistake.
  constexpr std::int64_t kMaxDense = 1 << 15;
  const detail::BaseMatrix& base = detail::base_matrix(hadamard_base(n));
  if (n > kMaxDense) {
    throw ShapeError("hadamard matrix: order " + std::to_string(n) + "; want <= " +
                     std::to_string(kMaxDense) + " for a dense matrix (use hadamard_rows)");
  }
  const std::int64_t power = n / base.order;
  std::vector<std::int8_t> out(static_cast<std::size_t>(n * n));
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      const auto overlap = static_cast<std::uint64_t>((i % power) & (j % power));
      const int sylvester = std::popcount(overlap) % 2 == 0 ? 1 : -1;
      out[static_cast<std::size_t>(i * n + j)] =
          static_cast<std::int8_t>(sylvester * base.at(i / power, j / power));
    }
  }
  return out;
}

std::vector<std::int8_t> hadamard_signs(std::uint64_t seed, std::int64_t n) {
  if (n < 0) throw ValueError("hadamard signs: n = " + std::to_string(n) + "; want >= 0");
  const RandomStream stream{seed, 0, kSignTensor};
  std::vector<std::int8_t> out(static_cast<std::size_t>(n));
  std::uint32_t word = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    if (i % 32 == 0) word = random_word(stream, static_cast<std::uint64_t>(i / 32));
    out[static_cast<std::size_t>(i)] = (word >> (i % 32)) & 1u ? -1 : 1;
  }
  return out;
}

namespace detail {

const float kOpaqueOne = 1.0f;

Axis resolve_axis(std::int64_t length, const HadamardOptions& options, const char* what) {
  Axis axis;
  axis.length = length;
  axis.inverse = options.inverse;
  axis.normalize = options.normalize;
  if (options.block < 0 || (options.block > 0 && length % options.block != 0)) {
    throw ShapeError("hadamard " + std::string(what) + ": block " + std::to_string(options.block) +
                     " does not divide the axis of " + std::to_string(length) +
                     "; want a divisor, or 0 for the whole axis");
  }
  axis.order = options.block > 0 ? options.block : length;
  if (axis.order == 0) return axis;
  axis.base = find_base(axis.order);
  if (axis.base == 0) no_matrix(axis.order, what);
  axis.power = axis.order / axis.base;
  if (axis.base > 1) {
    axis.matrix = &base_matrix(axis.base);
    axis.terms = axis.matrix->tiles[axis.inverse ? 1 : 0].data();
  }
  if (axis.normalize) {
    axis.scale64 = 1.0 / std::sqrt(static_cast<double>(axis.order));
    axis.scale32 = static_cast<float>(axis.scale64);
  }
  if (options.signs) {
    const std::vector<std::int8_t> signs = hadamard_signs(*options.signs, length);
    axis.signs.assign(signs.begin(), signs.end());
    if (axis.inverse) {
      axis.post = axis.signs;
      for (float& factor : axis.post) factor *= axis.scale32;
    }
  }
  return axis;
}

}  // namespace detail
}  // namespace sylvester
