#include "sylvester/eval/generate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include "sylvester/core/error.h"
#include "sylvester/eval/evaluate.h"
#include "sylvester/io/jsonl.h"
#include "sylvester/ops/ops.h"
#include "test_util.h"

namespace sylvester {
namespace {

std::filesystem::path shipped() { return test::golden("../../examples/models/tiny-sql"); }
std::filesystem::path questions() {
  return test::golden("../../examples/data/debian_sql/test.jsonl");
}

TEST(ChooseToken, GreedyTakesTheSmallestIdAmongEquals) {
  const float logits[] = {0, 3, 3, 1};
  EXPECT_EQ(choose_token(logits, {}, 0), 1);
}

TEST(ChooseToken, SamplesInProportionAndKeepsToTopKAndTopP) {
  // Probabilities 1/2, 1/4, 1/8, 1/8.
  const float logits[] = {0, static_cast<float>(std::log(2.0)), static_cast<float>(std::log(4.0)),
                          0};
  GenerateOptions options;
  options.temperature = 1;
  std::map<std::int32_t, int> seen;
  constexpr int kDraws = 8000;
  for (int i = 0; i < kDraws; ++i)
    ++seen[choose_token(logits, options, static_cast<std::uint64_t>(i))];
  // Binomial sigma of the first: sqrt(8000 / 4) = 45; five of them.
  EXPECT_NEAR(seen[2], kDraws / 2, 225);
  EXPECT_NEAR(seen[1], kDraws / 4, 195);
  EXPECT_NEAR(seen[0], kDraws / 8, 150);
  options.top_k = 2;
  for (int i = 0; i < 200; ++i) {
    const std::int32_t id = choose_token(logits, options, static_cast<std::uint64_t>(i));
    EXPECT_TRUE(id == 1 || id == 2) << id;
  }
  options.top_k = 0;
  options.top_p = 0.5;
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(choose_token(logits, options, static_cast<std::uint64_t>(i)), 2);
  }
}

class TinyModel : public ::testing::Test {
 protected:
  TinyModel()
      : tokenizer_(io::load_tokenizer(shipped())), model_(Decoder::load(shipped(), cpu_ops())) {}
  std::unique_ptr<io::Tokenizer> tokenizer_;
  Decoder model_;
};

TEST_F(TinyModel, CachedDecodingEqualsTheWholeForwardPass) {
  const io::Example example = io::read_jsonl(questions(), {.limit = 1, .report = nullptr})[0];
  std::vector<std::int32_t> ids = tokenizer_->encode(example.prompt);
  const std::size_t start = ids.size();
  const Generation g = generate(model_, ids, *tokenizer_, {.max_new_tokens = 12});
  ASSERT_FALSE(g.ids.empty());
  for (const std::int32_t expected : g.ids) {
    const auto T = static_cast<std::int64_t>(ids.size());
    const Tensor logits = model_.logits(ids, 1, T);
    const auto V = static_cast<std::size_t>(logits.dim(-1));
    const float* last = logits.data<float>() + static_cast<std::size_t>(T - 1) * V;
    EXPECT_EQ(std::max_element(last, last + V) - last, expected) << "after " << T - start;
    ids.push_back(expected);
  }
}

TEST_F(TinyModel, StopsAtEosMaxContextAndCallback) {
  const io::Example example = io::read_jsonl(questions(), {.limit = 1, .report = nullptr})[0];
  const std::vector<std::int32_t> prompt = tokenizer_->encode(example.prompt);
  EXPECT_EQ(generate(model_, prompt, *tokenizer_).reason, StopReason::kEos);
  const Generation two = generate(model_, prompt, *tokenizer_, {.max_new_tokens = 2});
  EXPECT_EQ(two.reason, StopReason::kMaxNewTokens);
  EXPECT_EQ(two.ids.size(), 2u);
  EXPECT_EQ(generate(model_, prompt, *tokenizer_, {.max_new_tokens = 0}).ids.size(), 0u);
  EXPECT_EQ(generate(model_, prompt, *tokenizer_, {}, [](std::int32_t) { return false; }).reason,
            StopReason::kCallback);
  GenerateOptions endless;
  endless.max_new_tokens = 1000;
  endless.stop_at_eos = false;
  const Generation full = generate(model_, prompt, *tokenizer_, endless);
  EXPECT_EQ(full.reason, StopReason::kContext);
  EXPECT_EQ(static_cast<std::int64_t>(prompt.size() + full.ids.size()),
            model_.config().max_position_embeddings);
}

TEST_F(TinyModel, RefusesBadRequests) {
  const std::vector<std::int32_t> one = {5};
  const std::vector<std::int32_t> long_prompt(300, 5);
  EXPECT_THROW(generate(model_, {}, *tokenizer_), ValueError);
  EXPECT_THROW(generate(model_, long_prompt, *tokenizer_), ValueError);
  GenerateOptions bad;
  bad.top_p = 0;
  EXPECT_THROW(generate(model_, one, *tokenizer_, bad), ValueError);
}

TEST_F(TinyModel, EvaluatorScoresAnswersAndRecipes) {
  const std::vector<io::Example> examples =
      io::read_jsonl(questions(), {.limit = 12, .report = nullptr});
  EvalOptions options;
  options.data = "test.jsonl";
  options.log_samples = true;
  Evaluator evaluator(model_, *tokenizer_, examples, options);
  const TaskResult ppl = evaluator.run("ppl");
  EXPECT_EQ(ppl.metrics[0].name, "perplexity");
  EXPECT_GT(ppl.metrics[0].estimate.value, 1.0);
  EXPECT_LT(ppl.metrics[0].estimate.value, 1.6) << "the shipped model knows this task";
  const TaskResult exact = evaluator.run("exact");
  EXPECT_GE(exact.metrics[0].estimate.value, 0.5);
  EXPECT_EQ(exact.sample_lines.size(), 12u);
  const TaskResult rouge = evaluator.run("rouge");
  EXPECT_GE(rouge.metrics[0].estimate.value, exact.metrics[0].estimate.value);
  // Against itself nothing diverges; a coarse recipe does.
  EXPECT_EQ(evaluator.run("kl").metrics[0].estimate.value, 0.0);
  model_.set_recipe(parse_recipe("halo0-fp4"), parse_accumulation("blas"));
  EXPECT_GT(evaluator.run("kl").metrics[0].estimate.value, 1e-3);
}

TEST(ParseTasks, KnowsItsTasks) {
  EXPECT_EQ(parse_tasks("ppl,kl"), (std::vector<std::string>{"ppl", "kl"}));
  for (const char* bad : {"", "ppl,", "bleu", "ppl,ppl"}) {
    EXPECT_THROW(parse_tasks(bad), ValueError) << bad;
  }
}

}  // namespace
}  // namespace sylvester
