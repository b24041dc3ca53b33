// A run folder: who may write into it, and what is in it.
#pragma once

#include <filesystem>
#include <string>

namespace sylvester {

enum class OutputPolicy {
  kRefuse,     // a folder that holds anything is a ValueError
  kOverwrite,  // files of an earlier run are removed, others stay
  kContinue,   // everything stays
};

// Creates the folder if needed and applies the policy. Files of a run: checkpoint-N, config.json,
// metrics.jsonl, results.json, README.md, log.txt, analyze.json, samples_*.jsonl.
// Errors: ValueError (not empty), IoError (a file of that name, no permission).
void prepare_run_folder(const std::filesystem::path& folder, OutputPolicy policy);
// The kOverwrite part alone, for a caller that holds the folder's lock.
void remove_earlier_run(const std::filesystem::path& folder);
// True when prepare_run_folder would have something to refuse.
bool holds_files(const std::filesystem::path& folder);

// "runs/NAME", "runs/NAME-2", ...: the first that does not exist yet.
std::filesystem::path fresh_run_folder(const std::string& name);

}  // namespace sylvester
