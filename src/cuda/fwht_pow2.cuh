// Row transforms of order 2^kPower. Orders up to 2048: every warp works alone on 2048 elements,
// with its own incoming copy. Larger ones: the warps of a block share one tile.
#pragma once

#include "cuda/async_copy.cuh"
#include "cuda/fwht_steps.cuh"
#include "cuda/row_output.cuh"
#include "cuda/rows_job.h"

namespace sylvester::cuda::detail {

template <class T, int kPower>
struct Pow2Shape {
  static constexpr int kGroup = kPower <= 11 ? 32 : (1 << kPower) / 64;
  static constexpr int kThreads = kPower <= 11 ? 128 : kGroup;
  static constexpr int kTile = kGroup * 64;  // elements
  static constexpr int kRows = kTile >> kPower;
  static constexpr int kMiddle = kPower >= 12 ? kPower - 10 : 0;  // stages of the middle pass
  static constexpr int kLast = kPower >= 12 ? 4 : kPower > 6 ? kPower - 6 : 0;
  static constexpr int kMiddleWidth = kMiddle == 5 ? 2 : 4;
  static constexpr int kLastWidth = kLast == 5 ? 2 : 4;
  static constexpr int kTileBytes = kTile * (64 + pad<T>()) / 64 * 4;
  static constexpr int kInBytes = sizeof(T) == 2 ? kTile * 2 : kTileBytes;
  // Incoming buffers beside the tile; float32 is transformed where it lands.
  static constexpr int kBuffers = sizeof(T) == 2 || kPower == 15 ? 1 : 2;
  static constexpr int kGroupBytes = kBuffers * kInBytes + (sizeof(T) == 2 ? kTileBytes : 0);
  static constexpr int kSharedBytes = kGroupBytes * (kThreads / kGroup) + 16 * kBuffers * 4;
};

template <int kGroup>
__device__ __forceinline__ void group_sync() {
  if constexpr (kGroup == 32) {
    __syncwarp();
  } else {
    __syncthreads();
  }
}

template <class T, int kPower, class Output>
__global__ __launch_bounds__(
    (Pow2Shape<T, kPower>::kThreads),
    (512 /
     Pow2Shape<T, kPower>::kThreads)) void fwht_pow2_kernel(const RowsJob job,
                                                            const __grid_constant__ Output output) {
  using S = Pow2Shape<T, kPower>;
  extern __shared__ __align__(128) unsigned char shared[];
  const int lane = threadIdx.x % S::kGroup, group = threadIdx.x / S::kGroup;
  unsigned char* mine = shared + group * S::kGroupBytes;
  auto* barriers =
      reinterpret_cast<std::uint64_t*>(shared + S::kGroupBytes * (S::kThreads / S::kGroup)) +
      group * S::kBuffers;
  constexpr int n = 1 << kPower;
  const T* x = static_cast<const T*>(job.x);
  const std::int64_t tiles = (job.rows + S::kRows - 1) / S::kRows;
  const std::int64_t stride = std::int64_t{gridDim.x} * (S::kThreads / S::kGroup);
  const std::int64_t first = std::int64_t{blockIdx.x} * (S::kThreads / S::kGroup) + group;
  constexpr int kPad = pad<T>();

  const auto in_buffer = [&](int b) { return reinterpret_cast<T*>(mine + b * S::kInBytes); };
  const auto fetch = [&](std::int64_t turn, int b) {
    const std::int64_t row = (job.backwards ? tiles - 1 - turn : turn) * S::kRows;
    const int rows = static_cast<int>(min(std::int64_t{S::kRows}, job.rows - row));
    const AsyncCopy copy{barriers + b};
    copy.begin(lane, rows * n * sizeof(T));
    if (job.x_stride == n) {
      copy.copy(in_buffer(b), x + row * n, rows * n * sizeof(T), lane, S::kGroup);
    } else {
      for (int i = 0; i < rows; ++i) {
        copy.copy(in_buffer(b) + i * n, x + (row + i) * job.x_stride, n * sizeof(T), lane,
                  S::kGroup);
      }
    }
    copy.end();
  };

  if (lane == 0) {
    for (int b = 0; b < S::kBuffers; ++b) AsyncCopy{barriers + b}.init();
  }
  group_sync<S::kGroup>();
  for (int b = 0; b < S::kBuffers; ++b) {
    if (first + b * stride < tiles) fetch(first + b * stride, b);
  }
  typename Output::State state = output.begin();
  int round = 0;
  for (std::int64_t turn = first; turn < tiles; turn += stride, ++round) {
    const std::int64_t tile = job.backwards ? tiles - 1 - turn : turn;
    const int b = round % S::kBuffers;
    AsyncCopy{barriers + b}.wait(round / S::kBuffers & 1);
#if __CUDA_ARCH__ < 900
    group_sync<S::kGroup>();
#endif
    T* in = in_buffer(b);
    float* values = reinterpret_cast<float*>(sizeof(T) == 2 ? mine + S::kBuffers * S::kInBytes
                                                            : mine + b * S::kInBytes);
    first_stages<6>(in, values, lane, kPower < 6 ? kPower : 6,
                    chunk_signs(job, tile * (S::kTile / 64) + lane), 0);
    group_sync<S::kGroup>();
    const std::int64_t next = turn + S::kBuffers * stride;
    if constexpr (sizeof(T) == 2) {
      if (next < tiles) fetch(next, b);
    }
    if constexpr (S::kMiddle > 0) {
      using Item = LaterItem<S::kMiddle, S::kMiddleWidth, kPad, 6>;
      constexpr int kItems = 64 / Item::kCount;
#pragma unroll
      for (int i = 0; i < kItems; ++i) {
        Item item;
        const int e = Item::element(lane + i * S::kGroup, 6);
        item.load(values, e, 6);
        item.stages();
        item.store(values, e, 6);
      }
      group_sync<S::kGroup>();
    }
    {
      using Item = LaterItem<S::kLast, S::kLastWidth, kPad, 6>;
      constexpr int kItems = 64 / Item::kCount;
      constexpr int kLow = S::kMiddle > 0 ? 6 + S::kMiddle : 6;
      const std::int64_t row0 = tile * S::kRows;
      const int rows = static_cast<int>(min(std::int64_t{S::kRows}, job.rows - row0));
      // More than a few items at once would not fit the registers.
#pragma unroll(kItems > 4 ? 4 : kItems)
      for (int i = 0; i < kItems; ++i) {
        Item item;
        const int e = Item::element(lane + i * S::kGroup, kLow);
        item.load(values, e, kLow);
        item.stages();
        // An item lies within one row: its places are 2^kLow apart and 2^(kLow + kLast) <= n, or
        // it is one place of a short row.
        constexpr int kWidth = S::kLastWidth;
        if constexpr (n >= kWidth) {
          const int row = e >> kPower, col = e & (n - 1);
          if (row < rows) {
#pragma unroll
            for (int r = 0; r < (1 << S::kLast); ++r) {
              const int c = col + (r << kLow);
              float v[kWidth];
#pragma unroll
              for (int k = 0; k < kWidth; ++k) v[k] = __fmul_rn(item.f[r * kWidth + k], job.scale);
              if (job.signs_after != nullptr) {
#pragma unroll
                for (int k = 0; k < kWidth; ++k) {
                  v[k] = flip(v[k], sign_after(job, tile * S::kTile + e + (r << kLow) + k));
                }
              }
              output.template emit<kWidth>(state, row0 + row, c, v);
            }
          }
        } else {
#pragma unroll
          for (int k = 0; k < kWidth; ++k) {
            const int row = (e + k) >> kPower, c = (e + k) & (n - 1);
            float v[1] = {__fmul_rn(item.f[k], job.scale)};
            if (job.signs_after != nullptr) {
              v[0] = flip(v[0], sign_after(job, tile * S::kTile + e + k));
            }
            if (row < rows) output.template emit<1>(state, row0 + row, c, v);
          }
        }
      }
    }
    group_sync<S::kGroup>();
    if constexpr (sizeof(T) == 4) {
      if (next < tiles) fetch(next, b);
    }
  }
  output.end(state);
}

}  // namespace sylvester::cuda::detail
