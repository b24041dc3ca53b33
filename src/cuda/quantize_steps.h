// One quantization split in the steps that the fused kernels share.
#pragma once

#include <cuda_runtime.h>

#include "cuda/quant_job.h"
#include "sylvester/cuda/quantize.h"

namespace sylvester::cuda::detail {

// What the host decides for a spec and shape.
struct QuantSteps {
  ScalePlan plan;
  ElementMap map;
  bool global = false;           // scales follow from a pass over the whole matrix
  bool columns = false;          // global, one scale a column
  bool observes = false;         // a first pass is needed: global, or NVFP4's tensor absmax
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
