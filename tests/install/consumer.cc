// Uses one function of several rooms, so that every part of the installed archive links.
#include <sylvester/sylvester.h>

#include <cmath>
#include <cstdio>
#include <vector>

int main() {
  using namespace sylvester;
  std::vector<float> x(64);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::sin(static_cast<float>(i));
  std::vector<float> y(x.size());
  hadamard_rows(MatrixView<const float>(x.data(), 1, 64), MatrixView<float>(y.data(), 1, 64));
  const QuantizedMatrix q =
      quantize(MatrixView<const float>(y.data(), 1, 64), parse_quant_spec("int8"));
  std::vector<float> product(1);
  matmul(q, q, parse_accumulation("exact"), MatrixView<float>(product.data(), 1, 1));
  double norm = 0;
  for (const float v : x) norm += double{v} * v;
  std::printf("sum of squares %.4f, through int8 and Hadamard %.4f\n", norm, double{product[0]});
  return std::abs(norm - double{product[0]}) < 0.02 * norm ? 0 : 1;
}
