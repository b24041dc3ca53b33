// The K axis of a tile for a K whose signs are data: a thread holds some outputs x 4 or 8 columns,
// and multiplies each term by +-1 from a table. Multiplying by +-1 is exact, so each FMA is one
// addition. Neighbouring threads read the table at one place. A large table passes through shared
// memory in slabs, again for every tile, so that tiles of several blocks fit beside it.
#pragma once

#include "cuda/async_copy.cuh"
#include "cuda/base_shape.h"
#include "cuda/block_barrier.cuh"
#include "cuda/fwht_steps.cuh"
#include "cuda/row_output.cuh"
#include "cuda/rows_job.h"

namespace sylvester::cuda::detail {

// Everything a tile's base pass needs to know.
struct BaseTile {
  const float* values;
  std::int64_t row0;
  int rows;           // of X
  int rows_per_tile;  // of them may lie behind X
};

// The table in shared memory: all of it, or two slabs of it in turn, the next on its way.
struct SignTable {
  const float* from;        // [K][line]
  float* to;                // K lines, or two buffers of kSlabTerms
  std::uint64_t* barriers;  // copy, copy, free, free
  int base, line;
  int taken = 0, wanted = 0;  // slabs

  __device__ bool resident() const { return sign_table_resident(base, line); }
  __device__ int slabs() const { return resident() ? 1 : (base + kSlabTerms - 1) / kSlabTerms; }
  __device__ AsyncCopy copy(int turn) const { return {barriers + turn % 2}; }
  __device__ BlockBarrier free(int turn) const { return {shared_address(barriers + 2 + turn % 2)}; }
  // By one thread, before a barrier of the block.
  __device__ void init(int threads) const {
    for (int b = 0; b < 2; ++b) {
      copy(b).init();
      free(b).init(threads);
    }
  }
  // By all threads, as all that follow; the table is wanted that many times.
  __device__ void open(int passes) {
    wanted = passes * slabs();
    fetch(0, 0, min(base, resident() ? base : kSlabTerms));
  }
  __device__ __forceinline__ const float* whole() {
    if (taken++ == 0) arrived(0);
    return to;
  }
  // Slab after slab, the first after the last; each is released before the next but one.
  __device__ __forceinline__ const float* next(int slab) {
    const int turn = taken++;
    arrived(turn);
    if (turn + 1 < wanted) {
      const int after = slab + 1 == slabs() ? 0 : slab + 1;
#if __CUDA_ARCH__ >= 900
      if (threadIdx.x == 0) {
        if (turn > 0) free(turn + 1).wait((turn - 1) / 2);
        fetch(after, turn + 1, min(kSlabTerms, base - after * kSlabTerms));
      }
#else
      fetch(after, turn + 1, min(kSlabTerms, base - after * kSlabTerms));
#endif
    }
    return to + turn % 2 * kSlabTerms * line;
  }
  // By every thread.
  __device__ __forceinline__ void release() const { free(taken - 1).arrive(); }

 private:
  __device__ __forceinline__ void arrived(int turn) const {
    copy(turn).wait(turn / 2 & 1);
#if __CUDA_ARCH__ < 900
    __syncthreads();
#endif
  }
  __device__ __forceinline__ void fetch(int slab, int turn, int terms) const {
    const AsyncCopy way = copy(turn);
    const std::uint32_t bytes = terms * line * 4;
    way.begin(threadIdx.x, bytes);
    way.copy(to + turn % 2 * kSlabTerms * line, from + slab * kSlabTerms * line, bytes, threadIdx.x,
             blockDim.x);
    way.end();
  }
};

// The terms of a slab into the sums of a thread, two at a time: K is a multiple of 4. place(q) is
// the shared address of the next term of quad q.
template <class S, class Place>
__device__ __forceinline__ void add_terms(float (&sum)[S::kOutputs][S::kWidth], const float* signs,
                                          int line, int terms, Place&& place) {
  std::uint32_t from = shared_address(signs);
  for (int k = 0; k < terms; k += 2) {
#pragma unroll
    for (int u = 0; u < 2; ++u) {
      float x[S::kWidth], s[kGroupFloats];
#pragma unroll
      for (int q = 0; q < S::kWidth / 4; ++q) load_shared<4>(place(q), x + 4 * q);
#pragma unroll
      for (int i = 0; i < S::kOutputs; i += 4) load_shared<4>(from + i * 4, s + i);
      from += line * 4;
#pragma unroll
      for (int o = 0; o < S::kOutputs; ++o) {
#pragma unroll
        for (int w = 0; w < S::kWidth; ++w) sum[o][w] = __fmaf_rn(s[o], x[w], sum[o][w]);
      }
    }
  }
}

// A thread's columns: quads of neighbours, those of a tile an equal number of quads apart.
template <int kQuads>
struct QuadColumns {
  int row[kQuads], j[kQuads], first[kQuads];  // first: tile element of the first term

  __device__ QuadColumns(const RowsJob& job, int set, int sets, int quads) {
#pragma unroll
    for (int q = 0; q < kQuads; ++q) {
      const int quad = min(set + q * sets, quads - 1);
      row[q] = quad >> (job.power - 2);
      j[q] = (quad << 2) & ((1 << job.power) - 1);
      first[q] = row[q] * job.n + j[q];
    }
  }
};

// All K terms of some quads.
template <class S, int kPad>
__device__ __forceinline__ void table_sums(const RowsJob& job, const float* values,
                                           const QuadColumns<S::kWidth / 4>& columns, int group,
                                           SignTable& table, float (&sum)[S::kOutputs][S::kWidth]) {
  constexpr int kQuads = S::kWidth / 4;
#pragma unroll
  for (int i = 0; i < S::kOutputs * S::kWidth; ++i) {
    sum[i / S::kWidth][i % S::kWidth] = -0.0f;  // -0 + x = x
  }
  std::uint32_t at[kQuads];
  int next[kQuads];
#pragma unroll
  for (int q = 0; q < kQuads; ++q) {
    next[q] = columns.first[q];
    at[q] = shared_address(values + place<kPad, S::kChunkBits>(next[q]));
  }
  const int step = place<kPad, S::kChunkBits>(1 << job.power) * 4;
  const auto even = [&](int q) { return (at[q] += step) - step; };  // whole chunks between terms
  const auto uneven = [&](int q) {
    const std::uint32_t here = shared_address(values + place<kPad, S::kChunkBits>(next[q]));
    next[q] += 1 << job.power;
    return here;
  };
  const auto add = [&](const float* signs, int terms) {
    signs += group * kGroupFloats;
    if (job.power >= S::kChunkBits) {
      add_terms<S>(sum, signs, table.line, terms, even);
    } else {
      add_terms<S>(sum, signs, table.line, terms, uneven);
    }
  };
  if (table.resident()) return add(table.whole(), job.base);
  for (int slab = 0, k = 0; k < job.base; ++slab, k += kSlabTerms) {
    add(table.next(slab), min(kSlabTerms, job.base - k));
    table.release();
  }
}

template <class S, int kPad, class Output>
__device__ __forceinline__ void table_base_pass(const RowsJob& job, const Output& output,
                                                typename Output::State& state, const BaseTile& tile,
                                                SignTable& table) {
  constexpr int kQuads = S::kWidth / 4;
  const int quads = tile.rows_per_tile << (job.power - 2), sets = (quads + kQuads - 1) / kQuads;
  const int items = sets * base_groups(job.base, S::kOutputs);
  for (int start = 0; start < items; start += blockDim.x) {
    const int item = min(start + static_cast<int>(threadIdx.x), items - 1);
    const int group = item / sets, set = item - group * sets, first = group * S::kOutputs;
    const QuadColumns<kQuads> columns(job, set, sets, quads);
    float sum[S::kOutputs][S::kWidth];
    table_sums<S, kPad>(job, tile.values, columns, group, table, sum);
    if (start + static_cast<int>(threadIdx.x) >= items) continue;
#pragma unroll
    for (int q = 0; q < kQuads; ++q) {
      if (columns.row[q] >= tile.rows) continue;
      const OutputSteps<Output> out{output, tile.row0 + columns.row[q],
                                    (first << job.power) + columns.j[q], 0, 1 << job.power};
#pragma unroll
      for (int o = 0; o < S::kOutputs; ++o) {
        if (first + o >= job.base) break;
        float v[4];
#pragma unroll
        for (int w = 0; w < 4; ++w) v[w] = __fmul_rn(sum[o][4 * q + w], job.scale);
        out.template emit<4>(state, o, v);
      }
    }
  }
}

}  // namespace sylvester::cuda::detail
