#include "sylvester/train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "sylvester/core/error.h"

namespace sylvester {
namespace {

struct Row {
  ScheduleKind kind;
  const char* name;
};
constexpr Row kRows[] = {{ScheduleKind::kLinear, "linear"},
                         {ScheduleKind::kCosine, "cosine"},
                         {ScheduleKind::kConstant, "constant"},
                         {ScheduleKind::kConstantWithWarmup, "constant_with_warmup"}};

}  // namespace

ScheduleKind parse_schedule(std::string_view name) {
  std::string wanted(name);
  std::replace(wanted.begin(), wanted.end(), '-', '_');
  for (const Row& row : kRows) {
    if (wanted == row.name) return row.kind;
  }
  std::string all;
  for (const std::string& known : schedule_names()) all += (all.empty() ? "" : ", ") + known;
  throw ValueError("schedule \"" + wanted + "\" is not known; want one of " + all);
}

std::string to_string(ScheduleKind kind) {
  for (const Row& row : kRows) {
    if (row.kind == kind) return row.name;
  }
  throw ValueError("schedule " + std::to_string(static_cast<int>(kind)) + " has no name");
}

std::vector<std::string> schedule_names() {
  std::vector<std::string> out;
  for (const Row& row : kRows) out.emplace_back(row.name);
  return out;
}

double learning_rate(const Schedule& s, std::int64_t step) {
  if (s.kind == ScheduleKind::kConstant) return s.base;
  if (step < s.warmup_steps) {
    return s.base * (static_cast<double>(step) / static_cast<double>(s.warmup_steps));
  }
  if (s.kind == ScheduleKind::kConstantWithWarmup) return s.base;
  const double span =
      static_cast<double>(std::max<std::int64_t>(1, s.total_steps - s.warmup_steps));
  if (s.kind == ScheduleKind::kLinear) {
    return s.base * (static_cast<double>(std::max<std::int64_t>(0, s.total_steps - step)) / span);
  }
  const double progress = static_cast<double>(step - s.warmup_steps) / span;
  return s.base * std::max(0.0, 0.5 * (1.0 + std::cos(std::numbers::pi * progress)));
}

std::int64_t resolve_warmup_steps(std::int64_t warmup_steps, double warmup_ratio,
                                  std::int64_t total_steps) {
  if (warmup_steps > 0) return warmup_steps;
  return static_cast<std::int64_t>(std::ceil(static_cast<double>(total_steps) * warmup_ratio));
}

}  // namespace sylvester
