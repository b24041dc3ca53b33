#include "sylvester/eval/statistics.h"

#include <cmath>
#include <limits>

#include "sylvester/core/error.h"

namespace sylvester {
namespace {
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
}

Estimate mean_estimate(std::span<const double> samples) {
  const auto n = static_cast<double>(samples.size());
  double sum = 0;
  for (const double x : samples) sum += x;
  const double mean = samples.empty() ? kNan : sum / n;
  double squares = 0;
  for (const double x : samples) squares += (x - mean) * (x - mean);
  const double error = samples.size() < 2 ? kNan : std::sqrt(squares / (n - 1) / n);
  return {mean, error, static_cast<std::int64_t>(samples.size())};
}

Estimate ratio_estimate(std::span<const double> totals, std::span<const double> weights) {
  if (totals.size() != weights.size()) throw ShapeError("ratio_estimate: one weight a total");
  double total = 0, weight = 0;
  for (std::size_t i = 0; i < totals.size(); ++i) {
    total += totals[i];
    weight += weights[i];
  }
  const double ratio = weight > 0 ? total / weight : kNan;
  double squares = 0;
  for (std::size_t i = 0; i < totals.size(); ++i) {
    const double d = totals[i] - ratio * weights[i];
    squares += d * d;
  }
  const auto n = static_cast<double>(totals.size());
  const double error = totals.size() < 2 ? kNan : std::sqrt(n / (n - 1) * squares) / weight;
  return {ratio, error, static_cast<std::int64_t>(totals.size())};
}

}  // namespace sylvester
