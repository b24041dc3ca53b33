// Launches on a stream, of kernels that may overlap the end of the kernel before them.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "cuda/check.h"

namespace sylvester::cuda::detail {

inline int grid_of(std::int64_t threads, int block, std::int64_t most = 1 << 30) {
  return static_cast<int>(std::clamp<std::int64_t>((threads + block - 1) / block, 1, most));
}

// The kernel calls wait_for_predecessor() before it reads or writes anything that another kernel
// touches. Devices before sm_90 wait for the whole predecessor instead.
template <class... Parameters, class... Arguments>
void launch_dependent(void (*kernel)(Parameters...), dim3 grid, int block, std::int64_t shared,
                      cudaStream_t stream, const char* what, Arguments&&... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = dim3(static_cast<unsigned>(block));
  config.dynamicSmemBytes = static_cast<std::size_t>(shared);
  config.stream = stream;
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attribute.val.programmaticStreamSerializationAllowed = 1;
  config.attrs = &attribute;
  config.numAttrs = device_info().major >= 9 ? 1 : 0;
  check(cudaLaunchKernelEx(&config, kernel, std::forward<Arguments>(arguments)...), what);
}

}  // namespace sylvester::cuda::detail
