// One quantization split in the steps that the fused kernels share.
#pragma once

#include <cuda_runtime.h>

#include "cuda/quant_job.h"
#include "sylvester/cuda/quantize.h"

namespace sylvester::cuda::detail {

inline constexpr int kGridCandidates = 10;
// rule=grid: the CPU's tiles, and the candidates' errors: [kGridCandidates][rows][across], behind
// them [kGridCandidates][tiles].
struct GridSearch {
  std::int64_t tile_rows = 1, tile_cols = 1;
  std::int64_t across = 1;  // tiles beside each other
  double* errors = nullptr;
};

// What the host decides for a spec and shape.
struct QuantSteps {
  QuantSteps(const ScalePlan& plan_in, const ElementMap& map_in) : plan(plan_in), map(map_in) {}

  ScalePlan plan;
  ElementMap map;
  bool global = false;    // scales follow from a pass over the whole matrix
  bool columns = false;   // global, one scale a column
  bool observes = false;  // a first pass is needed: global, or NVFP4's tensor absmax
  GridSearch grid;
  std::int64_t cache_bytes = 0;  // L2
  int processors = 1;
};

// Sizes the buffers of `out`, fills in everything but X, and starts the clearing of the absmax.
// Errors: as cuda::quantize.
struct PreparedQuantize {
  QuantJob job;
  QuantSteps steps;
};
PreparedQuantize prepare_quantize(const QuantSpec& resolved, std::int64_t rows, std::int64_t cols,
                                  DeviceQuantized& out, const RandomStream& stream,
                                  cudaStream_t queue);

// The steps for X of type T (float, __nv_bfloat16, __half).
template <class T>
void run_quantize(const QuantJob& job, const QuantSteps& steps, cudaStream_t stream);
// The absmax pass and the scale of a kTensor spec, then codes and job.codes_t in one pass. bfloat16
// X. False (nothing started): the spec, shape or alignment does not suit.
bool run_quantize_both(const QuantJob& job, const QuantSteps& steps, cudaStream_t stream);
// The codes of float32 X under the scale of the tensor that a first pass left in the job. False
// (nothing started): shape or alignment do not suit.
bool encode_uniform(const QuantJob& job, const QuantSteps& steps, cudaStream_t stream);
// codes_t [cols][rows] from codes [rows][cols].
void launch_transpose(const std::uint8_t* codes, std::uint8_t* codes_t, std::int64_t rows,
                      std::int64_t cols, cudaStream_t stream);

}  // namespace sylvester::cuda::detail
