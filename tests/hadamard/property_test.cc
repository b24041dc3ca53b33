// The algebra of an orthonormal map, with shrinking inputs.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "sylvester/hadamard/hadamard.h"

namespace sylvester {
namespace {

struct Case {
  std::int64_t n = 1;
  HadamardOptions options;
  std::vector<double> x, y;  // two vectors of length n
};

Case arbitrary_case() {
  Case c;
  const auto base = *rc::gen::element<std::int64_t>(1, 12, 20, 28, 36, 40, 44, 52, 60, 68, 76);
  c.n = base << *rc::gen::inRange(0, 5);
  c.options.block = *rc::gen::element<std::int64_t>(0, base);
  if (*rc::gen::arbitrary<bool>()) c.options.signs = *rc::gen::arbitrary<std::uint64_t>();
  c.options.inverse = *rc::gen::arbitrary<bool>();
  const auto value =
      rc::gen::map(rc::gen::inRange(-100000, 100000), [](int v) { return v / 64.0; });
  const auto size = static_cast<std::size_t>(c.n);
  c.x = *rc::gen::container<std::vector<double>>(size, value);
  c.y = *rc::gen::container<std::vector<double>>(size, value);
  return c;
}

std::vector<double> transform(const std::vector<double>& x, const HadamardOptions& options) {
  std::vector<double> y(x.size());
  const auto n = static_cast<std::int64_t>(x.size());
  hadamard_rows(MatrixView<const double>(x.data(), 1, n), MatrixView<double>(y.data(), 1, n),
                options);
  return y;
}

double norm(const std::vector<double>& x) {
  double sum = 0;
  for (const double v : x) sum += v * v;
  return std::sqrt(sum);
}

// Largest error of a sum of n + 1 roundings in double, relative to the vector's norm.
double tolerance(const Case& c, double size) {
  return static_cast<double>(c.n + 2) * 0x1p-53 * (size + 1e-300);
}

RC_GTEST_PROP(Property, RoundTrip, ()) {
  const Case c = arbitrary_case();
  HadamardOptions back = c.options;
  back.inverse = !back.inverse;
  const auto again = transform(transform(c.x, c.options), back);
  for (std::size_t i = 0; i < c.x.size(); ++i) {
    RC_ASSERT(std::fabs(again[i] - c.x[i]) <= 2 * tolerance(c, norm(c.x)));
  }
}

RC_GTEST_PROP(Property, Linear, ()) {
  const Case c = arbitrary_case();
  std::vector<double> mix(c.x.size());
  for (std::size_t i = 0; i < mix.size(); ++i) mix[i] = 3 * c.x[i] - 0.5 * c.y[i];
  const auto hx = transform(c.x, c.options), hy = transform(c.y, c.options),
             hm = transform(mix, c.options);
  const double bound = 3 * tolerance(c, 3 * norm(c.x) + norm(c.y));
  for (std::size_t i = 0; i < mix.size(); ++i) {
    RC_ASSERT(std::fabs(hm[i] - (3 * hx[i] - 0.5 * hy[i])) <= bound);
  }
}

RC_GTEST_PROP(Property, Parseval, ()) {
  const Case c = arbitrary_case();
  const double before = norm(c.x);
  RC_ASSERT(std::fabs(norm(transform(c.x, c.options)) - before) <= 2 * tolerance(c, before));
}

// The adjoint of the forward map is the inverse one: <Hx, y> = <x, H'y>.
RC_GTEST_PROP(Property, Adjoint, ()) {
  const Case c = arbitrary_case();
  HadamardOptions back = c.options;
  back.inverse = !back.inverse;
  const auto hx = transform(c.x, c.options), hy = transform(c.y, back);
  double a = 0, b = 0;
  for (std::size_t i = 0; i < hx.size(); ++i) {
    a += hx[i] * c.y[i];
    b += c.x[i] * hy[i];
  }
  RC_ASSERT(std::fabs(a - b) <= 4 * tolerance(c, norm(c.x) * norm(c.y)));
}

}  // namespace
}  // namespace sylvester
