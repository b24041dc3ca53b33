// sylvester train --model M --data D.jsonl --recipe R ...
#include "sylvester/train/run.h"

#include <fmt/format.h>

#include <atomic>
#include <csignal>

#include "arguments.h"
#include "program.h"
#include "progress.h"
#include "sylvester/io/json.h"

namespace sylvester::sim {
namespace {

std::atomic<bool> g_interrupted{false};

// The first signal asks the run to save and end; a second one ends the process as usual.
extern "C" void on_interrupt(int signal_number) {
  g_interrupted = true;
  std::signal(signal_number, SIG_DFL);
}

std::string status_line(const TrainProgress& p, const Progress& progress) {
  const double share =
      p.total_steps > 0 ? static_cast<double>(p.step.step) / static_cast<double>(p.total_steps) : 1;
  const double per_step =
      p.seconds / static_cast<double>(std::max<std::int64_t>(1, p.steps_this_process));
  const double left = per_step * static_cast<double>(p.total_steps - p.step.step);
  const int room = progress.width() - 62;
  return fmt::format(
      "{}{}/{}  loss {:.4f}  {:.0f} tok/s  {} left",
      room > 8 ? bar(share, std::min(room, 40)) + " " : "", p.step.step, p.total_steps, p.step.loss,
      p.seconds > 0 ? static_cast<double>(p.tokens) / p.seconds : 0.0, clock_text(left));
}

std::string metrics_text(const MetricsRow& row, std::int64_t total_steps) {
  std::string text = fmt::format("step {}/{}", row.step, total_steps);
  if (row.split != "train") text += "  " + row.split;
  if (row.loss) text += fmt::format("  loss {:.4f}", *row.loss);
  if (row.learning_rate) text += fmt::format("  lr {:.3g}", *row.learning_rate);
  if (row.grad_norm) text += fmt::format("  grad {:.3g}", *row.grad_norm);
  if (row.saturated) text += fmt::format("  sat {:.2g}", *row.saturated);
  if (row.tokens_per_s) text += fmt::format("  {:.0f} tok/s", *row.tokens_per_s);
  if (row.wall_s) text += "  " + clock_text(*row.wall_s);
  return text;
}

void print_plan(const TrainPlan& plan, const OptionTable& options) {
  std::string text = options.describe() + "\n";
  text += fmt::format("parameters       {}\n", plan.parameters);
  text += fmt::format("examples         {} ({} tokens, longest {})\n", plan.examples, plan.tokens,
                      plan.longest_tokens);
  text += fmt::format("steps            {}\n", plan.total_steps);
  text += fmt::format("memory, about    {:.2f} GiB\n",
                      static_cast<double>(plan.memory_bytes) / (1 << 30));
  text += fmt::format("work of a step   {:.3g} GFLOP\n", plan.step_flops * 1e-9);
  print(text);
}

std::string result_json(const TrainResult& r) {
  io::JsonWriter json(2);
  json.begin_object().key("out").value(r.out.string());
  json.key("checkpoint").value(r.checkpoint.string()).key("step").value(r.step);
  json.key("train_loss").value(r.train_loss);
  if (r.eval_loss) json.key("eval_loss").value(*r.eval_loss);
  json.key("seconds").value(r.seconds).key("interrupted").value(r.interrupted);
  json.end_object();
  return json.text() + "\n";
}

}  // namespace

int run_train(Words words) {
  Arguments arguments("train", "Fine-tune or pre-train a model, its linears under a recipe.");
  TrainOptions options;
  arguments.options = bind(options);
  if (!arguments.parse(words)) return kOk;
  if (arguments.dry_run) {
    print_plan(plan_training(options), arguments.options);
    return kOk;
  }
  Progress progress(arguments.quiet);
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGTERM, on_interrupt);
  std::int64_t total = 0;
  TrainEvents events;
  events.on_step = [&](const TrainProgress& p) {
    total = p.total_steps;
    if (progress.live()) progress.redraw(status_line(p, progress));
    if (arguments.verbose) {
      progress.line(fmt::format("step {}/{}  loss {:.6f}  {} tokens", p.step.step, p.total_steps,
                                p.step.loss, p.step.tokens));
    }
  };
  events.on_metrics = [&](const MetricsRow& row) { progress.line(metrics_text(row, total)); };
  events.on_message = [&](const std::string& text) { progress.line(progress.dim(text)); };
  events.should_stop = [] { return g_interrupted.load(); };
  const TrainResult result = run_training(options, events);
  if (arguments.json) {
    print(result_json(result));
  } else {
    std::string text = fmt::format("{}: step {}, mean loss {:.4f}", result.out.string(),
                                   result.step, result.train_loss);
    if (result.eval_loss) text += fmt::format(", evaluation loss {:.4f}", *result.eval_loss);
    print(text + fmt::format(", {} s\n", static_cast<std::int64_t>(result.seconds + 0.5)));
  }
  return result.interrupted ? kInterrupted : kOk;
}

}  // namespace sylvester::sim
