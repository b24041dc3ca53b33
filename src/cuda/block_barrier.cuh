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
    init_barrier(address, count);
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
    wait_barrier(address, turn & 1);
#else
    __syncthreads();
#endif
  }
};

}  // namespace sylvester::cuda::detail
