// A barrier of a block whose arriving and waiting are apart: a warp that has arrived goes on with
// what the barrier does not guard. Before sm_90 the wait is a barrier of the whole block.
#pragma once

#include <cstdint>

#include "cuda/async_copy.cuh"

namespace sylvester::cuda::detail {

struct BlockBarrier {
  std::uint32_t address;  // of 8 bytes of shared memory

  // By one thread, before a barrier of the block; `count` arrivals end a turn.
  __device__ void init(int count) const {
#if __CUDA_ARCH__ >= 900
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(address), "r"(count));
    asm volatile("fence.mbarrier_init.release.cluster;");
#endif
  }
  // Of the calling thread.
  __device__ void arrive() const {
#if __CUDA_ARCH__ >= 900
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(address) : "memory");
#endif
  }
  // By all threads; turns count from 0.
  __device__ void wait(int turn) const {
#if __CUDA_ARCH__ >= 900
    asm volatile(
        "{\n .reg .pred done;\n"
        "again: mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
        "@!done bra again;\n}" ::"r"(address),
        "r"(turn & 1)
        : "memory");
#else
    __syncthreads();
#endif
  }
};

}  // namespace sylvester::cuda::detail
