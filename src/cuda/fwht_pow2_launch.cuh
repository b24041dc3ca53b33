// Definition of launch_pow2; included by the files that instantiate it.
#pragma once

#include "cuda/check.h"
#include "cuda/fwht_launch.h"
#include "cuda/fwht_pow2.cuh"

namespace sylvester::cuda::detail {

template <class T, int kPower, class Output>
bool launch_pow2_order(const RowsJob& job, const Output& output, cudaStream_t stream) {
  using S = Pow2Shape<T, kPower>;
  const auto kernel = fwht_pow2_kernel<T, kPower, Output>;
  constexpr int kGroups = S::kThreads / S::kGroup;
  const std::int64_t tiles = (job.rows + S::kRows - 1) / S::kRows;
  const int blocks = resident_blocks(reinterpret_cast<const void*>(kernel), S::kThreads,
                                     S::kSharedBytes, (tiles + kGroups - 1) / kGroups);
  if (blocks == 0) return false;
  kernel<<<blocks, S::kThreads, S::kSharedBytes, stream>>>(job, output);
  check_launch("hadamard rows");
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
  switch (job.power) {
#define SYLVESTER_ORDER(power) \
  case power:                  \
    return launch_pow2_order<T, power>(job, output, stream);
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
