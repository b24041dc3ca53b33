#include "sylvester/cuda/quantize.h"

#include <algorithm>
#include <string>

#include "cuda/launch.h"
#include "cuda/quantize_kernels.cuh"
#include "cuda/quantize_steps.h"
#include "quant/engine.h"

namespace sylvester::cuda {
namespace detail {
namespace {

__global__ void clear_bounds_kernel(const QuantJob job, std::int64_t count) {
  const std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i == 0 && job.done != nullptr) *job.done = 0;
  if (i >= count) return;
  job.magnitudes[i] = 0;
  job.lows[i] = sylvester::detail::kHighestKey;
  job.highs[i] = sylvester::detail::kLowestKey;
}

// 128 x 128 codes a block; lines are whole on both sides. Rows and columns are multiples of 16. The
// words of a row change places by its group of 16 rows, so that no bank is met twice.
__global__ __launch_bounds__(256) void turn_kernel(const std::uint8_t* from, std::uint8_t* to,
                                                   std::int64_t rows, std::int64_t cols) {
  __shared__ __align__(16) std::uint32_t tile[128 * 32];
  wait_for_predecessor();
  const int t = threadIdx.x;
  const std::int64_t row0 = blockIdx.y * std::int64_t{128}, col0 = blockIdx.x * std::int64_t{128};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int row = i * 32 + t / 8, col = t % 8 * 16;
    if (row0 + row < rows && col0 + col < cols) {
      const auto* at = reinterpret_cast<const uint4*>(from + (row0 + row) * cols + col0 + col);
      *reinterpret_cast<uint4*>(tile + row * 32 + (col / 4 ^ row / 16 * 4)) = __ldcg(at);
    }
  }
  __syncthreads();
  const int row = t % 8 * 16, col = t / 8 * 4;
  if (row0 + row >= rows || col0 + col >= cols) return;
  std::uint32_t turned[4][4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    std::uint32_t w[4];
#pragma unroll
    for (int k = 0; k < 4; ++k) w[k] = tile[(row + 4 * i + k) * 32 + (col / 4 ^ row / 16 * 4)];
    turn_four(w, turned[i]);
  }
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    *reinterpret_cast<uint4*>(to + (col0 + col + k) * rows + row0 + row) =
        make_uint4(turned[0][k], turned[1][k], turned[2][k], turned[3][k]);
  }
}

// Any shape: 64 x 64 codes a block.
__global__ __launch_bounds__(256) void transpose_kernel(const std::uint8_t* from, std::uint8_t* to,
                                                        std::int64_t rows, std::int64_t cols) {
  __shared__ std::uint8_t tile[64][68];
  const std::int64_t row0 = blockIdx.y * std::int64_t{64}, col0 = blockIdx.x * std::int64_t{64};
  const int t = threadIdx.x;
  for (int i = t; i < 64 * 64; i += 256) {
    const int r = i / 64, c = i % 64;
    if (row0 + r < rows && col0 + c < cols) tile[r][c] = from[(row0 + r) * cols + col0 + c];
  }
  __syncthreads();
  for (int i = t; i < 64 * 64; i += 256) {
    const int c = i / 64, r = i % 64;
    if (row0 + r < rows && col0 + c < cols) to[(col0 + c) * rows + row0 + r] = tile[r][c];
  }
}

// float32 / bfloat16 / float16 specs: rounded, kept as float32.
template <class T>
__global__ void cast_kernel(const QuantJob job, const Layout to, const Rounding rounding,
                            bool identity, float* values) {
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
       i < job.rows * job.cols; i += std::int64_t{gridDim.x} * blockDim.x) {
    const std::int64_t row = i / job.cols, col = i - row * job.cols;
    float x = to_float(static_cast<const T*>(job.x)[row * job.x_stride + col]);
    if (!identity) {
      const std::uint32_t random = rounding == Rounding::kStochastic
                                       ? random_word(job.stream, static_cast<std::uint64_t>(i))
                                       : 0u;
      x = decode_float(encode_bits(__float_as_uint(x), layout(DType::kFloat32), to, rounding,
                                   Overflow::kNonfinite, NanMode::kQuietKeepSign, random),
                       to);
    }
    values[i] = x;
  }
}

template <class T>
void run_cast(const QuantJob& job, const QuantSpec& spec, float* values, cudaStream_t stream) {
  if (job.rows * job.cols == 0) return;
  cast_kernel<T><<<grid_of(job.rows * job.cols, 256, 4096), 256, 0, stream>>>(
      job, layout(spec.format), spec.rounding, spec.format == DType::kFloat32, values);
  check_launch("cast");
}

// Bits of x (a number of `from`) as encode_bits takes them.
template <class Bits, class Code>
__global__ void encode_span_kernel(const Bits* x, const Layout from, std::int64_t count,
                                   const Layout to, const EncodeOptions options, Code* codes) {
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count;
       i += std::int64_t{gridDim.x} * blockDim.x) {
    const std::uint32_t random =
        options.rounding == Rounding::kStochastic
            ? random_word(options.stream, options.first_element + static_cast<std::uint64_t>(i))
            : 0u;
    codes[i] = static_cast<Code>(encode_bits(x[i], from, to, options, random));
  }
}

template <class Code>
__global__ void decode_span_kernel(const Code* codes, const Layout from, std::int64_t count,
                                   float* x) {
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count;
       i += std::int64_t{gridDim.x} * blockDim.x) {
    x[i] = decode_float(codes[i], from);
  }
}

void check_source(DType dtype, const char* what) {
  if (dtype == DType::kFloat32 || dtype == DType::kBFloat16 || dtype == DType::kFloat16) return;
  throw UnsupportedError(std::string(what) + " on the device: " + std::string(to_string(dtype)) +
                         " input; want float32, bfloat16 or float16");
}

}  // namespace

void launch_transpose(const std::uint8_t* codes, std::uint8_t* codes_t, std::int64_t rows,
                      std::int64_t cols, cudaStream_t stream) {
  if (rows * cols == 0) return;
  const auto blocks = [](std::int64_t length, int of) {
    return static_cast<unsigned>((length + of - 1) / of);
  };
  if (rows % 16 == 0 && cols % 16 == 0) {
    launch_dependent(turn_kernel, dim3(blocks(cols, 128), blocks(rows, 128)), 256, 0, stream,
                     "transpose", codes, codes_t, rows, cols);
    return;
  }
  transpose_kernel<<<dim3(blocks(cols, 64), blocks(rows, 64)), 256, 0, stream>>>(codes, codes_t,
                                                                                 rows, cols);
  check_launch("transpose");
}

namespace {

std::int64_t grid_sums(const QuantSpec& spec, const sylvester::detail::Geometry& g) {
  if (spec.rule != ScaleRule::kGrid) return 0;
  return kGridCandidates * (g.rows * g.tiles_across() + g.tiles());
}

}  // namespace

PreparedQuantize prepare_quantize(const QuantSpec& resolved, std::int64_t rows, std::int64_t cols,
                                  DeviceQuantized& out, const RandomStream& stream,
                                  cudaStream_t queue) {
  const sylvester::detail::Engine engine(resolved, rows, cols, stream);
  const sylvester::detail::Geometry& g = engine.geometry();
  const std::int64_t blocks = g.scale_rows * g.scale_cols;
  const bool nvfp4 = resolved.granularity == Granularity::kNvfp4;
  const bool coded = resolved.scale_format == DType::kFloat8E8M0FNU ||
                     resolved.scale_format == DType::kFloat8E4M3FN;
  out.spec = resolved;
  out.rows = rows;
  out.cols = cols;
  out.block_rows = g.block_rows;
  out.block_cols = g.block_cols;
  out.scale_rows = g.scale_rows;
  out.scale_cols = g.scale_cols;
  out.codes.resize(rows * cols);
  out.scales.resize(blocks * 4);
  out.scale_codes.resize(coded ? blocks : 0);
  out.zeros.resize(resolved.asymmetric ? blocks * 4 : 0);
  out.values.resize(0);
  out.codes_t.resize(0);
  out.tensor_scale.resize(16);  // and room for products of two scales, which matmul writes
  // factors [2][blocks]; absmax, low and high of what a first pass observes; NVFP4's level, the
  // count of blocks and the tensor's quotient in 64 bytes; the sums of a grid search
  const std::int64_t observed = std::max<std::int64_t>(blocks, 1);
  const void* before = out.work.data();
  const std::int64_t small_bytes = (blocks * 8 + observed * 12 + 64 + 7) / 8 * 8;
  out.work.resize(small_bytes + 8 * grid_sums(resolved, g));
  if (out.work.data() != before) out.clear_at = nullptr;
  PreparedQuantize prepared{{}, QuantSteps(engine.plan(), engine.map())};
  QuantJob& job = prepared.job;
  QuantSteps& steps = prepared.steps;
  job.rows = rows;
  job.cols = cols;
  job.block_rows = std::max<std::int64_t>(g.block_rows, 1);
  job.block_cols = std::max<std::int64_t>(g.block_cols, 1);
  job.scale_rows = g.scale_rows;
  job.scale_cols = g.scale_cols;
  job.tile_cols = std::max<std::int64_t>(g.tile_cols, 1);
  job.stream = stream;
  job.poisons =
      !(resolved.granularity == Granularity::kMx && resolved.convention == Convention::kTorchao);
  job.scales = out.scales.as<float>();
  job.factors = out.work.as<float>();
  job.magnitudes = reinterpret_cast<std::uint32_t*>(job.factors + 2 * blocks);
  job.lows = reinterpret_cast<std::int32_t*>(job.magnitudes + observed);
  job.highs = job.lows + observed;
  job.zeros = resolved.asymmetric ? out.zeros.as<float>() : nullptr;
  job.scale_codes = coded ? out.scale_codes.as<std::uint8_t>() : nullptr;
  job.tensor_scale = out.tensor_scale.as<float>();
  job.codes = out.codes.as<std::uint8_t>();
  steps.grid = {g.tile_rows, g.tile_cols, g.tiles_across(),
                reinterpret_cast<double*>(out.work.as<char>() + small_bytes)};
  steps.columns = resolved.granularity == Granularity::kColumn;
  steps.global = steps.columns || resolved.granularity == Granularity::kTensor;
  const bool level = nvfp4 && resolved.levels == 2;
  steps.observes = steps.global || level;
  auto* const small = reinterpret_cast<std::uint32_t*>(job.highs + observed);
  if (level) job.level = reinterpret_cast<TensorLevel*>(small);
  job.by = reinterpret_cast<float*>(small + 8);
  steps.processors = device_info().multiprocessors;
  steps.cache_bytes = device_info().l2_bytes;
  if (steps.observes && !steps.columns) {
    job.done = small + 4;
    // The first pass leaves the bounds clear; only new memory has to be cleared.
    if (out.clear_at == job.magnitudes) return prepared;
    out.clear_at = job.magnitudes;
  } else {
    out.clear_at = nullptr;
    if (!steps.columns) return prepared;
  }
  const std::int64_t clear = steps.columns ? observed : 1;
  clear_bounds_kernel<<<grid_of(clear, 256), 256, 0, queue>>>(job, clear);
  check_launch("quantize");
  return prepared;
}

}  // namespace detail

QuantizedMatrix DeviceQuantized::to_host() const {
  QuantizedMatrix q;
  q.spec = spec;
  q.rows = rows, q.cols = cols;
  q.block_rows = block_rows, q.block_cols = block_cols;
  q.scale_rows = scale_rows, q.scale_cols = scale_cols;
  synchronize();
  const auto fetch = [](const DeviceBuffer& from, auto& to, std::int64_t size) {
    to.resize(from.size() / size);
    download(from.data(), to.data(), from.size());
  };
  fetch(codes, q.codes, 1);
  fetch(scales, q.scales, 4);
  fetch(scale_codes, q.scale_codes, 1);
  fetch(zeros, q.zeros, 4);
  fetch(values, q.values, 4);
  if (!tensor_scale.empty()) download(tensor_scale.data(), &q.tensor_scale, 4);
  return q;
}

void quantize(const DeviceMatrix& X, const QuantSpec& spec, DeviceQuantized& out,
              const RandomStream& stream, StreamHandle queue) {
  require_device();
  detail::check_source(X.dtype, "quantize");
  const QuantSpec resolved = resolve(spec);
  const cudaStream_t native = detail::native(queue);
  if (is_cast(resolved)) {
    out.spec = resolved;
    out.rows = out.block_rows = X.rows;
    out.cols = out.block_cols = X.cols;
    out.scale_rows = out.scale_cols = 0;
    for (DeviceBuffer* b :
         {&out.codes, &out.codes_t, &out.scales, &out.scale_codes, &out.zeros, &out.tensor_scale}) {
      b->resize(0);
    }
    out.values.resize(X.size() * 4);
    detail::QuantJob job;
    job.x = X.data, job.rows = X.rows, job.cols = X.cols, job.x_stride = X.stride;
    job.stream = stream;
    float* values = out.values.as<float>();
    if (X.dtype == DType::kFloat32) return detail::run_cast<float>(job, resolved, values, native);
    if (X.dtype == DType::kFloat16) return detail::run_cast<__half>(job, resolved, values, native);
    return detail::run_cast<__nv_bfloat16>(job, resolved, values, native);
  }
  detail::PreparedQuantize p =
      detail::prepare_quantize(resolved, X.rows, X.cols, out, stream, native);
  p.job.x = X.data;
  p.job.x_stride = X.stride;
  if (X.dtype == DType::kFloat32) return detail::run_quantize<float>(p.job, p.steps, native);
  if (X.dtype == DType::kFloat16) return detail::run_quantize<__half>(p.job, p.steps, native);
  detail::run_quantize<__nv_bfloat16>(p.job, p.steps, native);
}

void dequantize(const DeviceQuantized& q, const DeviceMatrix& out, StreamHandle queue) {
  require_device();
  detail::check_source(out.dtype, "dequantize");
  if (q.rows != out.rows || q.cols != out.cols) {
    throw ShapeError("dequantize: codes are " + std::to_string(q.rows) + " x " +
                     std::to_string(q.cols) + ", output " + std::to_string(out.rows) + " x " +
                     std::to_string(out.cols) + "; want the same shape");
  }
  if (is_cast(q.spec)) {
    throw UnsupportedError("dequantize on the device: '" + to_string(q.spec) +
                           "' keeps its numbers in values; read those");
  }
  if (out.size() == 0) return;
  const sylvester::detail::ElementMap map(sylvester::detail::ScalePlan(q.spec), {});
  detail::QuantJob job;
  job.rows = q.rows, job.cols = q.cols;
  job.block_rows = std::max<std::int64_t>(q.block_rows, 1);
  job.block_cols = std::max<std::int64_t>(q.block_cols, 1);
  job.scale_rows = q.scale_rows, job.scale_cols = q.scale_cols;
  job.codes = q.codes.as<std::uint8_t>();
  job.scales = q.scales.as<float>();
  job.zeros = q.zeros.as<float>();
  const cudaStream_t native = detail::native(queue);
  const int grid = detail::grid_of(out.size(), 256, device_info().multiprocessors * 32);
  if (out.dtype == DType::kFloat32) {
    detail::dequantize_kernel<<<grid, 256, 0, native>>>(job, map, static_cast<float*>(out.data),
                                                        out.stride);
  } else if (out.dtype == DType::kFloat16) {
    detail::dequantize_kernel<<<grid, 256, 0, native>>>(job, map, static_cast<__half*>(out.data),
                                                        out.stride);
  } else {
    detail::dequantize_kernel<<<grid, 256, 0, native>>>(
        job, map, static_cast<__nv_bfloat16*>(out.data), out.stride);
  }
  detail::check_launch("dequantize");
}

void transpose_codes(DeviceQuantized& q, StreamHandle queue) {
  require_device();
  q.codes_t.resize(q.rows * q.cols);
  detail::launch_transpose(q.codes.as<std::uint8_t>(), q.codes_t.as<std::uint8_t>(), q.rows, q.cols,
                           detail::native(queue));
}

void encode(const void* x, DType from, std::int64_t count, DType to, void* codes,
            const EncodeOptions& options, StreamHandle queue) {
  require_device();
  detail::check_source(from, "encode");
  if (count == 0) return;
  const Layout source = layout(from), target = layout(to);
  const bool wide = to == DType::kBFloat16 || to == DType::kFloat16;
  if (!wide && (to == DType::kFloat32 || to == DType::kFloat64 || to == DType::kInt32)) {
    throw UnsupportedError("encode on the device: no codes of " + std::string(to_string(to)));
  }
  const cudaStream_t native = detail::native(queue);
  const int grid = detail::grid_of(count, 256, device_info().multiprocessors * 32);
  const auto launch = [&](auto* bits, auto* out) {
    detail::encode_span_kernel<<<grid, 256, 0, native>>>(bits, source, count, target, options, out);
  };
  if (from == DType::kFloat32) {
    const auto* bits = static_cast<const std::uint32_t*>(x);
    wide ? launch(bits, static_cast<std::uint16_t*>(codes))
         : launch(bits, static_cast<std::uint8_t*>(codes));
  } else {
    const auto* bits = static_cast<const std::uint16_t*>(x);
    wide ? launch(bits, static_cast<std::uint16_t*>(codes))
         : launch(bits, static_cast<std::uint8_t*>(codes));
  }
  detail::check_launch("encode");
}

void decode(const void* codes, DType from, std::int64_t count, float* x, StreamHandle queue) {
  require_device();
  if (count == 0) return;
  const cudaStream_t native = detail::native(queue);
  const int grid = detail::grid_of(count, 256, device_info().multiprocessors * 32);
  if (from == DType::kBFloat16 || from == DType::kFloat16) {
    detail::decode_span_kernel<<<grid, 256, 0, native>>>(static_cast<const std::uint16_t*>(codes),
                                                         layout(from), count, x);
  } else {
    detail::decode_span_kernel<<<grid, 256, 0, native>>>(static_cast<const std::uint8_t*>(codes),
                                                         layout(from), count, x);
  }
  detail::check_launch("decode");
}

}  // namespace sylvester::cuda
