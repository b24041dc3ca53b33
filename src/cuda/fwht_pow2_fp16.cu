#include "cuda/fwht_pow2_launch.cuh"

namespace sylvester::cuda::detail {

template bool launch_pow2<__half>(const RowsJob&, const StoreOutput<__half>&, cudaStream_t);

}  // namespace sylvester::cuda::detail
