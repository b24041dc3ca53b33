#include "cuda/fwht_cols_launch.cuh"

namespace sylvester::cuda::detail {

template bool launch_cols<float>(const RowsJob&, std::int64_t, const StoreOutput<float>&,
                                 cudaStream_t, std::int64_t);

}  // namespace sylvester::cuda::detail
