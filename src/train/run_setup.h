// What a run consists of once everything that can be checked has been checked. Private.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sylvester/io/tokenizer.h"
#include "sylvester/models/decoder.h"
#include "sylvester/train/run.h"

namespace sylvester::detail {

struct RunInputs {
  std::filesystem::path model_path;
  std::unique_ptr<io::Tokenizer> tokenizer;
  ModelConfig config;
  std::vector<TokenSequence> train;
  std::vector<TokenSequence> eval;
  std::uint64_t data_hash = 0;
  Schedule schedule;
};

// Reads everything but the weights.
RunInputs load_inputs(const TrainOptions& options);
TrainerOptions trainer_options(const TrainOptions& options, const Schedule& schedule);

// Where to continue: the checkpoint that options.resume names, or nothing to start afresh.
std::optional<std::filesystem::path> find_checkpoint(
    const TrainOptions& options, const std::function<void(const std::string&)>& warn);
// The options that decide a run's numbers, as a JSON object for state.json.
std::string numeric_options(const TrainOptions& options, std::uint64_t data_hash);
// ValueError when the checkpoint's run had other ones.
void check_same_run(const std::filesystem::path& checkpoint, const TrainOptions& options,
                    std::uint64_t data_hash, const std::function<void(const std::string&)>& warn);

std::string model_card(const TrainOptions& options, const TrainResult& result);

}  // namespace sylvester::detail
