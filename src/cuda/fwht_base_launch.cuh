// Definition of launch_base; included by the files that instantiate it.
#pragma once

#include <algorithm>

#include "cuda/check.h"
#include "cuda/fwht_base.cuh"
#include "cuda/fwht_launch.h"
#include "cuda/fwht_pow2_launch.cuh"

namespace sylvester::cuda::detail {

template <class T, int kBase, bool kTransposed, class Output>
bool launch_base_order(const RowsJob& job, const Output& output, cudaStream_t stream) {
  const auto kernel = fwht_base_kernel<T, kBase, kTransposed, Output>;
  constexpr std::int64_t kMostShared = 227 * 1024;
  const auto shared_bytes = [&](std::int64_t rows) {
    const std::int64_t elements = rows * job.n;
    const std::int64_t table = kBase == 0 ? job.base * padded_base(job.base) * 4 : 0;
    return 128 + (sizeof(T) == 2 ? elements * 2 : 0) +
           elements / kBaseChunk * (kBaseChunk + pad<T>()) * 4 + table;
  };
  // Whole words of signs; then a few thousand elements, so that several blocks share a processor.
  std::int64_t rows = 1;
  while (rows * job.n % 64 != 0) rows *= 2;
  while (rows * job.n < 4096 && shared_bytes(rows * 2) <= kMostShared / 2) rows *= 2;
  if (shared_bytes(rows) > kMostShared) return false;
  using Shape = BaseShape<kBase>;
  const std::int64_t columns = rows * (job.n / job.base);
  const std::int64_t items =
      kBase == 0 ? columns / 4 * padded_base(job.base) / 8 : columns / Shape::kWidth;
  // A thread an item of the base pass; the chunks of the first pass in one round or two.
  const std::int64_t chunks = rows * job.n / kBaseChunk;
  const std::int64_t work = std::max(items, chunks <= items * 3 / 2 ? chunks : chunks / 2);
  const int threads =
      static_cast<int>(std::clamp<std::int64_t>((work + 31) / 32 * 32, 128, Shape::kThreads));
  const std::int64_t tiles = (job.rows + rows - 1) / rows;
  const int blocks =
      resident_blocks(reinterpret_cast<const void*>(kernel), threads, shared_bytes(rows), tiles);
  if (blocks == 0) return false;
  kernel<<<blocks, threads, shared_bytes(rows), stream>>>(job, output, static_cast<int>(rows));
  check_launch("hadamard rows");
  return true;
}

template <class T, int kBase, class Output>
bool launch_base_either(const RowsJob& job, const Output& output, cudaStream_t stream) {
  return job.transposed_base ? launch_base_order<T, kBase, true>(job, output, stream)
                             : launch_base_order<T, kBase, false>(job, output, stream);
}

template <class T, class Output>
bool launch_base(const RowsJob& job, const Output& output, cudaStream_t stream) {
  // The passes above want four columns at least and know five stages above the first six.
  if (job.power < 2 || job.power > 11 || job.signs_after != nullptr || !suits_bulk_copy<T>(job)) {
    return false;
  }
  switch (job.base) {
    case 12:
      return launch_base_either<T, 12>(job, output, stream);
    case 20:
      return launch_base_either<T, 20>(job, output, stream);
    case 28:
      return launch_base_either<T, 28>(job, output, stream);
    case 40:
      return launch_base_either<T, 40>(job, output, stream);
    default:
      return launch_base_either<T, 0>(job, output, stream);
  }
}

}  // namespace sylvester::cuda::detail
