#include "sylvester/train/trainer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>

#include "sylvester/core/error.h"
#include "sylvester/core/parallel.h"
#include "sylvester/core/philox.h"
#include "sylvester/models/config.h"
#include "test_util.h"

namespace sylvester {
namespace {
namespace fs = std::filesystem;

// Sequences with a rule to learn: each token is the one before plus 3.
std::vector<TokenSequence> counting_data(std::int64_t n) {
  std::vector<TokenSequence> data;
  for (std::int64_t i = 0; i < n; ++i) {
    TokenSequence s;
    s.line = i + 1;
    const auto length =
        6 + static_cast<std::int32_t>(random_word({9, 0, 0}, static_cast<std::uint64_t>(i)) % 5);
    for (std::int32_t t = 0; t < length; ++t) {
      s.ids.push_back((static_cast<std::int32_t>(i) * 7 + 3 * t) % 80);
      s.labels.push_back(t < 2 ? kIgnoredLabel : s.ids.back());
    }
    data.push_back(std::move(s));
  }
  return data;
}

struct Config {
  std::string recipe = "fp32";
  std::string accumulate = "ordered";
  TrainerOptions trainer;
  Config() {
    trainer.batch_size = 4;
    trainer.seed = 5;
    trainer.schedule = {ScheduleKind::kConstant, 3e-3, 0, 20};
  }
};

Decoder make_model(const Config& s, std::uint64_t seed = 1) {
  DecoderOptions options;
  options.recipe = parse_recipe(s.recipe);
  options.accumulation = parse_accumulation(s.accumulate);
  options.seed = s.trainer.seed;
  return Decoder(load_config(test::golden("tiny_llama")), cpu_ops(), options, seed);
}

std::vector<std::uint8_t> weight_bits(Decoder& model) {
  std::vector<std::uint8_t> out;
  for (const Parameter* p : model.parameters()) {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(p->value.data<float>());
    out.insert(out.end(), bytes, bytes + p->value.size() * 4);
  }
  return out;
}

struct Outcome {
  std::vector<double> losses;
  std::vector<std::uint8_t> weights;
};
Outcome train(const Config& s, std::int64_t steps) {
  const std::vector<TokenSequence> data = counting_data(22);
  Decoder model = make_model(s);
  Trainer trainer(model, cpu_ops(), data, s.trainer);
  Outcome out;
  for (std::int64_t i = 0; i < steps; ++i) out.losses.push_back(trainer.step().loss);
  out.weights = weight_bits(model);
  return out;
}

TEST(StepsPerEpoch, CountsAsHuggingFace) {
  EXPECT_EQ(steps_per_epoch(10, 4, 1), 3);
  EXPECT_EQ(steps_per_epoch(10, 4, 2), 2);
  EXPECT_EQ(steps_per_epoch(1, 8, 4), 1);
}

TEST(Trainer, LossFalls) {
  Config s;
  for (const char* recipe : {"fp32", "bf16", "halo2-int8"}) {
    s.recipe = recipe;
    s.accumulate = "blas";
    const Outcome out = train(s, 20);
    EXPECT_NEAR(out.losses.front(), std::log(80.0), 0.3) << recipe;  // uniform at the start
    EXPECT_LT(out.losses.back(), 0.75 * out.losses.front()) << recipe;
  }
}

TEST(Trainer, SameBitsWithAnyThreadCount) {
  struct Row {
    const char* recipe;
    const char* accumulate;
  };
  for (const Row row :
       {Row{"fp32", "ordered"}, Row{"halo2-int8", "int32"}, Row{"halo1-fp8", "exact"},
        Row{"halo2-fp6:rounding=stochastic", "ordered"}}) {
    SCOPED_TRACE(row.recipe);
    Config s;
    s.recipe = row.recipe;
    s.accumulate = row.accumulate;
    set_num_threads(1);
    const Outcome one = train(s, 3);
    set_num_threads(2);
    const Outcome two = train(s, 3);
    EXPECT_EQ(one.losses, two.losses);
    EXPECT_EQ(one.weights, two.weights);
    EXPECT_EQ(two.weights, train(s, 3).weights) << "and on every run";
  }
}

// The update of accumulated passes is that of one large pass, up to rounding.
TEST(Trainer, AccumulationNormalisesByAllCountedTokens) {
  Config whole, parts;
  whole.trainer.batch_size = 8;
  parts.trainer.batch_size = 2;
  parts.trainer.accumulation_steps = 4;
  const Outcome a = train(whole, 2), b = train(parts, 2);
  for (std::size_t i = 0; i < 2; ++i) {
    // Float32 sums of 8 x ~8 terms around 4.4 in another order: a few units of 2^-22.
    EXPECT_NEAR(a.losses[i], b.losses[i], 2e-5) << i;
  }
}

TEST(Trainer, ClippingScalesTheGradientAndReportsTheNormBefore) {
  const std::vector<TokenSequence> data = counting_data(8);
  Config s;
  s.trainer.adamw.max_grad_norm = 1e-12;
  Decoder model = make_model(s), free_model = make_model(Config());
  Trainer clipped(model, cpu_ops(), data, s.trainer);
  Trainer free(free_model, cpu_ops(), data, Config().trainer);
  const StepResult a = clipped.step(), b = free.step();
  EXPECT_EQ(a.grad_norm, b.grad_norm);
  EXPECT_GT(a.grad_norm, 0.1);
  // A gradient of norm 1e-12 drowns in epsilon = 1e-8: the step is at most 1e-4 learning rates.
  const Decoder& untouched = make_model(s);
  const auto before = const_cast<Decoder&>(untouched).parameters(), after = model.parameters();
  for (std::size_t i = 0; i < after.size(); ++i) {
    for (std::int64_t k = 0; k < after[i]->value.size(); ++k) {
      ASSERT_NEAR(after[i]->value.data<float>()[k], before[i]->value.data<float>()[k], 1e-6);
    }
  }
}

TEST(Trainer, SaveAndLoadContinueWithTheSameBits) {
  const fs::path folder =
      fs::temp_directory_path() / ("sylvester_state_" + std::to_string(::getpid()));
  Config s;
  s.recipe = "halo2-fp6:rounding=stochastic";  // the random streams must continue too
  s.trainer.accumulation_steps = 2;
  s.trainer.adamw.weight_decay = 0.1;
  const Outcome whole = train(s, 9);
  const std::vector<TokenSequence> data = counting_data(22);
  for (const int cut : {0, 1, 4, 8}) {
    SCOPED_TRACE(cut);
    fs::remove_all(folder);
    fs::create_directories(folder);
    std::vector<double> losses;
    {
      Decoder model = make_model(s);
      Trainer trainer(model, cpu_ops(), data, s.trainer);
      for (int i = 0; i < cut; ++i) losses.push_back(trainer.step().loss);
      model.save(folder);
      trainer.save_state(folder);
    }
    DecoderOptions options = make_model(s).options();
    Decoder model = Decoder::load(folder, cpu_ops(), options);
    Trainer trainer(model, cpu_ops(), data, s.trainer);
    trainer.load_state(folder);
    EXPECT_EQ(trainer.step_count(), cut);
    while (trainer.step_count() < 9) losses.push_back(trainer.step().loss);
    EXPECT_EQ(losses, whole.losses);
    EXPECT_EQ(weight_bits(model), whole.weights);
  }
  fs::remove_all(folder);
}

TEST(Trainer, RefusesStateOfAnotherModelOrData) {
  const fs::path folder =
      fs::temp_directory_path() / ("sylvester_other_" + std::to_string(::getpid()));
  fs::create_directories(folder);
  const std::vector<TokenSequence> data = counting_data(6), fewer = counting_data(5);
  Config s;
  Decoder model = make_model(s);
  Trainer trainer(model, cpu_ops(), data, s.trainer);
  trainer.step();
  trainer.save_state(folder);
  Trainer other(model, cpu_ops(), fewer, s.trainer);
  EXPECT_THROW(other.load_state(folder), FormatError);
  ModelConfig config = model.config();
  config.hidden_size = 32;
  config.head_dim = 8;
  Decoder small(config, cpu_ops(), model.options(), 1);
  Trainer mismatched(small, cpu_ops(), data, s.trainer);
  EXPECT_THROW(mismatched.load_state(folder), FormatError);
  EXPECT_EQ(mismatched.step_count(), 0);
  fs::remove_all(folder);
}

TEST(Trainer, StopsAtANonFiniteLossWithTheLastGoodWeights) {
  const std::vector<TokenSequence> data = counting_data(6);
  Config s;
  Decoder model = make_model(s);
  Trainer trainer(model, cpu_ops(), data, s.trainer);
  trainer.step();
  for (Parameter* p : model.parameters()) {
    float* x = p->value.data<float>();
    std::fill_n(x, p->value.size(), std::numeric_limits<float>::quiet_NaN());
  }
  model.parameters_changed();
  try {
    trainer.step();
    FAIL() << "a NaN loss went by";
  } catch (const NumericsError& error) {
    EXPECT_EQ(error.step(), 2);
  }
  EXPECT_EQ(trainer.step_count(), 1);
}

TEST(Trainer, BadOptionsAndNothingCounted) {
  std::vector<TokenSequence> data = counting_data(3);
  Config s;
  Decoder model = make_model(s);
  s.trainer.batch_size = 0;
  EXPECT_THROW(Trainer(model, cpu_ops(), data, s.trainer), ValueError);
  s.trainer.batch_size = 3;
  EXPECT_THROW(Trainer(model, cpu_ops(), {}, s.trainer), ValueError);
  for (TokenSequence& sequence : data) {
    std::fill(sequence.labels.begin(), sequence.labels.end(), kIgnoredLabel);
  }
  const std::vector<std::uint8_t> before = weight_bits(model);
  Trainer trainer(model, cpu_ops(), data, s.trainer);
  const StepResult step = trainer.step();
  EXPECT_EQ(step.loss, 0.0);
  EXPECT_EQ(step.counted, 0);
  EXPECT_EQ(weight_bits(model), before) << "no counted token, no update";
}

}  // namespace
}  // namespace sylvester
