#include "sylvester/train/trainer.h"

#include <cmath>

#include "sylvester/core/error.h"
#include "sylvester/io/file_system.h"
#include "sylvester/io/json.h"

namespace sylvester {
namespace {

constexpr std::int64_t kStateVersion = 1;

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

void check(const TrainerOptions& options) {
  if (options.batch_size < 1 || options.accumulation_steps < 1) {
    throw ValueError("trainer: batch size " + std::to_string(options.batch_size) +
                     ", accumulation steps " + std::to_string(options.accumulation_steps) +
                     "; want >= 1");
  }
}

}  // namespace

std::int64_t steps_per_epoch(std::int64_t n, std::int64_t batch_size,
                             std::int64_t accumulation_steps) {
  return divide_up(divide_up(n, batch_size), accumulation_steps);
}

Trainer::Trainer(Decoder& model, Ops& ops, std::span<const TokenSequence> data,
                 const TrainerOptions& options)
    : model_(model),
      data_(data),
      options_(options),
      sampler_(static_cast<std::int64_t>(data.size()), options.seed),
      optimizer_(model.parameters(), ops, options.adamw) {
  check(options);
}

double Trainer::epoch() const noexcept {
  const SamplerPosition p = sampler_.position();
  return static_cast<double>(p.epoch) +
         static_cast<double>(p.index) / static_cast<double>(data_.size());
}

std::vector<std::vector<std::int64_t>> Trainer::next_passes() {
  std::vector<std::vector<std::int64_t>> passes;
  do {
    passes.push_back(sampler_.take(options_.batch_size));
  } while (static_cast<std::int64_t>(passes.size()) < options_.accumulation_steps &&
           !sampler_.at_epoch_start());
  return passes;
}

StepResult Trainer::step() {
  StepResult result;
  result.step = step_ + 1;
  result.learning_rate = learning_rate(options_.schedule, step_);
  const auto passes = next_passes();
  for (const auto& pass : passes) {
    for (const std::int64_t i : pass) {
      const TokenSequence& sequence = data_[static_cast<std::size_t>(i)];
      result.counted += counted_tokens(sequence);
      result.tokens += static_cast<std::int64_t>(sequence.ids.size());
    }
  }
  model_.zero_grad();
  // Without counted tokens the loss is defined as 0 and nothing is learned.
  const double scale = result.counted > 0 ? 1.0 / static_cast<double>(result.counted) : 0.0;
  double sum = 0;
  for (std::size_t p = 0; p < passes.size(); ++p) {
    std::vector<const TokenSequence*> rows;
    for (const std::int64_t i : passes[p]) rows.push_back(&data_[static_cast<std::size_t>(i)]);
    // The random stream of a pass is numbered through the whole run.
    const std::int64_t stream = step_ * options_.accumulation_steps + static_cast<std::int64_t>(p);
    sum += model_.forward_backward(collate(rows), scale, stream).sum;
  }
  result.loss = sum * scale;
  if (!std::isfinite(result.loss)) {
    throw NumericsError("training loss", result.step, std::isnan(result.loss) ? "NaN" : "Infinity");
  }
  if (result.counted > 0) {
    result.grad_norm = optimizer_.step(result.learning_rate);
    model_.parameters_changed();
  }
  ++step_;
  tokens_ += result.tokens;
  return result;
}

void Trainer::save_state(const std::filesystem::path& folder, const std::string& extra) const {
  optimizer_.save(folder / "optimizer.safetensors");
  const SamplerPosition p = sampler_.position();
  io::JsonWriter json(2);
  json.begin_object();
  json.key("version").value(kStateVersion);
  json.key("step").value(step_);
  json.key("optimizer_steps").value(optimizer_.steps());
  json.key("tokens").value(tokens_);
  json.key("epoch").value(p.epoch);
  json.key("epoch_index").value(p.index);
  json.key("examples").value(static_cast<std::int64_t>(data_.size()));
  json.key("seed").value(options_.seed);
  json.key("run").value(io::parse_json(extra, "state.json"));
  json.end_object();
  io::write_file_atomic(folder / "state.json", json.text() + "\n");
}

void Trainer::load_state(const std::filesystem::path& folder) {
  const io::JsonValue json = io::read_json(folder / "state.json");
  if (json.at("version").as_int() > kStateVersion) {
    json.at("version").fail("written by a newer version; this one reads up to " +
                            std::to_string(kStateVersion));
  }
  if (json.at("examples").as_int() != static_cast<std::int64_t>(data_.size())) {
    json.at("examples")
        .fail("the run was trained on " + json.at("examples").dump() +
              " examples and the data has " + std::to_string(data_.size()));
  }
  const std::int64_t step = json.at("step").as_int();
  const std::int64_t tokens = json.at("tokens").as_int();
  Sampler sampler(static_cast<std::int64_t>(data_.size()), options_.seed, true,
                  {json.at("epoch").as_int(), json.at("epoch_index").as_int()});
  optimizer_.load(folder / "optimizer.safetensors");
  if (optimizer_.steps() != json.at("optimizer_steps").as_int()) {
    json.at("optimizer_steps").fail("differs from optimizer.safetensors");
  }
  sampler_ = std::move(sampler);
  step_ = step;
  tokens_ = tokens;
}

Loss evaluate(Decoder& model, std::span<const TokenSequence> data, std::int64_t batch_size) {
  if (batch_size < 1) throw ValueError("evaluate: batch size " + std::to_string(batch_size));
  Loss total;
  for (std::size_t begin = 0; begin < data.size();) {
    const std::size_t end = std::min(data.size(), begin + static_cast<std::size_t>(batch_size));
    std::vector<const TokenSequence*> rows;
    for (std::size_t i = begin; i < end; ++i) rows.push_back(&data[i]);
    const Loss part = model.evaluate(collate(rows));
    total.sum += part.sum;
    total.tokens += part.tokens;
    begin = end;
  }
  return total;
}

}  // namespace sylvester
