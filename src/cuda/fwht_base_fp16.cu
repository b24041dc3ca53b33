#include "cuda/fwht_base_launch.cuh"

namespace sylvester::cuda::detail {

template bool launch_base<__half>(const RowsJob&, const StoreOutput<__half>&, cudaStream_t);

}  // namespace sylvester::cuda::detail
