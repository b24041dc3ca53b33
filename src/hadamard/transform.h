// The right transform of some rows on the calling thread, for callers that want them in cache.
#pragma once

#include "hadamard/axis.h"
#include "sylvester/core/buffer.h"
#include "sylvester/core/view.h"

namespace sylvester::detail {

// Equal to hadamard_rows; X and Y are the same memory or apart. `work` is sized here and may be
// kept between calls.
void rotate_rows(const Axis& axis, MatrixView<const float> X, MatrixView<float> Y,
                 Buffer<float>& work);

}  // namespace sylvester::detail
