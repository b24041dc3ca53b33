// CUTLASS's warp-specialized s8 kernel for sm_90: int32 sums in registers, multiplied by the
// product of the scales on the way out.
#include "cuda/check.h"
#include "cuda/int8_product.h"

#if defined(SYLVESTER_HAVE_CUTLASS)
#include <cutlass/cutlass.h>
#include <cutlass/gemm/device/gemm_universal_adapter.h>
#include <cutlass/epilogue/collective/collective_builder.hpp>
#include <cutlass/gemm/collective/collective_builder.hpp>
#include <cutlass/gemm/kernel/gemm_universal.hpp>

#include <map>
#include <mutex>
#endif

namespace sylvester::cuda::detail {

#if defined(SYLVESTER_HAVE_CUTLASS)
namespace {

__global__ void multiply_scales_kernel(const float* a, const float* b, float* out) {
  *out = __fmul_rn(*a, *b);
}

template <class Out>
struct Int8Gemm {
  using Tile = cute::Shape<cute::_128, cute::_256, cute::_128>;
  using Cluster = cute::Shape<cute::_2, cute::_1, cute::_1>;
  static constexpr int kAlignC = 16 / sizeof(Out);
  using Epilogue = typename cutlass::epilogue::collective::CollectiveBuilder<
      cutlass::arch::Sm90, cutlass::arch::OpClassTensorOp, Tile, Cluster,
      cutlass::epilogue::collective::EpilogueTileAuto, int32_t, float, void,
      cutlass::layout::RowMajor, kAlignC, Out, cutlass::layout::RowMajor, kAlignC,
      cutlass::epilogue::TmaWarpSpecializedCooperative>::CollectiveOp;
  using Mainloop = typename cutlass::gemm::collective::CollectiveBuilder<
      cutlass::arch::Sm90, cutlass::arch::OpClassTensorOp, int8_t, cutlass::layout::RowMajor, 16,
      int8_t, cutlass::layout::ColumnMajor, 16, int32_t, Tile, Cluster,
      cutlass::gemm::collective::StageCountAutoCarveout<static_cast<int>(
          sizeof(typename Epilogue::SharedStorage))>,
      cutlass::gemm::KernelTmaWarpSpecializedCooperative>::CollectiveOp;
  using Kernel =
      cutlass::gemm::kernel::GemmUniversal<cute::Shape<int, int, int, int>, Mainloop, Epilogue>;
  using Gemm = cutlass::gemm::device::GemmUniversalAdapter<Kernel>;
};

template <class Out>
bool run(const Int8Product& p, cudaStream_t stream) {
  using Gemm = typename Int8Gemm<Out>::Gemm;
  using Kernel = typename Int8Gemm<Out>::Kernel;
  const int m = static_cast<int>(p.m), n = static_cast<int>(p.n), k = static_cast<int>(p.k);
  multiply_scales_kernel<<<1, 1, 0, stream>>>(p.scale_a, p.scale_b, p.alpha);
  check_launch("int8 scales");
  const auto along_k = cute::make_stride(p.k, cute::Int<1>{}, std::int64_t{0});
  const auto along_n = cute::make_stride(p.n, cute::Int<1>{}, std::int64_t{0});
  typename Gemm::Arguments arguments{cutlass::gemm::GemmUniversalMode::kGemm,
                                     {m, n, k, 1},
                                     {p.a, along_k, p.b, along_k},
                                     {{}, nullptr, {}, static_cast<Out*>(p.c), along_n}};
  arguments.epilogue.thread.alpha_ptr = p.alpha;
  arguments.epilogue.thread.beta = 0.0f;
  arguments.hw_info.sm_count = device_info().multiprocessors;
  Gemm gemm;
  if (gemm.can_implement(arguments) != cutlass::Status::kSuccess) return false;
  if (Gemm::get_workspace_size(arguments) != 0) return false;
  if (gemm.initialize(arguments, nullptr, stream) != cutlass::Status::kSuccess) return false;
  if (gemm.run(stream) != cutlass::Status::kSuccess) {
    check(cudaGetLastError(), "int8 product");
    throw Error("int8 product: CUTLASS could not start its kernel");
  }
  return true;
}

}  // namespace

bool int8_tensor_core(const Int8Product& p, cudaStream_t stream) {
  const bool suits = p.k % 16 == 0 && p.n % 8 == 0 && p.k > 0 && !p.rows_a && !p.rows_b &&
                     device_info().major == 9;
  const auto aligned = [](const void* x) { return reinterpret_cast<std::uintptr_t>(x) % 16 == 0; };
  if (!suits || !aligned(p.a) || !aligned(p.b) || !aligned(p.c)) return false;
  return p.type == DType::kBFloat16 ? run<cutlass::bfloat16_t>(p, stream) : run<float>(p, stream);
}

#else

bool int8_tensor_core(const Int8Product&, cudaStream_t) { return false; }

#endif

}  // namespace sylvester::cuda::detail
