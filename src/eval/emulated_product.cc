#include "sylvester/eval/emulated_product.h"

#include <algorithm>
#include <vector>

#include "sylvester/core/error.h"
#include "sylvester/hadamard/hadamard.h"
#include "sylvester/ops/numerics.h"

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
                                std::uint64_t seed, Device device) {
  if (C.rows != A.rows || C.cols != B.rows || A.cols != B.cols) {
    throw ShapeError("product: want A [M, K], B [N, K], C [M, N]");
  }
  // No padding here: every axis that is rotated must have a matrix.
  if (placement.left) hadamard_base(A.rows);
  if (placement.right) hadamard_base(B.rows);
  Numerics& numerics = sylvester::numerics(device);
  const auto coded = [&](MatrixView<const float> m, bool outer, const QuantSpec& spec,
                         std::uint32_t number, QuantizedTensor& out) {
    Tensor x = numerics.allocate({m.rows, m.cols});
    std::vector<float> dense(static_cast<std::size_t>(m.size()));
    for (std::int64_t i = 0; i < m.rows; ++i) {
      std::copy_n(m.row(i), m.cols, dense.data() + i * m.cols);
    }
    numerics.upload(dense, x);
    numerics.quantize(x, {.rows = placement.middle, .cols = outer}, spec, out, {seed, 0, number});
  };
  QuantizedTensor qa, qb;
  coded(A, placement.left, a, 0, qa);
  coded(B, placement.right, b, 1, qb);
  Tensor c = numerics.allocate({C.rows, C.cols});
  numerics.matmul(qa, false, qb, false, accumulation, c);
  const HadamardOptions inverse{.inverse = true};
  if (placement.left) numerics.hadamard(c, true, inverse, c);
  if (placement.right) numerics.hadamard(c, false, inverse, c);
  std::vector<float> dense(static_cast<std::size_t>(C.size()));
  numerics.download(c, dense);
  for (std::int64_t i = 0; i < C.rows; ++i) {
    std::copy_n(dense.data() + i * C.cols, C.cols, C.row(i));
  }
  return {numerics.to_host(qa), numerics.to_host(qb)};
}

}  // namespace sylvester
