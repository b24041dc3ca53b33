#include "cuda/fwht_cols_launch.cuh"
#include "cuda/quant_output.cuh"

namespace sylvester::cuda::detail {

template bool launch_cols<__nv_bfloat16>(const RowsJob&, std::int64_t, const QuantOutput<true>&,
                                         cudaStream_t, std::int64_t);
template bool launch_cols<__nv_bfloat16>(const RowsJob&, std::int64_t, const QuantOutput<false>&,
                                         cudaStream_t, std::int64_t);

}  // namespace sylvester::cuda::detail
