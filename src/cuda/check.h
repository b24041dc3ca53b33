// CUDA status codes become exceptions here, at the host boundary.
#pragma once

#include <cuda_runtime.h>

#include "sylvester/cuda/device.h"

namespace sylvester::cuda::detail {

// Throws the matching exception for a status that is not cudaSuccess.
void check(cudaError_t status, const char* what);
// After a launch: errors of the launch itself.
inline void check_launch(const char* what) { check(cudaPeekAtLastError(), what); }
inline cudaStream_t native(StreamHandle stream) { return static_cast<cudaStream_t>(stream); }

}  // namespace sylvester::cuda::detail
