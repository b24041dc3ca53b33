// Definition of launch_cols; included by the files that instantiate it.
#pragma once

#include <algorithm>

#include "cuda/check.h"
#include "cuda/fwht_cols.cuh"
#include "cuda/fwht_cols_short.cuh"
#include "cuda/fwht_launch.h"

namespace sylvester::cuda::detail {

template <class S, class T, class Output>
bool launch_cols_order(const RowsJob& job, std::int64_t cols, const Output& output,
                       cudaStream_t stream, std::int64_t blocks) {
  if (S::kPeers > 1 && device_info().major < 9) return false;
  const auto kernel = fwht_cols_kernel<T, S, Output>;
  const std::int64_t panels = (cols + S::kCols - 1) / S::kCols;
  ColsGrid grid;
  grid.cols = static_cast<int>(cols);
  grid.panels = static_cast<int>(panels);
  grid.items = static_cast<int>(panels * blocks);
  const int resident = resident_blocks(reinterpret_cast<const void*>(kernel), S::kThreads,
                                       S::kSharedBytes, grid.items * S::kPeers, S::kPeers);
  if (resident == 0) return false;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(resident));
  config.blockDim = dim3(S::kThreads);
  config.dynamicSmemBytes = S::kSharedBytes;
  config.stream = stream;
  cudaLaunchAttribute attributes[2]{};
  config.attrs = attributes;
  if constexpr (S::kPeers > 1) {
    cudaLaunchAttribute& cluster = attributes[config.numAttrs++];
    cluster.id = cudaLaunchAttributeClusterDimension;
    cluster.val.clusterDim.x = S::kPeers;
    cluster.val.clusterDim.y = cluster.val.clusterDim.z = 1;
  }
  if (SecondPass<Output> && device_info().major >= 9) {
    cudaLaunchAttribute& dependent = attributes[config.numAttrs++];
    dependent.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    dependent.val.programmaticStreamSerializationAllowed = 1;
  }
  check(cudaLaunchKernelEx(&config, kernel, job, output, grid), "hadamard cols");
  return true;
}

template <class T, int kPower, class Output>
bool launch_cols_short(const RowsJob& job, std::int64_t cols, const Output& output,
                       cudaStream_t stream, std::int64_t blocks) {
  const auto kernel = fwht_cols_short_kernel<T, kPower, Output>;
  constexpr int kThreads = 128;
  const int resident = resident_blocks(reinterpret_cast<const void*>(kernel), kThreads, 0,
                                       (cols / 2 * blocks + kThreads - 1) / kThreads);
  kernel<<<resident, kThreads, 0, stream>>>(job, output, static_cast<int>(cols), blocks);
  check_launch("hadamard cols");
  return true;
}

// Shapes were chosen by measurement on an H100. 16-bit numbers: panels of 32 columns, so that rows
// are read and written in 64 bytes; a block of 2^9 to 2^10 rows. float32: 16 columns.
template <class T, class Output>
bool launch_cols_power(const RowsJob& job, std::int64_t cols, const Output& output,
                       cudaStream_t stream, std::int64_t blocks) {
  constexpr bool k16 = sizeof(T) == 2;
  switch (job.power) {
#define SYLVESTER_SHORT(power) \
  case power:                  \
    return launch_cols_short<T, power>(job, cols, output, stream, blocks);
    SYLVESTER_SHORT(1)
    SYLVESTER_SHORT(2)
    SYLVESTER_SHORT(3)
    SYLVESTER_SHORT(4)
    SYLVESTER_SHORT(5)
    SYLVESTER_SHORT(6)
#undef SYLVESTER_SHORT
// 2^power rows: 2^low of them in a thread, `shuffles`, 2^bits columns, 2^cluster blocks, so many on
// a processor; the same for float32.
#define SYLVESTER_SHAPE(power, low, shuffles, bits, cluster, resident)                      \
  return launch_cols_order<ColsShape<T, power, low, shuffles, bits, cluster, resident>, T>( \
      job, cols, output, stream, blocks);
#define SYLVESTER_ORDER(power, low, shuffles, bits, cluster, resident, bits32, cluster32, res32) \
  case power:                                                                                    \
    if constexpr (k16) {                                                                         \
      SYLVESTER_SHAPE(power, low, shuffles, bits, cluster, resident)                             \
    } else {                                                                                     \
      SYLVESTER_SHAPE(power, low, shuffles, bits32, cluster32, res32)                            \
    }
    SYLVESTER_ORDER(7, 4, 0, 5, 0, 4, 4, 0, 4)
    SYLVESTER_ORDER(8, 5, 0, 5, 0, 4, 4, 0, 4)
    SYLVESTER_ORDER(9, 5, 0, 5, 1, 4, 4, 0, 3)
    SYLVESTER_ORDER(10, 6, 0, 5, 1, 2, 4, 1, 3)
    SYLVESTER_ORDER(11, 6, 0, 5, 1, 1, 4, 2, 3)
    case 12:
      if constexpr (k16) {
        // Few panels: smaller blocks share the processors more evenly; codes want fewer of them.
        if (cols * blocks < 6144) {
          if constexpr (Quantizes<Output>) {
            SYLVESTER_SHAPE(12, 6, 0, 5, 3, 2)
          } else {
            SYLVESTER_SHAPE(12, 6, 0, 5, 4, 4)
          }
        }
        SYLVESTER_SHAPE(12, 6, 0, 5, 2, 1)
      } else {
        SYLVESTER_SHAPE(12, 6, 0, 4, 3, 3)
      }
      SYLVESTER_ORDER(13, 7, 0, 5, 3, 1, 4, 4, 3)
      SYLVESTER_ORDER(14, 7, 0, 5, 4, 1, 4, 4, 1)
    case 15:
      if constexpr (k16) {
        SYLVESTER_SHAPE(15, 7, 1, 4, 4, 1)
      } else {
        SYLVESTER_SHAPE(15, 7, 1, 3, 4, 1)
      }
#undef SYLVESTER_ORDER
#undef SYLVESTER_SHAPE
    default:
      return false;
  }
}

template <class T, class Output>
bool launch_cols(const RowsJob& job, std::int64_t cols, const Output& output, cudaStream_t stream,
                 std::int64_t blocks) {
  const auto whole = [](std::int64_t elements) {
    return elements * static_cast<std::int64_t>(sizeof(T)) % 16 == 0;
  };
  const bool aligned = reinterpret_cast<std::uintptr_t>(job.x) % 16 == 0 &&
                       reinterpret_cast<std::uintptr_t>(job.y) % 16 == 0;
  constexpr std::int64_t kMost = 1 << 30;    // columns and panels
  constexpr std::int64_t kWidest = 1 << 19;  // so that OutputSteps' bytes fit 32 bits
  if (job.base != 1 || !aligned || !whole(cols) || !whole(job.x_stride) || !whole(job.y_stride) ||
      cols > kMost || blocks > kMost / cols || job.y_stride > kWidest) {
    return false;
  }
  return launch_cols_power<T>(job, cols, output, stream, blocks);
}

}  // namespace sylvester::cuda::detail
