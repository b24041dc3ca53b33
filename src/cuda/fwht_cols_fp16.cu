#include "cuda/fwht_cols_launch.cuh"

namespace sylvester::cuda::detail {

template bool launch_cols<__half>(const RowsJob&, std::int64_t, const StoreOutput<__half>&,
                                  cudaStream_t, std::int64_t);

}  // namespace sylvester::cuda::detail
