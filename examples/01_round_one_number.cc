// One number through the formats: how it is rounded, what the conventions of other libraries do
// with it, and stochastic rounding. Run: 01_round_one_number [VALUE]
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "sylvester/formats/convert.h"
#include "sylvester/formats/describe.h"

int main(int argc, char** argv) {
  using namespace sylvester;
  const double value = argc > 1 ? std::atof(argv[1]) : 465.0;

  // Step by step, as `sylvester formats float8_e4m3fn --check 465` prints it.
  std::puts(explain_rounding(value, DType::kFloat8E4M3FN).c_str());

  // The same number in every format, and back.
  for (const Format& f : formats()) {
    const float back = decode_one(encode_one(value, f.dtype), f.dtype);
    std::printf("%-16s largest %-12.6g -> %.9g\n", std::string(f.name).c_str(), f.max, back);
  }

  // Above 464 the references disagree about float8_e4m3fn; a preset has the bits of each.
  for (const std::string_view name : encode_preset_names()) {
    if (!has_encode_preset(name, DType::kFloat8E4M3FN)) continue;
    const EncodeOptions options = encode_preset(name, DType::kFloat8E4M3FN);
    std::printf("%-12s code 0x%02X\n", std::string(name).c_str(),
                encode_one(value, DType::kFloat8E4M3FN, options));
  }

  // Arrays: one code a byte. 1.0625 lies halfway between 1 and 1.125, so about half go up; the
  // codes depend on the seed alone, not on threads or the instruction set.
  const std::vector<float> x(10000, 1.0625f);
  std::vector<std::uint8_t> codes(x.size());
  encode(x, DType::kFloat8E4M3FN, codes,
         {.rounding = Rounding::kStochastic, .stream = {.seed = 42}});
  std::vector<float> back(x.size());
  decode(codes, DType::kFloat8E4M3FN, back);
  double mean = 0;
  for (const float v : back) mean += v / static_cast<double>(back.size());
  std::printf("mean of 10000 stochastic roundings of 1.0625: %.4f\n", mean);
}
