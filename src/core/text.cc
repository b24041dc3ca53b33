#include "sylvester/core/text.h"

#include <algorithm>
#include <numeric>

namespace sylvester {
namespace {

// Levenshtein distance, one row of the table at a time.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replace = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replace, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

template <class String>
std::string nearest(std::string_view text, std::span<const String> candidates) {
  std::string_view best;
  std::size_t best_distance = 0;
  for (const auto& candidate : candidates) {
    const std::size_t distance = edit_distance(text, candidate);
    const std::size_t limit = std::max<std::size_t>(2, std::max(text.size(), candidate.size()) / 3);
    if (distance > limit) continue;
    if (best.empty() || distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return std::string(best);
}

std::string question(const std::string& name) {
  return name.empty() ? "" : "; did you mean '" + name + "'?";
}

}  // namespace

std::string nearest_name(std::string_view text, std::span<const std::string> candidates) {
  return nearest(text, candidates);
}
std::string nearest_name(std::string_view text, std::span<const std::string_view> candidates) {
  return nearest(text, candidates);
}
std::string did_you_mean(std::string_view text, std::span<const std::string> candidates) {
  return question(nearest(text, candidates));
}
std::string did_you_mean(std::string_view text, std::span<const std::string_view> candidates) {
  return question(nearest(text, candidates));
}

}  // namespace sylvester
