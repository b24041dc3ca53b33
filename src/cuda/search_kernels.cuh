// Scales that need the numbers of a block, not just its absmax (src/quant/search.cc): one thread a
// block, sums in the CPU's order. The grid search of a tensor's scale sums as the CPU's statistics
// do.
#pragma once

#include "cuda/quantize_kernels.cuh"
#include "cuda/quantize_steps.h"

namespace sylvester::cuda::detail {

template <class T>
struct BlockReader {
  const T* x;
  std::int64_t stride;
  __device__ float operator()(std::int64_t i, std::int64_t j) const {
    return to_float(x[i * stride + j]);
  }
};

template <class T>
__device__ std::uint32_t block_magnitude(const BlockReader<T>& x, std::int64_t rows,
                                         std::int64_t cols) {
  Bounds bounds;
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < cols; ++j) bounds.add(x(i, j), false);
  }
  return bounds.magnitude;
}

template <class T>
__device__ float candidate_error(const ScalePlan& plan, const ElementMap& map,
                                 const TensorLevel& level, const BlockReader<T>& x,
                                 std::int64_t rows, std::int64_t cols, const BlockScale& s) {
  const bool te = plan.spec.convention != Convention::kQuartet2;
  const float code_scale = device_e4m3_value(s.code);
  float sums[16] = {};
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < cols; ++j) {
      const float number = x(i, j);
      const std::uint8_t code = device_encode(map, device_quotient(map, number, s.factor), 0.0f, 0);
      const float value = te ? map.value[code] * code_scale * level.absmax / (6.0f * 256.0f)
                             : map.value[code] * s.scale;
      const float error = value - number;
      sums[i] += plan.spec.four_over_six == FourOverSix::kMae ? fabsf(error) : error * error;
    }
  }
  if (plan.spec.block_rows == 1) return sums[0];
  for (int width = 8; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) sums[i] += sums[i + width];
  }
  return sums[0];
}

template <class T>
__device__ BlockScale quest_scale_of(const ScalePlan& plan, const BlockReader<T>& x,
                                     std::int64_t n) {
  if (block_magnitude(x, 1, n) >= kInfBits) return poisoned(plan);
  double sum = 0, squares = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const float v = x(0, i);
    sum += v;
    squares += static_cast<double>(v) * v;
  }
  const double count = static_cast<double>(n > 1 ? n : 1);
  const double mean = sum / count;
  const double variance = squares / count - mean * mean;
  const double deviation = sqrt(variance < 0.0 ? 0.0 : variance);
  const auto scale = static_cast<float>(2.92247856 / 6.0 * deviation + 1e-8);
  return power_scale(plan, min(static_cast<int>(__float_as_uint(scale) >> 23) - 127, 127));
}

// kQuest and four-over-six.
template <class T>
__global__ void searched_scales_kernel(const QuantJob job, const ScalePlan plan,
                                       const ElementMap map) {
  const std::int64_t block = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (block >= job.scale_rows * job.scale_cols) return;
  const std::int64_t row = block / job.scale_cols * job.block_rows;
  const std::int64_t col = block % job.scale_cols * job.block_cols;
  const std::int64_t rows = min(job.rows - row, job.block_rows);
  const std::int64_t cols = min(job.cols - col, job.block_cols);
  const BlockReader<T> x{static_cast<const T*>(job.x) + row * job.x_stride + col, job.x_stride};
  if (plan.spec.granularity != Granularity::kNvfp4) {
    store_scale(job, block, quest_scale_of(plan, x, cols));
    return;
  }
  const TensorLevel level = level_of(job);
  const std::uint32_t magnitude = block_magnitude(x, rows, cols);
  const BlockScale six = device_nvfp4(plan, level, magnitude);
  BlockScale best = six;
  if (!isnan(six.scale)) {
    const BlockScale four = device_nvfp4(plan, level, magnitude, 1.5f);
    const float error = candidate_error(plan, map, level, x, rows, cols, six);
    if (candidate_error(plan, map, level, x, rows, cols, four) < error) best = four;
  }
  store_scale(job, block, best);
}

// MS-EDEN's correction of the scales of one rotation group; a thread a group. As on the CPU, a
// poisoned block keeps the scales of its row's whole tile from being corrected.
template <class T>
__global__ void correct_eden_kernel(const QuantJob job, const ScalePlan plan,
                                    const ElementMap map) {
  const std::int64_t group = plan.spec.group, per_row = job.cols / group;
  const std::int64_t at = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (at >= job.rows * per_row) return;
  const std::int64_t row = at / per_row, col = at % per_row * group;
  const std::int64_t tile = col / job.tile_cols * job.tile_cols;
  const std::int64_t tile_end = min(job.cols, tile + job.tile_cols);
  for (std::int64_t k = tile / 16; k < tile_end / 16; ++k) {
    if (isnan(job.factors[job.rows * job.scale_cols + row * job.scale_cols + k])) return;
  }
  const BlockReader<T> x{static_cast<const T*>(job.x) + row * job.x_stride + col, job.x_stride};
  const std::int64_t first_block = row * job.scale_cols + col / 16;
  double squares = 0, products = 0;
  for (std::int64_t i = 0; i < group; ++i) {
    const float v = device_quotient(map, x(0, i), job.factors[first_block + i / 16]);
    const float q = map.value[device_encode(map, v, 0.0f, 0)];
    squares += static_cast<double>(v) * v;
    products += static_cast<double>(v) * q;
  }
  const auto correction = static_cast<float>(products == 0 ? 1.0 : squares / products);
  const float tensor_scale = level_of(job).scale;
  for (std::int64_t k = 0; k < group / 16; ++k) {
    const float corrected = device_e4m3_value(job.scale_codes[first_block + k]) * correction;
    const auto element = static_cast<std::uint64_t>(row * job.cols + col + k * 16);
    const std::uint8_t code =
        device_e4m3(corrected, Rounding::kStochastic, random_word(job.stream, element));
    job.scale_codes[first_block + k] = code;
    job.scales[first_block + k] = device_e4m3_value(code) * tensor_scale;
  }
}

// A copy of the scales as they were before the correction, behind the factors.
template <class = void>
__global__ void keep_scales_kernel(const QuantJob job) {
  const std::int64_t block = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  const std::int64_t blocks = job.scale_rows * job.scale_cols;
  if (block < blocks) job.factors[blocks + block] = job.scales[block];
}

// --- rule=grid -----------------------------------------------------------------------------------

// Candidate c of the search: the absmax scale / 1.1^c.
__device__ inline float grid_scale(double scale, int c) {
  for (int i = 0; i < c; ++i) scale /= 1.1;
  return static_cast<float>(scale);
}
__device__ inline float grid_factor(const ScalePlan& plan, float scale) {
  return plan.spec.quotient == Quotient::kReciprocal ? 1.0f / scale : scale;
}

// Squared errors of every candidate on a piece, the part of a row in one tile: eight lanes have the
// elements i, i + 8, ... each, and are added as a tree.
template <class T>
__global__ __launch_bounds__(256) void grid_errors_kernel(const __grid_constant__ QuantJob job,
                                                          const ScalePlan plan,
                                                          const __grid_constant__ ElementMap map,
                                                          const GridSearch grid) {
  __shared__ float scale[kGridCandidates], value[256];
  if (threadIdx.x < kGridCandidates) scale[threadIdx.x] = grid_scale(job.scales[0], threadIdx.x);
  value[threadIdx.x] = map.value[threadIdx.x];
  __syncthreads();
  const bool stochastic = map.options.rounding == Rounding::kStochastic;
  const std::int64_t pieces = job.rows * grid.across, step = std::int64_t{gridDim.x} * 32;
  for (std::int64_t start = std::int64_t{blockIdx.x} * 32 + threadIdx.x / 32 * 4; start < pieces;
       start += step) {
    const std::int64_t piece = start + threadIdx.x % 32 / 8;
    double errors[kGridCandidates] = {};
    if (piece < pieces) {
      const std::int64_t row = piece / grid.across, col = piece % grid.across * grid.tile_cols;
      const std::int64_t n = min(grid.tile_cols, job.cols - col);
      const T* x = static_cast<const T*>(job.x) + row * job.x_stride + col;
      for (std::int64_t i = threadIdx.x % 8; i < n; i += 8) {
        const float number = to_float(x[i]);
        const auto element = static_cast<std::uint64_t>(row * job.cols + col + i);
        const std::uint32_t random = stochastic ? random_word(job.stream, element) : 0u;
#pragma unroll
        for (int c = 0; c < kGridCandidates; ++c) {
          const float y = device_quotient(map, number, grid_factor(plan, scale[c]));
          const float back = value[device_encode(map, y, 0.0f, random)] * scale[c];
          const double error = static_cast<double>(number) - static_cast<double>(back);
          errors[c] += error * error;
        }
      }
    }
#pragma unroll
    for (int c = 0; c < kGridCandidates; ++c) {
      for (int width = 4; width > 0; width /= 2) {
        errors[c] += __shfl_down_sync(0xFFFFFFFFu, errors[c], width, 8);
      }
      if (threadIdx.x % 8 == 0 && piece < pieces) grid.errors[c * pieces + piece] = errors[c];
    }
  }
}

// The pieces of a tile, one after the other; a thread a tile and candidate.
template <class = void>
__global__ void grid_tiles_kernel(const QuantJob job, const GridSearch grid, std::int64_t tiles) {
  const std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= tiles * kGridCandidates) return;
  const std::int64_t pieces = job.rows * grid.across, tile = i % tiles;
  const std::int64_t row = tile / grid.across * grid.tile_rows;
  const double* errors = grid.errors + i / tiles * pieces + row * grid.across + tile % grid.across;
  double sum = 0;
  for (std::int64_t r = 0; r < min(grid.tile_rows, job.rows - row); ++r) {
    sum += errors[r * grid.across];
  }
  grid.errors[kGridCandidates * pieces + i] = sum;
}

// The first of the least errors makes the scale, where there is one.
template <class = void>
__global__ void grid_choice_kernel(const QuantJob job, const ScalePlan plan, const GridSearch grid,
                                   std::int64_t tiles) {
  __shared__ double errors[kGridCandidates];
  const int c = threadIdx.x;
  if (c < kGridCandidates) {
    const double* parts = grid.errors + kGridCandidates * job.rows * grid.across + c * tiles;
    double sum = 0;
    for (std::int64_t t = 0; t < tiles; ++t) sum += parts[t];
    errors[c] = sum;
  }
  __syncthreads();
  if (c != 0 || isnan(job.scales[0])) return;
  int best = 0;
  for (int i = 1; i < kGridCandidates; ++i) {
    if (errors[i] < errors[best] || (isnan(errors[best]) && !isnan(errors[i]))) best = i;
  }
  const float scale = grid_scale(job.scales[0], best);
  job.scales[0] = scale;
  job.factors[0] = grid_factor(plan, scale);
}

}  // namespace sylvester::cuda::detail
