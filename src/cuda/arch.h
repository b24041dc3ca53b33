// Whether this build's device code runs on the device in use.
#pragma once

namespace sylvester::cuda::detail {

bool probe_kernel_loads() noexcept;

}  // namespace sylvester::cuda::detail
