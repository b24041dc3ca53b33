#include "sylvester/train/run.h"

#include <chrono>
#include <fstream>
#include <limits>

#include "run_setup.h"
#include "sylvester/core/error.h"
#include "sylvester/core/parallel.h"
#include "sylvester/core/target.h"
#include "sylvester/io/checkpoint.h"
#include "sylvester/io/json.h"
#include "sylvester/train/run_folder.h"

namespace sylvester {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

Decoder make_model(const TrainOptions& options, const detail::RunInputs& inputs,
                   const std::optional<fs::path>& checkpoint) {
  DecoderOptions decoder;
  decoder.recipe = parse_recipe(options.recipe);
  decoder.accumulation = parse_accumulation(options.accumulate);
  decoder.seed = options.seed;
  if (checkpoint) return Decoder::load(*checkpoint, cpu_ops(), decoder);
  if (options.pretrain) return Decoder(inputs.config, cpu_ops(), decoder, options.seed);
  return Decoder::load(inputs.model_path, cpu_ops(), decoder);
}

// One process's share of a run.
class Run {
 public:
  Run(const TrainOptions& options, const TrainEvents& events)
      : options_(options), events_(events), inputs_(detail::load_inputs(options)) {
    const auto warn = [this](const std::string& text) { early_messages_.push_back(text); };
    checkpoint_ = detail::find_checkpoint(options_, warn);
    if (checkpoint_) detail::check_same_run(*checkpoint_, options_, inputs_.data_hash, warn);
    model_.emplace(make_model(options_, inputs_, checkpoint_));
    trainer_.emplace(*model_, cpu_ops(), inputs_.train,
                     detail::trainer_options(options_, inputs_.schedule));
    if (checkpoint_) restore();
  }

  // The folder is claimed first and written into only after the first update, so that a recipe
  // that does not fit the model leaves nothing behind and replaces no earlier run.
  TrainResult execute() {
    claim_folder();
    start_ = Clock::now();
    std::optional<StepResult> step;
    try {
      if (!trainer_->finished()) step = next_step();
      open_folder();
    } catch (...) {
      if (!metrics_) release_folder();
      throw;
    }
    bool stop = false;
    while (step) {
      after_step(*step);
      step.reset();
      stop = !trainer_->finished() && events_.should_stop && events_.should_stop();
      if (!trainer_->finished() && !stop) step = next_step();
    }
    result_.interrupted = stop;
    if (!stop) finish_evaluation();
    if (stop || options_.save_strategy == "steps") save();
    return close();
  }

 private:
  void restore() {
    trainer_->load_state(*checkpoint_);
    const io::JsonValue run = io::read_json(*checkpoint_ / "state.json").at("run");
    interval_loss_ = run.at("interval_loss").as_double();
    interval_steps_ = run.at("interval_steps").as_int();
    saved_step_ = trainer_->step_count();
    early_messages_.push_back("continuing from " + checkpoint_->string() + ", step " +
                              std::to_string(trainer_->step_count()));
  }

  void claim_folder() {
    fs::path out = options_.out;
    if (out.empty() && checkpoint_) {
      out = fs::absolute(*checkpoint_).lexically_normal();
      if (!out.has_filename()) out = out.parent_path();
      out = out.parent_path();
    }
    if (out.empty()) out = fresh_run_folder(options_.recipe);
    std::error_code error;
    const bool own =
        checkpoint_ && fs::equivalent(out, fs::absolute(*checkpoint_).parent_path(), error);
    const bool keep = options_.force || options_.resume == "auto" || own;
    replaces_ = options_.force && options_.resume != "auto" && !own;
    created_ = !fs::exists(out, error);
    prepare_run_folder(out, keep ? OutputPolicy::kContinue : OutputPolicy::kRefuse);
    lock_.emplace(out);
    result_.out = out;
  }

  void release_folder() {
    lock_.reset();
    std::error_code ignored;
    if (created_) fs::remove(result_.out / ".lock", ignored);
    if (created_) fs::remove(result_.out, ignored);
  }

  void open_folder() {
    const fs::path& out = result_.out;
    if (replaces_) remove_earlier_run(out);
    TrainOptions effective = options_;
    effective.force = false;
    effective.resume.clear();
    effective.out = out.string();
    io::write_file_atomic(out / "config.json", bind(effective).to_json() + "\n");
    metrics_.emplace(out / "metrics.jsonl");
    log_.open(out / "log.txt", std::ios::app);
    for (const std::string& text : early_messages_) say(text);
  }

  StepResult next_step() {
    try {
      return trainer_->step();
    } catch (const NumericsError& error) {
      if (!metrics_) open_folder();
      MetricsRow row;
      row.step = trainer_->step_count() + 1;
      row.loss = std::numeric_limits<double>::quiet_NaN();
      row.wall_s = seconds_since(start_);
      write(row);
      say(std::string("stopped: ") + error.what());
      throw;
    }
  }

  void after_step(const StepResult& step) {
    loss_sum_ += step.loss;
    ++steps_here_;
    tokens_here_ += step.tokens;
    interval_loss_ += step.loss;
    ++interval_steps_;
    if (events_.on_step) {
      events_.on_step(
          {step, inputs_.schedule.total_steps, steps_here_, tokens_here_, seconds_since(start_)});
    }
    if (step.step % options_.logging_steps == 0 || trainer_->finished()) log_step(step);
    if (!inputs_.eval.empty() && options_.eval_steps > 0 && step.step % options_.eval_steps == 0) {
      evaluate_now();
    }
    if (options_.save_strategy == "steps" && options_.save_steps > 0 &&
        step.step % options_.save_steps == 0) {
      save();
    }
  }

  void log_step(const StepResult& step) {
    MetricsRow row;
    row.step = step.step;
    row.loss = interval_loss_ / static_cast<double>(interval_steps_);
    row.learning_rate = step.learning_rate;
    row.grad_norm = step.grad_norm;
    row.epoch = trainer_->epoch();
    row.tokens = trainer_->tokens_seen();
    row.wall_s = seconds_since(start_);
    row.tokens_per_s = static_cast<double>(tokens_here_) / std::max(1e-9, *row.wall_s);
    interval_loss_ = 0;
    interval_steps_ = 0;
    write(row);
  }

  void evaluate_now() {
    const Loss loss = evaluate(*model_, inputs_.eval, options_.per_device_eval_batch_size);
    MetricsRow row;
    row.step = trainer_->step_count();
    row.split = "eval";
    row.loss = loss.mean();
    row.epoch = trainer_->epoch();
    row.tokens = loss.tokens;
    row.wall_s = seconds_since(start_);
    write(row);
    result_.eval_loss = loss.mean();
    evaluated_step_ = trainer_->step_count();
  }

  void finish_evaluation() {
    if (!inputs_.eval.empty() && evaluated_step_ != trainer_->step_count()) evaluate_now();
  }

  void save() {
    const std::int64_t step = trainer_->step_count();
    const fs::path folder = result_.out / ("checkpoint-" + std::to_string(step));
    result_.checkpoint = folder;
    if (saved_step_ == step && fs::exists(folder)) return;
    io::JsonWriter run;
    run.begin_object();
    run.key("options").value(
        io::parse_json(detail::numeric_options(options_, inputs_.data_hash), "options"));
    run.key("interval_loss").value(interval_loss_);
    run.key("interval_steps").value(interval_steps_);
    run.end_object();
    io::write_folder_atomic(folder, [&](const fs::path& temporary) {
      model_->save(temporary);
      inputs_.tokenizer->save(temporary);
      trainer_->save_state(temporary, run.text());
    });
    saved_step_ = step;
    if (options_.save_total_limit > 0) {
      io::prune_checkpoints(result_.out, options_.save_total_limit);
    }
    say("saved " + folder.string());
  }

  TrainResult close() {
    result_.step = trainer_->step_count();
    result_.train_loss = steps_here_ > 0 ? loss_sum_ / static_cast<double>(steps_here_) : 0.0;
    result_.seconds = seconds_since(start_);
    io::write_file_atomic(result_.out / "README.md", detail::model_card(options_, result_));
    return std::move(result_);
  }

  void write(const MetricsRow& row) {
    metrics_->append(row);
    result_.metrics.push_back(row);
    if (events_.on_metrics) events_.on_metrics(row);
  }

  void say(const std::string& text) {
    log_ << text << std::endl;
    if (events_.on_message) events_.on_message(text);
  }

  TrainOptions options_;
  TrainEvents events_;
  detail::RunInputs inputs_;
  std::vector<std::string> early_messages_;
  std::optional<fs::path> checkpoint_;
  std::optional<Decoder> model_;
  std::optional<Trainer> trainer_;
  std::optional<io::FolderLock> lock_;
  std::optional<MetricsWriter> metrics_;
  std::ofstream log_;
  Clock::time_point start_;
  bool replaces_ = false;  // an earlier run goes when this one has made its first update
  bool created_ = false;   // the folder did not exist before
  TrainResult result_;
  double loss_sum_ = 0;
  std::int64_t steps_here_ = 0;
  std::int64_t tokens_here_ = 0;
  double interval_loss_ = 0;  // since the last metrics line
  std::int64_t interval_steps_ = 0;
  std::int64_t evaluated_step_ = -1;
  std::int64_t saved_step_ = -1;
};

}  // namespace

TrainResult run_training(const TrainOptions& options, const TrainEvents& events) {
  TrainOptions checked = options;  // a caller that filled the struct by hand is checked alike
  OptionTable table = bind(checked);
  for (const OptionEntry& e : table.entries()) table.set(e.name, e.get(), "");
  if (options.threads > 0) set_num_threads(static_cast<int>(options.threads));
  set_target(parse_target(options.target));
  // Refused before minutes of loading, not after.
  if (!options.out.empty() && !options.force && options.resume.empty() &&
      holds_files(options.out)) {
    prepare_run_folder(options.out, OutputPolicy::kRefuse);
  }
  return Run(options, events).execute();
}

}  // namespace sylvester
