// Scales that need the numbers of a block, not just its absmax.
#pragma once

#include "quant/element.h"
#include "sylvester/core/view.h"

namespace sylvester::detail {

// NVFP4 four-over-six: the better of the scales that map the absmax to 6 and to 4.
BlockScale four_over_six_scale(const ScalePlan& plan, const ElementMap& map,
                               MatrixView<const float> block, std::uint32_t magnitude);
// QuEST's power of two of a block of 32 (Quartet). Inf or NaN poison it.
BlockScale quest_scale(const ScalePlan& plan, const float* x, std::int64_t n,
                       std::uint32_t magnitude) noexcept;
// MS-EDEN (Quartet II): corrects the `count` NVFP4 scales of one rotation group x[0..n) in place.
// `first` is the stream index of x[0].
void correct_eden_scales(const ScalePlan& plan, const ElementMap& map, const float* x,
                         std::int64_t n, std::uint64_t first, const RandomStream& stream,
                         BlockScale* scales);

}  // namespace sylvester::detail
