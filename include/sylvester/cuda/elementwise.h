// Small passes over device matrices: what the rest of the backend needs between its kernels.
#pragma once

#include "sylvester/cuda/device.h"

namespace sylvester::cuda {

// dtypes of this page: kFloat32, kBFloat16, kFloat16; values are computed in float32 and rounded
// once, to nearest even. Errors: ShapeError, UnsupportedError for another dtype.

// to = from, or its transpose, converted; what `to` has beyond it on the right and below is zero.
void arrange(const DeviceMatrix& from, bool transpose, const DeviceMatrix& to,
             StreamHandle queue = nullptr);
void fill(const DeviceMatrix& x, float value, StreamHandle queue = nullptr);
// out = a + b, element by element; out may be a or b. One dtype.
void add(const DeviceMatrix& a, const DeviceMatrix& b, const DeviceMatrix& out,
         StreamHandle queue = nullptr);
// float32 values become the nearest bfloat16 values, in place; nothing to do for bfloat16.
void round_to_bfloat16(const DeviceMatrix& x, StreamHandle queue = nullptr);

}  // namespace sylvester::cuda
