#include "cuda/quantize_typed.cuh"

namespace sylvester::cuda::detail {

bool run_quantize_both(const QuantJob& job, const QuantSteps& steps, cudaStream_t stream) {
  const FastEncode kind = fast_encode(steps.map);
  if (!steps.global || steps.columns || kind == FastEncode::kGeneral ||
      steps.plan.spec.quotient != Quotient::kDivide || job.rows % 8 != 0 ||
      job.rows * job.cols == 0 || !eights_fit<__nv_bfloat16>(job)) {
    return false;
  }
  observe<__nv_bfloat16>(job, steps, stream);
  const dim3 grid(static_cast<unsigned>((job.cols + 127) / 128),
                  static_cast<unsigned>((job.rows + 63) / 64));
  launch_dependent(encode_both_kernel, grid, 256, 0, stream, "encode", job, CodeMap(steps.map));
  return true;
}

template void run_quantize<__nv_bfloat16>(const QuantJob&, const QuantSteps&, cudaStream_t);

}  // namespace sylvester::cuda::detail
