#include <algorithm>
#include <cmath>

#include "sylvester/core/error.h"
#include "sylvester/core/text.h"
#include "sylvester/eval/evaluate.h"
#include "sylvester/eval/rouge.h"
#include "sylvester/io/json.h"

namespace sylvester {
namespace {

std::string trimmed(const std::string& text) {
  constexpr const char* kSpace = " \t\r\n\f\v";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

// One answered question in lm-eval's shape.
std::string sample_line(std::int64_t id, const io::Example& example, const std::string& answer,
                        const std::vector<std::pair<std::string, double>>& metrics) {
  io::JsonWriter json;
  json.begin_object().key("doc_id").value(id).key("doc").begin_object();
  json.key("prompt").value(example.prompt).key("completion").value(example.completion);
  json.end_object().key("target").value(example.completion);
  json.key("arguments").begin_array().value(example.prompt).end_array();
  json.key("resps").begin_array().begin_array().value(answer).end_array().end_array();
  json.key("filtered_resps").begin_array().value(trimmed(answer)).end_array();
  for (const auto& [name, value] : metrics) json.key(name).value(value);
  json.end_object();
  return json.text();
}

std::string likelihood_line(std::int64_t id, const io::Example& example, double nll,
                            double tokens) {
  io::JsonWriter json;
  json.begin_object().key("doc_id").value(id).key("line").value(example.line);
  json.key("nll").value(nll).key("tokens").value(tokens).end_object();
  return json.text();
}

// log sum exp of one row of logits, in float64.
double log_sum_exp(std::span<const float> row) {
  const double top = *std::max_element(row.begin(), row.end());
  double sum = 0;
  for (const float x : row) sum += std::exp(static_cast<double>(x) - top);
  return top + std::log(sum);
}

// KL(p || q) in nats of the softmaxes of two rows.
double kl_divergence(std::span<const float> p, std::span<const float> q) {
  const double log_p = log_sum_exp(p), log_q = log_sum_exp(q);
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double a = static_cast<double>(p[i]) - log_p, b = static_cast<double>(q[i]) - log_q;
    sum += std::exp(a) * (a - b);
  }
  return std::max(0.0, sum);  // rounding alone can leave a small negative
}

}  // namespace

std::vector<std::string> parse_tasks(std::string_view text) {
  static const std::vector<std::string> kKnown = {"ppl", "exact", "rouge", "kl"};
  std::vector<std::string> out;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string name(text.substr(begin, end - begin));
    begin = end + 1;
    if (std::find(kKnown.begin(), kKnown.end(), name) == kKnown.end()) {
      throw ValueError("task '" + io::printable(name) +
                       "' is not known; want some of ppl, exact, "
                       "rouge, kl, parted by commas" +
                       did_you_mean(name, kKnown));
    }
    if (std::find(out.begin(), out.end(), name) != out.end()) {
      throw ValueError("task '" + name + "' is named twice");
    }
    out.push_back(name);
  }
  return out;
}

Evaluator::Evaluator(Decoder& model, const io::Tokenizer& tokenizer,
                     std::span<const io::Example> examples, const EvalOptions& options,
                     OnProgress on_progress)
    : model_(model),
      tokenizer_(tokenizer),
      examples_(examples),
      options_(options),
      on_progress_(std::move(on_progress)) {}

void Evaluator::report(const std::string& task, std::int64_t done, std::int64_t of) const {
  if (on_progress_) on_progress_(task, done, of);
}

TaskResult Evaluator::run(const std::string& task) {
  TaskResult result = task == "ppl"     ? perplexity()
                      : task == "exact" ? exact()
                      : task == "rouge" ? rouge_task()
                      : task == "kl"    ? kl()
                                        : throw ValueError("task '" + task + "' is not known");
  result.task = task;
  result.samples = static_cast<std::int64_t>(examples_.size());
  return result;
}

// The sequences whose counted tokens stand for the example: itself, or a long text in windows.
std::vector<TokenSequence> Evaluator::windows(const io::Example& example) const {
  EncodeTextOptions encode;
  encode.file = options_.data;
  encode.context = model_.config().max_position_embeddings;
  if (example.text.empty()) return {encode_example(example, tokenizer_, encode)};
  const std::int64_t window =
      options_.max_length > 0 ? std::min(options_.max_length, encode.context) : encode.context;
  EncodeTextOptions whole = encode;
  whole.context = 0;
  const TokenSequence all = encode_example(example, tokenizer_, whole);
  std::vector<TokenSequence> out;
  for (std::size_t begin = 0; begin < all.ids.size(); begin += static_cast<std::size_t>(window)) {
    const std::size_t end = std::min(all.ids.size(), begin + static_cast<std::size_t>(window));
    if (end - begin < 2) break;  // one token predicts nothing
    const auto cut = [&](const std::vector<std::int32_t>& v) {
      return std::vector<std::int32_t>(v.begin() + static_cast<std::ptrdiff_t>(begin),
                                       v.begin() + static_cast<std::ptrdiff_t>(end));
    };
    out.push_back({all.line, cut(all.ids), cut(all.labels)});
  }
  return out;
}

TaskResult Evaluator::perplexity() {
  std::vector<double> nll, tokens;
  TaskResult result;
  for (std::size_t i = 0; i < examples_.size(); ++i) {
    Loss loss;
    for (const TokenSequence& window : windows(examples_[i])) {
      const TokenSequence* row = &window;
      const Loss part = model_.evaluate(collate({&row, 1}));
      loss.sum += part.sum;
      loss.tokens += part.tokens;
    }
    nll.push_back(loss.sum);
    tokens.push_back(static_cast<double>(loss.tokens));
    if (options_.log_samples) {
      result.sample_lines.push_back(
          likelihood_line(static_cast<std::int64_t>(i), examples_[i], nll.back(), tokens.back()));
    }
    report("ppl", static_cast<std::int64_t>(i + 1), static_cast<std::int64_t>(examples_.size()));
  }
  const Estimate loss = ratio_estimate(nll, tokens);
  Estimate perplexity = loss;
  perplexity.value = std::exp(loss.value);
  perplexity.stderr_ = perplexity.value * loss.stderr_;
  result.metrics = {{"perplexity", perplexity, false}, {"loss", loss, false}};
  return result;
}

const std::vector<Evaluator::Answer>& Evaluator::answers() {
  GenerateOptions generation;
  generation.max_new_tokens = options_.max_new_tokens;
  while (answers_.size() < examples_.size()) {
    const io::Example& example = examples_[answers_.size()];
    if (example.prompt.empty()) {
      throw FormatError(options_.data, example.line, "prompt",
                        "generation needs examples of the form {\"prompt\",\"completion\"}");
    }
    const std::vector<std::int32_t> prompt = tokenizer_.encode(example.prompt);
    std::vector<std::int32_t> ids;
    std::size_t end = std::string::npos;
    const Generation g = generate(model_, prompt, tokenizer_, generation, [&](std::int32_t id) {
      ids.push_back(id);
      if (options_.stop.empty()) return true;
      end = tokenizer_.decode(ids).find(options_.stop);
      return end == std::string::npos;
    });
    answers_.push_back({tokenizer_.decode(g.ids).substr(0, end), g.reason});
    report("answers", static_cast<std::int64_t>(answers_.size()),
           static_cast<std::int64_t>(examples_.size()));
  }
  return answers_;
}

TaskResult Evaluator::exact() {
  std::vector<double> hits;
  TaskResult result;
  const std::vector<Answer>& all = answers();
  for (std::size_t i = 0; i < all.size(); ++i) {
    hits.push_back(trimmed(all[i].text) == trimmed(examples_[i].completion) ? 1.0 : 0.0);
    if (options_.log_samples) {
      result.sample_lines.push_back(sample_line(static_cast<std::int64_t>(i), examples_[i],
                                                all[i].text, {{"exact_match", hits.back()}}));
    }
  }
  result.metrics = {{"exact_match", mean_estimate(hits), true}};
  return result;
}

TaskResult Evaluator::rouge_task() {
  std::vector<double> one, two, longest;
  TaskResult result;
  const std::vector<Answer>& all = answers();
  for (std::size_t i = 0; i < all.size(); ++i) {
    const RougeScores s = rouge(examples_[i].completion, all[i].text);
    one.push_back(s.rouge1);
    two.push_back(s.rouge2);
    longest.push_back(s.rougeL);
    if (options_.log_samples) {
      result.sample_lines.push_back(
          sample_line(static_cast<std::int64_t>(i), examples_[i], all[i].text,
                      {{"rouge1", s.rouge1}, {"rouge2", s.rouge2}, {"rougeL", s.rougeL}}));
    }
  }
  result.metrics = {{"rouge1", mean_estimate(one), true},
                    {"rouge2", mean_estimate(two), true},
                    {"rougeL", mean_estimate(longest), true}};
  return result;
}

TaskResult Evaluator::kl() {
  const LinearRecipe recipe = model_.options().recipe;
  const Accumulation accumulation = model_.options().accumulation;
  const LinearRecipe reference = parse_recipe(options_.reference_recipe);
  std::vector<double> divergence, agreement, tokens;
  const auto rows_of = [&](const TokenSequence& s) {
    return model_.logits(s.ids, 1, static_cast<std::int64_t>(s.ids.size()));
  };
  TaskResult result;
  for (std::size_t i = 0; i < examples_.size(); ++i) {
    double sum = 0, same = 0, counted = 0;
    for (const TokenSequence& s : windows(examples_[i])) {
      model_.set_recipe(reference, parse_accumulation("blas"));
      const Tensor p = rows_of(s);
      model_.set_recipe(recipe, accumulation);
      const Tensor q = rows_of(s);
      const auto V = static_cast<std::size_t>(p.dim(-1));
      for (std::size_t t = 1; t < s.ids.size(); ++t) {
        if (s.labels[t] == kIgnoredLabel) continue;
        const std::span<const float> a(p.data<float>() + (t - 1) * V, V);
        const std::span<const float> b(q.data<float>() + (t - 1) * V, V);
        sum += kl_divergence(a, b);
        same += std::max_element(a.begin(), a.end()) - a.begin() ==
                        std::max_element(b.begin(), b.end()) - b.begin()
                    ? 1
                    : 0;
        counted += 1;
      }
    }
    divergence.push_back(sum);
    agreement.push_back(same);
    tokens.push_back(counted);
    report("kl", static_cast<std::int64_t>(i + 1), static_cast<std::int64_t>(examples_.size()));
  }
  result.metrics = {{"kl", ratio_estimate(divergence, tokens), false},
                    {"top1_agreement", ratio_estimate(agreement, tokens), true}};
  return result;
}

}  // namespace sylvester
