// Row transforms of order 2^kPower. A warp works alone on 2048 elements, with its own incoming
// copy. Orders above 2048 meet in the block's tile of one row: 4096 for all stages from 64 on (the
// last one between lanes), larger ones, whose warps go on alone up to the stage 1024, for the rest.
#pragma once

#include "cuda/async_copy.cuh"
#include "cuda/fwht_steps.cuh"
#include "cuda/row_output.cuh"
#include "cuda/rows_job.h"

namespace sylvester::cuda::detail {

template <class T, int kPower>
struct Pow2Shape {
  static constexpr int kWarps = kPower <= 11 ? 1 : 1 << (kPower - 11);  // of a group
  static constexpr int kGroup = 32 * kWarps;                            // threads that share a tile
  static constexpr int kThreads = kPower <= 11 ? 128 : kGroup;
  static constexpr int kGroups = kThreads / kGroup;
  static constexpr int kTile = kGroup * 64;  // elements
  static constexpr int kRows = kTile >> kPower;
  static constexpr int kMiddle = kPower >= 13 ? 5 : 0;  // stages 64 ... 1024, of a warp alone
  static constexpr bool kLanes = kPower == 12;          // the last stage is one between lanes
  static constexpr int kLast = kLanes         ? 5
                               : kPower >= 13 ? kPower - 11
                               : kPower > 6   ? kPower - 6
                                              : 0;
  static constexpr int kLastWidth = kLast == 5 ? 2 : 4;
  static constexpr int kLow = 6 + kMiddle;                   // of the last stages
  static constexpr int kItems = 64 / (kLastWidth << kLast);  // of a thread
  static constexpr int kTileBytes = kTile * (64 + pad<T>()) / 64 * 4;
  static constexpr int kInBytes = sizeof(T) == 2 ? kTile * 2 : kTileBytes;
  // Incoming buffers beside the tile; float32 is transformed where it lands.
  // One block a processor fetches its next tile when this one is done: reading and writing take
  // turns. Several blocks overlap in any case.
  static constexpr bool kLate = kPower == 15;
  static constexpr int kBuffers = sizeof(T) == 2 || kPower == 15 ? 1 : 2;
  static constexpr int kGroupBytes = kBuffers * kInBytes + (sizeof(T) == 2 ? kTileBytes : 0);
  static constexpr int kSharedBytes = kGroupBytes * kGroups + 8 * kBuffers * (kThreads / 32);
};

template <int kGroup>
__device__ __forceinline__ void group_sync() {
  if constexpr (kGroup == 32) {
    __syncwarp();
  } else {
    __syncthreads();
  }
}

// Diag(r) behind the transform, for an item of runs that each lie in one word of signs.
template <int kWidth, int kCount>
__device__ __forceinline__ void change_signs(const RowsJob& job, std::int64_t element, int low,
                                             float (&f)[kCount]) {
#pragma unroll
  for (int r = 0; r < kCount / kWidth; ++r) {
    const std::int64_t at = element + (r << low);
    const std::uint64_t word = job.signs_after[(at >> 6) % job.sign_words] >> (at & 63);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) f[r * kWidth + k] = flip(f[r * kWidth + k], word >> k & 1);
  }
}

// The results of a tile that lie in shared memory, one by one.
template <class T, int kPower, class Output>
__device__ __noinline__ void emit_divided(const RowsJob& job, const Output& output,
                                          typename Output::State state, const float* values,
                                          std::int64_t tile, int rank) {
  using S = Pow2Shape<T, kPower>;
  group_sync<S::kGroup>();
  for (int e = rank; e < S::kTile; e += S::kGroup) {
    const std::int64_t row = tile * S::kRows + (e >> kPower);
    if (row >= job.rows) return;
    output.emit_divided(state, row, e & ((1 << kPower) - 1), values[place<pad<T>(), 6>(e)]);
  }
}

// First element of item i of the last stages.
template <class S>
__device__ __forceinline__ int last_element(int rank, int i) {
  if constexpr (S::kLanes) {  // 16 pairs of columns, the row's halves in the halves of the warp
    return (rank / 32 * 16 + rank % 16) * 2 + rank % 32 / 16 * 2048;
  } else {
    return LaterItem<S::kLast, S::kLastWidth, 0, 6>::element(rank + i * S::kGroup, S::kLow);
  }
}

// The last stages of a tile of which only the largest magnitude is wanted: the very last stage is
// not made. Scaling does not change the order.
template <class T, int kPower, class Output>
__device__ __forceinline__ void observe_tile(const RowsJob& job, const Output& output,
                                             typename Output::State& state, const float* values,
                                             std::int64_t tile, int rank) {
  using S = Pow2Shape<T, kPower>;
  using Item = LaterItem<S::kLast, S::kLastWidth, pad<T>(), 6>;
  constexpr int kHalf = Item::kCount / 2;
  const std::int64_t rows = min(std::int64_t{S::kRows}, job.rows - tile * S::kRows);
#pragma unroll(S::kItems > 4 ? 4 : S::kItems)
  for (int i = 0; i < S::kItems; ++i) {
    const int e = last_element<S>(rank, i);
    Item item;
    item.load(values, e, S::kLow);
#pragma unroll
    for (int b = 0; b + 1 < S::kLast; ++b) butterflies(item.f, S::kLastWidth << b);
    if constexpr (S::kLanes) {
      // One stage more in the thread. The lower half of the warp keeps the sums and gives the
      // differences away, the upper half does the opposite. Multiplying by +-1 is exact.
      const float sign = rank % 32 < 16 ? 1.0f : -1.0f;
#pragma unroll
      for (int k = 0; k < kHalf; ++k) {
        const float x = item.f[k], y = item.f[k + kHalf];
        item.f[k] = __fmaf_rn(sign, y, x);
        item.f[k + kHalf] = __shfl_xor_sync(0xFFFFFFFFu, __fmaf_rn(-sign, y, x), 16);
      }
    }
    const float v[1] = {__fmul_rn(largest_after(item.f), job.scale)};
    if (e >> kPower < rows) output.template emit<1>(state, 0, 0, v);
  }
}

// The last stages of a tile, and its results to the output.
template <class T, int kPower, class Output>
__device__ __forceinline__ void last_stages(const RowsJob& job, const Output& output,
                                            typename Output::State& state, float* values,
                                            std::int64_t tile, int rank) {
  using S = Pow2Shape<T, kPower>;
  using Item = LaterItem<S::kLast, S::kLastWidth, pad<T>(), 6>;
  constexpr int n = 1 << kPower, kLow = S::kLow;
  const std::int64_t row0 = tile * S::kRows;
  const int rows = static_cast<int>(min(std::int64_t{S::kRows}, job.rows - row0));
  // More than a few items at once would not fit the registers.
#pragma unroll(S::kItems > 4 ? 4 : S::kItems)
  for (int i = 0; i < S::kItems; ++i) {
    Item item;
    const int e = last_element<S>(rank, i);
    item.load(values, e, kLow);
    item.stages();
    if constexpr (S::kLanes) {
      // Multiplying by +-1 is exact, so each FMA is one addition.
      const float sign = rank % 32 < 16 ? 1.0f : -1.0f;
#pragma unroll
      for (int k = 0; k < Item::kCount; ++k) {
        item.f[k] = __fmaf_rn(sign, item.f[k], __shfl_xor_sync(0xFFFFFFFFu, item.f[k], 16));
      }
    }
    // An item lies within one row: its places are 2^kLow apart and 2^(kLow + kLast) <= n, or it is
    // one place of a short row.
    constexpr int kWidth = S::kLastWidth;
    if constexpr (n >= kWidth) {
      const int row = e >> kPower, col = e & (n - 1);
      if (row >= rows) continue;
      // Changing a sign and rounding commute. What is seldom done is kept apart from the rest.
      if (job.signs_after != nullptr) change_signs<kWidth>(job, tile * S::kTile + e, kLow, item.f);
#pragma unroll
      for (int k = 0; k < Item::kCount; ++k) item.f[k] = __fmul_rn(item.f[k], job.scale);
      if constexpr (Quantizes<Output>) {  // the first pass never divides
        if (output.divides(state)) {
          item.store(values, e, kLow);
          continue;
        }
      }
#pragma unroll
      for (int r = 0; r < (1 << S::kLast); ++r) {
        float v[kWidth];
#pragma unroll
        for (int k = 0; k < kWidth; ++k) v[k] = item.f[r * kWidth + k];
        output.template emit<kWidth>(state, row0 + row, col + (r << kLow), v);
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
  if constexpr (Quantizes<Output>) {
    if (output.divides(state)) emit_divided<T, kPower>(job, output, state, values, tile, rank);
  }
}

template <class T, int kPower, class Output>
__global__ __launch_bounds__(
    (Pow2Shape<T, kPower>::kThreads),
    (512 /
     Pow2Shape<T, kPower>::kThreads)) void fwht_pow2_kernel(const __grid_constant__ RowsJob job,
                                                            const __grid_constant__ Output output) {
  using S = Pow2Shape<T, kPower>;
  extern __shared__ __align__(128) unsigned char shared[];
  const int rank = threadIdx.x % S::kGroup, group = threadIdx.x / S::kGroup;
  const int lane = threadIdx.x % 32, warp = rank / 32;
  unsigned char* mine = shared + group * S::kGroupBytes;
  auto* barriers = reinterpret_cast<std::uint64_t*>(shared + S::kGroupBytes * S::kGroups) +
                   threadIdx.x / 32 * S::kBuffers;
  constexpr int n = 1 << kPower;
  const T* x = static_cast<const T*>(job.x);
  const std::int64_t tiles = (job.rows + S::kRows - 1) / S::kRows;
  const std::int64_t stride = std::int64_t{gridDim.x} * S::kGroups;
  const std::int64_t first = std::int64_t{blockIdx.x} * S::kGroups + group;

  const auto in_buffer = [&](int b) { return reinterpret_cast<T*>(mine + b * S::kInBytes); };
  // A warp fetches the 2048 elements that it works on.
  const auto fetch = [&](std::int64_t turn, int b) {
    const std::int64_t row = (job.backwards ? tiles - 1 - turn : turn) * S::kRows;
    const AsyncCopy copy{barriers + b};
    if constexpr (S::kWarps > 1) {
      copy.begin(lane, 2048 * sizeof(T));
      copy.copy(in_buffer(b) + warp * 2048, x + row * job.x_stride + warp * 2048, 2048 * sizeof(T),
                lane, 32);
    } else {
      const int rows = static_cast<int>(min(std::int64_t{S::kRows}, job.rows - row));
      copy.begin(lane, rows * n * sizeof(T));
      if (job.x_stride == n) {
        copy.copy(in_buffer(b), x + row * n, rows * n * sizeof(T), lane, 32);
      } else {
        for (int i = 0; i < rows; ++i) {
          copy.copy(in_buffer(b) + i * n, x + (row + i) * job.x_stride, n * sizeof(T), lane, 32);
        }
      }
    }
    copy.end();
  };

  if (lane == 0) {
    for (int b = 0; b < S::kBuffers; ++b) AsyncCopy{barriers + b}.init();
  }
  __syncwarp();
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
    __syncwarp();
#endif
    T* in = in_buffer(b);
    float* values = reinterpret_cast<float*>(sizeof(T) == 2 ? mine + S::kBuffers * S::kInBytes
                                                            : mine + b * S::kInBytes);
    const std::int64_t next = turn + S::kBuffers * stride;
    first_stages<6>(in, values, rank, kPower < 6 ? kPower : 6,
                    chunk_signs(job, tile * (S::kTile / 64) + rank), 0);
    __syncwarp();
    if constexpr (sizeof(T) == 2) {
      if (!S::kLate && next < tiles) fetch(next, b);
    }
    if constexpr (S::kMiddle > 0) {
      LaterItem<S::kMiddle, 2, pad<T>(), 6> item;
      const int e = item.element(rank, 6);
      item.load(values, e, 6);
      item.stages();
      item.store(values, e, 6);
    }
    if constexpr (S::kWarps > 1) __syncthreads();
    if constexpr (FirstPass<Output> && S::kLast > 0) {
      observe_tile<T, kPower>(job, output, state, values, tile, rank);
    } else {
      last_stages<T, kPower>(job, output, state, values, tile, rank);
    }
    if constexpr (sizeof(T) == 2) {
      if (S::kLate && next < tiles) fetch(next, b);
    }
    group_sync<S::kGroup>();
    if constexpr (sizeof(T) == 4) {
      if (next < tiles) fetch(next, b);
    }
  }
  output.end(state);
}

}  // namespace sylvester::cuda::detail
