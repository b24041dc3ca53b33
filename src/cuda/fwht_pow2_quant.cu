#include "cuda/fwht_pow2_launch.cuh"
#include "cuda/quant_output.cuh"

namespace sylvester::cuda::detail {

#define SYLVESTER_OUTPUT(...) \
  template bool launch_pow2<__nv_bfloat16>(const RowsJob&, const __VA_ARGS__&, cudaStream_t);
SYLVESTER_OUTPUT(QuantOutput<true>)
SYLVESTER_OUTPUT(QuantOutput<false, FastEncode::kE4M3>)
#undef SYLVESTER_OUTPUT

}  // namespace sylvester::cuda::detail
