// Row transforms of order K 2^m: the stages along 2^m as in fwht_pow2.cuh, then for every column
// the K signed terms in ascending order. A block works on a tile of whole rows.
#pragma once

#include <utility>

#include "cuda/async_copy.cuh"
#include "cuda/base_matrix.cuh"
#include "cuda/fwht_steps.cuh"
#include "cuda/row_output.cuh"
#include "cuda/rows_job.h"

namespace sylvester::cuda::detail {

// Chunks of 32 elements: fewer registers a thread than the power-of-two kernels, so that more warps
// hide each other's additions.
inline constexpr int kBaseChunkBits = 5;
inline constexpr int kBaseChunk = 1 << kBaseChunkBits;

// Signs of output row i as bits, 1 = subtract.
template <int kBase, bool kTransposed>
constexpr std::uint64_t sign_mask(int i) {
  std::uint64_t mask = 0;
  for (int k = 0; k < kBase; ++k) {
    const int sign = kTransposed ? base_sign(kBase, k, i) : base_sign(kBase, i, k);
    if (sign < 0) mask |= std::uint64_t{1} << k;
  }
  return mask;
}

// The two halves of the doubled 40 share their first 20 terms: neighbours in this order, so that
// the compiler computes the common part once. (Equal sums of equal terms: the same bits.)
template <int kBase>
constexpr int output_order(int t) {
  return kBase == 40 ? (t & 1) * 20 + t / 2 : t;
}

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

// Everything a tile's base pass needs to know.
struct BaseTile {
  const float* values;
  std::int64_t row0;
  int rows;
};

// K known at compile time: a thread holds the K numbers of kWidth columns in registers.
template <int kBase, bool kTransposed, int kWidth, int kPad, class Output, int... kOut>
__device__ __forceinline__ void unrolled_base_pass(const RowsJob& job, const Output& output,
                                                   typename Output::State& state,
                                                   const BaseTile& tile,
                                                   std::integer_sequence<int, kOut...>) {
  const int per_row = 1 << (job.power - (kWidth == 2 ? 1 : 0));
  for (int item = threadIdx.x; item < tile.rows * per_row; item += blockDim.x) {
    const int row = item / per_row, j = (item - row * per_row) * kWidth;
    float x[kBase][kWidth];
#pragma unroll
    for (int k = 0; k < kBase; ++k) {
      load_floats<kWidth>(
          tile.values + place<kPad, kBaseChunkBits>(row * job.n + (k << job.power) + j), x[k]);
    }
    (
        [&] {
          constexpr int i = output_order<kBase>(kOut);
          float v[kWidth];
          signed_sum<sign_mask<kBase, kTransposed>(i)>(x, job.scale, v);
          output.template emit<kWidth>(state, tile.row0 + row, (i << job.power) + j, v);
        }(),
        ...);
  }
}

// Any K: a thread holds 8 outputs x 4 columns; signs come from a table [K][padded] of +-1 in shared
// memory. Multiplying by +-1 is exact, so each FMA is one addition.
constexpr int padded_base(int base) { return (base + 7) / 8 * 8; }

template <int kPad, class Output>
__device__ __forceinline__ void table_base_pass(const RowsJob& job, const Output& output,
                                                typename Output::State& state, const BaseTile& tile,
                                                const float* table) {
  const int padded = padded_base(job.base);
  const int per_row = 1 << (job.power - 2), groups = padded / 8;
  for (int item = threadIdx.x; item < tile.rows * per_row * groups; item += blockDim.x) {
    const int row = item / (per_row * groups), rest = item - row * per_row * groups;
    const int group = rest / per_row, j = (rest - group * per_row) * 4;
    float sum[8][4];
    // Whole chunks between the K terms of a column: the places are equally far apart.
    const bool even = job.power >= kBaseChunkBits;
    const int first = row * job.n + j;
    const float* column = tile.values + place<kPad, kBaseChunkBits>(first);
    const float* signs = table + group * 8;
    const int step = place<kPad, kBaseChunkBits>(1 << job.power);
    const auto read = [&](int k, float(&x)[4], float(&s)[8]) {
      load_floats<4>(column, x);
      load_floats<4>(signs, s);
      load_floats<4>(signs + 4, s + 4);
      signs += padded;
      column = even ? column + step
                    : tile.values + place<kPad, kBaseChunkBits>(first + ((k + 1) << job.power));
    };
    {
      float x[4], s[8];
      read(0, x, s);
#pragma unroll
      for (int i = 0; i < 32; ++i) sum[i / 4][i % 4] = __fmul_rn(s[i / 4], x[i % 4]);
    }
#pragma unroll 4
    for (int k = 1; k < job.base; ++k) {
      float x[4], s[8];
      read(k, x, s);
#pragma unroll
      for (int i = 0; i < 32; ++i) {
        sum[i / 4][i % 4] = __fmaf_rn(s[i / 4], x[i % 4], sum[i / 4][i % 4]);
      }
    }
#pragma unroll
    for (int o = 0; o < 8; ++o) {
      const int out = group * 8 + o;
      if (out < job.base) {
        float v[4];
#pragma unroll
        for (int w = 0; w < 4; ++w) v[w] = __fmul_rn(sum[o][w], job.scale);
        output.template emit<4>(state, tile.row0 + row, (out << job.power) + j, v);
      }
    }
  }
}

template <int kStages, int kWidth, int kPad>
__device__ __forceinline__ void middle_stages(float* values, int elements, int low) {
  using Item = LaterItem<kStages, kWidth, kPad, kBaseChunkBits>;
  for (int i = threadIdx.x; i < elements / Item::kCount; i += blockDim.x) {
    Item item;
    const int e = Item::element(i, low);
    item.load(values, e, low);
    item.stages();
    item.store(values, e, low);
  }
}

// Columns a thread holds, and the most threads of a block: few threads leave many registers.
template <int kBase>
struct BaseShape {
  static constexpr int kWidth = kBase == 40 ? 1 : 2;
  static constexpr int kThreads = kBase == 12 ? 1024 : kBase == 40 ? 640 : 512;
  static constexpr int kBlocks = 1;
};

// kBase 0: table_base_pass. Shared memory: barrier, incoming tile (16-bit types), tile, table.
template <class T, int kBase, bool kTransposed, class Output>
__global__ __launch_bounds__(
    (BaseShape<kBase>::kThreads),
    (BaseShape<kBase>::kBlocks)) void fwht_base_kernel(const RowsJob job,
                                                       const __grid_constant__ Output output,
                                                       const int rows_per_tile) {
  extern __shared__ __align__(128) unsigned char shared[];
  constexpr int kPad = pad<T>();
  const int elements = rows_per_tile * job.n;  // a multiple of 64
  auto* barrier = reinterpret_cast<std::uint64_t*>(shared);
  T* in = reinterpret_cast<T*>(shared + 128);
  float* values = reinterpret_cast<float*>(shared + 128 + (sizeof(T) == 2 ? elements * 2 : 0));
  float* table = values + elements / kBaseChunk * (kBaseChunk + kPad);
  const T* x = static_cast<const T*>(job.x);
  const int rank = threadIdx.x;
  const std::int64_t tiles = (job.rows + rows_per_tile - 1) / rows_per_tile;
  const AsyncCopy copy{barrier};
  const auto fetch = [&](std::int64_t turn) {
    const std::int64_t row = (job.backwards ? tiles - 1 - turn : turn) * rows_per_tile;
    const int rows = static_cast<int>(min(std::int64_t{rows_per_tile}, job.rows - row));
    copy.begin(rank, rows * job.n * sizeof(T));
    if (job.x_stride == job.n) {
      copy.copy(in, x + row * job.n, rows * job.n * sizeof(T), rank, blockDim.x);
    } else {
      for (int i = 0; i < rows; ++i) {
        copy.copy(in + i * job.n, x + (row + i) * job.x_stride, job.n * sizeof(T), rank,
                  blockDim.x);
      }
    }
    copy.end();
  };

  if constexpr (kBase == 0) {
    const int padded = padded_base(job.base);
    for (int i = rank; i < job.base * padded; i += blockDim.x) {
      const int k = i / padded, out = i % padded;
      float sign = 1.0f;
      if (out < job.base) {
        sign = job.base_signs[kTransposed ? k * job.base + out : out * job.base + k];
      }
      table[i] = sign;
    }
  }
  if (rank == 0) copy.init();
  __syncthreads();
  if (blockIdx.x < tiles) fetch(blockIdx.x);
  typename Output::State state = output.begin();
  int round = 0;
  for (std::int64_t turn = blockIdx.x; turn < tiles; turn += gridDim.x, ++round) {
    const std::int64_t tile = job.backwards ? tiles - 1 - turn : turn;
    copy.wait(round & 1);
#if __CUDA_ARCH__ < 900
    __syncthreads();
#endif
    for (int c = rank; c < elements / kBaseChunk; c += blockDim.x) {
      const std::int64_t chunk = tile * (elements / kBaseChunk) + c;
      first_stages<kBaseChunkBits>(in, values, c, min(job.power, kBaseChunkBits),
                                   chunk_signs(job, chunk / 2), chunk % 2 * 32);
    }
    __syncthreads();
    const bool more = turn + gridDim.x < tiles;
    if (sizeof(T) == 2 && more) fetch(turn + gridDim.x);
    if (job.power > kBaseChunkBits) {
      constexpr int kLow = kBaseChunkBits;
      switch (job.power - kLow) {
        case 1:
          middle_stages<1, 4, kPad>(values, elements, kLow);
          break;
        case 2:
          middle_stages<2, 4, kPad>(values, elements, kLow);
          break;
        case 3:
          middle_stages<3, 4, kPad>(values, elements, kLow);
          break;
        case 4:
          middle_stages<4, 2, kPad>(values, elements, kLow);
          break;
        case 5:
          middle_stages<5, 1, kPad>(values, elements, kLow);
          break;
        default:
          middle_stages<3, 4, kPad>(values, elements, kLow);
          __syncthreads();
          middle_stages<3, 4, kPad>(values, elements, kLow + 3);
      }
      __syncthreads();
    }
    const std::int64_t row0 = tile * rows_per_tile;
    const BaseTile part{values, row0,
                        static_cast<int>(min(std::int64_t{rows_per_tile}, job.rows - row0))};
    if constexpr (kBase == 0) {
      table_base_pass<kPad>(job, output, state, part, table);
    } else {
      unrolled_base_pass<kBase, kTransposed, BaseShape<kBase>::kWidth, kPad>(
          job, output, state, part, std::make_integer_sequence<int, kBase>{});
    }
    __syncthreads();
    if (sizeof(T) == 4 && more) fetch(turn + gridDim.x);
  }
  output.end(state);
}

}  // namespace sylvester::cuda::detail
