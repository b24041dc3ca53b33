// The right transform of some rows on the calling thread, for callers that want them in cache.
#pragma once

#include <cstdint>

#include "hadamard/axis.h"
#include "sylvester/core/buffer.h"
#include "sylvester/core/view.h"

namespace sylvester::detail {

// Equal to hadamard_rows; X and Y are the same memory or apart. `work` is sized here and may be
// kept between calls. True where `most`, if given, holds the largest magnitude of each row of Y, as
// bits (above those of infinity for NaN).
bool rotate_rows(const Axis& axis, MatrixView<const float> X, MatrixView<float> Y,
                 Buffer<float>& work, std::uint32_t* most = nullptr);

}  // namespace sylvester::detail
