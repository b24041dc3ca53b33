// One product under several accumulation policies: what Hopper's FP8 matrix cores lose, and how
// much of it cuBLASLt's promotion to float32 wins back.
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include "sylvester/gemm/matmul.h"
#include "sylvester/quant/quantize.h"

int main() {
  using namespace sylvester;
  constexpr std::int64_t M = 64, N = 64, K = 4096;
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> X(M * K), W(N * K), exact(M * N), Y(M * N);
  for (float& x : X) x = normal(random);
  for (float& w : W) w = normal(random);

  // Codes and scales, as a kernel gets them.
  const QuantSpec spec = parse_quant_spec("float8_e4m3fn");
  const QuantizedMatrix QX = quantize(MatrixView<const float>(X.data(), M, K), spec);
  const QuantizedMatrix QW = quantize(MatrixView<const float>(W.data(), N, K), spec);
  matmul(QX, QW, parse_accumulation("exact"), MatrixView<float>(exact.data(), M, N));

  // The error of the accumulation alone: the operands are the same codes each time.
  for (const char* policy : {"blas", "ordered", "sm89-mma", "sm90-mma", "sm90-cublaslt-fast",
                             "sm90-cublaslt", "sm90-cublaslt:promote=32"}) {
    matmul(QX, QW, parse_accumulation(policy), MatrixView<float>(Y.data(), M, N));
    double error = 0, size = 0;
    for (std::size_t i = 0; i < Y.size(); ++i) {
      error += (Y[i] - exact[i]) * (Y[i] - exact[i]);
      size += exact[i] * exact[i];
    }
    std::printf("%-26s relative error %.2e   Y[0] = %.9g\n", policy, std::sqrt(error / size), Y[0]);
  }
}
