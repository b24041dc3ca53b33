// Quantize a small matrix under several specs; print codes, scales and what was lost.
#include <cstdio>
#include <string>

#include "sylvester/quant/quantize.h"

int main() {
  using namespace sylvester;
  // Two rows of 32; one outlier in the first.
  float x[64];
  for (int i = 0; i < 64; ++i) x[i] = static_cast<float>((i * 37) % 64 - 32) / 16.0f;
  x[5] = 40.0f;
  const MatrixView<const float> X{x, 2, 32};

  for (const char* text : {"int8", "int8:row", "int4:row:asym:clip=0.95", "float8_e4m3fn",
                           "mxfp6_e3m2", "mxfp4:rule=rceil", "nvfp4"}) {
    const QuantSpec spec = parse_quant_spec(text);
    QuantStats stats;
    const QuantizedMatrix q = quantize(X, spec, &stats);
    std::printf("%-26s %lld scale(s), first %-12g code of the outlier %3d  SQNR %6.2f dB\n",
                to_string(spec).c_str(), static_cast<long long>(q.scales.size()),
                static_cast<double>(q.scales[0]), q.codes[5], stats.sqnr_db);
  }

  // A spec that cannot be says so.
  try {
    parse_quant_spec("float8_e4m3fn:asym");
  } catch (const ValueError& error) {
    std::printf("\n%s\n", error.what());
  }
}
