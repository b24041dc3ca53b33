#include "run_setup.h"

#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cmath>

#include "sylvester/core/error.h"
#include "sylvester/core/target.h"
#include "sylvester/io/checkpoint.h"
#include "sylvester/io/json.h"
#include "sylvester/io/jsonl.h"
#include "sylvester/nn/linear_recipe.h"
#include "sylvester/train/model_path.h"

namespace sylvester::detail {
namespace fs = std::filesystem;
namespace {

// Options that change a run's numbers; a resumed run must have them all alike.
constexpr const char* kNumericOptions[] = {"recipe",
                                           "accumulate",
                                           "pretrain",
                                           "seed",
                                           "per-device-train-batch-size",
                                           "gradient-accumulation-steps",
                                           "learning-rate",
                                           "lr-scheduler-type",
                                           "warmup-steps",
                                           "warmup-ratio",
                                           "max-length",
                                           "limit",
                                           "weight-decay",
                                           "adam-beta1",
                                           "adam-beta2",
                                           "adam-epsilon",
                                           "max-grad-norm"};
// These may grow: the run goes on longer, and its schedule is that of the longer run.
constexpr const char* kLengthOptions[] = {"max-steps", "num-train-epochs"};

std::vector<TokenSequence> load_data(const std::string& file, std::int64_t limit,
                                     const TrainOptions& options, const RunInputs& inputs) {
  io::JsonlOptions jsonl;
  jsonl.limit = limit;
  const std::vector<io::Example> examples = io::read_jsonl(file, jsonl);
  EncodeTextOptions encode;
  encode.file = file;
  encode.context = inputs.config.max_position_embeddings;
  encode.max_length = options.max_length;
  encode.all_tokens = options.pretrain;
  return encode_examples(examples, *inputs.tokenizer, encode);
}

std::uint64_t hash_of(const std::vector<TokenSequence>& data) {
  XXH64_hash_t hash = 0;
  for (const TokenSequence& s : data) {
    hash = XXH64(s.ids.data(), s.ids.size() * sizeof(std::int32_t), hash);
    hash = XXH64(s.labels.data(), s.labels.size() * sizeof(std::int32_t), hash);
  }
  return hash;
}

std::int64_t total_steps(const TrainOptions& o, std::int64_t examples) {
  if (o.max_steps >= 0) return o.max_steps;
  const std::int64_t per_epoch =
      steps_per_epoch(examples, o.per_device_train_batch_size, o.gradient_accumulation_steps);
  const double steps = std::ceil(o.num_train_epochs * static_cast<double>(per_epoch));
  if (!(steps < 9e15)) throw ValueError("num-train-epochs: more steps than can be counted");
  return static_cast<std::int64_t>(steps);
}

}  // namespace

RunInputs load_inputs(const TrainOptions& options) {
  if (options.model.empty()) throw ValueError("option model is required");
  if (options.data.empty()) throw ValueError("option data is required");
  if (options.backend != "cpu") {
    throw UnsupportedError("backend '" + options.backend +
                           "': training runs on the CPU only here; use --backend cpu");
  }
  parse_recipe(options.recipe);
  RunInputs inputs;
  inputs.model_path = resolve_model(options.model);
  inputs.config = load_config(inputs.model_path);
  inputs.tokenizer = io::load_tokenizer(inputs.model_path);
  if (inputs.tokenizer->vocab_size() > inputs.config.vocab_size) {
    throw FormatError(inputs.model_path.string(), 0, "vocab_size",
                      "the tokenizer has " + std::to_string(inputs.tokenizer->vocab_size()) +
                          " tokens and the model " + std::to_string(inputs.config.vocab_size));
  }
  inputs.train = load_data(options.data, options.limit, options, inputs);
  if (!options.eval_data.empty())
    inputs.eval = load_data(options.eval_data, options.eval_limit, options, inputs);
  const bool learns = std::any_of(inputs.train.begin(), inputs.train.end(),
                                  [](const TokenSequence& s) { return counted_tokens(s) > 0; });
  if (!learns) {
    throw FormatError(options.data, 1, "completion",
                      "no token of any example counts for the loss; raise --max-length");
  }
  inputs.data_hash = hash_of(inputs.train);
  Schedule& schedule = inputs.schedule;
  schedule.kind = parse_schedule(options.lr_scheduler_type);
  schedule.base = options.learning_rate;
  schedule.total_steps = total_steps(options, static_cast<std::int64_t>(inputs.train.size()));
  schedule.warmup_steps =
      resolve_warmup_steps(options.warmup_steps, options.warmup_ratio, schedule.total_steps);
  return inputs;
}

TrainerOptions trainer_options(const TrainOptions& o, const Schedule& schedule) {
  TrainerOptions t;
  t.batch_size = o.per_device_train_batch_size;
  t.accumulation_steps = o.gradient_accumulation_steps;
  t.seed = o.seed;
  t.schedule = schedule;
  t.adamw = {o.adam_beta1, o.adam_beta2, o.adam_epsilon, o.weight_decay, o.max_grad_norm};
  return t;
}

std::optional<fs::path> find_checkpoint(const TrainOptions& options,
                                        const std::function<void(const std::string&)>& warn) {
  if (options.resume.empty()) return std::nullopt;
  if (options.resume != "auto") {
    if (!fs::exists(options.resume)) {
      throw IoError(options.resume, ENOENT, "the checkpoint to continue from");
    }
    io::verify_folder(options.resume);
    return fs::path(options.resume);
  }
  if (options.out.empty()) throw ValueError("resume auto: say which run with --out DIR");
  if (!fs::exists(options.out)) return std::nullopt;
  const auto newest = io::newest_valid_checkpoint(options.out, warn);
  if (!newest) return std::nullopt;
  return newest->folder;
}

std::string numeric_options(const TrainOptions& options, std::uint64_t data_hash) {
  TrainOptions copy = options;
  const OptionTable table = bind(copy);
  io::JsonWriter json;
  json.begin_object();
  for (const char* name : kNumericOptions) json.key(name).value(table.find(name)->get());
  for (const char* name : kLengthOptions) json.key(name).value(table.find(name)->get());
  json.key("data").value(std::to_string(data_hash));
  json.end_object();
  return json.text();
}

void check_same_run(const fs::path& checkpoint, const TrainOptions& options,
                    std::uint64_t data_hash, const std::function<void(const std::string&)>& warn) {
  const io::JsonValue then = io::read_json(checkpoint / "state.json").at("run").at("options");
  TrainOptions copy = options;
  const OptionTable table = bind(copy);
  for (const char* name : kNumericOptions) {
    const std::string& was = then.at(name).as_string();
    const std::string is = table.find(name)->get();
    if (was != is) {
      throw ValueError("option " + std::string(name) + " '" + is + "': the run of " +
                       checkpoint.string() + " has '" + was +
                       "'; a resumed run keeps its options, or starts anew in another --out");
    }
  }
  if (then.at("data").as_string() != std::to_string(data_hash)) {
    throw ValueError("option data '" + options.data + "': not the examples that the run of " +
                     checkpoint.string() + " was trained on");
  }
  for (const char* name : kLengthOptions) {
    const std::string& was = then.at(name).as_string();
    const std::string is = table.find(name)->get();
    if (was != is) {
      warn(std::string(name) + " changes from " + was + " to " + is +
           ": the learning rates that follow are those of the new length");
    }
  }
}

std::string model_card(const TrainOptions& options, const TrainResult& result) {
  std::string card = "# " + options.recipe + (options.pretrain ? " pre-training" : " fine-tune");
  card += "\n\nTrained by sylvester from ";
  if (options.pretrain) card += "random weights in the shape of ";
  card += "`" + options.model + "` on `" + options.data + "`.\n\n";
  card += "- recipe `" + options.recipe + "`, products added by `" + options.accumulate + "`\n";
  const std::string products = describe(parse_recipe(options.recipe));
  card += "\n```\n" + products + (products.ends_with('\n') ? "" : "\n") + "```\n\n";
  card += "- steps " + std::to_string(result.step) + ", mean training loss " +
          to_text(result.train_loss) + "\n";
  if (result.eval_loss) card += "- evaluation loss " + to_text(*result.eval_loss) + "\n";
  if (!result.checkpoint.empty()) {
    card += "- weights in `" + result.checkpoint.filename().string() + "/`\n";
  }
  card += "- every option in `config.json`: `sylvester train --config config.json --out NEW`\n";
  return card;
}

}  // namespace sylvester::detail
