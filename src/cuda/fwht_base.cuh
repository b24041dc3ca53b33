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
  std::int64_t element0;  // of the tile in X, for signs
  int rows;
};

template <int kWidth, class Output>
__device__ __forceinline__ void emit_signed(const RowsJob& job, const Output& output,
                                            typename Output::State& state, const BaseTile& tile,
                                            int row, int col, float (&v)[kWidth]) {
  if (job.signs_after != nullptr) {
#pragma unroll
    for (int w = 0; w < kWidth; ++w) {
      v[w] = flip(v[w], sign_after(job, tile.element0 + row * job.n + col + w));
    }
  }
  output.template emit<kWidth>(state, tile.row0 + row, col, v);
}

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
      load_floats<kWidth>(tile.values + place<kPad>(row * job.n + (k << job.power) + j), x[k]);
    }
    (
        [&] {
          constexpr int i = output_order<kBase>(kOut);
          float v[kWidth];
          signed_sum<sign_mask<kBase, kTransposed>(i)>(x, job.scale, v);
          emit_signed<kWidth>(job, output, state, tile, row, (i << job.power) + j, v);
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
    for (int k = 0; k < job.base; ++k) {
      float x[4], s[8];
      load_floats<4>(tile.values + place<kPad>(row * job.n + (k << job.power) + j), x);
      load_floats<4>(table + k * padded + group * 8, s);
      load_floats<4>(table + k * padded + group * 8 + 4, s + 4);
      if (k == 0) {
#pragma unroll
        for (int i = 0; i < 32; ++i) sum[i / 4][i % 4] = __fmul_rn(s[i / 4], x[i % 4]);
      } else {
#pragma unroll
        for (int i = 0; i < 32; ++i) {
          sum[i / 4][i % 4] = __fmaf_rn(s[i / 4], x[i % 4], sum[i / 4][i % 4]);
        }
      }
    }
#pragma unroll
    for (int o = 0; o < 8; ++o) {
      const int out = group * 8 + o;
      if (out < job.base) {
        float v[4];
#pragma unroll
        for (int w = 0; w < 4; ++w) v[w] = __fmul_rn(sum[o][w], job.scale);
        emit_signed<4>(job, output, state, tile, row, (out << job.power) + j, v);
      }
    }
  }
}

template <int kStages, int kWidth, int kPad>
__device__ __forceinline__ void middle_stages(float* values, int elements) {
  using Item = LaterItem<kStages, kWidth, kPad>;
  for (int i = threadIdx.x; i < elements / Item::kCount; i += blockDim.x) {
    Item item;
    const int e = Item::element(i, 6);
    item.load(values, e, 6);
    item.stages();
    item.store(values, e, 6);
  }
}

// kBase 0: table_base_pass. Shared memory: barrier, incoming tile (16-bit types), tile, table.
template <class T, int kBase, bool kTransposed, class Output>
__global__ __launch_bounds__(512, 1) void fwht_base_kernel(const RowsJob job, const Output output,
                                                           const int rows_per_tile) {
  extern __shared__ __align__(128) unsigned char shared[];
  constexpr int kPad = pad<T>();
  const int elements = rows_per_tile * job.n;  // a multiple of 64
  auto* barrier = reinterpret_cast<std::uint64_t*>(shared);
  T* in = reinterpret_cast<T*>(shared + 128);
  float* values = reinterpret_cast<float*>(shared + 128 + (sizeof(T) == 2 ? elements * 2 : 0));
  float* table = values + elements / 64 * (64 + kPad);
  const T* x = static_cast<const T*>(job.x);
  const int rank = threadIdx.x;
  const std::int64_t tiles = (job.rows + rows_per_tile - 1) / rows_per_tile;
  const AsyncCopy copy{barrier};
  const auto fetch = [&](std::int64_t tile) {
    const std::int64_t row = tile * rows_per_tile;
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
  int turn = 0;
  for (std::int64_t tile = blockIdx.x; tile < tiles; tile += gridDim.x, ++turn) {
    copy.wait(turn & 1);
#if __CUDA_ARCH__ < 900
    __syncthreads();
#endif
    for (int c = rank; c < elements / 64; c += blockDim.x) {
      first_stages(in, values, c, min(job.power, 6), chunk_signs(job, tile * (elements / 64) + c));
    }
    __syncthreads();
    const bool more = tile + gridDim.x < tiles;
    if (sizeof(T) == 2 && more) fetch(tile + gridDim.x);
    if (job.power > 6) {
      switch (job.power - 6) {
        case 1:
          middle_stages<1, 4, kPad>(values, elements);
          break;
        case 2:
          middle_stages<2, 4, kPad>(values, elements);
          break;
        case 3:
          middle_stages<3, 4, kPad>(values, elements);
          break;
        case 4:
          middle_stages<4, 4, kPad>(values, elements);
          break;
        default:
          middle_stages<5, 2, kPad>(values, elements);
      }
      __syncthreads();
    }
    const std::int64_t row0 = tile * rows_per_tile;
    const BaseTile part{values, row0, tile * elements,
                        static_cast<int>(min(std::int64_t{rows_per_tile}, job.rows - row0))};
    if constexpr (kBase == 0) {
      table_base_pass<kPad>(job, output, state, part, table);
    } else {
      unrolled_base_pass<kBase, kTransposed, (kBase == 40 ? 1 : 2), kPad>(
          job, output, state, part, std::make_integer_sequence<int, kBase>{});
    }
    __syncthreads();
    if (sizeof(T) == 4 && more) fetch(tile + gridDim.x);
  }
  output.end(state);
}

}  // namespace sylvester::cuda::detail
