#include "sylvester/cuda/rotate_quantize.h"

#include "cuda/base_shape.h"
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

// The second pass, by the kernel made for the form of the codes.
bool encode_pow2(const RowsJob& job, const QuantOutput<false>& output, cudaStream_t stream) {
  const auto launch = [&]<FastEncode kKind>() {
    const QuantOutput<false, kKind> known{output.job, output.plan, output.map, output.stride};
    return launch_pow2<__nv_bfloat16>(job, known, stream);
  };
  switch (output.map.kind) {
    case FastEncode::kE4M3:
      return launch.operator()<FastEncode::kE4M3>();
    case FastEncode::kE5M2:
      return launch.operator()<FastEncode::kE5M2>();
    default:
      return launch.operator()<FastEncode::kInteger>();
  }
}

// Both passes of a fused transform of one side. False: the spec or shape does not suit.
bool fused(bool columns, const DeviceMatrix& X, const HadamardOptions& options,
           const QuantSpec& spec, DeviceQuantized& out, const RandomStream& random,
           DeviceBuffer& rotated, cudaStream_t stream) {
  if (X.dtype != DType::kBFloat16 || spec.granularity != Granularity::kTensor || spec.asymmetric ||
      spec.rule == ScaleRule::kGrid || spec.rule == ScaleRule::kUnit ||
      spec.quotient != Quotient::kDivide) {
    return false;
  }
  RowsJob job = resolve_rows(columns ? X.rows : X.cols, options, columns ? "cols" : "rows");
  const bool suits = columns
                         ? job.base == 1 && job.n == X.rows
                         : (X.contiguous() || job.n == X.cols) && (job.base > 1 || job.power >= 6);
  if (!suits || X.size() == 0) return false;
  PreparedQuantize p = prepare_quantize(spec, X.rows, X.cols, out, random, stream);
  const CodeMap map(p.steps.map);
  if (map.kind != FastEncode::kE4M3 && map.kind != FastEncode::kE5M2 &&
      map.kind != FastEncode::kInteger) {
    return false;
  }
  job.x = X.data;
  job.rows = X.rows * (X.cols / job.n);
  job.x_stride = columns || job.n == X.cols ? X.stride : job.n;
  job.y_stride = columns ? X.cols : job.n;
  const QuantOutput<true> first{p.job, p.steps.plan, map, job.y_stride};
  const QuantOutput<false> second{p.job, p.steps.plan, map, job.y_stride};
  RowsJob again = job;
  again.backwards = true;
  const auto both = [&](const auto& launch) { return launch(job, first) && launch(again, second); };
  if (columns) {
    return both([&](const RowsJob& rows, const auto& output) {
      return launch_cols<__nv_bfloat16>(rows, X.cols, output, stream);
    });
  }
  if (job.base > 1 && !is_unrolled(job.base)) {
    rotated.resize(X.size() * 4);
    const KeepOutput keep{first, {rotated.as<float>(), job.y_stride}};
    QuantJob kept = p.job;
    kept.x = rotated.data();
    kept.x_stride = X.cols;
    return launch_base<__nv_bfloat16>(job, keep, stream) && encode_uniform(kept, p.steps, stream);
  }
  if (job.base > 1) {
    return both([&](const RowsJob& rows, const auto& output) {
      return launch_base<__nv_bfloat16>(rows, output, stream);
    });
  }
  return launch_pow2<__nv_bfloat16>(job, first, stream) && encode_pow2(again, second, stream);
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
  const bool one_side = options.rows != options.cols && !is_cast(resolved);
  if (one_side && detail::fused(options.cols, X, options.cols ? options.left : options.right,
                                resolved, out, stream, work.rotated, native)) {
    if (options.transposed) transpose_codes(out, queue);
    return;
  }
  if (options.rows || options.cols) {
    rotated = detail::widened(X, work.rotated, native);
    if (options.cols) hadamard_cols(rotated, rotated, options.left, queue);
    if (options.rows) hadamard_rows(rotated, rotated, options.right, queue);
  }
  if (options.transposed && rotated.dtype == DType::kBFloat16 &&
      resolved.granularity == Granularity::kTensor && resolved.rule != ScaleRule::kGrid &&
      !is_cast(resolved)) {
    detail::PreparedQuantize p =
        detail::prepare_quantize(resolved, X.rows, X.cols, out, stream, native);
    p.job.x = X.data;
    p.job.x_stride = X.stride;
    out.codes_t.resize(X.size());
    p.job.codes_t = out.codes_t.as<std::uint8_t>();
    if (detail::run_quantize_both(p.job, p.steps, native)) return;
  }
  quantize(rotated, spec, out, stream, queue);
  if (options.transposed && !is_cast(resolved)) transpose_codes(out, queue);
}

}  // namespace sylvester::cuda
