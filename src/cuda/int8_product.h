// int8 products with the dequantization in the epilogue: C = float(sum) * (scale_a * scale_b).
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "sylvester/formats/dtype.h"

namespace sylvester::cuda::detail {

struct Int8Product {
  const std::int8_t* a = nullptr;  // [m][k]
  const std::int8_t* b = nullptr;  // [n][k]
  void* c = nullptr;               // [m][n], float32 or bfloat16
  DType type = DType::kBFloat16;
  std::int64_t m = 0, n = 0, k = 0;
  const float* scale_a = nullptr;  // one, or one a row
  const float* scale_b = nullptr;
  bool rows_a = false, rows_b = false;
  float* alpha = nullptr;  // one device float for the product of the scales
};

// The wgmma kernel (CUTLASS) for sm_90 and one scale a tensor. False: the shape or build has none.
bool int8_tensor_core(const Int8Product& p, cudaStream_t stream);
// Any shape and device.
void int8_any(const Int8Product& p, cudaStream_t stream);

}  // namespace sylvester::cuda::detail
