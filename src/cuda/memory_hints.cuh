// What a kernel knows about the future of a cache line, and kernels that start before their
// predecessor has quite ended. On devices that lack either, both do nothing.
#pragma once

#include <cstdint>

namespace sylvester::cuda::detail {

// Priorities of the L2 cache: of a matrix that is read twice, the first pass keeps the lines that
// the second will find again, and the second gives them up.
enum class Priority : std::uint8_t { kNormal, kKeep, kDrop };

__device__ __forceinline__ std::uint64_t cache_policy(Priority priority) {
  std::uint64_t policy;
  if (priority == Priority::kKeep) {
    asm("createpolicy.fractional.L2::evict_last.b64 %0, 1.0;" : "=l"(policy));
  } else if (priority == Priority::kDrop) {
    asm("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(policy));
  } else {
    asm("createpolicy.fractional.L2::evict_normal.b64 %0, 1.0;" : "=l"(policy));
  }
  return policy;
}

// A 16-byte load around the L1 cache.
__device__ __forceinline__ uint4 load_words(const void* from, std::uint64_t policy) {
  uint4 v;
  asm volatile("ld.global.L1::no_allocate.L2::cache_hint.v4.u32 {%0, %1, %2, %3}, [%4], %5;"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(from), "l"(policy));
  return v;
}

// A kernel launched as dependent (launch.h) waits here for the kernel before it, whose writes it
// then sees; and the earlier kernel says that the later one may take the places it leaves.
__device__ __forceinline__ void wait_for_predecessor() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
__device__ __forceinline__ void let_successor_start() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

}  // namespace sylvester::cuda::detail
