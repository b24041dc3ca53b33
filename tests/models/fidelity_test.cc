// What recipes do to the gradient of SmolLM2-135M on English prose: the orderings of an independent
// PyTorch simulation. One pass a recipe; registered for the nightly runs.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <map>
#include <string>

#include "models/models_test_util.h"
#include "sylvester/io/jsonl.h"
#include "sylvester/io/tokenizer.h"
#include "sylvester/models/fidelity.h"

namespace sylvester {
namespace {

Batch prose(std::int64_t B, std::int64_t T) {
  const auto tokenizer = io::load_tokenizer(SYLVESTER_SMOLLM2);
  Batch batch{.B = B, .T = T, .ids = {}, .labels = {}};
  for (const io::Example& example : io::read_jsonl(SYLVESTER_PROSE)) {
    const std::vector<std::int32_t> ids = tokenizer->encode(example.text);
    batch.ids.insert(batch.ids.end(), ids.begin(), ids.end());
  }
  const auto wanted = static_cast<std::size_t>(B * T);
  EXPECT_GE(batch.ids.size(), wanted);
  batch.ids.resize(wanted);
  batch.labels = batch.ids;
  return batch;
}

class Fidelity : public testing::Test {
 protected:
  Decoder model = Decoder::load(SYLVESTER_SMOLLM2, cpu_ops());
};

TEST_F(Fidelity, GradientCosinesAreOrderedAsInTheSimulation) {
  FidelityMeter meter(model, prose(1, 512));
  std::map<std::string, double> cosine, loss;
  std::printf("fp32 loss %.4f\n", meter.reference_loss().mean());
  for (const char* name :
       {"halo0-int8", "halo1-int8", "halo2-int8", "halo0-fp8", "halo1-fp8", "halo2-fp8",
        "halo0-fp6", "halo1-fp6", "halo2-fp6", "halo0-fp4", "halo1-fp4", "halo2-fp4"}) {
    const GradientFidelity f = meter.measure(parse_recipe(name));
    cosine[name] = f.gradient_cosine;
    loss[name] = f.loss.mean();
    std::printf("%-12s loss %8.4f  cosine %.3f\n", name, loss[name], cosine[name]);
    std::fflush(stdout);
  }
  EXPECT_LT(cosine["halo0-int8"] + 0.1, cosine["halo1-int8"]);
  EXPECT_LT(cosine["halo1-int8"], cosine["halo2-int8"]);
  EXPECT_GT(cosine["halo0-fp8"], cosine["halo1-fp8"]);
  EXPECT_GT(cosine["halo0-fp8"], cosine["halo2-fp8"]);
  EXPECT_GT(cosine["halo0-fp8"], 0.9);
  EXPECT_LT(cosine["halo0-fp6"], cosine["halo1-fp6"]);
  for (const char* name : {"halo0-fp4", "halo1-fp4", "halo2-fp4"}) {
    EXPECT_LT(cosine[name], 0.2) << name;
    EXPECT_GT(loss[name], meter.reference_loss().mean() + 2) << name;
  }
}

TEST_F(Fidelity, ForwardPerplexityNeedsTheRotation) {
  const Batch batch = prose(3, 512);
  const auto perplexity = [&](const char* recipe) {
    model.set_recipe(parse_recipe(recipe), {});
    const double value = std::exp(model.evaluate(batch).mean());
    std::printf("%-12s perplexity %.2f\n", recipe, value);
    return value;
  };
  const double fp32 = perplexity("fp32"), plain = perplexity("halo0-int8");
  const double rotated = perplexity("halo1-int8");
  EXPECT_GT(plain, 1.5 * fp32);
  EXPECT_LT(rotated, 1.25 * fp32);
  EXPECT_GT(rotated, fp32);
}

}  // namespace
}  // namespace sylvester
