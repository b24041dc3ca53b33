// Definition of launch_pow2; included by the files that instantiate it.
#pragma once

#include "cuda/fwht_launch.h"
#include "cuda/fwht_pow2.cuh"
#include "cuda/launch.h"

namespace sylvester::cuda::detail {

template <class T, int kPower, class Output>
bool launch_pow2_order(const RowsJob& job, const Output& output, cudaStream_t stream) {
  using S = Pow2Shape<T, kPower>;
  const auto kernel = fwht_pow2_kernel<T, kPower, Output>;
  const std::int64_t tiles = (job.rows + S::kRows - 1) / S::kRows;
  std::int64_t wanted = (tiles + S::kGroups - 1) / S::kGroups;
  // Half of the blocks that fit: reading and writing 16-bit numbers, fewer transfers in flight go
  // through the memory in better order.
  if (sizeof(T) == 2 && !Quantizes<Output> && S::kThreads < 512) {
    wanted = std::min<std::int64_t>(wanted, device_info().multiprocessors * (256 / S::kThreads));
  }
  const int blocks =
      resident_blocks(reinterpret_cast<const void*>(kernel), S::kThreads, S::kSharedBytes, wanted);
  if (blocks == 0) return false;
  if constexpr (SecondPass<Output>) {
    launch_dependent(kernel, static_cast<unsigned>(blocks), S::kThreads, S::kSharedBytes, stream,
                     "hadamard rows", job, output);
  } else {
    kernel<<<blocks, S::kThreads, S::kSharedBytes, stream>>>(job, output);
    check_launch("hadamard rows");
  }
  return true;
}

// Bulk copies want 16-byte addresses and sizes.
template <class T>
bool suits_bulk_copy(const RowsJob& job) {
  const auto bytes = [](std::int64_t elements) {
    return elements * static_cast<std::int64_t>(sizeof(T));
  };
  const bool dense = job.x_stride == job.n && job.y_stride == job.n;
  const bool whole =
      bytes(job.n) % 16 == 0 && bytes(job.x_stride) % 16 == 0 && bytes(job.y_stride) % 16 == 0;
  const bool aligned = reinterpret_cast<std::uintptr_t>(job.x) % 16 == 0 &&
                       reinterpret_cast<std::uintptr_t>(job.y) % 16 == 0;
  const bool plain_signs =
      (job.signs_before == nullptr && job.signs_after == nullptr) || job.x_stride == job.n;
  return aligned && plain_signs && (whole || (dense && bytes(job.n * job.rows) % 16 == 0));
}

template <class T, class Output>
bool launch_pow2(const RowsJob& job, const Output& output, cudaStream_t stream) {
  if (!suits_bulk_copy<T>(job)) return false;
  // Rows shorter than 64 are seldom quantized: those kernels are not made.
  constexpr int kLeast = Quantizes<Output> ? 6 : 1;
  switch (job.power) {
#define SYLVESTER_ORDER(power)                                 \
  case power:                                                  \
    if constexpr (power >= kLeast) {                           \
      return launch_pow2_order<T, power>(job, output, stream); \
    } else {                                                   \
      return false;                                            \
    }
    SYLVESTER_ORDER(1)
    SYLVESTER_ORDER(2)
    SYLVESTER_ORDER(3)
    SYLVESTER_ORDER(4)
    SYLVESTER_ORDER(5)
    SYLVESTER_ORDER(6)
    SYLVESTER_ORDER(7)
    SYLVESTER_ORDER(8)
    SYLVESTER_ORDER(9)
    SYLVESTER_ORDER(10)
    SYLVESTER_ORDER(11)
    SYLVESTER_ORDER(12)
    SYLVESTER_ORDER(13)
    SYLVESTER_ORDER(14)
    SYLVESTER_ORDER(15)
#undef SYLVESTER_ORDER
    default:
      return false;
  }
}

}  // namespace sylvester::cuda::detail
