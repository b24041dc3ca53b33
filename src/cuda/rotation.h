// A HadamardOptions resolved to what the kernels take, with its tables on the device.
#pragma once

#include <cstdint>

#include "cuda/rows_job.h"
#include "sylvester/hadamard/hadamard.h"

namespace sylvester::cuda::detail {

inline constexpr std::int64_t kMostOrder = 32768;

struct SignWords {
  const std::uint64_t* words = nullptr;
  int count = 1;
};

// Tables live on the device until the process ends. The first use of a seed or base allocates.
SignWords device_signs(std::uint64_t seed, std::int64_t length);
const std::int8_t* device_base(std::int64_t base);
// H_K, or H_K', as fwht_base_table.cuh reads it.
const float* device_base_table(std::int64_t base, bool transposed);

// Orders, scale, signs of one axis; the pointers and strides of X and Y stay empty.
// Errors: ShapeError, UnsupportedError as hadamard_rows.
RowsJob resolve_rows(std::int64_t length, const HadamardOptions& options, const char* what);

}  // namespace sylvester::cuda::detail
