// The pieces of a column transform: how a warp fetches its rows, takes its columns from them, and
// how the blocks of a cluster write into each other's shared memory.
#pragma once

#include <cstdint>

#include "cuda/block_barrier.cuh"
#include "cuda/fwht_steps.cuh"

namespace sylvester::cuda::detail {

// 16 bytes from global memory, or zeros; no wait.
__device__ __forceinline__ void fetch_piece(std::uint32_t to, const void* from, bool inside) {
  asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(to), "l"(from),
               "r"(inside ? 16 : 0)
               : "memory");
}
__device__ __forceinline__ void end_fetch() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// By every lane that fetched; the warp then meets.
__device__ __forceinline__ void wait_fetch() {
  asm volatile("cp.async.wait_group 0;" ::: "memory");
  __syncwarp();
}

// Four 8 x 8 matrices of 16-bit numbers, transposed: register i of lane l holds rows 2 (l % 4) and
// 2 (l % 4) + 1 of column l / 4 of matrix i. Lane l names row l % 8 of matrix l / 8.
__device__ __forceinline__ void load_matrices(std::uint32_t from, std::uint32_t (&word)[4]) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(word[0]), "=r"(word[1]), "=r"(word[2]), "=r"(word[3])
               : "r"(from)
               : "memory");
}

#if __CUDA_ARCH__ >= 900
// The inverse.
__device__ __forceinline__ void store_matrices(std::uint32_t to, const std::uint32_t* word) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(to),
               "r"(word[0]), "r"(word[1]), "r"(word[2]), "r"(word[3])
               : "memory");
}
__device__ __forceinline__ std::uint32_t of_peer(std::uint32_t address, int peer) {
  std::uint32_t out;
  asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(out) : "r"(address), "r"(peer));
  return out;
}
// One number into a peer's memory; the peer's barrier counts its bytes.
__device__ __forceinline__ void send(std::uint32_t to, float x, std::uint32_t barrier) {
  asm volatile(
      "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.f32 [%0], %1, [%2];" ::"r"(to),
      "f"(x), "r"(barrier)
      : "memory");
}
#endif

// `full` when the tile holds the numbers of the second pass; `empty` when this block and its peers
// have read theirs, so that all may write into each other's again. Before sm_90 a cluster is one
// block.
template <int kPeers, int kThreads>
struct TileBarriers {
  BlockBarrier full, empty;

  // By all threads. Peers may be written to after met().
  __device__ void init() const {
    if (threadIdx.x == 0) {
      full.init(kThreads);
      empty.init(kPeers > 1 ? kThreads / 32 * kPeers : kThreads);
    }
#if __CUDA_ARCH__ >= 900
    if constexpr (kPeers > 1) {
      asm volatile("barrier.cluster.arrive.relaxed.aligned;" ::: "memory");
      return;
    }
#endif
    __syncthreads();
  }
  __device__ void met() const {
#if __CUDA_ARCH__ >= 900
    if constexpr (kPeers > 1) asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
#endif
  }
  // By every thread when it has written; peers send `sent` bytes in each turn.
  __device__ void arrive_full(std::uint32_t sent) const {
#if __CUDA_ARCH__ >= 900
    if (kPeers > 1 && threadIdx.x == 0) {
      asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(full.address),
                   "r"(sent)
                   : "memory");
      return;
    }
#endif
    full.arrive();
  }
  // By every thread when it has read: to peers a warp arrives once.
  __device__ void arrive_empty() const {
#if __CUDA_ARCH__ >= 900
    if constexpr (kPeers > 1) {
      __syncwarp();
      if (threadIdx.x % 32 < kPeers) {
        asm volatile("mbarrier.arrive.shared::cluster.b64 _, [%0];" ::"r"(
                         of_peer(empty.address, threadIdx.x % 32))
                     : "memory");
      }
      return;
    }
#endif
    empty.arrive();
  }
};

}  // namespace sylvester::cuda::detail
