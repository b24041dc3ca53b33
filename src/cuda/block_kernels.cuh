// Scales and codes of blocks from one read of X: blocks along a row by a few lanes or by a thread
// block, square blocks by tiles of 128 x 128. (NVFP4's level above them takes a first pass.)
#pragma once

#include "cuda/uniform_kernels.cuh"

namespace sylvester::cuda::detail {

// The scale of one block, stored, and what its numbers are multiplied by.
__device__ __forceinline__ QuotientBy make_block(const QuantJob& job, const ScalePlan& plan,
                                                 const CodeMap& map, std::int64_t block,
                                                 std::uint32_t magnitude) {
  Bounds bounds;
  bounds.magnitude = magnitude;
  const BlockScale s = scale_of_block(plan, job, bounds);
  job.scales[block] = s.scale;
  if (job.scale_codes != nullptr) job.scale_codes[block] = s.code;
  return quotient_by(map, s.scale, s.factor);
}

__device__ __forceinline__ void begin_blocks(const QuantJob& job, const ScalePlan& plan) {
  wait_for_predecessor();
  if (job.level == nullptr && blockIdx.x == 0 && blockIdx.y == 0 && threadIdx.x == 0) {
    *job.tensor_scale = plain_tensor_scale(plan);
  }
}

template <class T>
__device__ __forceinline__ void encode_kept(const QuantJob& job, const CodeMap& map,
                                            const QuotientBy& by, const Eight<T>& x,
                                            std::int64_t element) {
  const uint2 codes = encode_eight(map, by, x);
  const std::uint32_t keep = by.keep();
  *reinterpret_cast<uint2*>(job.codes + element) = make_uint2(codes.x & keep, codes.y & keep);
}

// Blocks of 8 * lanes numbers, lanes a power of two from 2 on. A warp holds 128 eights, four a
// lane; of the blocks that a group of lanes sees, each lane makes one scale (two of 16 numbers).
template <class T>
__global__ __launch_bounds__(256,
                             4) void short_blocks_kernel(const __grid_constant__ QuantJob job,
                                                         const __grid_constant__ ScalePlan plan,
                                                         const CodeMap map, const int lanes) {
  begin_blocks(job, plan);
  const int lane = threadIdx.x % 32, sub = lane & (lanes - 1), first = lane - sub;
  const int shift = __ffs(lanes) - 1;
  const EightsOf<T> eights(job);
  const std::int64_t count = job.rows * eights.per_row;
  const std::uint64_t drop = cache_policy(Priority::kDrop);
  const std::int64_t base = (std::int64_t{blockIdx.x} * (blockDim.x / 32) + threadIdx.x / 32) * 128;
  Eight<T> x[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const std::int64_t at = base + i * 32 + lane;
    x[i].clear();
    if (at < count) x[i].load(eights.at(at), drop);
  }
  std::uint32_t most[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    Magnitude<T> m;
    m.add(x[i]);
    most[i] = m.bits();
  }
  for (int distance = 1; distance < lanes; distance *= 2) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      most[i] = max(most[i], __shfl_xor_sync(0xFFFFFFFFu, most[i], distance));
    }
  }
  QuotientBy by[2];
#pragma unroll 1
  for (int half = 0; half < (lanes == 2 ? 2 : 1); ++half) {
    const int i = half * 2 + sub;
    const std::int64_t at = base + i * 32 + lane;
    by[1] = by[0];
    if (i < 4 && at < count) {
      const std::uint32_t m = i == 0 ? most[0] : i == 1 ? most[1] : i == 2 ? most[2] : most[3];
      by[0] = make_block(job, plan, map, at >> shift, m);
    }
  }
  if (lanes > 2) by[1] = by[0];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    // Two lanes: by[1] holds the scales of i = 0 and 1.
    const QuotientBy& mine = by[i < 2 ? 1 : 0];
    const int from = first + (lanes == 2 ? i % 2 : i);
    const QuotientBy theirs{__shfl_sync(0xFFFFFFFFu, mine.high, from),
                            __shfl_sync(0xFFFFFFFFu, mine.low, from)};
    const std::int64_t at = base + i * 32 + lane;
    if (at < count) encode_kept(job, map, theirs, x[i], at * 8);
  }
}

// Blocks of `length` numbers of a row, a multiple of 8 that divides it: a thread block each.
template <class T>
__global__ __launch_bounds__(1024) void long_blocks_kernel(const __grid_constant__ QuantJob job,
                                                           const __grid_constant__ ScalePlan plan,
                                                           const CodeMap map, const int length) {
  __shared__ std::uint32_t warps[32];
  begin_blocks(job, plan);
  const int t = threadIdx.x, across = static_cast<int>(job.cols / length);
  const std::int64_t row = blockIdx.x / across, col = blockIdx.x % across * std::int64_t{length};
  const T* x = static_cast<const T*>(job.x) + row * job.x_stride + col;
  const std::uint64_t drop = cache_policy(Priority::kDrop);
  Eight<T> mine[4];
  Magnitude<T> m;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int at = (i * blockDim.x + t) * 8;
    mine[i].clear();
    if (at < length) mine[i].load(x + at, drop);
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) m.add(mine[i]);
  std::uint32_t most = __reduce_max_sync(0xFFFFFFFFu, m.bits());
  if (t % 32 == 0) warps[t / 32] = most;
  __syncthreads();
  most = __reduce_max_sync(0xFFFFFFFFu, t % 32 < blockDim.x / 32 ? warps[t % 32] : 0u);
  // Every thread makes the same scale; one would keep the others waiting.
  const QuotientBy by = make_block(job, plan, map, blockIdx.x, most);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int at = (i * blockDim.x + t) * 8;
    if (at < length) encode_kept(job, map, by, mine[i], row * job.cols + col + at);
  }
}

// Blocks whose sides divide 128, rows a multiple of 16, columns of 8: tiles of 128 x 128.
template <class T>
__global__ __launch_bounds__(256, 2) void tile_blocks_kernel(const __grid_constant__ QuantJob job,
                                                             const __grid_constant__ ScalePlan plan,
                                                             const CodeMap map) {
  __shared__ std::uint32_t partial[8][8][16];
  __shared__ std::uint32_t most[128];
  __shared__ QuotientBy by[128];
  begin_blocks(job, plan);
  const int t = threadIdx.x, r = t / 16, c = t % 16;
  const int height = static_cast<int>(job.block_rows), width = static_cast<int>(job.block_cols);
  const int across = 128 / width, blocks = across * (128 / height);
  const std::int64_t row0 = std::int64_t{blockIdx.y} * 128, col0 = std::int64_t{blockIdx.x} * 128;
  const std::uint64_t drop = cache_policy(Priority::kDrop);
  const T* x = static_cast<const T*>(job.x) + (row0 + r) * job.x_stride + col0 + c * 8;
  const bool inside = col0 + c * 8 < job.cols;
  Eight<T> mine[8];
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    mine[i].clear();
    if (inside && row0 + r + 16 * i < job.rows) mine[i].load(x + 16 * i * job.x_stride, drop);
  }
  if (t < blocks) most[t] = 0;
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    Magnitude<T> m;
    m.add(mine[i]);
    const std::uint32_t own = m.bits();
    const std::uint32_t pair = max(own, __shfl_xor_sync(0xFFFFFFFFu, own, 16));
    if (t % 32 < 16) partial[i][t / 32][c] = pair;
  }
  const auto block_at = [&](int i, int column) {
    return 16 * i / height * across + 8 * column / width;
  };
  __syncthreads();
  if (t < 128) {
    std::uint32_t m = 0;
#pragma unroll
    for (int w = 0; w < 8; ++w) m = max(m, partial[r][w][c]);
    atomicMax(&most[block_at(r, c)], m);
  }
  __syncthreads();
  if (t < blocks) {
    const std::int64_t down = row0 / height + t / across, right = col0 / width + t % across;
    if (down < job.scale_rows && right < job.scale_cols) {
      by[t] = make_block(job, plan, map, down * job.scale_cols + right, most[t]);
    }
  }
  __syncthreads();
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const std::int64_t row = row0 + r + 16 * i;
    if (inside && row < job.rows) {
      encode_kept(job, map, by[block_at(i, c)], mine[i], row * job.cols + col0 + c * 8);
    }
  }
}

}  // namespace sylvester::cuda::detail
