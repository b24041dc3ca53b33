// Host side of the transform kernels, one instantiation a source file.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/fwht_any.cuh"
#include "cuda/row_output.cuh"
#include "cuda/rows_job.h"

namespace sylvester::cuda::detail {

// Blocks of a kernel that fill the device, at most `wanted`. Raises the kernel's shared-memory
// limit on the way; 0 when one block does not fit. With clusters of `cluster` blocks: whole ones.
int resident_blocks(const void* kernel, int threads, std::int64_t shared_bytes, std::int64_t wanted,
                    int cluster = 1);

// Rows of order 2^m, m in 1 ... 15. False: the job does not suit (alignment, stride).
template <class T, class Output>
bool launch_pow2(const RowsJob& job, const Output& output, cudaStream_t stream);
// Rows of order K 2^m. False: the job does not suit (size, alignment, signs after the transform).
template <class T, class Output>
bool launch_base(const RowsJob& job, const Output& output, cudaStream_t stream);
// Columns of order 2^m, m in 1 ... 15, `blocks` transforms below each other in a column. False: the
// job does not suit (alignment, stride, width).
template <class T, class Output>
bool launch_cols(const RowsJob& job, std::int64_t cols, const Output& output, cudaStream_t stream,
                 std::int64_t blocks = 1);
// Any order, shape, stride and alignment.
template <class T>
void launch_any(const AnyJob& job, cudaStream_t stream);

}  // namespace sylvester::cuda::detail
