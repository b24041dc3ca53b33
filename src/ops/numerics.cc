#include "sylvester/ops/numerics.h"

#include <bit>
#include <string>

#include "sylvester/core/error.h"
#include "sylvester/ops/ops.h"
#if defined(SYLVESTER_HAVE_CUDA)
#include "ops/cuda_numerics.h"
#endif

namespace sylvester {

std::int64_t hadamard_length(std::int64_t n) {
  if (n <= 0 || has_hadamard(n)) return n;
  return static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(n)));
}

DType codes_dtype(DType format) {
  if (format == DType::kBFloat16 || format == DType::kFloat16) return format;
  if (storage_bytes(format) == 1) return DType::kUInt8;
  throw ValueError("codes of " + std::string(to_string(format)) +
                   ": want a format of up to 8 bits, bfloat16 or float16");
}

void Numerics::together(std::span<const std::function<void()>> tasks) {
  for (const auto& task : tasks) task();
}

#if defined(SYLVESTER_HAVE_CUDA)

std::unique_ptr<Numerics> make_cuda_numerics(void* stream) {
  cuda::require_device();
  return std::make_unique<detail::CudaNumerics>(stream);
}

#else

std::unique_ptr<Numerics> make_cuda_numerics(void*) {
  throw UnsupportedError(
      "this build of Sylvester has no CUDA backend (SYLVESTER_CUDA=ON builds it); use tensors in "
      "CPU memory");
}

#endif

Numerics& numerics(Device device) {
  if (device == Device::kCpu) return cpu_ops();
  static const std::unique_ptr<Numerics> cuda = make_cuda_numerics(nullptr);
  return *cuda;
}

}  // namespace sylvester
