// For tests of kernels that have a body of their own for later AVX-512.
#pragma once

namespace sylvester::detail {

// As set_target(Target::kAvx512) on a CPU without VBMI. False where this CPU or build has no such
// difference; nothing is changed then.
bool set_early_avx512();

}  // namespace sylvester::detail
