// Kernels behind cuda::quantize: what a block's scale needs to know, the scale, the codes.
#pragma once

#include "cuda/element_device.cuh"
#include "cuda/pieces.cuh"
#include "cuda/quant_job.h"

namespace sylvester::cuda::detail {

// Eight 16-bit or four float32 numbers of one 16-byte load.
template <class T>
__device__ __forceinline__ void load_vector(const T* from, float (&to)[16 / sizeof(T)]) {
  const uint4 v = *reinterpret_cast<const uint4*>(from);
  if constexpr (sizeof(T) == 2) {
    const std::uint32_t w[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float2 p = widen(w[i], static_cast<const T*>(nullptr));
      to[2 * i] = p.x, to[2 * i + 1] = p.y;
    }
  } else {
    to[0] = __uint_as_float(v.x), to[1] = __uint_as_float(v.y);
    to[2] = __uint_as_float(v.z), to[3] = __uint_as_float(v.w);
  }
}

struct Bounds {
  std::uint32_t magnitude = 0;
  std::int32_t low = sylvester::detail::kHighestKey, high = sylvester::detail::kLowestKey;

  __device__ __forceinline__ void add(float x, bool asymmetric) {
    magnitude = max(magnitude, __float_as_uint(x) & 0x7FFFFFFFu);
    if (asymmetric) {
      const std::int32_t key = float_to_key(x);
      low = min(low, key), high = max(high, key);
    }
  }
  // Over groups of `lanes` neighbouring lanes; every lane gets the result.
  __device__ __forceinline__ void reduce(int lanes, bool asymmetric) {
    for (int step = lanes / 2; step > 0; step /= 2) {
      magnitude = max(magnitude, __shfl_xor_sync(0xFFFFFFFFu, magnitude, step));
      if (asymmetric) {
        low = min(low, __shfl_xor_sync(0xFFFFFFFFu, low, step));
        high = max(high, __shfl_xor_sync(0xFFFFFFFFu, high, step));
      }
    }
  }
};

__device__ __forceinline__ void store_scale(const QuantJob& job, std::int64_t block,
                                            const BlockScale& s) {
  job.scales[block] = s.scale;
  job.factors[block] = s.factor;
  if (job.zeros != nullptr) job.zeros[block] = s.zero;
  if (job.scale_codes != nullptr) job.scale_codes[block] = s.code;
}

// tensor_scale of a spec that has no level above its blocks.
__device__ __forceinline__ float plain_tensor_scale(const ScalePlan& plan) {
  return plan.spec.granularity == Granularity::kMx ? plan.spec.margin : 1.0f;
}

// Called by one thread of each block of a first pass, after its atomics on the bounds: the last
// block makes the scale of the tensor, or NVFP4's level.
__device__ __noinline__ inline void finish_tensor(const QuantJob& job, const ScalePlan& plan,
                                                  const CodeMap& map) {
  __threadfence();
  if (atomicInc(job.done, gridDim.x - 1) != gridDim.x - 1) return;
  __threadfence();
  BlockBounds bounds;
  bounds.absmax = atomicExch(job.magnitudes, 0u);
  if (plan.spec.asymmetric) {
    bounds.low = atomicExch(job.lows, sylvester::detail::kHighestKey);
    bounds.high = atomicExch(job.highs, sylvester::detail::kLowestKey);
  }
  if (job.level != nullptr) {
    *job.level = tensor_level(plan, bounds.absmax);
    *job.tensor_scale = job.level->poisoned ? device_nan() : job.level->scale;
    return;
  }
  const BlockScale s = device_scale(plan, bounds);
  store_scale(job, 0, s);
  const QuotientBy by = quotient_by(map, s.scale, s.factor);
  job.by[0] = by.high, job.by[1] = by.low;
  *job.tensor_scale = 1.0f;
}

// Eights of a matrix, counted row after row.
template <class T>
struct EightsOf {
  const T* x;
  std::int64_t stride, per_row;
  bool dense;

  __device__ explicit EightsOf(const QuantJob& job)
      : x(static_cast<const T*>(job.x)),
        stride(job.x_stride),
        per_row(job.cols / 8),
        dense(job.x_stride == job.cols) {}
  __device__ __forceinline__ const T* at(std::int64_t i) const {
    if (dense) return x + i * 8;
    const std::int64_t row = i / per_row;
    return x + row * stride + (i - row * per_row) * 8;
  }
};

template <class T>
__device__ __forceinline__ std::uint32_t tensor_magnitude(const QuantJob& job) {
  constexpr int kAtOnce = sizeof(T) == 2 ? 4 : 2;
  const EightsOf<T> eights(job);
  const std::int64_t count = job.rows * eights.per_row, kept = count - job.kept / 8;
  const std::uint64_t drop = cache_policy(job.kept > 0 ? Priority::kDrop : Priority::kNormal);
  const std::uint64_t keep = cache_policy(Priority::kKeep);
  const std::int64_t first = std::int64_t{blockIdx.x} * kAtOnce * blockDim.x + threadIdx.x;
  Magnitude<T> most;
  for (std::int64_t i = first; i < count; i += std::int64_t{gridDim.x} * kAtOnce * blockDim.x) {
    Eight<T> x[kAtOnce];
#pragma unroll
    for (int u = 0; u < kAtOnce; ++u) {
      const std::int64_t at = i + u * std::int64_t{blockDim.x};
      x[u].clear();
      if (at < count) x[u].load(eights.at(at), at >= kept ? keep : drop);
    }
#pragma unroll
    for (int u = 0; u < kAtOnce; ++u) most.add(x[u]);
  }
  return most.bits();
}

// One scale for the whole tensor: a partial result a warp, then an atomic maximum, which does not
// depend on order. Eight numbers at once where rows allow it and the range does not matter.
template <class T, bool kVector>
__global__ __launch_bounds__(256,
                             4) void observe_tensor_kernel(const __grid_constant__ QuantJob job,
                                                           const __grid_constant__ ScalePlan plan,
                                                           const CodeMap map) {
  let_successor_start();
  const bool asymmetric = plan.spec.asymmetric;
  Bounds bounds;
  if constexpr (kVector) {
    bounds.magnitude = tensor_magnitude<T>(job);
  } else {
    const T* x = static_cast<const T*>(job.x);
    for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
         i < job.rows * job.cols; i += std::int64_t{gridDim.x} * blockDim.x) {
      const std::int64_t row = i / job.cols;
      bounds.add(to_float(x[row * job.x_stride + i - row * job.cols]), asymmetric);
    }
  }
  bounds.reduce(32, asymmetric);
  __shared__ Bounds warps[8];
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = bounds;
  __syncthreads();
  if (threadIdx.x == 0) {
    for (int w = 1; w < 8; ++w) {
      bounds.magnitude = max(bounds.magnitude, warps[w].magnitude);
      bounds.low = min(bounds.low, warps[w].low);
      bounds.high = max(bounds.high, warps[w].high);
    }
    atomicMax(job.magnitudes, bounds.magnitude);
    if (asymmetric) {
      atomicMin(job.lows, bounds.low);
      atomicMax(job.highs, bounds.high);
    }
    if (job.done != nullptr) finish_tensor(job, plan, map);
  }
}

// One block a column: a thread walks down its column in a band of rows.
template <class T>
__global__ __launch_bounds__(256) void observe_columns_kernel(const QuantJob job,
                                                              const bool asymmetric,
                                                              const std::int64_t band) {
  const std::int64_t col = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (col >= job.cols) return;
  const T* x = static_cast<const T*>(job.x);
  const std::int64_t begin = blockIdx.y * band, end = min(job.rows, begin + band);
  Bounds bounds;
  for (std::int64_t row = begin; row < end; ++row) {
    bounds.add(to_float(x[row * job.x_stride + col]), asymmetric);
  }
  atomicMax(job.magnitudes + col, bounds.magnitude);
  if (asymmetric) {
    atomicMin(job.lows + col, bounds.low);
    atomicMax(job.highs + col, bounds.high);
  }
}

// Scales of columns, whose bounds are in memory; and the tensor's own number of specs without one.
template <class = void>
__global__ void finish_scales_kernel(const QuantJob job, const ScalePlan plan) {
  const std::int64_t block = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (block == 0) *job.tensor_scale = plain_tensor_scale(plan);
  if (job.magnitudes == nullptr || block >= job.scale_rows * job.scale_cols) return;
  BlockBounds bounds;
  bounds.absmax = job.magnitudes[block];
  if (plan.spec.asymmetric) bounds.low = job.lows[block], bounds.high = job.highs[block];
  store_scale(job, block, device_scale(plan, bounds));
}

__device__ __forceinline__ TensorLevel level_of(const QuantJob& job) {
  return job.level != nullptr ? *job.level : TensorLevel{1.0f, 1.0f, 0.0f, false};
}

__device__ __forceinline__ BlockScale scale_of_block(const ScalePlan& plan, const QuantJob& job,
                                                     const Bounds& bounds) {
  if (plan.spec.granularity == Granularity::kNvfp4) {
    return device_nvfp4(plan, level_of(job), bounds.magnitude);
  }
  BlockBounds b;
  b.absmax = bounds.magnitude, b.low = bounds.low, b.high = bounds.high;
  return device_scale(plan, b);
}

// Any blocks: a group of `lanes` lanes a block, bounds, then the scale.
template <class T, bool kVector>
__global__ __launch_bounds__(256) void block_scales_kernel(const QuantJob job, const ScalePlan plan,
                                                           int lanes) {
  constexpr int kWidth = kVector ? 16 / sizeof(T) : 1;
  const T* x = static_cast<const T*>(job.x);
  const std::int64_t blocks = job.scale_rows * job.scale_cols;
  const std::int64_t block = (std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x) / lanes;
  const int lane = threadIdx.x % lanes;
  const bool asymmetric = plan.spec.asymmetric;
  Bounds bounds;
  if (block < blocks) {
    const std::int64_t row0 = block / job.scale_cols * job.block_rows;
    const std::int64_t col0 = block % job.scale_cols * job.block_cols;
    const std::int64_t row1 = min(job.rows, row0 + job.block_rows);
    const std::int64_t col1 = min(job.cols, col0 + job.block_cols);
    for (std::int64_t row = row0; row < row1; ++row) {
      for (std::int64_t col = col0 + lane * kWidth; col < col1; col += lanes * kWidth) {
        float v[kWidth];
        if constexpr (kVector) {
          load_vector(x + row * job.x_stride + col, v);
        } else {
          v[0] = to_float(x[row * job.x_stride + col]);
        }
#pragma unroll
        for (int k = 0; k < kWidth; ++k) bounds.add(v[k], asymmetric);
      }
    }
  }
  bounds.reduce(lanes, asymmetric);
  if (block >= blocks || lane != 0) return;
  store_scale(job, block, scale_of_block(plan, job, bounds));
}

// Codes of any spec whose scales are there: kWidth consecutive elements a thread (all in one
// block).
template <class T, int kWidth>
__global__ __launch_bounds__(256) void encode_kernel(const QuantJob job,
                                                     const __grid_constant__ ElementMap map,
                                                     const FastEncode kind) {
  const T* x = static_cast<const T*>(job.x);
  const std::int64_t per_row = job.cols / kWidth, pieces = job.rows * per_row;
  const bool stochastic = map.options.rounding == Rounding::kStochastic;
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < pieces;
       i += std::int64_t{gridDim.x} * blockDim.x) {
    const std::int64_t row = i / per_row, col = (i - row * per_row) * kWidth;
    const std::int64_t block = job.block(row, col);
    const float scale = job.scales[block], factor = job.factors[block];
    const float zero = job.zeros != nullptr ? job.zeros[block] : 0.0f;
    float v[kWidth];
    if constexpr (kWidth == 16 / sizeof(T)) {
      load_vector(x + row * job.x_stride + col, v);
    } else {
      v[0] = to_float(x[row * job.x_stride + col]);
    }
    const bool poison = job.poisons && isnan(scale);
    const auto first = static_cast<std::uint64_t>(row * job.cols + col);
    std::uint8_t codes[kWidth];
#pragma unroll
    for (int k = 0; k < kWidth; ++k) {
      const std::uint32_t random = stochastic ? random_word(job.stream, first + k) : 0u;
      const std::uint8_t code =
          encode_quotient(map, kind, device_quotient(map, v[k], factor), zero, random);
      codes[k] = poison ? 0 : code;
    }
    std::uint8_t* to = job.codes + row * job.cols + col;
    if constexpr (kWidth == 8) {
      uint2 word;
      memcpy(&word, codes, 8);
      *reinterpret_cast<uint2*>(to) = word;
    } else if constexpr (kWidth == 4) {
      std::uint32_t word;
      memcpy(&word, codes, 4);
      *reinterpret_cast<std::uint32_t*>(to) = word;
    } else {
      *to = codes[0];
    }
  }
}

template <class T>
__global__ __launch_bounds__(256) void dequantize_kernel(const QuantJob job, const ElementMap map,
                                                         T* out, std::int64_t stride) {
  __shared__ float values[256];
  values[threadIdx.x] = map.value[threadIdx.x];
  __syncthreads();
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
       i < job.rows * job.cols; i += std::int64_t{gridDim.x} * blockDim.x) {
    const std::int64_t row = i / job.cols, col = i - row * job.cols;
    const std::int64_t block = job.block(row, col);
    const float number =
        map.asymmetric ? static_cast<float>(job.codes[i]) - job.zeros[block] : values[job.codes[i]];
    from_float(__fmul_rn(number, job.scales[block]), out + row * stride + col);
  }
}

}  // namespace sylvester::cuda::detail
