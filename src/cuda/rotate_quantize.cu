#include "sylvester/cuda/rotate_quantize.h"

#include <type_traits>

#include "cuda/check.h"
#include "cuda/fwht_launch.h"
#include "cuda/quant_output.cuh"
#include "cuda/quantize_steps.h"
#include "cuda/rotation.h"

namespace sylvester::cuda {
namespace detail {
namespace {

template <class T>
__global__ void widen_kernel(const T* x, std::int64_t stride, std::int64_t rows, std::int64_t cols,
                             float* to) {
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < rows * cols;
       i += std::int64_t{gridDim.x} * blockDim.x) {
    to[i] = to_float(x[i / cols * stride + i % cols]);
  }
}

// X as contiguous float32 in `to`.
DeviceMatrix widened(const DeviceMatrix& X, DeviceBuffer& to, cudaStream_t stream) {
  to.resize(X.size() * 4);
  const DeviceMatrix out(to.data(), DType::kFloat32, X.rows, X.cols);
  if (X.size() == 0) return out;
  const int grid = static_cast<int>(std::min<std::int64_t>((X.size() + 255) / 256, 8192));
  float* target = to.as<float>();
  if (X.dtype == DType::kFloat32) {
    widen_kernel<<<grid, 256, 0, stream>>>(static_cast<const float*>(X.data), X.stride, X.rows,
                                           X.cols, target);
  } else if (X.dtype == DType::kFloat16) {
    widen_kernel<<<grid, 256, 0, stream>>>(static_cast<const __half*>(X.data), X.stride, X.rows,
                                           X.cols, target);
  } else {
    widen_kernel<<<grid, 256, 0, stream>>>(static_cast<const __nv_bfloat16*>(X.data), X.stride,
                                           X.rows, X.cols, target);
  }
  check_launch("widen");
  return out;
}

// Both passes of a fused transform of one side. False: the shape does not suit.
bool fused(bool columns, const DeviceMatrix& X, const HadamardOptions& options,
           const QuantSpec& spec, DeviceQuantized& out, const RandomStream& random,
           cudaStream_t stream) {
  if (X.dtype != DType::kBFloat16 || spec.granularity != Granularity::kTensor) return false;
  if (spec.asymmetric || spec.rule == ScaleRule::kGrid || spec.rule == ScaleRule::kUnit) {
    return false;
  }
  RowsJob job = resolve_rows(columns ? X.rows : X.cols, options, columns ? "cols" : "rows");
  const bool suits = columns
                         ? job.base == 1 && job.n == X.rows
                         : (X.contiguous() || job.n == X.cols) && (job.base > 1 || job.power >= 2);
  if (!suits || X.size() == 0) return false;
  PreparedQuantize p = prepare_quantize(spec, X.rows, X.cols, out, random, stream);
  const FastEncode kind = fast_encode(p.steps.map);
  const bool fast =
      kind == FastEncode::kE4M3 || kind == FastEncode::kE5M2 || kind == FastEncode::kInteger;
  if (!fast || p.steps.map.multiplies) return false;
  job.x = X.data;
  job.rows = X.rows * (X.cols / job.n);
  job.x_stride = columns || job.n == X.cols ? X.stride : job.n;
  job.y_stride = columns ? X.cols : job.n;
  const auto launch = [&](auto pass) {
    const QuantOutput<decltype(pass)::value> output{kind,  p.steps.map.low, p.steps.map.high,
                                                    p.job, p.steps.plan,    job.y_stride};
    if (columns) return launch_cols<__nv_bfloat16>(job, X.cols, output, stream);
    return job.base == 1 ? launch_pow2<__nv_bfloat16>(job, output, stream)
                         : launch_base<__nv_bfloat16>(job, output, stream);
  };
  if (!launch(std::true_type{})) return false;
  job.backwards = true;
  return launch(std::false_type{});
}

}  // namespace
}  // namespace detail

void rotate_quantize(const DeviceMatrix& X, const RotateQuantizeOptions& options,
                     const QuantSpec& spec, DeviceQuantized& out, RotateWork& work,
                     const RandomStream& stream, StreamHandle queue) {
  require_device();
  const cudaStream_t native = detail::native(queue);
  const QuantSpec resolved = resolve(spec);
  DeviceMatrix rotated = X;
  bool done = false;
  if (options.rows != options.cols && !is_cast(resolved)) {
    done = detail::fused(options.cols, X, options.cols ? options.left : options.right, resolved,
                         out, stream, native);
  }
  if (!done && (options.rows || options.cols)) {
    rotated = detail::widened(X, work.rotated, native);
    if (options.cols) hadamard_cols(rotated, rotated, options.left, queue);
    if (options.rows) hadamard_rows(rotated, rotated, options.right, queue);
  }
  if (!done && options.transposed && rotated.dtype == DType::kBFloat16 &&
      resolved.granularity == Granularity::kTensor && resolved.rule != ScaleRule::kGrid &&
      !is_cast(resolved)) {
    detail::PreparedQuantize p =
        detail::prepare_quantize(resolved, X.rows, X.cols, out, stream, native);
    p.job.x = X.data;
    p.job.x_stride = X.stride;
    out.codes_t.resize(X.size());
    if (detail::run_quantize_both(p.job, p.steps, out.codes_t.as<std::uint8_t>(), native)) return;
  }
  if (!done) quantize(rotated, spec, out, stream, queue);
  if (options.transposed && !is_cast(resolved)) transpose_codes(out, queue);
}

}  // namespace sylvester::cuda
