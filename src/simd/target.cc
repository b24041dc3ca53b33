#include "sylvester/core/target.h"

#include <hwy/highway.h>
#include <hwy/targets.h>

#include <array>
#include <atomic>
#include <string>

#include "core/early_avx512.h"
#include "sylvester/core/error.h"

namespace sylvester {
namespace {

struct Row {
  Target target;
  const char* name;
  std::int64_t bits;  // Highway's targets that belong to it
};
#if HWY_ARCH_X86
constexpr std::int64_t kAvx512Bits = HWY_AVX3 | HWY_AVX3_DL
#ifdef HWY_AVX3_ZEN4
                                     | HWY_AVX3_ZEN4
#endif
    ;
constexpr std::array<Row, 3> kRows{{{Target::kSse4, "sse4", HWY_SSE4},
                                    {Target::kAvx2, "avx2", HWY_AVX2},
                                    {Target::kAvx512, "avx512", kAvx512Bits}}};
#elif HWY_ARCH_ARM
constexpr std::array<Row, 1> kRows{{{Target::kNeon, "neon", HWY_NEON}}};
#else
constexpr std::array<Row, 0> kRows{};
#endif

std::atomic<Target> g_target{Target::kAuto};

std::int64_t cpu_bits() {
  static const std::int64_t bits = [] {
    hwy::SetSupportedTargetsForTest(0);
    return hwy::SupportedTargets();
  }();
  return bits;
}

}  // namespace

Target parse_target(std::string_view name) {
  if (name == "auto") return Target::kAuto;
  if (name == "scalar") return Target::kScalar;
  if (name == "sse4") return Target::kSse4;
  if (name == "avx2") return Target::kAvx2;
  if (name == "avx512") return Target::kAvx512;
  if (name == "neon") return Target::kNeon;
  throw ValueError("target: '" + std::string(name) +
                   "'; want auto, scalar, sse4, avx2, avx512 or neon");
}

std::string to_string(Target target) {
  switch (target) {
    case Target::kAuto:
      return "auto";
    case Target::kScalar:
      return "scalar";
    case Target::kSse4:
      return "sse4";
    case Target::kAvx2:
      return "avx2";
    case Target::kAvx512:
      return "avx512";
    case Target::kNeon:
      return "neon";
  }
  return "?";
}

void set_target(Target target) {
  const std::int64_t present = cpu_bits();
  if (target == Target::kAuto || target == Target::kScalar) {
    hwy::SetSupportedTargetsForTest(0);
  } else {
    std::int64_t bits = 0;
    for (const Row& row : kRows) {
      if (row.target == target) bits = row.bits & present;
    }
    if (bits == 0) {
      throw UnsupportedError("target: this CPU or build has no " + to_string(target));
    }
    // Targets of the chosen row only: a lower one would be dispatched when the row is absent from
    // a kernel's compiled list, which every kernel file's target list rules out.
    hwy::SetSupportedTargetsForTest(bits);
  }
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  g_target = target;
}

bool detail::set_early_avx512() {
#if HWY_ARCH_X86
  if ((cpu_bits() & HWY_AVX3) == 0 || (cpu_bits() & kAvx512Bits) == HWY_AVX3) return false;
  hwy::SetSupportedTargetsForTest(HWY_AVX3);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  g_target = Target::kAvx512;
  return true;
#else
  return false;
#endif
}

Target current_target() noexcept { return g_target; }
bool scalar_target() noexcept { return g_target == Target::kScalar; }

std::vector<Target> available_targets() {
  const std::int64_t present = cpu_bits();
  std::vector<Target> out{Target::kScalar};
  for (const Row& row : kRows) {
    if ((row.bits & present) != 0) out.push_back(row.target);
  }
  return out;
}

std::vector<Target> known_targets() {
  std::vector<Target> out{Target::kScalar};
  for (const Row& row : kRows) out.push_back(row.target);
  return out;
}

}  // namespace sylvester
