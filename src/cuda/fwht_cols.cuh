// Column transforms of order 2^m, in panels of neighbouring columns. A block, or the blocks of a
// cluster, hold all rows of a panel. In the first pass a thread owns 2^kLow consecutive rows of one
// column; the results go to the shared memory of the block that finishes them, where a thread of
// the second pass owns the rows 2^(kLow + kShuffles) apart. Each warp fetches its own rows of the
// next panel during both passes.
#pragma once

#include "cuda/fwht_cols_steps.cuh"
#include "cuda/row_output.cuh"
#include "cuda/rows_job.h"

namespace sylvester::cuda::detail {

// Outputs that store 16-bit numbers.
template <class Output>
inline constexpr bool kStores16 = false;
template <class T>
inline constexpr bool kStores16<StoreOutput<T>> = sizeof(T) == 2;

// Stages: kLow in the first pass, kShuffles (0 or 1) between lanes, the rest in the second pass.
template <class T, int kPower_, int kLow_, int kShuffles_, int kColBits, int kCluster_,
          int kBlocks_>
struct ColsShape {
  static constexpr int kPower = kPower_, kLow = kLow_, kShuffles = kShuffles_;
  static constexpr int kHigh = kPower - kLow - kShuffles, kCluster = kCluster_;
  static constexpr int kCols = 1 << kColBits;
  static constexpr int kPeers = 1 << kCluster;            // blocks of a cluster
  static constexpr int kRows = 1 << (kPower - kCluster);  // of one block
  static constexpr int kSpread = 32 / kCols;  // groups of rows beside each other in a warp
  static constexpr int kWarps = (kRows >> kLow) / kSpread;
  static constexpr int kThreads = kWarps * 32;
  static constexpr int kBlocks = kBlocks_;  // of one processor
  // Rows of the first pass that stay with one block, and with all of them.
  static constexpr int kPerPeer = 1 << (kLow - kCluster);
  static constexpr int kSlabs = kPerPeer << kShuffles;  // rows of a block modulo 2^(kLow+kShuffles)
  static constexpr int kTurns = kSlabs / kWarps / kSpread;  // slabs of a thread
  // A slab is [2^kHigh][kCols] floats; padding keeps those beside each other in different banks.
  static constexpr int kSlabFloats = (kCols << kHigh) + (kSpread > 1 ? kCols : 0);
  static constexpr int kTileBytes = kSlabs * kSlabFloats * 4;
  // Incoming rows, in groups of 2^kLow.
  static constexpr int kPitch = kCols * sizeof(T);
  static constexpr int kGroupBytes = (kPitch << kLow) + (kSpread > 1 ? 64 : 0);
  static constexpr int kInBytes = (kRows >> kLow) * kGroupBytes;
  static constexpr int kSharedBytes = kTileBytes + kInBytes + 16;
  static constexpr int kSentBytes = kRows * kCols * 4 / kPeers * (kPeers - 1);
  static_assert(kLow >= kHigh && kLow >= 3 && kHigh >= kCluster && kWarps >= 1 && kTurns >= 1);
};

// Which columns of a matrix, and how many matrices below each other.
struct ColsGrid {
  int cols = 0;
  int panels = 0;  // of one matrix
  int items = 0;   // panels of all
};

// A panel under way in one block.
template <class T, class S>
struct ColsPanel {
  const RowsJob& job;
  const ColsGrid& grid;
  float* tile;
  std::uint32_t in;  // shared address
  int rank;          // of the block in its cluster
  TileBarriers<S::kPeers, S::kThreads> barriers;

  static constexpr int kPieces = S::kPitch / 16;  // of a row
  static constexpr int kPieceCols = 16 / sizeof(T);
  // The column of a lane: 16-bit numbers come from matrices of 8 columns.
  static __device__ int side() { return S::kSpread == 1 ? 0 : lane() % 4 / (S::kCols / 8); }
  static __device__ int column() { return lane() % 4 % (S::kCols / 8) * 8 + lane() / 4; }
  static __device__ int lane() { return threadIdx.x % 32; }
  static __device__ int warp() { return threadIdx.x / 32; }

  // Where a panel lies.
  struct Place {
    int col;
    std::int64_t row;
  };
  __device__ Place place(int item) const {
    if (job.backwards) item = grid.items - 1 - item;
    if (item < grid.panels) return {item * S::kCols, 0};
    return {item % grid.panels * S::kCols, std::int64_t{item / grid.panels} << S::kPower};
  }

  // The warp's rows of a panel; every lane takes pieces of 16 bytes.
  __device__ __forceinline__ void fetch(const Place& at) const {
    constexpr int kEach = (S::kSpread << S::kLow) * kPieces / 32, kStep = 32 / kPieces;
    const int piece = lane() % kPieces, first = lane() / kPieces;
    const int col = at.col + piece * kPieceCols;
    const bool inside = col < grid.cols;
    const T* x =
        static_cast<const T*>(job.x) + (inside ? col : 0) +
        (at.row + rank * S::kRows + ((warp() * S::kSpread) << S::kLow) + first) * job.x_stride;
    const std::uint32_t to = in + warp() * S::kSpread * S::kGroupBytes + piece * 16;
#pragma unroll
    for (int i = 0; i < kEach; ++i) {
      const int row = first + i * kStep;
      fetch_piece(to + (row >> S::kLow) * S::kGroupBytes + (row & ((1 << S::kLow) - 1)) * S::kPitch,
                  x + i * kStep * job.x_stride, inside);
    }
    end_fetch();
  }

  // Register s holds row s ^ (rank * kPerPeer) of the thread's: the first kPerPeer stay here, and
  // at every moment the blocks of a cluster write to different ones.
  __device__ __forceinline__ void take(float (&f)[1 << S::kLow]) const {
    const int turn = rank * S::kPerPeer;
    if constexpr (sizeof(T) == 2) {
      const int q = lane() % 8 / 2, row = (lane() / 8 * 2 + lane() % 2) ^ (turn & 7);
      const std::uint32_t from = in + (warp() * S::kSpread + q / (S::kCols / 8)) * S::kGroupBytes +
                                 q % (S::kCols / 8) * 16 + row * S::kPitch;
#pragma unroll
      for (int s = 0; s < (1 << S::kLow); s += 8) {
        std::uint32_t word[4];
        load_matrices(from + (s ^ (turn & ~7)) * S::kPitch, word);
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const float2 p = widen(word[i], static_cast<const T*>(nullptr));
          f[s + 2 * i] = p.x, f[s + 2 * i + 1] = p.y;
        }
      }
    } else {
      const std::uint32_t from =
          in + (warp() * S::kSpread + side()) * S::kGroupBytes + column() * 4;
#pragma unroll
      for (int s = 0; s < (1 << S::kLow); ++s) {
        asm volatile("ld.shared.f32 %0, [%1];" : "=f"(f[s]) : "r"(from + (s ^ turn) * S::kPitch));
      }
    }
  }
  __device__ __forceinline__ void flip_before(float (&f)[1 << S::kLow], const Place& at) const {
    const int turn = rank * S::kPerPeer;
    const std::int64_t row = at.row + rank * S::kRows + ((warp() * S::kSpread + side()) << S::kLow);
    const auto* words = reinterpret_cast<const std::uint32_t*>(job.signs_before) + (row >> 5);
    constexpr int kEach = S::kLow < 5 ? 1 << S::kLow : 32;  // rows in a word
#pragma unroll
    for (int w = 0; w < (1 << S::kLow) / kEach; ++w) {
      const std::uint32_t bits = words[w ^ (turn >> 5)] >> (row & 31);
#pragma unroll
      for (int i = 0; i < kEach; ++i) {
        f[w * kEach + i] = flip(f[w * kEach + i], (bits >> (i ^ (turn & 31)) & 1) != 0);
      }
    }
  }

  __device__ __forceinline__ void first_pass(const Place& at, int turn, bool more,
                                             const Place& next) const {
    float f[1 << S::kLow];
    wait_fetch();
    take(f);
    __syncwarp();
    if (more) fetch(next);
    if (job.signs_before != nullptr) flip_before(f, at);
#pragma unroll
    for (int b = 0; b < S::kLow; ++b) {
      constexpr int kPlain = S::kLow - S::kCluster;
      if (b < kPlain) {
        butterflies(f, 1 << b);
      } else {
        swapped_butterflies(f, 1 << b, (rank >> (b - kPlain) & 1) != 0 ? -1.0f : 1.0f);
      }
    }
    const int group = warp() * S::kSpread + side();
    if constexpr (S::kShuffles == 1) {  // the partner is beside it
      const float s = side() % 2 != 0 ? -1.0f : 1.0f;
#pragma unroll
      for (int i = 0; i < (1 << S::kLow); ++i) {
        f[i] = __fmaf_rn(s, f[i], __shfl_xor_sync(0xFFFFFFFFu, f[i], S::kCols / 8));
      }
    }
    const int slab = (group & ((1 << S::kShuffles) - 1)) * S::kPerPeer;
    const int high = (rank << (S::kHigh - S::kCluster)) + (group >> S::kShuffles);
    put(f, slab * S::kSlabFloats + high * S::kCols + column(), turn);
  }
  __device__ __forceinline__ void put(const float (&f)[1 << S::kLow], int at, int turn) const {
    if (turn == 0) {
      barriers.met();
    } else {
      barriers.empty.wait(turn - 1);
    }
#if __CUDA_ARCH__ >= 900
    const std::uint32_t here = shared_address(tile + at);
#pragma unroll
    for (int j = 1; j < S::kPeers; ++j) {
      const std::uint32_t there = of_peer(here, j ^ rank);
      const std::uint32_t full = of_peer(barriers.full.address, j ^ rank);
#pragma unroll
      for (int i = 0; i < S::kPerPeer; ++i) {
        send(there + i * S::kSlabFloats * 4, f[j * S::kPerPeer + i], full);
      }
    }
#endif
#pragma unroll
    for (int i = 0; i < S::kPerPeer; ++i) tile[at + i * S::kSlabFloats] = f[i];
    barriers.arrive_full(S::kSentBytes);
  }

  // A turn's slab of the thread, and its row modulo 2^(kLow + kShuffles).
  __device__ __forceinline__ int slab_of(int turn, int beside) const {
    return (turn * S::kWarps + warp()) * S::kSpread + beside;
  }
  __device__ __forceinline__ int low_row(int slab) const {
    return (slab / S::kPerPeer << S::kLow) + rank * S::kPerPeer + slab % S::kPerPeer;
  }

  template <class Output>
  __device__ __forceinline__ void second_pass(const Output& output, typename Output::State& state,
                                              const Place& at) const {
#pragma unroll
    for (int turn = 0; turn < S::kTurns; ++turn) {
      const int slab = slab_of(turn, side());
      float* mine = tile + slab * S::kSlabFloats + column();
      float f[1 << S::kHigh];
#pragma unroll
      for (int h = 0; h < (1 << S::kHigh); ++h) f[h] = mine[h * S::kCols];
#pragma unroll
      for (int b = 0; b + 1 < S::kHigh; ++b) butterflies(f, 1 << b);
      if constexpr (FirstPass<Output>) {
        const float v[1] = {__fmul_rn(largest_after(f), job.scale)};
        output.template emit<1>(state, 0, 0, v);
      } else {
        butterflies(f, 1 << (S::kHigh - 1));
        if (job.signs_after != nullptr) flip_after(f, at.row + low_row(slab));
#pragma unroll
        for (int h = 0; h < (1 << S::kHigh); ++h) f[h] = __fmul_rn(f[h], job.scale);
        write(output, state, at, turn, f);
      }
    }
  }
  __device__ __forceinline__ void flip_after(float (&f)[1 << S::kHigh], std::int64_t row) const {
    const auto* words = reinterpret_cast<const std::uint32_t*>(job.signs_after) + (row >> 5);
    constexpr int kStep = 1 << (S::kLow + S::kShuffles);
#pragma unroll
    for (int h = 0; h < (1 << S::kHigh); ++h) {
      const int from =
          kStep >= 32 ? h * (kStep / 32) : (static_cast<int>(row & 31) + h * kStep) >> 5;
      const int bit = kStep >= 32 ? row & 31 : (row + h * kStep) & 31;
      f[h] = flip(f[h], (words[from] >> bit & 1) != 0);
    }
  }
  // The warp's slabs of a turn, by way of shared memory: then neighbouring lanes have neighbouring
  // columns of a row.
  template <class Output>
  __device__ __forceinline__ void write(const Output& output, typename Output::State& state,
                                        const Place& at, int turn,
                                        const float (&f)[1 << S::kHigh]) const {
#if __CUDA_ARCH__ >= 900
    if constexpr (kStores16<Output>) return write_16(output, at, turn, f);
#endif
    float* mine = tile + slab_of(turn, side()) * S::kSlabFloats + column();
#pragma unroll
    for (int h = 0; h < (1 << S::kHigh); ++h) mine[h * S::kCols] = f[h];
    __syncwarp();
    constexpr int kWidth = 4, kLanes = S::kCols / kWidth, kStep = 32 / S::kSpread / kLanes;
    const int beside = lane() / (32 / S::kSpread), first = lane() % (32 / S::kSpread) / kLanes;
    const int col = lane() % kLanes * kWidth, slab = slab_of(turn, beside);
    if (at.col + col >= grid.cols) return;
    const float* from = tile + slab * S::kSlabFloats + first * S::kCols + col;
    constexpr int kApart = 1 << (S::kLow + S::kShuffles);
    const OutputSteps<Output> out{output, at.row + low_row(slab) + first * kApart, at.col + col,
                                  kStep * kApart, 0};
#pragma unroll
    for (int i = 0; i < (1 << S::kHigh) / kStep; ++i) {
      float v[kWidth];
      load_floats<kWidth>(from + i * kStep * S::kCols, v);
      out.template emit<kWidth>(state, i, v);
    }
  }
#if __CUDA_ARCH__ >= 900
  // The same for 16-bit results: matrices of them lie in the slab as the incoming rows do.
  __device__ __forceinline__ void write_16(const StoreOutput<T>& output, const Place& at, int turn,
                                           const float (&f)[1 << S::kHigh]) const {
    constexpr int kPitch = S::kCols * 2, kPieces = kPitch / 16, kStep = 32 / S::kSpread / kPieces;
    std::uint32_t word[1 << (S::kHigh - 1)];
#pragma unroll
    for (int i = 0; i < (1 << (S::kHigh - 1)); ++i) {
      word[i] = narrow(f[2 * i], f[2 * i + 1], static_cast<const T*>(nullptr));
    }
    const auto slab_address = [&](int beside) {
      return shared_address(tile + slab_of(turn, beside) * S::kSlabFloats);
    };
    const int q = lane() % 8 / 2, row = lane() / 8 * 2 + lane() % 2;
    const std::uint32_t to =
        slab_address(q / (S::kCols / 8)) + row * kPitch + q % (S::kCols / 8) * 16;
    __syncwarp();
#pragma unroll
    for (int h = 0; h < (1 << S::kHigh); h += 8) store_matrices(to + h * kPitch, word + h / 2);
    __syncwarp();
    const int beside = lane() / (32 / S::kSpread), piece = lane() % kPieces;
    const int first = lane() % (32 / S::kSpread) / kPieces, col = at.col + piece * 8;
    if (col >= grid.cols) return;
    const std::uint32_t from = slab_address(beside) + first * kPitch + piece * 16;
    constexpr int kApart = 1 << (S::kLow + S::kShuffles);
    char* y = output.cursor(at.row + low_row(slab_of(turn, beside)) + first * kApart, col);
    const std::int64_t step = output.stride * (kStep * kApart * 2);
#pragma unroll
    for (int i = 0; i < (1 << S::kHigh) / kStep; ++i) {
      float v[4];
      load_shared<4>(from + i * kStep * kPitch, v);
      *reinterpret_cast<float4*>(y + i * step) = make_float4(v[0], v[1], v[2], v[3]);
    }
  }
#endif
};

template <class T, class S, class Output>
__global__ __launch_bounds__(S::kThreads, S::kBlocks) void fwht_cols_kernel(
    const RowsJob job, const __grid_constant__ Output output, const ColsGrid grid) {
  extern __shared__ __align__(128) float tile[];
  const std::uint32_t in = shared_address(tile) + S::kTileBytes;
  const int rank = S::kCluster > 0 ? static_cast<int>(blockIdx.x % S::kPeers) : 0;
  const ColsPanel<T, S> panel{job, grid, tile,
                              in,  rank, {{in + S::kInBytes}, {in + S::kInBytes + 8}}};
  const int first = blockIdx.x / S::kPeers, step = gridDim.x / S::kPeers;
  panel.barriers.init();
  if (first < grid.items) panel.fetch(panel.place(first));
  typename Output::State state = output.begin();
  auto at = panel.place(first);
  int turn = 0;
  for (int item = first; item < grid.items; item += step, ++turn) {
    const bool more = item + step < grid.items;
    const auto next = panel.place(item + step);
    panel.first_pass(at, turn, more, next);
    panel.barriers.full.wait(turn);
    panel.second_pass(output, state, at);
    if (more) panel.barriers.arrive_empty();
    at = next;
  }
  output.end(state);
}

}  // namespace sylvester::cuda::detail
