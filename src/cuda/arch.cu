#include "cuda/arch.h"

#include <cuda_runtime.h>

namespace sylvester::cuda::detail {
namespace {

__global__ void probe_kernel() {}

}  // namespace

bool probe_kernel_loads() noexcept {
  cudaFuncAttributes attributes{};
  return cudaFuncGetAttributes(&attributes, probe_kernel) == cudaSuccess;
}

}  // namespace sylvester::cuda::detail
