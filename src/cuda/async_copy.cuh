// Global -> shared copies that run beside the arithmetic: one bulk copy by one thread on sm_90, 16
// bytes a thread on sm_80 and sm_89. The same three calls on each.
#pragma once

#include <cstdint>

namespace sylvester::cuda::detail {

__device__ inline std::uint32_t shared_address(const void* p) {
  return static_cast<std::uint32_t>(__cvta_generic_to_shared(p));
}

#if __CUDA_ARCH__ >= 900
// Barriers in shared memory (8 bytes): `count` arrivals end a turn.
__device__ inline void init_barrier(std::uint32_t address, int count) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(address), "r"(count));
  asm volatile("fence.mbarrier_init.release.cluster;");
}
// Until the turn of this parity has ended.
__device__ inline void wait_barrier(std::uint32_t address, std::uint32_t parity) {
  asm volatile(
      "{\n .reg .pred done;\n"
      "again: mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
      "@!done bra again;\n}" ::"r"(address),
      "r"(parity)
      : "memory");
}
#endif

// A transfer into one buffer: begin() by all threads of the group (`rank` of `group` threads),
// copy() any number of times, then wait() by every thread that reads, once a begin.
struct AsyncCopy {
  std::uint64_t* barrier;  // in shared memory; sm_90 only

  __device__ void init() const {
#if __CUDA_ARCH__ >= 900
    init_barrier(shared_address(barrier), 1);
#endif
  }
  __device__ void begin(int rank, std::uint32_t bytes) const {
#if __CUDA_ARCH__ >= 900
    if (rank == 0) {
      asm volatile(
          "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)),
          "r"(bytes)
          : "memory");
    }
#endif
  }
  // bytes and both addresses are multiples of 16.
  __device__ void copy(void* to, const void* from, std::uint32_t bytes, int rank, int group) const {
#if __CUDA_ARCH__ >= 900
    if (rank == 0) {
      asm volatile(
          "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, "
          "[%3];" ::"r"(shared_address(to)),
          "l"(from), "r"(bytes), "r"(shared_address(barrier))
          : "memory");
    }
#else
    for (std::uint32_t i = rank * 16; i < bytes; i += group * 16) {
      asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared_address(to) + i),
                   "l"(static_cast<const char*>(from) + i)
                   : "memory");
    }
#endif
  }
  __device__ void end() const {
#if __CUDA_ARCH__ < 900
    asm volatile("cp.async.commit_group;" ::: "memory");
#endif
  }
  // Before sm_90 this is followed by a barrier of the group, which the caller provides.
  __device__ void wait(std::uint32_t parity) const {
#if __CUDA_ARCH__ >= 900
    wait_barrier(shared_address(barrier), parity);
#else
    asm volatile("cp.async.wait_group 0;" ::: "memory");
#endif
  }
};

}  // namespace sylvester::cuda::detail
