// sylvester eval --model M --data D.jsonl --tasks ppl,exact,rouge,kl
#include <fmt/format.h>

#include "arguments.h"
#include "program.h"
#include "progress.h"
#include "sylvester/eval/evaluate.h"

namespace sylvester::sim {

int run_eval(Words words) {
  Arguments arguments("eval", "Perplexity, exact match, ROUGE and KL of a model on a data set.");
  EvalOptions options;
  arguments.options = bind(options);
  if (!arguments.parse(words)) return kOk;
  if (arguments.dry_run) return arguments.show_plan();
  Progress progress(arguments.quiet);
  const EvalReport report =
      run_evaluation(options, [&](const std::string& task, std::int64_t done, std::int64_t of) {
        const double share = static_cast<double>(done) / static_cast<double>(of);
        progress.redraw(fmt::format("{:<8}{} {}/{}", task, bar(share, 40), done, of));
      });
  if (arguments.json) {
    print(results_json(report) + "\n");
    return kOk;
  }
  TextTable table({"task", "metric", "value", "stderr", "n"});
  for (const TaskResult& task : report.tasks) {
    for (const MetricResult& m : task.metrics) {
      table.add({task.task, m.name, fmt::format("{:.4f}", m.estimate.value),
                 fmt::format("{:.4f}", m.estimate.stderr_), std::to_string(m.estimate.samples)});
    }
  }
  print(table.text());
  return kOk;
}

}  // namespace sylvester::sim
