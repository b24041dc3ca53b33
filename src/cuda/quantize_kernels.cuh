// Kernels behind cuda::quantize: what a block's scale needs to know, the scale, the codes.
#pragma once

#include "cuda/element_device.cuh"
#include "cuda/fwht_any.cuh"
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

// Called by one thread of each block of a first pass, after its atomics on the bounds: the last
// block makes the scale of the tensor.
__device__ __noinline__ inline void finish_tensor(const QuantJob& job, const ScalePlan& plan) {
  __threadfence();
  if (atomicInc(job.done, gridDim.x - 1) != gridDim.x - 1) return;
  __threadfence();
  BlockBounds bounds;
  bounds.absmax = atomicExch(job.magnitudes, 0u);
  if (plan.spec.asymmetric) {
    bounds.low = atomicExch(job.lows, sylvester::detail::kHighestKey);
    bounds.high = atomicExch(job.highs, sylvester::detail::kLowestKey);
  }
  store_scale(job, 0, device_scale(plan, bounds));
  *job.tensor_scale = 1.0f;
}

// One block for the whole tensor: a partial result a warp, then an atomic maximum, which does not
// depend on order. `pieces` of 16 bytes where rows allow it, else single elements.
template <class T, bool kVector>
__global__ __launch_bounds__(256) void observe_tensor_kernel(
    const __grid_constant__ QuantJob job, const __grid_constant__ ScalePlan plan) {
  const bool asymmetric = plan.spec.asymmetric;
  constexpr int kWidth = kVector ? 16 / sizeof(T) : 1;
  const T* x = static_cast<const T*>(job.x);
  const std::int64_t per_row = job.cols / kWidth, pieces = job.rows * per_row;
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x;
  const bool dense = job.x_stride == job.cols;
  Bounds bounds;
  std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  const auto read = [&](std::int64_t piece, float(&v)[kWidth]) {
    const T* at =
        dense ? x + piece * kWidth : x + piece / per_row * job.x_stride + piece % per_row * kWidth;
    if constexpr (kVector) {
      load_vector(at, v);
    } else {
      v[0] = to_float(*at);
    }
  };
  for (; i + 3 * step < pieces; i += 4 * step) {
    float v[4][kWidth];
#pragma unroll
    for (int u = 0; u < 4; ++u) read(i + u * step, v[u]);
#pragma unroll
    for (int u = 0; u < 4; ++u) {
#pragma unroll
      for (int k = 0; k < kWidth; ++k) bounds.add(v[u][k], asymmetric);
    }
  }
  for (; i < pieces; i += step) {
    float v[kWidth];
    read(i, v);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) bounds.add(v[k], asymmetric);
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
    if (job.done != nullptr) finish_tensor(job, plan);
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

// Scales of blocks whose bounds are in memory (tensor, column), or NVFP4's tensor level.
template <class = void>
__global__ void finish_scales_kernel(const QuantJob job, const ScalePlan plan,
                                     TensorLevel* tensor) {
  const std::int64_t block = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (tensor != nullptr) {
    if (block > 0) return;
    *tensor = tensor_level(plan, *job.magnitudes);
    *job.tensor_scale = tensor->poisoned ? device_nan() : tensor->scale;
    return;
  }
  if (block == 0) {
    *job.tensor_scale = plan.spec.granularity == Granularity::kMx ? plan.spec.margin : 1.0f;
  }
  if (job.magnitudes == nullptr || block >= job.scale_rows * job.scale_cols) return;
  BlockBounds bounds;
  bounds.absmax = job.magnitudes[block];
  if (plan.spec.asymmetric) bounds.low = job.lows[block], bounds.high = job.highs[block];
  store_scale(job, block, device_scale(plan, bounds));
}

// One group of kLanes lanes a block: bounds, then the scale.
template <class T, int kLanes, bool kVector>
__global__ __launch_bounds__(256) void block_scales_kernel(const QuantJob job, const ScalePlan plan,
                                                           const TensorLevel* tensor) {
  constexpr int kWidth = kVector ? 16 / sizeof(T) : 1;
  const T* x = static_cast<const T*>(job.x);
  const std::int64_t blocks = job.scale_rows * job.scale_cols;
  const std::int64_t block = (std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x) / kLanes;
  const int lane = threadIdx.x % kLanes;
  const bool asymmetric = plan.spec.asymmetric;
  Bounds bounds;
  if (block < blocks) {
    const std::int64_t row0 = block / job.scale_cols * job.block_rows;
    const std::int64_t col0 = block % job.scale_cols * job.block_cols;
    const std::int64_t row1 = min(job.rows, row0 + job.block_rows);
    const std::int64_t col1 = min(job.cols, col0 + job.block_cols);
    for (std::int64_t row = row0; row < row1; ++row) {
      for (std::int64_t col = col0 + lane * kWidth; col < col1; col += kLanes * kWidth) {
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
  bounds.reduce(kLanes, asymmetric);
  if (block >= blocks || lane != 0) return;
  if (plan.spec.granularity == Granularity::kNvfp4) {
    const TensorLevel level = tensor != nullptr ? *tensor : TensorLevel{1.0f, 1.0f, 0.0f, false};
    store_scale(job, block, device_nvfp4(plan, level, bounds.magnitude));
  } else {
    BlockBounds b;
    b.absmax = bounds.magnitude, b.low = bounds.low, b.high = bounds.high;
    store_scale(job, block, device_scale(plan, b));
  }
}

// Codes, kWidth consecutive elements a thread (all in one block).
template <class T, FastEncode kFast, int kWidth>
__global__ __launch_bounds__(256) void encode_kernel(const QuantJob job, const ElementMap map) {
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
    std::uint8_t codes[kWidth];
    const bool poison = job.poisons && isnan(scale);
    const auto first = static_cast<std::uint64_t>(row * job.cols + col);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) {
      const std::uint32_t random =
          kFast == FastEncode::kGeneral && stochastic ? random_word(job.stream, first + k) : 0u;
      const std::uint8_t code =
          encode_quotient<kFast>(map, device_quotient(map, v[k], factor), zero, random);
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

// Codes and transposed codes of one pass, one scale for all: tiles of 64 rows x 128 columns, read
// once.
template <FastEncode kFast>
__global__ __launch_bounds__(256) void encode_both_kernel(const QuantJob job, const ElementMap map,
                                                          std::uint8_t* codes_t) {
  __shared__ std::uint8_t tile[64][132];
  const int t = threadIdx.x;
  const auto* x = static_cast<const __nv_bfloat16*>(job.x);
  const float scale = *job.scales;
  const UniformQuotient quotient(*job.factors);
  const bool poison = job.poisons && isnan(scale);
  // The last tiles first: a first pass over X left them in the L2 cache.
  const std::int64_t row0 = (gridDim.y - 1 - blockIdx.y) * std::int64_t{64};
  const std::int64_t col0 = (gridDim.x - 1 - blockIdx.x) * std::int64_t{128};
  const int r0 = t / 16, c0 = t % 16 * 8;
  uint4 raw[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    raw[i] = *reinterpret_cast<const uint4*>(x + (row0 + r0 + 16 * i) * job.x_stride + col0 + c0);
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const std::uint32_t w[4] = {raw[i].x, raw[i].y, raw[i].z, raw[i].w};
    std::uint32_t code[2] = {};
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      const float2 p = widen(w[k], static_cast<const __nv_bfloat16*>(nullptr));
      const std::uint32_t a = encode_quotient<kFast>(map, quotient(p.x), 0.0f, 0);
      const std::uint32_t b = encode_quotient<kFast>(map, quotient(p.y), 0.0f, 0);
      code[k / 2] |= (a | b << 8) << (k % 2 * 16);
    }
    if (poison) code[0] = code[1] = 0;
    const int r = r0 + 16 * i;
    *reinterpret_cast<uint2*>(job.codes + (row0 + r) * job.cols + col0 + c0) =
        make_uint2(code[0], code[1]);
    *reinterpret_cast<std::uint32_t*>(&tile[r][c0]) = code[0];
    *reinterpret_cast<std::uint32_t*>(&tile[r][c0 + 4]) = code[1];
  }
  __syncthreads();
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const int c = i * 16 + t / 16, r = t % 16 * 4;
    const std::uint32_t word = tile[r][c] | tile[r + 1][c] << 8 | tile[r + 2][c] << 16 |
                               static_cast<std::uint32_t>(tile[r + 3][c]) << 24;
    *reinterpret_cast<std::uint32_t*>(codes_t + (col0 + c) * job.rows + row0 + r) = word;
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
