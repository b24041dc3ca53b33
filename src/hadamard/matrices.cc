#include "hadamard/matrices.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string_view>

#include "hadamard/field.h"

namespace sylvester::detail {
namespace {

constexpr std::array<std::int64_t, 13> kPublished{172, 156, 140, 108, 100, 60, 52,
                                                  36,  28,  40,  20,  12,  44};

// First rows of the four symmetric circulants of a Williamson matrix of order 4 s.
struct Williamson {
  std::int64_t order;
  std::array<std::string_view, 4> first_rows;
};
constexpr std::array<Williamson, 5> kWilliamson{{
    {44, {"+-++----++-", "++-++--++-+", "++-+-++-+-+", "++--------+"}},
    {52, {"+-+--++++--+-", "+---++++++---", "++-+--++--+-+", "+----+--+----"}},
    {100,
     {"+-++++----++--++----++++-", "+++-+++---+-++-+---+++-++", "+-++-+++-++----++-+++-++-",
      "+--++-+-+--------+-+-++--"}},
    {156,
     {"+++--+-+-----+--++----++--+-----+-+--++", "++++---+--++----+-+--+-+----++--+---+++",
      "+++--++-+---+-+--+----+--+-+---+-++--++", "+---++-+-+-----+++-++-+++-----+-+-++---"}},
    {172,
     {"+---++--++++-+-+++-++--++-+++-+-++++--++---", "++-++++++----+-+--++-++-++--+-+----++++++-+",
      "+++-+-++--+-+-++++-+----+-++++-+-+--++-+-++",
      "++---++++-+--+--++--------++--+--+-++++---+"}},
}};

bool is_power_of_two(std::int64_t n) {
  return n > 0 && std::has_single_bit(static_cast<std::uint64_t>(n));
}

BaseMatrix build(std::int64_t order, const std::function<int(std::int64_t, std::int64_t)>& at) {
  BaseMatrix out{order, {}, {}};
  out.signs.resize(static_cast<std::size_t>(order * order));
  for (std::int64_t i = 0; i < order; ++i) {
    for (std::int64_t j = 0; j < order; ++j) {
      out.signs[static_cast<std::size_t>(i * order + j)] = static_cast<std::int8_t>(at(i, j));
    }
  }
  return out;
}

// Field order q of Paley's first construction (K = q + 1, q = 3 mod 4) and of the second
// (K = 2 (q + 1), q = 1 mod 4).
std::optional<PrimePower> paley1_field(std::int64_t order) {
  const std::int64_t q = order - 1;
  return q % 4 == 3 ? prime_power(q) : std::nullopt;
}
std::optional<PrimePower> paley2_field(std::int64_t order) {
  const std::int64_t q = order / 2 - 1;
  return order % 4 == 0 && q % 4 == 1 ? prime_power(q) : std::nullopt;
}

// Transposed Paley I: border +1 down, -1 across, core I + chi(i - j).
BaseMatrix paley1(PrimePower field) {
  const QuadraticCharacter chi(field);
  return build(chi.order() + 1, [&](std::int64_t i, std::int64_t j) {
    if (j == 0) return 1;
    if (i == 0) return -1;
    return i == j ? 1 : chi.of_difference(i - 1, j - 1);
  });
}

// [[C + I, C - I], [C - I, -C - I]] with the symmetric conference matrix C of order q + 1.
BaseMatrix paley2(PrimePower field) {
  const QuadraticCharacter chi(field);
  const std::int64_t half = chi.order() + 1;
  return build(2 * half, [&](std::int64_t i, std::int64_t j) {
    const std::int64_t r = i % half, c = j % half;
    const bool lower = i >= half, right = j >= half;
    if (r == c) return !lower && !right ? 1 : -1;
    const int conference = r == 0 || c == 0 ? 1 : chi.of_difference(c - 1, r - 1);
    return lower && right ? -conference : conference;
  });
}

// [[A, B, C, D], [-B, A, -D, C], [-C, D, A, -B], [-D, -C, B, A]], A ... D circulant.
BaseMatrix williamson(const Williamson& w) {
  constexpr std::array<std::array<int, 4>, 4> kBlock{
      {{0, 1, 2, 3}, {1, 0, 3, 2}, {2, 3, 0, 1}, {3, 2, 1, 0}}};
  constexpr std::array<std::array<int, 4>, 4> kSign{
      {{1, 1, 1, 1}, {-1, 1, -1, 1}, {-1, 1, 1, -1}, {-1, -1, 1, 1}}};
  const std::int64_t s = w.order / 4;
  return build(w.order, [&](std::int64_t i, std::int64_t j) {
    const auto r = static_cast<std::size_t>(i / s), c = static_cast<std::size_t>(j / s);
    const auto row = w.first_rows[static_cast<std::size_t>(kBlock[r][c])];
    const std::int64_t shift = (j % s - i % s + s) % s;
    return row[static_cast<std::size_t>(shift)] == '+' ? kSign[r][c] : -kSign[r][c];
  });
}

BaseMatrix make_base(std::int64_t base) {
  if (base == 1) return {1, {1}, {}};
  for (const Williamson& w : kWilliamson) {
    if (w.order == base) return williamson(w);
  }
  if (base == 40) {  // Sylvester's doubling of the 20
    const BaseMatrix& a = base_matrix(20);
    return build(40, [&](std::int64_t i, std::int64_t j) {
      return i >= 20 && j >= 20 ? -a.at(i % 20, j % 20) : a.at(i % 20, j % 20);
    });
  }
  // 28 and 36 are published in their Paley II form; 28 = 27 + 1 is a Paley I order too.
  if (base != 28) {
    if (const auto field = paley1_field(base)) return paley1(*field);
  }
  return paley2(*paley2_field(base));
}

std::vector<float> tile(const BaseMatrix& matrix, bool inverse) {
  const std::int64_t order = matrix.order;
  std::vector<float> out;
  out.reserve(static_cast<std::size_t>(order * order));
  for (std::int64_t row = 0; row < order;) {
    const std::int64_t rows = std::min<std::int64_t>(6, order - row);
    for (std::int64_t in = 0; in < order; ++in) {
      for (std::int64_t r = 0; r < rows; ++r) {
        const int sign = inverse ? matrix.at(in, row + r) : matrix.at(row + r, in);
        out.push_back(std::copysign(r % 3 != 2 ? 1.0f : 0.0f, static_cast<float>(sign)));
      }
    }
    row += rows;
  }
  return out;
}

}  // namespace

std::int64_t find_base(std::int64_t n) noexcept {
  if (n <= 0) return 0;
  if (is_power_of_two(n)) return 1;
  for (const std::int64_t k : kPublished) {
    if (n % k == 0 && is_power_of_two(n / k)) return k;
  }
  const std::int64_t odd = n >> std::countr_zero(static_cast<std::uint64_t>(n));
  for (std::int64_t k = 4 * odd; k <= kMaxBase && n % k == 0; k *= 2) {
    if (paley1_field(k) || paley2_field(k)) return k;
  }
  return 0;
}

const BaseMatrix& base_matrix(std::int64_t base) {
  static std::recursive_mutex mutex;
  static std::map<std::int64_t, BaseMatrix> cache;  // nodes stay where they are
  const std::lock_guard<std::recursive_mutex> lock(mutex);
  const auto found = cache.find(base);
  if (found != cache.end()) return found->second;
  BaseMatrix made = make_base(base);
  if (base > 1) {
    made.tiles[0] = tile(made, false);
    made.tiles[1] = tile(made, true);
  }
  return cache.emplace(base, std::move(made)).first->second;
}

}  // namespace sylvester::detail
