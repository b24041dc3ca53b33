#include "cuda/quantize_typed.cuh"

namespace sylvester::cuda::detail {

template void run_quantize<__half>(const QuantJob&, const QuantSteps&, cudaStream_t);

}  // namespace sylvester::cuda::detail
