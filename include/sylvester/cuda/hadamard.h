// The Walsh-Hadamard transforms of hadamard/hadamard.h on device matrices, with the same bits.
#pragma once

#include "sylvester/cuda/device.h"
#include "sylvester/hadamard/hadamard.h"

namespace sylvester::cuda {

// Right transform: each row of X times H, computed in float32 in the CPU's order (stages 1, 2, 4,
// ... then K signed terms ascending, then one multiplication), rounded once to the output type.
// Shapes: X, Y [M, n], same dtype (kFloat32, kBFloat16, kFloat16); in place when X and Y are the
// same memory. Orders up to 32768. Errors: ShapeError for an order without a matrix,
// UnsupportedError for a larger one or another dtype.
// Determinism: equal to the CPU bit for bit; a NaN that the transform itself makes (Inf - Inf) is
// the device's NaN, so NaN results are equal as NaN, not in sign and payload.
void hadamard_rows(const DeviceMatrix& X, const DeviceMatrix& Y, const HadamardOptions& = {},
                   StreamHandle stream = nullptr);
// Left transform: every column transformed, without a transpose pass.
// Row counts up to 32768.
void hadamard_cols(const DeviceMatrix& X, const DeviceMatrix& Y, const HadamardOptions& = {},
                   StreamHandle stream = nullptr);

}  // namespace sylvester::cuda
