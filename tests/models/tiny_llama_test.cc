// The decoder against PyTorch's float64 run of a small random Llama, and against itself.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "models/models_test_util.h"
#include "sylvester/core/error.h"
#include "sylvester/core/parallel.h"

namespace sylvester {
namespace {

using test::golden;
using test::values_of;

struct Golden {
  io::JsonValue expected = io::read_json(golden("tiny_llama") / "expected.json");
  std::unique_ptr<io::TensorFile> tensors =
      io::open_safetensors(golden("tiny_llama") / "expected.safetensors");
  Batch batch = test::golden_batch(expected);
  double bound(const char* what) const {
    return 4 * expected.at("fp32_max_abs_diff").at(what).as_double();
  }
};

Decoder load(DecoderOptions options = {}) {
  return Decoder::load(golden("tiny_llama"), cpu_ops(), std::move(options));
}

// Bound: four times PyTorch's own float32 distance from the float64 truth.
TEST(TinyLlama, LogitsAndGradientsEqualTheGolden) {
  const Golden g;
  test::for_each_target([&](Target) {
    Decoder model = load();
    const Tensor logits = model.logits(g.batch.ids, g.batch.B, g.batch.T);
    test::largest_difference("logits", values_of(logits), test::read_tensor(*g.tensors, "logits"),
                             g.bound("logits"));
    const Loss loss = model.evaluate(g.batch);
    EXPECT_NEAR(loss.mean(), g.expected.at("loss").as_double(), 1e-6);
    model.forward_backward(g.batch, 1.0 / static_cast<double>(loss.tokens));
    for (const Parameter* parameter : model.parameters()) {
      test::largest_difference("grad." + parameter->name, values_of(parameter->grad),
                               test::read_tensor(*g.tensors, "grad." + parameter->name),
                               g.bound("grads"));
    }
  });
}

// In float64 what is left is the rounding of the saved expectation, and PyTorch's float32 cosine
// and sine (its vectorised ones are off by up to one ulp, 2^-24, where ours are rounded right),
// which moves a logit of this model by up to 1.5e-6.
TEST(TinyLlama, Float64EqualsTheGolden) {
  const Golden g;
  Decoder model = load({.dtype = DType::kFloat64});
  const auto logits = values_of(model.logits(g.batch.ids, g.batch.B, g.batch.T));
  test::largest_difference("logits", logits, test::read_tensor(*g.tensors, "logits"), 2e-6);
  model.forward_backward(g.batch, 1.0 / static_cast<double>(model.evaluate(g.batch).tokens));
  for (const Parameter* parameter : model.parameters()) {
    test::largest_difference("grad." + parameter->name, values_of(parameter->grad),
                             test::read_tensor(*g.tensors, "grad." + parameter->name), 2e-7);
  }
}

// Central differences in float64 along the gradient and along probed elements.
TEST(TinyLlama, GradientsAreDerivatives) {
  const Golden g;
  Decoder model = load({.dtype = DType::kFloat64});
  model.forward_backward(g.batch, 1.0);
  const double h = 1e-5;
  for (Parameter* parameter : model.parameters()) {
    double* value = parameter->value.data<double>();
    const double* grad = parameter->grad.data<double>();
    for (const std::int64_t i : {std::int64_t{1}, parameter->value.size() / 2 + 3}) {
      const double saved = value[i];
      value[i] = saved + h;
      const double up = model.evaluate(g.batch).sum;
      value[i] = saved - h;
      const double down = model.evaluate(g.batch).sum;
      value[i] = saved;
      // h^2 / 6 f''' and 1e-16 f / h: together below 1e-8.
      EXPECT_NEAR((up - down) / (2 * h), grad[i], 1e-7 * (1 + std::abs(grad[i])))
          << parameter->name << "[" << i << "]";
    }
  }
}

TEST(TinyLlama, GradientsAddUpOverMicroBatches) {
  const Golden g;
  Decoder whole = load(), parts = load();
  const auto tokens = static_cast<double>(whole.forward_backward(g.batch, 0.5).tokens);
  const double bound = g.bound("grads") * 0.5 * tokens;  // the golden's are of the mean
  for (std::int64_t b = 0; b < g.batch.B; ++b) {
    Batch row{.B = 1, .T = g.batch.T, .ids = {}, .labels = {}};
    row.ids.assign(g.batch.ids.begin() + b * g.batch.T, g.batch.ids.begin() + (b + 1) * g.batch.T);
    row.labels.assign(g.batch.labels.begin() + b * g.batch.T,
                      g.batch.labels.begin() + (b + 1) * g.batch.T);
    parts.forward_backward(row, 0.5);
  }
  const auto a = whole.parameters(), b = parts.parameters();
  for (std::size_t i = 0; i < a.size(); ++i) {
    test::largest_difference(a[i]->name, values_of(b[i]->grad), values_of(a[i]->grad), bound);
  }
}

TEST(TinyLlama, CacheGivesTheSameLogitsAsTheWholeSequence) {
  const Golden g;
  Decoder model = load();
  const std::span<const std::int32_t> ids(g.batch.ids.data(), static_cast<std::size_t>(g.batch.T));
  const std::vector<float> all = values_of(model.logits(ids, 1, g.batch.T));
  const auto V = static_cast<std::size_t>(model.config().vocab_size);
  const auto state = model.start_decoding(g.batch.T);
  std::size_t done = 0;
  for (const std::size_t step : {5u, 1u, 1u, 3u, 1u, 1u}) {
    const Tensor logits = model.decode(*state, ids.subspan(done, step));
    done += step;
    EXPECT_EQ(state->length(), static_cast<std::int64_t>(done));
    const std::vector<float> want(all.begin() + static_cast<std::ptrdiff_t>((done - 1) * V),
                                  all.begin() + static_cast<std::ptrdiff_t>(done * V));
    test::largest_difference("logits after " + std::to_string(done), values_of(logits), want, 1e-5);
  }
  EXPECT_THROW(model.decode(*state, ids.first(1)), ValueError);
}

TEST(TinyLlama, SaveAndLoadKeepEveryBit) {
  const Golden g;
  const auto folder = std::filesystem::temp_directory_path() / "sylvester_tiny_llama_test";
  std::filesystem::create_directories(folder);
  Decoder model = load();
  model.save(folder);
  Decoder again = Decoder::load(folder, cpu_ops());
  EXPECT_EQ(to_json(again.config()), to_json(model.config()));
  const auto a = model.parameters(), b = again.parameters();
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(values_of(a[i]->value), values_of(b[i]->value)) << a[i]->name;
  }
  model.save(folder, DType::kBFloat16);
  Decoder half = Decoder::load(folder, cpu_ops());
  Tensor rounded = model.parameters()[1]->value.clone();
  cpu_ops().round_to_bfloat16(rounded);
  EXPECT_EQ(values_of(half.parameters()[1]->value), values_of(rounded));
  std::filesystem::remove_all(folder);
}

TEST(TinyLlama, BadInputIsNamed) {
  const Golden g;
  Decoder model = load();
  const std::vector<std::int32_t> outside{1, 80};
  EXPECT_THROW(model.logits(outside, 1, 2), ValueError);
  EXPECT_THROW(model.logits(outside, 1, 3), ShapeError);
  EXPECT_THROW(model.logits(std::vector<std::int32_t>(65, 1), 1, 65), ValueError);
  Batch batch = g.batch;
  batch.labels[5] = 80;
  EXPECT_THROW(model.evaluate(batch), ValueError);
  batch.labels.pop_back();
  EXPECT_THROW(model.evaluate(batch), ShapeError);
}

}  // namespace
}  // namespace sylvester
