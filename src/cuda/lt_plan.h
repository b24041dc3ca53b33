// One cuBLASLt product: descriptors, and the algorithm that the policy allows. Built once a shape.
#pragma once

#include <cublasLt.h>

#include <cstdint>

#include "sylvester/cuda/device.h"

namespace sylvester::cuda::detail {

struct LtProblem {
  std::int64_t m = 0, n = 0, k = 0;  // C [m, n] row-major
  cudaDataType_t a = CUDA_R_8F_E4M3, b = CUDA_R_8F_E4M3, c = CUDA_R_16BF;
  bool transpose_a = false, transpose_b = false;  // operands stored [K, M], [K, N]
  std::int64_t stride_a = 0, stride_b = 0, stride_c = 0;
  bool fast = false;  // FP8: no promotion
  int split_k = 1;
  bool device_scales = false;  // FP8 scale pointers
  bool device_alpha = false;   // alpha is read on the device

  auto operator<=>(const LtProblem&) const = default;
};

// Runs the product. scale_a, scale_b: device floats (16-byte aligned) where device_scales;
// alpha: device float where device_alpha.
// Errors: UnsupportedError when cuBLASLt offers no algorithm that the policy allows.
void run_lt(const LtProblem& problem, const void* A, const void* B, void* C, const float* scale_a,
            const float* scale_b, const float* alpha, cudaStream_t stream);

}  // namespace sylvester::cuda::detail
