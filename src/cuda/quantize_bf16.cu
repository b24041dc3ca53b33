#include "cuda/quantize_typed.cuh"

namespace sylvester::cuda::detail {

bool run_quantize_both(const QuantJob& job, const QuantSteps& steps, std::uint8_t* codes_t,
                       cudaStream_t stream) {
  const bool suits = steps.global && !steps.columns && job.rows % 64 == 0 && job.cols % 128 == 0 &&
                     job.rows * job.cols > 0 && vectors_fit<__nv_bfloat16>(job, job.cols);
  const FastEncode kind = fast_encode(steps.map);
  if (!suits ||
      (kind != FastEncode::kE4M3 && kind != FastEncode::kE5M2 && kind != FastEncode::kInteger)) {
    return false;
  }
  observe<__nv_bfloat16>(job, steps, stream);
  const dim3 grid(static_cast<unsigned>(job.cols / 128), static_cast<unsigned>(job.rows / 64));
  if (kind == FastEncode::kE4M3) {
    encode_both_kernel<FastEncode::kE4M3><<<grid, 256, 0, stream>>>(job, steps.map, codes_t);
  } else if (kind == FastEncode::kE5M2) {
    encode_both_kernel<FastEncode::kE5M2><<<grid, 256, 0, stream>>>(job, steps.map, codes_t);
  } else {
    encode_both_kernel<FastEncode::kInteger><<<grid, 256, 0, stream>>>(job, steps.map, codes_t);
  }
  check_launch("encode");
  return true;
}

template void run_quantize<__nv_bfloat16>(const QuantJob&, const QuantSteps&, cudaStream_t);

}  // namespace sylvester::cuda::detail
