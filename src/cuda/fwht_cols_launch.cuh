// Definition of launch_cols; included by the files that instantiate it.
#pragma once

#include <algorithm>

#include "cuda/check.h"
#include "cuda/fwht_cols.cuh"

namespace sylvester::cuda::detail {

template <class T, int kPower, int kColBits, int kCluster, class Output>
bool launch_cols_order(const RowsJob& job, std::int64_t cols, const Output& output,
                       cudaStream_t stream) {
  using S = ColsShape<kPower, kColBits>;
  const auto kernel = fwht_cols_kernel<T, kPower, kColBits, kCluster, Output>;
  constexpr int kBlocks = 1 << kCluster;
  if (cols % S::kCols != 0) return false;
  const std::int64_t panels = cols / S::kCols;
  int blocks = resident_blocks(reinterpret_cast<const void*>(kernel), S::kThreads, S::kSharedBytes,
                               panels * kBlocks);
  blocks = blocks / kBlocks * kBlocks;
  if (blocks == 0 || (kCluster > 0 && device_info().major < 9)) return false;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(blocks));
  config.blockDim = dim3(S::kThreads);
  config.dynamicSmemBytes = S::kSharedBytes;
  config.stream = stream;
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeClusterDimension;
  attribute.val.clusterDim.x = kBlocks;
  attribute.val.clusterDim.y = attribute.val.clusterDim.z = 1;
  config.attrs = &attribute;
  config.numAttrs = kCluster > 0 ? 1 : 0;
  check(cudaLaunchKernelEx(&config, kernel, job, output, panels), "hadamard cols");
  return true;
}

template <class T, class Output>
bool launch_cols(const RowsJob& job, std::int64_t cols, const Output& output, cudaStream_t stream) {
  const auto whole = [](std::int64_t elements) {
    return elements * static_cast<std::int64_t>(sizeof(T)) % 16 == 0;
  };
  const bool aligned = reinterpret_cast<std::uintptr_t>(job.x) % 16 == 0 &&
                       reinterpret_cast<std::uintptr_t>(job.y) % 16 == 0;
  if (job.base != 1 || cols % 8 != 0 || !aligned || !whole(job.x_stride) || !whole(job.y_stride)) {
    return false;
  }
  switch (job.power) {
#define SYLVESTER_ORDER(power, block, col_bits, cluster) \
  case power:                                            \
    return launch_cols_order<T, block, col_bits, cluster>(job, cols, output, stream);
    SYLVESTER_ORDER(6, 6, 5, 0)
    SYLVESTER_ORDER(7, 7, 5, 0)
    SYLVESTER_ORDER(8, 8, 5, 0)
    SYLVESTER_ORDER(9, 9, 5, 0)
    SYLVESTER_ORDER(10, 10, 4, 0)
    SYLVESTER_ORDER(11, 10, 4, 1)
    SYLVESTER_ORDER(12, 10, 4, 2)
    SYLVESTER_ORDER(13, 10, 4, 3)
    SYLVESTER_ORDER(14, 11, 4, 3)
    SYLVESTER_ORDER(15, 12, 3, 3)
#undef SYLVESTER_ORDER
    default:
      return false;
  }
}

}  // namespace sylvester::cuda::detail
