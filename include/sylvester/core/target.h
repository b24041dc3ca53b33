// Which instruction set the kernels use. The promised results do not depend on it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sylvester {

// "auto" = best the CPU has; "scalar" = the plain C++ bodies that define the results.
enum class Target { kAuto, kScalar, kSse4, kAvx2, kAvx512, kNeon };

// Text form: auto, scalar, sse4, avx2, avx512, neon. Throws ValueError for any other name.
Target parse_target(std::string_view name);
std::string to_string(Target target);

// Process-wide. Throws UnsupportedError when this CPU (or build) lacks the target.
void set_target(Target target);
Target current_target() noexcept;
// True when kernels must take their scalar bodies instead of the dispatched ones.
bool scalar_target() noexcept;

// Every target this CPU can run, scalar first.
std::vector<Target> available_targets();
// Every target this build knows for this architecture, present or not (tests report the rest as
// skipped).
std::vector<Target> known_targets();

}  // namespace sylvester
