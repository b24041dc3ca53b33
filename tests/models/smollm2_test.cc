// SmolLM2-135M-Instruct, real weights from a GGUF file, against PyTorch's float64 run.
// Configure with -DSYLVESTER_SMOLLM2=/path/to/SmolLM2-135M-Instruct.Q4_1.gguf; skipped without.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "models/models_test_util.h"

namespace sylvester {
namespace {

const std::string kModel = SYLVESTER_SMOLLM2;

#define SKIP_WITHOUT_MODEL() \
  if (kModel.empty()) GTEST_SKIP() << "configured without SYLVESTER_SMOLLM2 (a GGUF file)"

std::vector<std::int32_t> ids_of(const io::JsonValue& list) {
  std::vector<std::int32_t> out;
  for (const io::JsonValue& id : list.items())
    out.push_back(static_cast<std::int32_t>(id.as_int()));
  return out;
}

std::vector<std::int32_t> top(const float* logits, std::int64_t V, std::size_t n) {
  std::vector<std::int32_t> order(static_cast<std::size_t>(V));
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int32_t>(i);
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(n), order.end(),
                    [&](std::int32_t a, std::int32_t b) { return logits[a] > logits[b]; });
  order.resize(n);
  return order;
}

// One prompt: logits of the top 20 within 2e-3 and in the same order, negative log-likelihoods,
// and the greedy continuation through the cache.
void check_prompt(Decoder& model, const io::JsonValue& prompt) {
  SCOPED_TRACE(prompt.at("text").as_string().substr(0, 40));
  const std::vector<std::int32_t> ids = ids_of(prompt.at("ids"));
  const auto T = static_cast<std::int64_t>(ids.size()), V = model.config().vocab_size;
  const Tensor logits = model.logits(ids, 1, T);
  const float* values = logits.data<float>();
  for (const auto& [position, want] : prompt.at("top20").members()) {
    const float* row = values + std::atoll(std::string(position).c_str()) * V;
    const std::vector<std::int32_t> expected = ids_of(want.at("ids"));
    EXPECT_EQ(top(row, V, expected.size()), expected) << "position " << position;
    const std::vector<io::JsonValue> wanted = want.at("logits").items();
    for (std::size_t i = 0; i < expected.size(); ++i) {
      ASSERT_NEAR(row[expected[i]], wanted[i].as_double(), 2e-3)
          << "position " << position << ", id " << expected[i];
    }
  }
  const Loss loss = model.evaluate({.B = 1, .T = T, .ids = ids, .labels = ids});
  EXPECT_NEAR(std::exp(loss.mean()) / prompt.at("perplexity").as_double(), 1.0, 1e-4);

  const std::vector<std::int32_t> greedy = ids_of(prompt.at("greedy_next_12"));
  const auto state = model.start_decoding(T + 12);
  Tensor next = model.decode(*state, ids);
  for (std::size_t i = 0; i < greedy.size(); ++i) {
    const std::int32_t best = top(next.data<float>(), V, 1).front();
    ASSERT_EQ(best, greedy[i]) << "greedy token " << i;
    next = model.decode(*state, std::span(&best, 1));
  }
}

void check_gradients(Decoder& model, const io::JsonValue& golden) {
  Batch batch;
  batch.ids = test::flat_ids(golden.at("ids"));
  batch.labels = batch.ids;
  batch.B = golden.at("ids").size();
  batch.T = static_cast<std::int64_t>(batch.ids.size()) / batch.B;
  const double counted = static_cast<double>(batch.B * (batch.T - 1));
  const Loss loss = model.forward_backward(batch, 1.0 / counted);
  EXPECT_NEAR(loss.mean(), golden.at("loss").as_double(), 1e-4);
  double total = 0;
  for (const Parameter* parameter : model.parameters()) {
    const io::JsonValue want = golden.at("params").at(parameter->name);
    const double squared = cpu_ops().squared_norm(parameter->grad);
    total += squared;
    EXPECT_NEAR(std::sqrt(squared) / want.at("norm").as_double(), 1.0, 1e-3) << parameter->name;
    const std::vector<io::JsonValue> at = want.at("probe_idx").items();
    const std::vector<io::JsonValue> probes = want.at("probe").items();
    // A probe is one element: allow the norm's share of an element, 1e-3 of the rms, and more where
    // it is large itself.
    const double rms = std::sqrt(squared / static_cast<double>(parameter->grad.size()));
    for (std::size_t i = 0; i < at.size(); ++i) {
      const double expected = probes[i].as_double();
      EXPECT_NEAR(parameter->grad.data<float>()[at[i].as_int()], expected,
                  1e-3 * (std::abs(expected) + rms))
          << parameter->name << "[" << at[i].as_int() << "]";
    }
  }
  EXPECT_NEAR(std::sqrt(total) / golden.at("total_norm").as_double(), 1.0, 1e-3);
}

TEST(SmolLm2, LogitsGreedyTextAndGradientsEqualTheGolden) {
  SKIP_WITHOUT_MODEL();
  const io::JsonValue expected = io::read_json(test::golden("smollm2_logits.json"));
  Decoder model = Decoder::load(kModel, cpu_ops());
  for (const io::JsonValue& prompt : expected.at("prompts").items()) check_prompt(model, prompt);
  check_gradients(model, expected.at("gradient_batch"));
}

}  // namespace
}  // namespace sylvester
