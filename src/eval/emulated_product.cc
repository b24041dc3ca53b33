#include "sylvester/eval/emulated_product.h"

#include <algorithm>

#include "sylvester/core/error.h"
#include "sylvester/hadamard/rotate_quantize.h"

namespace sylvester {

Placement parse_placement(const std::string& text) {
  Placement p;
  if (text == "none") return p;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string part = text.substr(begin, end - begin);
    begin = end + 1;
    bool* flag = part == "left"     ? &p.left
                 : part == "middle" ? &p.middle
                 : part == "right"  ? &p.right
                                    : nullptr;
    if (flag == nullptr) {
      throw ValueError("want none, or some of left, middle, right parted by commas");
    }
    *flag = true;
  }
  return p;
}

EmulatedProduct emulate_product(MatrixView<const float> A, MatrixView<const float> B,
                                const QuantSpec& a, const QuantSpec& b, const Placement& placement,
                                const Accumulation& accumulation, MatrixView<float> C,
                                std::uint64_t seed) {
  EmulatedProduct out;
  RotateQuantizeOptions rotation;
  rotation.rows = placement.middle;
  rotation.cols = placement.left;
  rotate_quantize(A, rotation, a, out.a, nullptr, {seed, 0, 0});
  rotation.cols = placement.right;
  rotate_quantize(B, rotation, b, out.b, nullptr, {seed, 0, 1});
  matmul(out.a, out.b, accumulation, C);
  HadamardOptions inverse;
  inverse.inverse = true;
  if (placement.left) hadamard_cols(C, C, inverse);
  if (placement.right) hadamard_rows(C, C, inverse);
  return out;
}

}  // namespace sylvester
