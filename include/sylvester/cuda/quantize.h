// The quantizers of quant/quantize.h on device matrices, with the same bits.
#pragma once

#include "sylvester/core/philox.h"
#include "sylvester/cuda/device.h"
#include "sylvester/formats/options.h"
#include "sylvester/quant/quantize.h"

namespace sylvester::cuda {

// QuantizedMatrix whose buffers live on the device; fields and layout as there.
struct DeviceQuantized {
  QuantSpec spec;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t block_rows = 0;
  std::int64_t block_cols = 0;
  std::int64_t scale_rows = 0;
  std::int64_t scale_cols = 0;
  DeviceBuffer codes;              // uint8 [rows][cols]; empty for float32, bfloat16, float16
  DeviceBuffer codes_t;            // uint8 [cols][rows], where asked for
  DeviceBuffer scales;             // float [scale_rows][scale_cols]
  DeviceBuffer scale_codes;        // uint8, E8M0 / E4M3 codes
  DeviceBuffer zeros;              // float, asymmetric only
  DeviceBuffer tensor_scale;       // one float: NVFP4's second level (margin for MX, else 1)
  DeviceBuffer values;             // float [rows][cols], float32 / bfloat16 / float16 specs
  DeviceBuffer work;               // factors and absmax on the way to the scales
  const void* clear_at = nullptr;  // where `work` holds absmax bits that are clear already

  // A copy in host memory, as the CPU's quantize() gives it.
  QuantizedMatrix to_host() const;
  // The codes as a device matrix.
  DeviceMatrix codes_view() const { return {codes.data(), DType::kUInt8, rows, cols}; }
};

// Codes and scales of X (kFloat32, kBFloat16 or kFloat16). Reuses the buffers of `out`; after a
// first call of the same shape and spec nothing is allocated and nothing waits, so that calls can
// be captured in a graph. Errors: as quantize(). Determinism: equal to the CPU bit for bit.
void quantize(const DeviceMatrix& X, const QuantSpec& spec, DeviceQuantized& out,
              const RandomStream& stream = {}, StreamHandle queue = nullptr);
// Shapes: out [q.rows, q.cols], kFloat32, kBFloat16 or kFloat16 (rounded once from float32).
void dequantize(const DeviceQuantized& q, const DeviceMatrix& out, StreamHandle queue = nullptr);
// codes_t from codes.
void transpose_codes(DeviceQuantized& q, StreamHandle queue = nullptr);

// Element by element, without scales. x: `from` is kFloat32, kBFloat16 or kFloat16. Codes: one a
// byte; two bytes for kBFloat16 and kFloat16.
void encode(const void* x, DType from, std::int64_t count, DType to, void* codes,
            const EncodeOptions& options = {}, StreamHandle queue = nullptr);
// Float32 values of codes; NaN is 0x7FC00000.
void decode(const void* codes, DType from, std::int64_t count, float* x,
            StreamHandle queue = nullptr);

}  // namespace sylvester::cuda
