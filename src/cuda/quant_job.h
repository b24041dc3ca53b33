// What the quantizing kernels are asked to do; passed by value.
#pragma once

#include <cstdint>

#include "cuda/scale_device.cuh"

namespace sylvester::cuda::detail {

struct QuantJob {
  const void* x = nullptr;
  std::int64_t rows = 0, cols = 0, x_stride = 0;
  std::int64_t block_rows = 1, block_cols = 1;
  std::int64_t scale_rows = 1, scale_cols = 1;
  std::int64_t tile_cols = 1;  // the CPU's tile, which bounds MS-EDEN's poison
  RandomStream stream{};
  bool poisons = true;  // a NaN scale means codes 0

  std::uint32_t* magnitudes = nullptr;  // one a block, or one for the tensor
  std::int32_t* lows = nullptr;         // asymmetric: order keys
  std::int32_t* highs = nullptr;
  float* scales = nullptr;
  float* factors = nullptr;
  float* zeros = nullptr;               // asymmetric only
  std::uint8_t* scale_codes = nullptr;  // where the scale format has codes
  float* tensor_scale = nullptr;
  TensorLevel* level = nullptr;  // NVFP4 with two levels
  // Blocks of the first pass that are done; the last one makes the tensor's scale or level and
  // leaves absmax and count at zero for the next call. Not for columns.
  std::uint32_t* done = nullptr;
  float* by = nullptr;  // kTensor: the QuotientBy that the first pass leaves
  std::uint8_t* codes = nullptr;
  std::uint8_t* codes_t = nullptr;  // [cols][rows], where the encoding kernel makes them too
  // The last elements of X that the first of two passes keeps in the L2 cache.
  std::int64_t kept = 0;

  // The block of an element. Tensor and row specs have one block across.
#if defined(__CUDACC__)
  __device__ __forceinline__ std::int64_t block(std::int64_t row, std::int64_t col) const {
    const std::int64_t down = scale_rows == 1 ? 0 : block_rows == 1 ? row : row / block_rows;
    const std::int64_t across = scale_cols == 1 ? 0 : block_cols == 1 ? col : col / block_cols;
    return down * scale_cols + across;
  }
#endif
};

}  // namespace sylvester::cuda::detail
