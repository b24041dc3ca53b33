// Host side of one quantization for one source type; included by the files that instantiate it.
#pragma once

#include <algorithm>
#include <bit>

#include "cuda/block_kernels.cuh"
#include "cuda/launch.h"
#include "cuda/quantize_steps.h"
#include "cuda/search_kernels.cuh"

namespace sylvester::cuda::detail {

// 16-byte loads: every row starts at a multiple of 16 bytes and has whole vectors.
template <class T>
bool vectors_fit(const QuantJob& job, std::int64_t unit) {
  constexpr std::int64_t kWidth = 16 / sizeof(T);
  return reinterpret_cast<std::uintptr_t>(job.x) % 16 == 0 && job.x_stride % kWidth == 0 &&
         unit % kWidth == 0;
}

// Rows of eights: what the kernels of one read want.
template <class T>
bool eights_fit(const QuantJob& job) {
  return job.cols % 8 == 0 && vectors_fit<T>(job, job.cols);
}

template <class T>
void observe(QuantJob job, const QuantSteps& steps, cudaStream_t stream) {
  const bool asymmetric = steps.plan.spec.asymmetric;
  if (steps.columns && job.rows * job.cols == 0) return;
  if (steps.columns) {
    const std::int64_t band = std::max<std::int64_t>(64, (job.rows + 63) / 64);
    const dim3 grid(grid_of(job.cols, 256), static_cast<unsigned>((job.rows + band - 1) / band));
    observe_columns_kernel<T><<<grid, 256, 0, stream>>>(job, asymmetric, band);
  } else {
    const CodeMap map(steps.map);
    // What fits is found again in any case.
    const std::int64_t size = job.rows * job.cols * static_cast<int>(sizeof(T));
    job.kept = size > steps.cache_bytes ? steps.cache_bytes / 2 / static_cast<int>(sizeof(T)) : 0;
    constexpr int kEach = sizeof(T) == 2 ? 32 : 16;
    const int blocks = grid_of(job.rows * job.cols / kEach, 256, steps.processors * 4);
    if (!asymmetric && eights_fit<T>(job)) {
      observe_tensor_kernel<T, true><<<blocks, 256, 0, stream>>>(job, steps.plan, map);
    } else {
      observe_tensor_kernel<T, false><<<blocks, 256, 0, stream>>>(job, steps.plan, map);
    }
  }
  check_launch("absmax");
}

template <class T>
void local_scales(const QuantJob& job, const QuantSteps& steps, cudaStream_t stream) {
  const QuantSpec& spec = steps.plan.spec;
  const std::int64_t blocks = job.scale_rows * job.scale_cols;
  if (blocks == 0) return;
  if (spec.rule == ScaleRule::kQuest || spec.four_over_six != FourOverSix::kNone) {
    searched_scales_kernel<T><<<grid_of(blocks, 64), 64, 0, stream>>>(job, steps.plan, steps.map);
  } else {
    const int lanes = job.block_rows * job.block_cols <= 64 ? 4 : 32;
    const int grid = grid_of(blocks * lanes, 256);
    if (vectors_fit<T>(job, job.block_cols) && vectors_fit<T>(job, job.cols)) {
      block_scales_kernel<T, true><<<grid, 256, 0, stream>>>(job, steps.plan, lanes);
    } else {
      block_scales_kernel<T, false><<<grid, 256, 0, stream>>>(job, steps.plan, lanes);
    }
  }
  check_launch("block scales");
  if (spec.rule == ScaleRule::kEden) {
    keep_scales_kernel<><<<grid_of(blocks, 256), 256, 0, stream>>>(job);
    correct_eden_kernel<T><<<grid_of(job.rows * (job.cols / spec.group), 64), 64, 0, stream>>>(
        job, steps.plan, steps.map);
    check_launch("MS-EDEN scales");
  }
}

template <class T>
void search_grid(const QuantJob& job, const QuantSteps& steps, cudaStream_t stream) {
  if (job.rows * job.cols == 0) return;
  const GridSearch& grid = steps.grid;
  const std::int64_t tiles = (job.rows + grid.tile_rows - 1) / grid.tile_rows * grid.across;
  grid_errors_kernel<T>
      <<<grid_of(job.rows * grid.across, 32, steps.processors * 8), 256, 0, stream>>>(
          job, steps.plan, steps.map, grid);
  grid_tiles_kernel<><<<grid_of(tiles * kGridCandidates, 64), 64, 0, stream>>>(job, grid, tiles);
  grid_choice_kernel<><<<1, 32, 0, stream>>>(job, steps.plan, grid, tiles);
  check_launch("grid search");
}

template <class T>
void encode_all(const QuantJob& job, const QuantSteps& steps, cudaStream_t stream) {
  if (job.rows * job.cols == 0) return;
  constexpr int kWidth = 16 / sizeof(T);
  const FastEncode kind = fast_encode(steps.map);
  const std::int64_t unit = job.scale_cols == 1 ? job.cols : std::min(job.block_cols, job.cols);
  const int most = steps.processors * 32;
  if (vectors_fit<T>(job, unit) && job.cols % kWidth == 0) {
    encode_kernel<T, kWidth><<<grid_of(job.rows * job.cols / kWidth, 256, most), 256, 0, stream>>>(
        job, steps.map, kind);
  } else {
    encode_kernel<T, 1>
        <<<grid_of(job.rows * job.cols, 256, most), 256, 0, stream>>>(job, steps.map, kind);
  }
  check_launch("encode");
}

// Blocks of one read. False (nothing started): they do not suit.
template <class T>
bool encode_blocks(const QuantJob& job, const QuantSteps& steps, cudaStream_t stream) {
  constexpr std::int64_t kLongest = 32768;
  const CodeMap map(steps.map);
  const std::int64_t length = job.scale_cols == 1 ? job.cols : job.block_cols;
  const auto divides = [](std::int64_t side, std::int64_t unit) {
    return side % unit == 0 && 128 % side == 0;
  };
  const bool flat = job.block_rows == 1 && length % 8 == 0 && length >= 16 &&
                    job.cols % length == 0 && length <= kLongest;
  const bool square = divides(job.block_rows, 16) && divides(job.block_cols, 8);
  if (!flat && !square) return false;
  if (steps.observes) observe<T>(job, steps, stream);
  if (!flat) {
    const dim3 grid(grid_of(job.cols, 128), static_cast<unsigned>((job.rows + 127) / 128));
    launch_dependent(tile_blocks_kernel<T>, grid, 256, 0, stream, "blocks", job, steps.plan, map);
  } else if (length <= 256 && std::has_single_bit(static_cast<std::uint64_t>(length))) {
    const int grid = grid_of(job.rows * job.cols / 32, 256);
    launch_dependent(short_blocks_kernel<T>, grid, 256, 0, stream, "blocks", job, steps.plan, map,
                     static_cast<int>(length / 8));
  } else {
    const std::int64_t threads = std::clamp<std::int64_t>((length + 1023) / 1024 * 32, 64, 1024);
    launch_dependent(long_blocks_kernel<T>, static_cast<unsigned>(job.rows * job.cols / length),
                     static_cast<int>(threads), 0, stream, "blocks", job, steps.plan, map,
                     static_cast<int>(length));
  }
  return true;
}

// The second pass under a scale of the tensor.
template <class T>
void launch_encode_uniform(const QuantJob& job, const QuantSteps& steps, cudaStream_t stream) {
  constexpr int kEach = sizeof(T) == 2 ? 32 : 16;
  launch_dependent(encode_uniform_kernel<T>, grid_of(job.rows * job.cols / kEach, 256), 256, 0,
                   stream, "encode", job, CodeMap(steps.map));
}

// One read of X (two under a scale of the tensor). False (nothing started): spec, shape or
// alignment do not suit.
template <class T>
bool run_fast(const QuantJob& job, const QuantSteps& steps, cudaStream_t stream) {
  const QuantSpec& spec = steps.plan.spec;
  const bool searches = spec.rule == ScaleRule::kQuest || spec.rule == ScaleRule::kEden ||
                        spec.rule == ScaleRule::kGrid || spec.four_over_six != FourOverSix::kNone;
  // Factors that may be 0 or Inf, so that quotients of zeros are NaN, are left to the other kernel.
  const bool tame = spec.quotient == Quotient::kDivide && spec.convention != Convention::kQuartet2;
  if (fast_encode(steps.map) == FastEncode::kGeneral || searches || !tame || steps.columns ||
      !job.poisons || !eights_fit<T>(job) || job.rows * job.cols == 0) {
    return false;
  }
  if (!steps.global) return encode_blocks<T>(job, steps, stream);
  observe<T>(job, steps, stream);
  launch_encode_uniform<T>(job, steps, stream);
  return true;
}

template <class T>
void run_quantize(const QuantJob& job, const QuantSteps& steps, cudaStream_t stream) {
  if (run_fast<T>(job, steps, stream)) return;
  if (steps.observes) observe<T>(job, steps, stream);
  const std::int64_t blocks = job.scale_rows * job.scale_cols;
  if (job.done == nullptr || !steps.observes) {
    QuantJob finish = job;
    if (!steps.columns) finish.magnitudes = nullptr;
    finish_scales_kernel<>
        <<<steps.columns ? grid_of(blocks, 256) : 1, 256, 0, stream>>>(finish, steps.plan);
    check_launch("scales");
  }
  if (!steps.global) local_scales<T>(job, steps, stream);
  if (steps.plan.spec.rule == ScaleRule::kGrid) search_grid<T>(job, steps, stream);
  encode_all<T>(job, steps, stream);
}

}  // namespace sylvester::cuda::detail
