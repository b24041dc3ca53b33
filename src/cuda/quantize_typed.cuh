// Host side of one quantization for one source type; included by the files that instantiate it.
#pragma once

#include <algorithm>

#include "cuda/check.h"
#include "cuda/quantize_kernels.cuh"
#include "cuda/quantize_steps.h"
#include "cuda/search_kernels.cuh"

namespace sylvester::cuda::detail {

inline int grid_of(std::int64_t threads, int block, std::int64_t most = 1 << 30) {
  return static_cast<int>(std::clamp<std::int64_t>((threads + block - 1) / block, 1, most));
}

// 16-byte loads: every row starts at a multiple of 16 bytes and has whole vectors.
template <class T>
bool vectors_fit(const QuantJob& job, std::int64_t unit) {
  constexpr std::int64_t kWidth = 16 / sizeof(T);
  return reinterpret_cast<std::uintptr_t>(job.x) % 16 == 0 && job.x_stride % kWidth == 0 &&
         unit % kWidth == 0;
}

template <class T>
void observe(const QuantJob& job, const QuantSteps& steps, cudaStream_t stream) {
  const bool asymmetric = steps.plan.spec.asymmetric;
  if (steps.columns && job.rows * job.cols == 0) return;
  if (steps.columns) {
    const std::int64_t band = std::max<std::int64_t>(64, (job.rows + 63) / 64);
    const dim3 grid(grid_of(job.cols, 256), static_cast<unsigned>((job.rows + band - 1) / band));
    observe_columns_kernel<T><<<grid, 256, 0, stream>>>(job, asymmetric, band);
  } else {
    const int blocks = grid_of(job.rows * job.cols / 32, 256, steps.processors * 8);
    if (vectors_fit<T>(job, job.cols)) {
      observe_tensor_kernel<T, true><<<blocks, 256, 0, stream>>>(job, steps.plan);
    } else {
      observe_tensor_kernel<T, false><<<blocks, 256, 0, stream>>>(job, steps.plan);
    }
  }
  check_launch("absmax");
}

template <class T, int kLanes>
void block_scales(const QuantJob& job, const QuantSteps& steps, cudaStream_t stream) {
  const int grid = grid_of(job.scale_rows * job.scale_cols * kLanes, 256);
  if (vectors_fit<T>(job, job.block_cols) && vectors_fit<T>(job, job.cols)) {
    block_scales_kernel<T, kLanes, true><<<grid, 256, 0, stream>>>(job, steps.plan, steps.tensor);
  } else {
    block_scales_kernel<T, kLanes, false><<<grid, 256, 0, stream>>>(job, steps.plan, steps.tensor);
  }
}

template <class T>
void local_scales(const QuantJob& job, const QuantSteps& steps, cudaStream_t stream) {
  const QuantSpec& spec = steps.plan.spec;
  const std::int64_t blocks = job.scale_rows * job.scale_cols;
  if (blocks == 0) return;
  if (spec.rule == ScaleRule::kQuest || spec.four_over_six != FourOverSix::kNone) {
    searched_scales_kernel<T>
        <<<grid_of(blocks, 64), 64, 0, stream>>>(job, steps.plan, steps.map, steps.tensor);
  } else if (job.block_rows * job.block_cols <= 64) {
    block_scales<T, 4>(job, steps, stream);
  } else {
    block_scales<T, 32>(job, steps, stream);
  }
  check_launch("block scales");
  if (spec.rule == ScaleRule::kEden) {
    keep_scales_kernel<><<<grid_of(blocks, 256), 256, 0, stream>>>(job);
    correct_eden_kernel<T><<<grid_of(job.rows * (job.cols / spec.group), 64), 64, 0, stream>>>(
        job, steps.plan, steps.map, steps.tensor);
    check_launch("MS-EDEN scales");
  }
}

template <class T, FastEncode kFast>
void encode_as(const QuantJob& job, const QuantSteps& steps, cudaStream_t stream) {
  constexpr int kWidth = 16 / sizeof(T);
  const std::int64_t unit = job.scale_cols == 1 ? job.cols : std::min(job.block_cols, job.cols);
  const int most = steps.processors * 32;
  if (vectors_fit<T>(job, unit) && job.cols % kWidth == 0) {
    encode_kernel<T, kFast, kWidth>
        <<<grid_of(job.rows * job.cols / kWidth, 256, most), 256, 0, stream>>>(job, steps.map);
  } else {
    encode_kernel<T, kFast, 1>
        <<<grid_of(job.rows * job.cols, 256, most), 256, 0, stream>>>(job, steps.map);
  }
  check_launch("encode");
}

template <class T>
void encode_all(const QuantJob& job, const QuantSteps& steps, cudaStream_t stream) {
  if (job.rows * job.cols == 0) return;
  switch (fast_encode(steps.map)) {
    case FastEncode::kE4M3:
      return encode_as<T, FastEncode::kE4M3>(job, steps, stream);
    case FastEncode::kE5M2:
      return encode_as<T, FastEncode::kE5M2>(job, steps, stream);
    case FastEncode::kInteger:
      return encode_as<T, FastEncode::kInteger>(job, steps, stream);
    case FastEncode::kSmallFloat:
      return encode_as<T, FastEncode::kSmallFloat>(job, steps, stream);
    default:
      return encode_as<T, FastEncode::kGeneral>(job, steps, stream);
  }
}

template <class T>
void run_quantize(const QuantJob& job, const QuantSteps& steps, cudaStream_t stream) {
  if (steps.observes) observe<T>(job, steps, stream);
  const std::int64_t blocks = job.scale_rows * job.scale_cols;
  if (steps.global && !steps.columns) return encode_all<T>(job, steps, stream);  // scale is made
  if (steps.tensor != nullptr) {
    finish_scales_kernel<><<<1, 32, 0, stream>>>(job, steps.plan, steps.tensor);
  } else {
    QuantJob finish = job;
    if (!steps.global) finish.magnitudes = nullptr;
    finish_scales_kernel<>
        <<<steps.global ? grid_of(blocks, 256) : 1, 256, 0, stream>>>(finish, steps.plan, nullptr);
  }
  check_launch("scales");
  if (!steps.global) local_scales<T>(job, steps, stream);
  encode_all<T>(job, steps, stream);
}

}  // namespace sylvester::cuda::detail
