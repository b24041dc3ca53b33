// Rotation, absmax and codes of a device matrix: hadamard/rotate_quantize.h with the same bits.
#pragma once

#include "sylvester/cuda/hadamard.h"
#include "sylvester/cuda/quantize.h"
#include "sylvester/hadamard/rotate_quantize.h"

namespace sylvester::cuda {

// Work space of rotate_quantize, reused between calls.
struct RotateWork {
  DeviceBuffer rotated;  // float32, where the codes are not made in the transform's own kernel
};

// Equal in bits to hadamard_cols / hadamard_rows in float32 followed by quantize; codes_t of `out`
// is filled when asked for. bfloat16 rows under one scale of the tensor (FP8 and integers, nearest
// even) are transformed twice instead of being written in between, except for orders K 2^m whose K
// additions an element cost more than that: K = 52 and above.
// Errors and determinism: as hadamard_rows and quantize.
void rotate_quantize(const DeviceMatrix& X, const RotateQuantizeOptions& options,
                     const QuantSpec& spec, DeviceQuantized& out, RotateWork& work,
                     const RandomStream& stream = {}, StreamHandle queue = nullptr);

}  // namespace sylvester::cuda
