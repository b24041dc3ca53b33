#include "cuda/fwht_base_launch.cuh"

namespace sylvester::cuda::detail {

template bool launch_base<__nv_bfloat16>(const RowsJob&, const StoreOutput<__nv_bfloat16>&,
                                         cudaStream_t);

}  // namespace sylvester::cuda::detail
