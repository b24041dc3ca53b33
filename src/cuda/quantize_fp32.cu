#include "cuda/quantize_typed.cuh"

namespace sylvester::cuda::detail {

bool encode_uniform(const QuantJob& job, const QuantSteps& steps, cudaStream_t stream) {
  if (!eights_fit<float>(job) || job.rows * job.cols == 0) return false;
  launch_encode_uniform<float>(job, steps, stream);
  return true;
}

template void run_quantize<float>(const QuantJob&, const QuantSteps&, cudaStream_t);

}  // namespace sylvester::cuda::detail
