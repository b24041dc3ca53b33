// Recipes inside the decoder: rotations cancel, bits do not depend on threads, codes follow
// weights.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "models/models_test_util.h"
#include "sylvester/core/error.h"
#include "sylvester/core/parallel.h"
#include "sylvester/models/fidelity.h"

namespace sylvester {
namespace {

using test::values_of;

const ModelConfig kConfig{.model_type = "llama",
                          .vocab_size = 61,
                          .hidden_size = 48,  // 12 x 4
                          .intermediate_size = 80,
                          .num_hidden_layers = 2,
                          .num_attention_heads = 4,
                          .num_key_value_heads = 2,
                          .head_dim = 12,
                          .max_position_embeddings = 64,
                          .initializer_range = 0.2};

// 27 tokens: no Hadamard order, so the left transforms pad to 32.
Batch batch() {
  Batch out{.B = 3, .T = 9, .ids = {}, .labels = {}};
  for (std::size_t i = 0; i < 27; ++i) {
    out.ids.push_back(
        static_cast<std::int32_t>(random_word({.seed = 3, .step = 0, .tensor = 0}, i) % 61));
  }
  out.labels = out.ids;
  for (const std::size_t i : {1u, 2u, 10u}) out.labels[i] = -100;
  return out;
}

struct Pass {
  double loss;
  std::map<std::string, std::vector<float>> grads;
};
Pass run(Decoder& model, std::int64_t step = 1) {
  model.zero_grad();
  Pass out{.loss = model.forward_backward(batch(), 1.0, step).sum, .grads = {}};
  for (const Parameter* p : model.parameters()) out.grads[p->name] = values_of(p->grad);
  return out;
}
Decoder make(const char* recipe, const char* policy = "blas") {
  return Decoder(kConfig, cpu_ops(),
                 {.recipe = parse_recipe(recipe), .accumulation = parse_accumulation(policy)}, 5);
}

TEST(Recipes, RotationsAloneChangeNothing) {
  DecoderOptions options{.dtype = DType::kFloat64};
  Decoder plain(kConfig, cpu_ops(), options, 5);
  const Pass want = run(plain);
  for (const char* name :
       {"halo1-fp32", "halo2-fp32", "halo2-as-coded-fp32", "F.LMR+E.LMR+G.LMR-fp32"}) {
    SCOPED_TRACE(name);
    options.recipe = parse_recipe(name);
    Decoder rotated(kConfig, cpu_ops(), options, 5);
    const Pass got = run(rotated);
    EXPECT_NEAR(got.loss, want.loss, 1e-11);
    for (const auto& [parameter, grad] : want.grads) {
      test::largest_difference(parameter, got.grads.at(parameter), grad, 1e-6);  // read as float32
    }
  }
}

TEST(Recipes, SameBitsWithAnyNumberOfThreads) {
  for (const char* recipe : {"halo2-int8", "halo1-mxfp8_e4m3", "bf16"}) {
    SCOPED_TRACE(recipe);
    Decoder model = make(recipe, "exact");
    set_num_threads(1);
    const Pass one = run(model);
    set_num_threads(3);
    const Pass three = run(model);
    set_num_threads(2);
    EXPECT_EQ(one.loss, three.loss);
    for (const auto& [name, grad] : one.grads) EXPECT_EQ(grad, three.grads.at(name)) << name;
  }
}

TEST(Recipes, CodesFollowTheWeightsWhenTold) {
  Decoder model = make("halo2-int8");
  const double before = model.evaluate(batch()).sum;
  Parameter* weight = model.parameters()[1];
  cpu_ops().scale(weight->value, 3.0);
  EXPECT_EQ(model.evaluate(batch()).sum, before) << "codes are made once a step";
  model.parameters_changed();
  EXPECT_NE(model.evaluate(batch()).sum, before);
}

TEST(Recipes, StochasticRoundingIsNumberedByTheStep) {
  Decoder model = make("halo2-int8:rounding=stochastic");
  const Pass first = run(model, 1);
  model.parameters_changed();
  EXPECT_EQ(run(model, 1).loss, first.loss);
  model.parameters_changed();
  EXPECT_NE(run(model, 2).loss, first.loss);
}

// Rows of the table are told apart, and nearer formats give nearer gradients.
TEST(Recipes, FidelityFollowsTheFormat) {
  Decoder model = make("halo2-int8");
  FidelityMeter meter(model, batch());
  const GradientFidelity fp32 = meter.measure(parse_recipe("fp32"));
  EXPECT_NEAR(fp32.gradient_cosine, 1.0, 1e-12);
  EXPECT_LT(fp32.relative_error, 1e-6);
  const GradientFidelity int8 = meter.measure(parse_recipe("halo2-int8"));
  const GradientFidelity fp4 = meter.measure(parse_recipe("halo2-fp4"));
  EXPECT_GT(int8.gradient_cosine, 0.99);
  EXPECT_LT(fp4.gradient_cosine, int8.gradient_cosine);
  ASSERT_EQ(int8.layers.size(), 14u);
  for (const LinearFidelity& layer : int8.layers) {
    EXPECT_GT(layer.x_crest, 1) << layer.name;
    EXPECT_GT(layer.w_crest, 1) << layer.name;
    EXPECT_GT(layer.e_crest, 1) << layer.name;
    // Rotated values of crest c leave 20 log10(127 sqrt(12) / c) dB; c is 2.5 to 6 here.
    for (const double db : {layer.x_sqnr_db, layer.w_sqnr_db, layer.e_sqnr_db}) {
      EXPECT_GT(db, 35) << layer.name;
      EXPECT_LT(db, 50) << layer.name;
    }
  }
}

TEST(Recipes, ModelsThatDoNotFitAreNamed) {
  ModelConfig config = kConfig;
  config.hidden_size = 46;
  Decoder odd(config, cpu_ops(), {.recipe = parse_recipe("halo1-int8")}, 5);
  EXPECT_THROW(odd.evaluate(batch()), ShapeError);  // 46 has no Hadamard matrix
  config = kConfig;
  config.num_key_value_heads = 3;
  EXPECT_THROW(Decoder(config, cpu_ops(), {}, 5), ValueError);
  config = kConfig;
  config.head_dim = 11;
  EXPECT_THROW(Decoder(config, cpu_ops(), {}, 5), ValueError);
}

}  // namespace
}  // namespace sylvester
