// Column transforms of order 2^(kPower + kCluster): a block holds 2^kColBits neighbouring columns
// of 2^kPower rows in shared memory, row after row, so that the bits of an element above the column
// are row bits and the passes are those of the row transforms. The blocks of a cluster hold the
// other rows of the same columns; the last stages read their shared memory.
#pragma once

#include <cooperative_groups.h>

#include "cuda/fwht_launch.h"
#include "cuda/fwht_steps.cuh"
#include "cuda/rows_job.h"

namespace sylvester::cuda::detail {

template <int kPower, int kColBits>
struct ColsShape {
  static constexpr int kRows = 1 << kPower;  // of one block
  static constexpr int kCols = 1 << kColBits;
  static constexpr int kElements = kRows * kCols;
  static constexpr int kThreads = kElements / 64;
  // Blocks a processor holds; they overlap each other's loads and additions.
  static constexpr int kBlocks = kThreads >= 512 ? 1 : kThreads >= 256 ? 2 : 4;
  static constexpr int kRest = kPower - 3;  // stages after the first three
  static constexpr int kLast = kRest < 4 ? kRest : 4;
  static constexpr int kMiddle = kRest - kLast;
  static constexpr int kMiddleWidth = kMiddle == 5 ? 2 : 4;
  static constexpr int kLow = kColBits + 3;  // element bit of the first stage after the first three
  static constexpr int kSharedBytes = kElements / 64 * 68 * 4;
};

// Eight rows of eight columns as they lie in memory.
template <class T>
struct RawRows {
  static constexpr int kWords = sizeof(T) == 2 ? 1 : 2;  // 16-byte words a row
  uint4 word[8][kWords];

  __device__ __forceinline__ void load(const T* x, std::int64_t stride) {
#pragma unroll
    for (int r = 0; r < 8; ++r) {
#pragma unroll
      for (int w = 0; w < kWords; ++w) {
        word[r][w] = *reinterpret_cast<const uint4*>(x + r * stride + w * 4);
      }
    }
  }
  __device__ __forceinline__ void widen_to(float (&f)[64]) const {
#pragma unroll
    for (int r = 0; r < 8; ++r) {
#pragma unroll
      for (int w = 0; w < kWords; ++w) {
        const std::uint32_t u[4] = {word[r][w].x, word[r][w].y, word[r][w].z, word[r][w].w};
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          if constexpr (sizeof(T) == 2) {
            const float2 p = widen(u[i], static_cast<const T*>(nullptr));
            f[r * 8 + 2 * i] = p.x, f[r * 8 + 2 * i + 1] = p.y;
          } else {
            f[r * 8 + w * 4 + i] = __uint_as_float(u[i]);
          }
        }
      }
    }
  }
};

template <class T, int kPower, int kColBits, int kCluster, class Output>
__global__ __launch_bounds__(
    (ColsShape<kPower, kColBits>::kThreads),
    (ColsShape<kPower, kColBits>::kBlocks)) void fwht_cols_kernel(const RowsJob job,
                                                                  const __grid_constant__ Output
                                                                      output,
                                                                  const std::int64_t panels) {
  using S = ColsShape<kPower, kColBits>;
  extern __shared__ __align__(128) float tile[];
  constexpr int kBlocks = 1 << kCluster;
  const int rank = threadIdx.x;
  const int part = kCluster > 0 ? static_cast<int>(blockIdx.x % kBlocks) : 0;
  const std::int64_t first = blockIdx.x / kBlocks, step = gridDim.x / kBlocks;
  const int row0 = part * S::kRows;
  const T* x = static_cast<const T*>(job.x) + row0 * job.x_stride;
  // The thread's eight rows and eight columns of the first pass.
  const int my_row = rank / (S::kCols / 8) * 8, my_col = rank % (S::kCols / 8) * 8;
  typename Output::State state = output.begin();

  const auto finish = [&](float(&v)[4], int row, std::int64_t panel, int col) {
#pragma unroll
    for (int k = 0; k < 4; ++k) v[k] = __fmul_rn(v[k], job.scale);
    if (job.signs_after != nullptr) {
      const bool negative = sign_after(job, row);
#pragma unroll
      for (int k = 0; k < 4; ++k) v[k] = flip(v[k], negative);
    }
    output.template emit<4>(state, row, static_cast<int>(panel * S::kCols) + col, v);
  };

  RawRows<T> raw;
  const auto fetch = [&](std::int64_t panel) {
    raw.load(x + my_row * job.x_stride + panel * S::kCols + my_col, job.x_stride);
  };
  if (first < panels) fetch(first);
  for (std::int64_t panel = first; panel < panels; panel += step) {
    {
      float f[64];
      raw.widen_to(f);
      if (job.signs_before != nullptr) {
        const int row = row0 + my_row;
        const std::uint64_t word = job.signs_before[row >> 6] >> (row & 63);
#pragma unroll
        for (int i = 0; i < 64; ++i) f[i] = flip(f[i], (word >> (i / 8) & 1) != 0);
      }
      butterflies(f, 8);
      butterflies(f, 16);
      butterflies(f, 32);
#pragma unroll
      for (int i = 0; i < 16; ++i) {
        const int e = (my_row + i / 2) * S::kCols + my_col + i % 2 * 4;
        *reinterpret_cast<float4*>(tile + place<4, 6>(e)) =
            make_float4(f[4 * i], f[4 * i + 1], f[4 * i + 2], f[4 * i + 3]);
      }
    }
    __syncthreads();
    const std::int64_t next = panel + step;
    if (next < panels) fetch(next);
    if constexpr (S::kMiddle > 0) {
      using Item = LaterItem<S::kMiddle, S::kMiddleWidth, 4, 6>;
      for (int i = rank; i < S::kElements / Item::kCount; i += S::kThreads) {
        Item item;
        const int e = Item::element(i, S::kLow);
        item.load(tile, e, S::kLow);
        item.stages();
        item.store(tile, e, S::kLow);
      }
      __syncthreads();
    }
    using Item = LaterItem<S::kLast, 4, 4, 6>;
    constexpr int kLow = S::kLow + S::kMiddle;
    for (int i = rank; i < S::kElements / Item::kCount; i += S::kThreads) {
      Item item;
      const int e = Item::element(i, kLow);
      item.load(tile, e, kLow);
      item.stages();
      if constexpr (kCluster > 0) {
        item.store(tile, e, kLow);
      } else {
#pragma unroll
        for (int r = 0; r < (1 << S::kLast); ++r) {
          float v[4] = {item.f[4 * r], item.f[4 * r + 1], item.f[4 * r + 2], item.f[4 * r + 3]};
          finish(v, (e >> kColBits) + (r << (kLow - kColBits)), panel, e & (S::kCols - 1));
        }
      }
    }
    if constexpr (kCluster > 0) {
#if __CUDA_ARCH__ >= 900
      namespace cg = cooperative_groups;
      const cg::cluster_group cluster = cg::this_cluster();
      cluster.sync();
      constexpr int kShare = S::kRows / kBlocks;  // rows of each block that this one finishes
      for (int i = rank; i < kShare * (S::kCols / 4); i += S::kThreads) {
        const int row = part * kShare + i / (S::kCols / 4), col = i % (S::kCols / 4) * 4;
        const int at = place<4, 6>(row * S::kCols + col);
        float f[4 * kBlocks];
#pragma unroll
        for (int b = 0; b < kBlocks; ++b) {
          load_floats<4>(cluster.map_shared_rank(tile, b) + at, f + 4 * b);
        }
#pragma unroll
        for (int b = 0; b < kCluster; ++b) butterflies(f, 4 << b);
#pragma unroll
        for (int b = 0; b < kBlocks; ++b) {
          float v[4] = {f[4 * b], f[4 * b + 1], f[4 * b + 2], f[4 * b + 3]};
          finish(v, b * S::kRows + row, panel, col);
        }
      }
      cluster.sync();
#endif
    } else {
      __syncthreads();
    }
  }
  output.end(state);
}

}  // namespace sylvester::cuda::detail
