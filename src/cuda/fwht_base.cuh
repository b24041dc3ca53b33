// Row transforms of order K 2^m: the stages along 2^m as in fwht_pow2.cuh, then for every column
// the K signed terms in ascending order. A block works on a tile of whole rows.
#pragma once

#include <utility>

#include "cuda/async_copy.cuh"
#include "cuda/base_matrix.cuh"
#include "cuda/block_barrier.cuh"
#include "cuda/fwht_base_table.cuh"
#include "cuda/fwht_steps.cuh"
#include "cuda/row_output.cuh"
#include "cuda/rows_job.h"

namespace sylvester::cuda::detail {

template <std::uint64_t kMask, int kBase, int kWidth>
__device__ __forceinline__ void signed_sum(const float (&x)[kBase][kWidth], float scale,
                                           float (&out)[kWidth]) {
#pragma unroll
  for (int w = 0; w < kWidth; ++w) {
    float sum = (kMask & 1) != 0 ? -x[0][w] : x[0][w];
#pragma unroll
    for (int k = 1; k < kBase; ++k) {
      sum = (kMask >> k & 1) != 0 ? __fsub_rn(sum, x[k][w]) : __fadd_rn(sum, x[k][w]);
    }
    out[w] = __fmul_rn(sum, scale);
  }
}

// K known at compile time: a thread holds the K numbers of kWidth columns in registers. It arrives
// at `done` when its last numbers are.
template <class S, bool kTransposed, int kPad, class Output, int... kOut>
__device__ __forceinline__ void unrolled_base_pass(const RowsJob& job, const Output& output,
                                                   typename Output::State& state,
                                                   const BaseTile& tile, const BlockBarrier& done,
                                                   std::integer_sequence<int, kOut...>) {
  constexpr int kBase = S::kBase, kWidth = S::kWidth, kWidthBits = kWidth == 4 ? 2 : kWidth - 1;
  const int items = tile.rows << (job.power - kWidthBits), lane = threadIdx.x % 32;
  const int first = threadIdx.x - lane, step = blockDim.x;
  if (first >= items) done.arrive();
  for (int start = first; start < items; start += step) {
    const int item = min(start + lane, items - 1), row = item >> (job.power - kWidthBits);
    const int j = (item << kWidthBits) & ((1 << job.power) - 1), at = row * job.n + j;
    float x[kBase][kWidth];
    if (job.power >= S::kChunkBits) {  // whole chunks between the terms: equally far apart
      std::uint32_t column = shared_address(tile.values + place<kPad, S::kChunkBits>(at));
      const int apart = place<kPad, S::kChunkBits>(1 << job.power) * 4;
#pragma unroll
      for (int k = 0; k < kBase; ++k, column += apart) load_shared<kWidth>(column, x[k]);
    } else {
#pragma unroll
      for (int k = 0; k < kBase; ++k) {
        load_floats<kWidth>(tile.values + place<kPad, S::kChunkBits>(at + (k << job.power)), x[k]);
      }
    }
    if (start + step >= items) done.arrive();
    if (start + lane >= items) return;
    const OutputSteps<Output> out{output, tile.row0 + row, j, 0, 1 << job.power};
    (
        [&] {
          constexpr int i = kOutputOrder<kBase, kTransposed>.at[kOut];
          constexpr std::uint64_t mask = kOutputOrder<kBase, kTransposed>.mask[kOut];
          float v[kWidth];
          signed_sum<mask>(x, job.scale, v);
          out.template emit<kWidth>(state, i, v);
        }(),
        ...);
  }
}

template <int kStages, int kWidth, int kPad, int kChunkBits>
__device__ __forceinline__ void middle_stages(float* values, int elements, int low) {
  using Item = LaterItem<kStages, kWidth, kPad, kChunkBits>;
  for (int i = threadIdx.x; i < elements / Item::kCount; i += blockDim.x) {
    Item item;
    const int e = Item::element(i, low);
    item.load(values, e, low);
    item.stages();
    item.store(values, e, low);
  }
}

// The first `bits` stages of a tile, a chunk a thread.
template <class S, class T>
__device__ __forceinline__ void first_pass(const RowsJob& job, const T* in, float* values,
                                           std::int64_t row, int elements, int bits) {
  constexpr int kChunk = 1 << S::kChunkBits, kPerWord = 64 / kChunk;  // words of signs hold 64
  for (int c = threadIdx.x; c < elements / kChunk; c += blockDim.x) {
    const std::int64_t chunk = row * job.n / kChunk + c;
    first_stages<S::kChunkBits>(in, values, c, bits, chunk_signs(job, chunk / kPerWord),
                                chunk % kPerWord * kChunk);
  }
}

// `count` stages behind the first pass, at most 6; the block meets between two passes. More numbers
// a thread where the kernel has the registers.
template <class S, int kPad>
__device__ __forceinline__ void later_stages(float* values, int elements, int count) {
  constexpr int kLow = S::kChunkBits;
  constexpr bool kMany = S::kBase != 0 && S::kWidth > 1;
  constexpr int kColumns4 = kMany ? 4 : 2;
  switch (count) {
    case 1:
      return middle_stages<1, 4, kPad, kLow>(values, elements, kLow);
    case 2:
      return middle_stages<2, 4, kPad, kLow>(values, elements, kLow);
    case 3:
      return middle_stages<3, 4, kPad, kLow>(values, elements, kLow);
    case 4:
      return middle_stages<4, kColumns4, kPad, kLow>(values, elements, kLow);
    case 5:
      if (kMany) return middle_stages<5, 2, kPad, kLow>(values, elements, kLow);
      middle_stages<3, 4, kPad, kLow>(values, elements, kLow);
      __syncthreads();
      return middle_stages<2, 4, kPad, kLow>(values, elements, kLow + 3);
    default:
      middle_stages<3, 4, kPad, kLow>(values, elements, kLow);
      __syncthreads();
      middle_stages<3, 4, kPad, kLow>(values, elements, kLow + 3);
  }
}

// A tile's rows on their way into shared memory.
template <class T>
__device__ __forceinline__ void fetch_rows(const RowsJob& job, const AsyncCopy& copy, T* in,
                                           std::int64_t row, int rows_per_tile) {
  const T* x = static_cast<const T*>(job.x) + row * job.x_stride;
  const int rows = static_cast<int>(min(std::int64_t{rows_per_tile}, job.rows - row));
  const std::uint32_t bytes = job.n * sizeof(T);
  const int rank = threadIdx.x, group = blockDim.x;
  copy.begin(rank, rows * bytes);
  if (job.x_stride == job.n) {
    copy.copy(in, x, rows * bytes, rank, group);
  } else {
    for (int i = 0; i < rows; ++i) {
      copy.copy(in + i * job.n, x + i * job.x_stride, bytes, rank, group);
    }
  }
  copy.end();
}

// Shared memory: barriers, incoming tile (16-bit types), tile, signs.
template <class T, class S, bool kTransposed, class Output>
__global__ __launch_bounds__(S::kThreads, S::kBlocks) void fwht_base_kernel(
    const RowsJob job, const __grid_constant__ Output output, const int rows_per_tile) {
  extern __shared__ __align__(128) unsigned char shared[];
  constexpr int kPad = pad<T>(), kChunk = 1 << S::kChunkBits;
  const int elements = rows_per_tile * job.n;  // a multiple of 64
  auto* barriers = reinterpret_cast<std::uint64_t*>(shared);
  T* in = reinterpret_cast<T*>(shared + 128);
  float* values = reinterpret_cast<float*>(shared + 128 + (sizeof(T) == 2 ? elements * 2 : 0));
  const std::int64_t tiles = (job.rows + rows_per_tile - 1) / rows_per_tile;
  const auto row_of = [&](std::int64_t turn) {
    return (job.backwards ? tiles - 1 - turn : turn) * rows_per_tile;
  };
  const AsyncCopy copy{barriers};
  const BlockBarrier done{shared_address(barriers + 1)};  // the tile may be written again
  SignTable table{job.base_table, values + elements / kChunk * (kChunk + kPad), barriers + 2,
                  job.base, base_groups(job.base, S::kOutputs) * kGroupFloats};
  if (threadIdx.x == 0) {
    copy.init();
    done.init(blockDim.x);
    if constexpr (S::kBase == 0) table.init(blockDim.x);
  }
  __syncthreads();
  if (blockIdx.x < tiles) fetch_rows(job, copy, in, row_of(blockIdx.x), rows_per_tile);
  typename Output::State state = output.begin();
  if constexpr (S::kBase == 0) {
    const auto items = static_cast<unsigned>(base_items<S>(job.base, rows_per_tile << job.power));
    const auto mine = static_cast<int>((tiles - blockIdx.x + gridDim.x - 1) / gridDim.x);
    table.open(mine * static_cast<int>((items + blockDim.x - 1) / blockDim.x));
  }
  int round = 0;
  for (std::int64_t turn = blockIdx.x; turn < tiles; turn += gridDim.x, ++round) {
    const std::int64_t row = row_of(turn);
    copy.wait(round & 1);
    if (round > 0) done.wait(round - 1);
#if __CUDA_ARCH__ < 900
    __syncthreads();
#endif
    if (job.power >= S::kChunkBits) {  // a constant number of stages is cheaper
      first_pass<S, T>(job, in, values, row, elements, S::kChunkBits);
    } else {
      first_pass<S, T>(job, in, values, row, elements, job.power);
    }
    __syncthreads();
    const bool more = turn + gridDim.x < tiles;
    if (sizeof(T) == 2 && more) fetch_rows(job, copy, in, row_of(turn + gridDim.x), rows_per_tile);
    if (job.power > S::kChunkBits) {
      later_stages<S, kPad>(values, elements, job.power - S::kChunkBits);
      __syncthreads();
    }
    const BaseTile tile{values, row,
                        static_cast<int>(min(std::int64_t{rows_per_tile}, job.rows - row)),
                        rows_per_tile};
    if constexpr (S::kBase == 0) {
      table_base_pass<S, kPad>(job, output, state, tile, table);
      done.arrive();
    } else {
      unrolled_base_pass<S, kTransposed, kPad>(job, output, state, tile, done,
                                               std::make_integer_sequence<int, S::kBase>{});
    }
    if (sizeof(T) == 4 && more) {  // it lands in the tile itself
      done.wait(round);
      fetch_rows(job, copy, in, row_of(turn + gridDim.x), rows_per_tile);
    }
  }
  output.end(state);
}

}  // namespace sylvester::cuda::detail
