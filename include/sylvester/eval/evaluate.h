// Tasks over a data set, and their results in lm-eval's shape.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sylvester/eval/generate.h"
#include "sylvester/eval/statistics.h"
#include "sylvester/io/jsonl.h"
#include "sylvester/io/tokenizer.h"
#include "sylvester/models/decoder.h"
#include "sylvester/train/data.h"
#include "sylvester/train/option_table.h"

namespace sylvester {

struct EvalOptions {
  std::string model;
  std::string data;
  std::string tasks = "ppl";  // comma-separated: ppl, exact, rouge, kl
  std::string recipe = "fp32";
  std::string accumulate = "blas";
  std::string reference_recipe = "fp32";  // what kl compares with
  std::int64_t limit = -1;
  std::int64_t max_length = 0;  // longest window of a {"text"} document; 0: the context
  std::int64_t max_new_tokens = 128;
  std::string stop;  // a generated answer ends before this text
  bool log_samples = false;
  std::string out;
  bool force = false;
  std::uint64_t seed = 42;
  std::int64_t threads = 0;
  std::string target = "auto";
  std::string backend = "cpu";
};
OptionTable bind(EvalOptions& options);

// The tasks in the order given. ValueError for an unknown, repeated or empty name.
std::vector<std::string> parse_tasks(std::string_view text);

struct MetricResult {
  std::string name;  // "perplexity"
  Estimate estimate;
  bool higher_is_better = false;
};
struct TaskResult {
  std::string task;
  std::vector<MetricResult> metrics;
  std::int64_t samples = 0;
  std::vector<std::string> sample_lines;  // JSON objects in lm-eval's shape, with log_samples
};

// ppl    exp of the mean negative log-likelihood of the counted tokens (completion and EOS; every
//        token of {"text"}, whose long documents are cut into windows of max_length that do not
//        overlap). Metrics: perplexity, loss. Standard errors over documents; that of the
//        perplexity is perplexity times that of the loss (delta method).
// exact  greedy answer to the prompt equals the completion, both trimmed. Metric: exact_match.
// rouge  the same answers; metrics rouge1, rouge2, rougeL (F1, stemmed).
// kl     mean over counted tokens of KL(reference || recipe) in nats, and how often both put the
//        same token first. Metrics: kl, top1_agreement.
class Evaluator {
 public:
  using OnProgress =
      std::function<void(const std::string& task, std::int64_t done, std::int64_t of)>;
  Evaluator(Decoder& model, const io::Tokenizer& tokenizer, std::span<const io::Example> examples,
            const EvalOptions& options, OnProgress on_progress = {});
  TaskResult run(const std::string& task);

 private:
  struct Answer {
    std::string text;
    StopReason reason;
  };
  TaskResult perplexity();
  TaskResult exact();
  TaskResult rouge_task();
  TaskResult kl();
  const std::vector<Answer>& answers();
  std::vector<TokenSequence> windows(const io::Example& example) const;
  void report(const std::string& task, std::int64_t done, std::int64_t of) const;

  Decoder& model_;
  const io::Tokenizer& tokenizer_;
  std::span<const io::Example> examples_;
  EvalOptions options_;
  OnProgress on_progress_;
  std::vector<Answer> answers_;
};

struct EvalReport {
  EvalOptions options;
  std::vector<TaskResult> tasks;
  std::int64_t examples = 0;
};

// Loads model and data, runs the tasks, and (with options.out) writes results.json and
// samples_TASK.jsonl. Errors as the loaders'; UnsupportedError for another backend.
EvalReport run_evaluation(const EvalOptions& options, Evaluator::OnProgress on_progress = {});
// {"results": {task: {"alias", "METRIC,none", "METRIC_stderr,none"}}, "configs", "versions",
//  "n-shot", "higher_is_better", "n-samples", "config"}
std::string results_json(const EvalReport& report);

}  // namespace sylvester
