// One quantized product with its rotations, as a Product of a linear layer has it.
#pragma once

#include <string>

#include "sylvester/core/view.h"
#include "sylvester/gemm/matmul.h"
#include "sylvester/ops/tensor.h"
#include "sylvester/quant/quantize.h"

namespace sylvester {

// Which rotations a product has: C = Hl' ( Q(Hl A Hm) Q(Hm' B' Hr) ) Hr'.
struct Placement {
  bool left = false, middle = false, right = false;
};
// "none" or some of left, middle, right, parted by commas. ValueError.
Placement parse_placement(const std::string& text);

struct EmulatedProduct {
  QuantizedMatrix a, b;
};
// A and B are rotated and quantized (random words: tensors 0 and 1 of the seed), multiplied under
// the policy, and the outer rotations of C undone, on the CPU or on the card with the same bits.
// Shapes: A [M, K], B [N, K], C [M, N]. Errors: as rotate_quantize and matmul; UnsupportedError
// where the device has no such product.
EmulatedProduct emulate_product(MatrixView<const float> A, MatrixView<const float> B,
                                const QuantSpec& a, const QuantSpec& b, const Placement& placement,
                                const Accumulation& accumulation, MatrixView<float> C,
                                std::uint64_t seed, Device device = Device::kCpu);

}  // namespace sylvester
