#include "cuda/fwht_cols_launch.cuh"

namespace sylvester::cuda::detail {

template bool launch_cols<__nv_bfloat16>(const RowsJob&, std::int64_t,
                                         const StoreOutput<__nv_bfloat16>&, cudaStream_t,
                                         std::int64_t);

}  // namespace sylvester::cuda::detail
