// Why rotate before quantizing: one outlier spoils a whole tensor's INT8 scale, its rotation does
// not.
#include <cstdio>
#include <vector>

#include "sylvester/hadamard/hadamard.h"
#include "sylvester/quant/quantize.h"

int main() {
  using namespace sylvester;
  const std::int64_t tokens = 4, channels = 576;  // 576 = 36 x 16: SmolLM2's hidden size
  std::vector<float> x(static_cast<std::size_t>(tokens * channels));
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<float>(static_cast<int>(i * 2654435761u >> 16 & 255) - 128) / 128.0f;
  }
  x[100] = 80.0f;  // the outlier
  const MatrixView<float> X(x.data(), tokens, channels);
  const QuantSpec int8 = parse_quant_spec("int8");

  QuantStats plain;
  quantize(X, int8, &plain);
  std::printf("plain    scale for the largest element: SQNR %5.2f dB, %lld of %lld became zero\n",
              plain.sqnr_db, static_cast<long long>(plain.zeros),
              static_cast<long long>(plain.count));

  // y = x H / sqrt(n): the outlier's energy is spread over the 576 channels of its row.
  hadamard_rows(X, X);
  QuantStats rotated;
  quantize(X, int8, &rotated);
  std::printf("rotated  by H of order %lld = K %lld x 2^4: SQNR %5.2f dB, %lld became zero\n",
              static_cast<long long>(channels), static_cast<long long>(hadamard_base(channels)),
              rotated.sqnr_db, static_cast<long long>(rotated.zeros));

  // Orthonormal: the inverse gives the values back.
  hadamard_rows(X, X, {.inverse = true});
  std::printf("rotated back, the outlier is %.5f\n", x[100]);
  return rotated.sqnr_db > plain.sqnr_db ? 0 : 1;
}
