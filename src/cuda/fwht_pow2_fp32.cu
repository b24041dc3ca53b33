#include "cuda/fwht_pow2_launch.cuh"

namespace sylvester::cuda::detail {

template bool launch_pow2<float>(const RowsJob&, const StoreOutput<float>&, cudaStream_t);

}  // namespace sylvester::cuda::detail
