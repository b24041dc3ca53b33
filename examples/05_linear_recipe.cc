// A linear layer's forward and backward under three recipes, beside plain products: what Hadamard
// rotations do for INT8 when X has an outlier channel and E an outlier token, as in real models.
#include <cmath>
#include <cstdio>
#include <vector>

#include "sylvester/core/philox.h"
#include "sylvester/nn/linear.h"

using namespace sylvester;

namespace {

struct Array {
  std::int64_t rows, cols;
  std::vector<float> values = std::vector<float>(static_cast<std::size_t>(rows * cols));
  MatrixView<float> view() { return {values.data(), rows, cols}; }
};

// Uniform in (-1, 1); one row or one column is a hundred times larger.
Array random(std::int64_t rows, std::int64_t cols, int large_row, int large_col) {
  Array out{rows, cols};
  for (std::size_t i = 0; i < out.values.size(); ++i) {
    const double word = random_word({.seed = 1, .step = 0, .tensor = 0}, i);
    const auto row = static_cast<std::int64_t>(i) / cols, col = static_cast<std::int64_t>(i) % cols;
    const double scale = row == large_row || col == large_col ? 100 : 1;
    out.values[i] = static_cast<float>((word * 0x1p-31 - 1) * scale);
  }
  return out;
}

double error(const Array& got, const Array& want) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < got.values.size(); ++i) {
    const double a = got.values[i], b = want.values[i];
    difference += (a - b) * (a - b);
    size += b * b;
  }
  return std::sqrt(difference / size);
}

struct Result {
  Array Y, dX, dW;
};

Result run(const char* recipe, Array& X, Array& W, Array& E) {
  Result r{{X.rows, W.rows}, {X.rows, X.cols}, {W.rows, W.cols}};
  LinearContext context;  // keeps the codes of X and W for the backward
  linear_forward(X.view(), W.view(), parse_recipe(recipe), {}, r.Y.view(), &context);
  linear_backward(context, E.view(), r.dX.view(), r.dW.view());
  return r;
}

}  // namespace

int main() {
  Array X = random(64, 96, -1, 5), W = random(48, 96, -1, -1), E = random(64, 48, 3, -1);
  const Result exact = run("fp32", X, W, E);
  std::printf("%s\n", describe(parse_recipe("halo2-int8")).c_str());
  std::printf("relative error        Y       dX       dW\n");
  for (const char* recipe : {"halo0-int8", "halo1-int8", "halo2-int8"}) {
    const Result r = run(recipe, X, W, E);
    std::printf("%-14s %8.4f %8.4f %8.4f\n", recipe, error(r.Y, exact.Y), error(r.dX, exact.dX),
                error(r.dW, exact.dW));
  }
}
