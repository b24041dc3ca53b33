// Means and their standard errors.
#pragma once

#include <cstdint>
#include <span>

namespace sylvester {

struct Estimate {
  double value = 0;
  double stderr_ = 0;  // NaN for fewer than two samples
  std::int64_t samples = 0;
};

// Mean; s / sqrt(n) with the n - 1 in the variance, as lm-eval's mean_stderr.
Estimate mean_estimate(std::span<const double> samples);

// sum(totals) / sum(weights) where sample i brought totals[i] over weights[i] units (a document's
// negative log-likelihood and its tokens). Standard error of a ratio of sums over independent
// samples (linearised): sqrt(n / (n - 1) sum (t_i - R w_i)^2) / sum w.
// Source: Cochran, Sampling Techniques, 3rd ed., eq. (2.39) without the finite-population factor.
Estimate ratio_estimate(std::span<const double> totals, std::span<const double> weights);

}  // namespace sylvester
