// What a row-transform kernel is asked to do; passed by value to the kernels.
#pragma once

#include <cstdint>

namespace sylvester::cuda::detail {

struct RowsJob {
  const void* x = nullptr;
  void* y = nullptr;
  std::int64_t rows = 0;
  std::int64_t x_stride = 0;  // elements
  std::int64_t y_stride = 0;
  int n = 0;           // order: base << power
  int base = 1;        // K
  int power = 0;       // m
  float scale = 1.0f;  // one multiplication at the end
  // Diag(r): one bit an element of X read row after row, 1 = negative, with a period of sign_words
  // words; nullptr for none.
  const std::uint64_t* signs_before = nullptr;
  const std::uint64_t* signs_after = nullptr;
  int sign_words = 1;
  bool backwards = false;        // the last tile first: it is the likeliest to be in the L2 cache
  bool transposed_base = false;  // the inverse map: H_K' instead of H_K
  // On the device, for kernels without the signs as constants: [K][K], and as a SignTable reads it.
  const std::int8_t* base_signs = nullptr;
  const float* base_table = nullptr;
};

#if defined(__CUDACC__)
__device__ inline const std::uint64_t* chunk_signs(const RowsJob& job, std::int64_t chunk) {
  return job.signs_before == nullptr ? nullptr : job.signs_before + chunk % job.sign_words;
}
__device__ inline bool sign_after(const RowsJob& job, std::int64_t element) {
  return (job.signs_after[(element >> 6) % job.sign_words] >> (element & 63) & 1) != 0;
}
#endif

}  // namespace sylvester::cuda::detail
