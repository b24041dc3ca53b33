#include "cuda/fwht_base_launch.cuh"

namespace sylvester::cuda::detail {

template bool launch_base<float>(const RowsJob&, const StoreOutput<float>&, cudaStream_t);

}  // namespace sylvester::cuda::detail
