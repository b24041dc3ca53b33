// Training runs as processes: interruption, sudden death, and going on with the same bits.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <thread>

#include "spawn.h"
#include "sylvester/io/checkpoint.h"
#include "sylvester/io/json.h"
#include "sylvester/train/metrics.h"

namespace sylvester::test {
namespace {
namespace fs = std::filesystem;
using std::chrono::milliseconds;

class TrainingRun : public Program {
 protected:
  // "int32" adds the same bits on every machine and thread count.
  std::vector<std::string> train(const std::string& out,
                                 const std::vector<std::string>& more = {}) {
    std::vector<std::string> a = {"train",
                                  "--model",
                                  "tiny-sql",
                                  "--data",
                                  source("examples/data/debian_sql/valid.jsonl"),
                                  "--recipe",
                                  "halo2-int8",
                                  "--accumulate",
                                  "int32",
                                  "--learning-rate",
                                  "1e-3",
                                  "--per-device-train-batch-size",
                                  "2",
                                  "--max-steps",
                                  "8",
                                  "--save-steps",
                                  "2",
                                  "--logging-steps",
                                  "1",
                                  "--threads",
                                  "1",
                                  "--out",
                                  out};
    a.insert(a.end(), more.begin(), more.end());
    return a;
  }
  std::string weights(const std::string& out) {
    return read(fs::path(out) / "checkpoint-8" / "model.safetensors");
  }
  std::vector<double> losses(const std::string& out) {
    std::vector<double> all;
    for (const MetricsRow& row : read_metrics(folder_ / out / "metrics.jsonl")) {
      all.push_back(*row.loss);
    }
    return all;
  }
  void wait_for_metrics(const std::string& out, std::size_t lines) {
    for (int i = 0; i < 2000; ++i) {
      const std::string text = read(fs::path(out) / "metrics.jsonl");
      if (static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) > lines) return;
      std::this_thread::sleep_for(milliseconds(5));
    }
    FAIL() << "the run wrote no metrics";
  }
};

TEST_F(TrainingRun, WritesACompleteRunFolder) {
  const Finished f = run(train("a", {"--eval-data", source("examples/data/debian_sql/valid.jsonl"),
                                     "--eval-limit", "4", "--eval-steps", "4", "--json"}));
  ASSERT_EQ(f.code, 0) << f.err;
  EXPECT_EQ(listing("a"), (std::vector<std::string>{"README.md", "checkpoint-6", "checkpoint-8",
                                                    "config.json", "log.txt", "metrics.jsonl"}));
  EXPECT_EQ(listing("a/checkpoint-8"),
            (std::vector<std::string>{"MANIFEST.json", "config.json", "model.safetensors",
                                      "optimizer.safetensors", "state.json", "tokenizer.json",
                                      "tokenizer_config.json"}));
  io::verify_folder(folder_ / "a" / "checkpoint-8");
  const io::JsonValue result = io::parse_json(f.out, "stdout");
  EXPECT_EQ(result.at("step").as_int(), 8);
  EXPECT_GT(result.at("eval_loss").as_double(), 0);
  const std::vector<MetricsRow> rows = read_metrics(folder_ / "a" / "metrics.jsonl");
  EXPECT_EQ(rows.size(), 10u);
  // Its config runs again, and gives the same bits.
  ASSERT_EQ(run({"train", "--config", "a/config.json", "--out", "b", "-q"}).code, 0);
  EXPECT_EQ(losses("a"), losses("b"));
  EXPECT_TRUE(weights("a") == weights("b"));
  // A checkpoint is a model.
  const Finished eval =
      run({"eval", "--model", "a/checkpoint-8", "--data",
           source("examples/data/debian_sql/valid.jsonl"), "--limit", "2", "--threads", "1"});
  EXPECT_EQ(eval.code, 0) << eval.err;
  EXPECT_NE(eval.out.find("perplexity"), std::string::npos);
}

TEST_F(TrainingRun, InterruptSavesAndResumeGivesTheSameBits) {
  ASSERT_EQ(run(train("whole")).code, 0);
  Process process(train("cut"), folder_);
  wait_for_metrics("cut", 1);
  process.send(SIGINT);
  const Finished f = process.wait();
  // A quick machine may have finished before the signal came.
  ASSERT_TRUE(f.code == 130 || f.code == 0) << f.code << f.err;
  ASSERT_TRUE(io::newest_valid_checkpoint(folder_ / "cut").has_value());
  const Finished rest = run(train("cut", {"--resume", "auto"}));
  ASSERT_EQ(rest.code, 0) << rest.err;
  EXPECT_EQ(losses("cut"), losses("whole"));
  EXPECT_TRUE(weights("cut") == weights("whole"));
  // Nothing is left to do.
  EXPECT_EQ(run(train("cut", {"--resume", "auto"})).code, 0);
}

TEST_F(TrainingRun, SuddenDeathLosesNothingThatWasSaved) {
  ASSERT_EQ(run(train("whole")).code, 0);
  for (int round = 0; round < 6; ++round) {
    Process process(train("killed", {"--resume", "auto", "--save-steps", "1"}), folder_);
    std::this_thread::sleep_for(milliseconds(60 + 37 * round));
    process.send(SIGKILL);
    process.wait();
    if (!fs::exists(folder_ / "killed")) continue;
    const auto newest = io::newest_valid_checkpoint(folder_ / "killed");
    if (newest) io::verify_folder(newest->folder);
  }
  const Finished rest = run(train("killed", {"--resume", "auto"}));
  ASSERT_EQ(rest.code, 0) << rest.err;
  EXPECT_EQ(losses("killed"), losses("whole"));
  EXPECT_TRUE(weights("killed") == weights("whole"));
  for (const std::string& name : listing("killed")) {
    EXPECT_EQ(name.find(".tmp"), std::string::npos) << "stale " << name;
  }
}

TEST_F(TrainingRun, ResumeRefusesOtherOptionsAndDamage) {
  ASSERT_EQ(run(train("a")).code, 0);
  Finished f = run(train("a", {"--resume", "auto", "--set", "learning-rate=0.5"}));
  EXPECT_EQ(f.code, 0) << "the command line wins over --set: " << f.err;
  std::vector<std::string> other = train("a", {"--resume", "auto"});
  for (std::string& word : other) {
    if (word == "1e-3") word = "2e-3";
  }
  f = run(other);
  EXPECT_EQ(f.code, 2);
  EXPECT_NE(f.err.find("learning-rate '0.002'"), std::string::npos) << f.err;
  // One flipped byte in the newest checkpoint: it is named, and the one before it is taken.
  std::string bytes = weights("a");
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  put("a/checkpoint-8/model.safetensors", bytes);
  f = run(train("a", {"--resume", "auto"}));
  EXPECT_EQ(f.code, 0) << f.err;
  EXPECT_NE(f.err.find("checkpoint-8"), std::string::npos) << f.err;
  EXPECT_NE(f.err.find("checkpoint-6, step 6"), std::string::npos) << f.err;
}

TEST_F(TrainingRun, OneRunAtATimeInAFolder) {
  std::vector<std::string> endless = train("a");
  *(std::find(endless.begin(), endless.end(), "--max-steps") + 1) = "100000";
  Process first(endless, folder_);
  wait_for_metrics("a", 1);
  const Finished second = run(train("a", {"--resume", "auto"}));
  EXPECT_EQ(second.code, 4) << second.err;
  EXPECT_NE(second.err.find("in use"), std::string::npos) << second.err;
  first.send(SIGKILL);
  first.wait();
}

TEST_F(TrainingRun, NonFiniteLossStopsWithFive) {
  std::vector<std::string> a = train("nan", {"--recipe=fp32"});
  a.erase(std::find(a.begin(), a.end(), "--recipe"), std::find(a.begin(), a.end(), "--accumulate"));
  for (std::string& word : a) {
    if (word == "1e-3") word = "1e5";  // the weights leave float32's range within a few steps
    if (word == "int32") word = "blas";
  }
  a.push_back("--lr-scheduler-type");
  a.push_back("constant");
  const Finished f = run(a);
  EXPECT_EQ(f.code, 5) << f.err;
  const std::string metrics = read("nan/metrics.jsonl");
  EXPECT_NE(metrics.find("\"NaN\""), std::string::npos) << metrics;
}

}  // namespace
}  // namespace sylvester::test
