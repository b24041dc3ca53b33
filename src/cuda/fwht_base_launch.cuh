// Definition of launch_base; included by the files that instantiate it.
#pragma once

#include <algorithm>
#include <type_traits>

#include "cuda/fwht_base.cuh"
#include "cuda/fwht_launch.h"
#include "cuda/fwht_pow2_launch.cuh"
#include "cuda/launch.h"

namespace sylvester::cuda::detail {

template <class T, class S, bool kTransposed, class Output>
bool launch_base_order(const RowsJob& job, const Output& output, cudaStream_t stream) {
  const auto kernel = fwht_base_kernel<T, S, kTransposed, Output>;
  constexpr std::int64_t kMostShared = 227 * 1024, kChunk = 1 << S::kChunkBits;
  const int line = S::kBase == 0 ? base_groups(job.base, S::kOutputs) * kGroupFloats : 0;
  const int lines = sign_table_resident(job.base, line) ? job.base : 2 * kSlabTerms;
  const auto shared_bytes = [&](std::int64_t rows) {
    const std::int64_t elements = rows * job.n;
    return 128 + (sizeof(T) == 2 ? elements * 2 : 0) + elements / kChunk * (kChunk + pad<T>()) * 4 +
           lines * line * 4;
  };
  // Whole words of signs; then a few thousand elements, so that several blocks share a processor.
  std::int64_t rows = 1;
  while (rows * job.n % 64 != 0) rows *= 2;
  while (rows * job.n < 4096 && shared_bytes(rows * 2) <= kMostShared / 2) rows *= 2;
  if (shared_bytes(rows) > kMostShared) return false;
  const int items = base_items<S>(job.base, static_cast<int>(rows) << job.power);
  const int threads = std::clamp((items + 31) / 32 * 32, 64, S::kThreads);
  const std::int64_t tiles = (job.rows + rows - 1) / rows;
  const int blocks =
      resident_blocks(reinterpret_cast<const void*>(kernel), threads, shared_bytes(rows), tiles);
  if (blocks == 0) return false;
  if constexpr (SecondPass<Output>) {
    launch_dependent(kernel, static_cast<unsigned>(blocks), threads, shared_bytes(rows), stream,
                     "hadamard rows", job, output, static_cast<int>(rows));
  } else {
    kernel<<<blocks, threads, shared_bytes(rows), stream>>>(job, output, static_cast<int>(rows));
    check_launch("hadamard rows");
  }
  return true;
}

template <class T, class S, class Output>
bool launch_base_either(const RowsJob& job, const Output& output, cudaStream_t stream) {
  if constexpr (S::kBase == 0 || S::kBase == 28 || S::kBase == 36) {  // a table; symmetric matrices
    return launch_base_order<T, S, false>(job, output, stream);
  } else {
    return job.transposed_base ? launch_base_order<T, S, true>(job, output, stream)
                               : launch_base_order<T, S, false>(job, output, stream);
  }
}

// Whether the kernels without a table are made for an output. Those with one are not made for a
// quantizer's passes: what it sees of such a base is kept (KeepOutput).
template <class Output>
inline constexpr bool kUnrolled = !requires {
  Output::kKeeps;
};

// More columns a thread: fewer instructions an addition, but more registers, and beyond 32 KiB of
// instructions they are fetched too slowly.
template <class T, class Output>
bool launch_unrolled(const RowsJob& job, const Output& output, cudaStream_t stream) {
  switch (job.base) {
    case 12:
      return launch_base_either<T, BaseShape<12, 4, 0, 512, 1>>(job, output, stream);
    case 20:
      return launch_base_either<T, BaseShape<20, 2, 0, 512, 1>>(job, output, stream);
    case 28:
      return launch_base_either<T, BaseShape<28, 2, 0, 512, 1>>(job, output, stream);
    case 40:
      return launch_base_either<T, BaseShape<40, 1, 0, 768, 1>>(job, output, stream);
    default:
      break;
  }
  if constexpr (std::is_same_v<T, __nv_bfloat16>) {
    if (job.base == 36) {
      return launch_base_either<T, BaseShape<36, 1, 0, 768, 1>>(job, output, stream);
    }
    if (job.base == 44) {
      return launch_base_either<T, BaseShape<44, 1, 0, 640, 1>>(job, output, stream);
    }
  }
  return false;
}

template <class T, class Output>
bool launch_table(const RowsJob& job, const Output& output, cudaStream_t stream) {
  // Wide ones take long to compile: for the common outputs only.
  constexpr bool kWide = std::is_same_v<Output, StoreOutput<__nv_bfloat16>> || !kUnrolled<Output>;
  switch (base_outputs(job.base)) {
#define SYLVESTER_OUTPUTS(outputs)                                                           \
  case outputs:                                                                              \
    if constexpr (kWide) {                                                                   \
      if (job.base >= kWideBase) {                                                           \
        return launch_base_either<T, BaseShape<0, 8, outputs, 384, 1>>(job, output, stream); \
      }                                                                                      \
    }                                                                                        \
    return launch_base_either<T, BaseShape<0, 4, outputs, 640, 1>>(job, output, stream);
    SYLVESTER_OUTPUTS(10)
    SYLVESTER_OUTPUTS(11)
    SYLVESTER_OUTPUTS(12)
#undef SYLVESTER_OUTPUTS
    default:
      return false;
  }
}

template <class T, class Output>
bool launch_base(const RowsJob& job, const Output& output, cudaStream_t stream) {
  // The passes above want four columns at least and know six stages above the first five.
  if (job.power < 2 || job.power > 11 || job.signs_after != nullptr || !suits_bulk_copy<T>(job)) {
    return false;
  }
  if constexpr (kUnrolled<Output>) {
    if (is_unrolled(job.base) && launch_unrolled<T>(job, output, stream)) return true;
  }
  if constexpr (!Quantizes<Output>) return launch_table<T>(job, output, stream);
  return false;
}

}  // namespace sylvester::cuda::detail
