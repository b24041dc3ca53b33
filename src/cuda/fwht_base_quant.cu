#include "cuda/fwht_base_launch.cuh"
#include "cuda/quant_output.cuh"

namespace sylvester::cuda::detail {

template bool launch_base<__nv_bfloat16>(const RowsJob&, const QuantOutput<true>&, cudaStream_t);
template bool launch_base<__nv_bfloat16>(const RowsJob&, const QuantOutput<false>&, cudaStream_t);
template bool launch_base<__nv_bfloat16>(const RowsJob&, const KeepOutput&, cudaStream_t);

}  // namespace sylvester::cuda::detail
