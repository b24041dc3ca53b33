#include "sylvester/eval/evaluate.h"

#include "sylvester/core/error.h"
#include "sylvester/core/parallel.h"
#include "sylvester/core/target.h"
#include "sylvester/io/file_system.h"
#include "sylvester/io/json.h"
#include "sylvester/ops/ops.h"
#include "sylvester/train/model_path.h"
#include "sylvester/train/run_folder.h"

namespace sylvester {
namespace {

void write_results(const EvalReport& report) {
  const std::filesystem::path out = report.options.out;
  io::write_file_atomic(out / "results.json", results_json(report) + "\n");
  for (const TaskResult& task : report.tasks) {
    if (!report.options.log_samples) break;
    std::string lines;
    for (const std::string& line : task.sample_lines) lines += line + "\n";
    io::write_file_atomic(out / ("samples_" + task.task + ".jsonl"), lines);
  }
}

// An evaluation may add its results to the folder of the run that it evaluates, but does not
// replace results that are there.
void prepare_out(const EvalOptions& options) {
  if (options.out.empty()) {
    if (options.log_samples) throw ValueError("log-samples: say where with --out DIR");
    return;
  }
  if (std::filesystem::exists(std::filesystem::path(options.out) / "results.json") &&
      !options.force) {
    throw ValueError("output folder '" + options.out +
                     "' holds results.json; choose another --out, or replace it with --force");
  }
  prepare_run_folder(options.out, OutputPolicy::kContinue);
}

}  // namespace

OptionTable bind(EvalOptions& o) {
  constexpr std::int64_t kMany = 1'000'000'000'000;
  OptionTable t;
  t.add("model", "M", "model: a folder, a GGUF file, or a shipped model's name", o.model);
  t.add("data", "FILE", "examples, JSONL", o.data);
  t.add("tasks", "LIST", "some of ppl,exact,rouge,kl", o.tasks,
        [](const std::string& text) { parse_tasks(text); });
  t.add("recipe", "R", "low-precision scheme of the linears", o.recipe,
        [](const std::string& text) { parse_recipe(text); });
  t.add("accumulate", "POLICY", "how quantized products are added", o.accumulate,
        [](const std::string& text) { parse_accumulation(text); });
  t.add("reference-recipe", "R", "what kl compares with", o.reference_recipe,
        [](const std::string& text) { parse_recipe(text); });
  t.add("limit", "N", "examples read; -1: all", o.limit, {-1, kMany});
  t.add("max-length", "N", "window of long texts; 0: the context", o.max_length, {0, kMany});
  t.add("max-new-tokens", "N", "longest answer", o.max_new_tokens, {1, kMany});
  t.add("stop", "TEXT", "an answer ends before this text", o.stop);
  t.add_flag("log-samples", "write samples_TASK.jsonl", o.log_samples);
  t.add("out", "DIR", "where results.json goes (default: nowhere)", o.out);
  t.add_flag("force", "replace results.json", o.force);
  t.add("seed", "N", "stochastic rounding", o.seed);
  t.add("threads", "N", "threads, 0 = all", o.threads, {0, 4096});
  t.add("target", "NAME", "instruction set: auto|scalar|sse4|avx2|avx512|neon", o.target,
        [](const std::string& text) { parse_target(text); });
  t.add_choice("backend", "where the arithmetic runs", o.backend, {"cpu", "cuda"});
  return t;
}

EvalReport run_evaluation(const EvalOptions& options, Evaluator::OnProgress on_progress) {
  if (options.model.empty()) throw ValueError("option model is required");
  if (options.data.empty()) throw ValueError("option data is required");
  if (options.backend != "cpu") {
    throw UnsupportedError("backend '" + options.backend +
                           "': evaluation runs on the CPU only here; use --backend cpu");
  }
  if (options.threads > 0) set_num_threads(static_cast<int>(options.threads));
  set_target(parse_target(options.target));
  EvalReport report;
  report.options = options;
  const std::vector<std::string> tasks = parse_tasks(options.tasks);
  const std::filesystem::path path = resolve_model(options.model);
  io::JsonlOptions jsonl;
  jsonl.limit = options.limit;
  const std::vector<io::Example> examples = io::read_jsonl(options.data, jsonl);
  const auto tokenizer = io::load_tokenizer(path);
  DecoderOptions decoder;
  decoder.recipe = parse_recipe(options.recipe);
  decoder.accumulation = parse_accumulation(options.accumulate);
  decoder.seed = options.seed;
  Decoder model = Decoder::load(path, cpu_ops(), decoder);
  prepare_out(options);
  Evaluator evaluator(model, *tokenizer, examples, options, std::move(on_progress));
  for (const std::string& task : tasks) report.tasks.push_back(evaluator.run(task));
  report.examples = static_cast<std::int64_t>(examples.size());
  if (!options.out.empty()) write_results(report);
  return report;
}

std::string results_json(const EvalReport& report) {
  io::JsonWriter json(2);
  json.begin_object();
  json.key("results").begin_object();
  for (const TaskResult& task : report.tasks) {
    json.key(task.task).begin_object().key("alias").value(task.task);
    for (const MetricResult& m : task.metrics) {
      json.key(m.name + ",none").value(m.estimate.value);
      json.key(m.name + "_stderr,none").value(m.estimate.stderr_);
    }
    json.end_object();
  }
  json.end_object();
  const auto each = [&](const char* key, auto&& body) {
    json.key(key).begin_object();
    for (const TaskResult& task : report.tasks) {
      json.key(task.task);
      body(task);
    }
    json.end_object();
  };
  each("configs", [&](const TaskResult& task) {
    json.begin_object().key("task").value(task.task).key("data").value(report.options.data);
    json.end_object();
  });
  each("versions", [&](const TaskResult&) { json.value(1); });
  each("n-shot", [&](const TaskResult&) { json.value(0); });
  each("higher_is_better", [&](const TaskResult& task) {
    json.begin_object();
    for (const MetricResult& m : task.metrics) json.key(m.name).value(m.higher_is_better);
    json.end_object();
  });
  each("n-samples", [&](const TaskResult& task) {
    json.begin_object().key("original").value(report.examples);
    json.key("effective").value(task.samples).end_object();
  });
  EvalOptions copy = report.options;
  json.key("config").value(io::parse_json(bind(copy).to_json(-1), "config"));
  json.end_object();
  return json.text();
}

}  // namespace sylvester
