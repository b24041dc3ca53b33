// One quantized product with its rotations: what `matmul` and `golden matmul` compute.
#pragma once

#include <string>

#include "sylvester/core/view.h"
#include "sylvester/gemm/matmul.h"
#include "sylvester/quant/quantize.h"

namespace sylvester::sim {

// Which rotations a product has: C = Hl' ( Q(Hl A Hm) Q(Hm' B' Hr) ) Hr'.
struct Placement {
  bool left = false, middle = false, right = false;
};
// "none" or some of left, middle, right, parted by commas. ValueError.
Placement parse_placement(const std::string& text);

struct EmulatedProduct {
  QuantizedMatrix a, b;
};
// Shapes: A [M, K], B [N, K], C [M, N].
EmulatedProduct emulate_product(MatrixView<const float> A, MatrixView<const float> B,
                                const QuantSpec& a, const QuantSpec& b, const Placement& placement,
                                const Accumulation& accumulation, MatrixView<float> C,
                                std::uint64_t seed);

}  // namespace sylvester::sim
