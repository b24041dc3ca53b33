// Learning-rate schedules under Hugging Face's names.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sylvester {

enum class ScheduleKind : std::uint8_t { kLinear, kCosine, kConstant, kConstantWithWarmup };

// "linear" | "cosine" | "constant" | "constant_with_warmup"; '-' equals '_'. ValueError otherwise.
ScheduleKind parse_schedule(std::string_view name);
std::string to_string(ScheduleKind kind);
std::vector<std::string> schedule_names();

// total_steps: optimizer steps of the whole run. warmup_steps: the rate rises linearly from 0.
struct Schedule {
  ScheduleKind kind = ScheduleKind::kLinear;
  double base = 5e-5;
  std::int64_t warmup_steps = 0;
  std::int64_t total_steps = 0;
};

// The rate of optimizer step `step` (0-based: the first update uses step 0).
//   warm-up (all kinds but constant):  base step / max(1, warmup)                 step < warmup
//   linear:  base max(0, total - step) / max(1, total - warmup)
//   cosine:  base max(0, (1 + cos(pi p)) / 2),  p = (step - warmup) / max(1, total - warmup)
// Source: transformers/optimization.py, get_*_schedule_with_warmup. Determinism: float64.
double learning_rate(const Schedule& schedule, std::int64_t step);

// Hugging Face's rule: an explicit number of steps wins, else ceil(total_steps * ratio).
std::int64_t resolve_warmup_steps(std::int64_t warmup_steps, double warmup_ratio,
                                  std::int64_t total_steps);

}  // namespace sylvester
