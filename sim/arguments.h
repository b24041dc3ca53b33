// The command line of one command: options from an OptionTable, positionals, and the options that
// every command has (--config, --set, --json, --quiet, --verbose, --dry-run, --help).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sylvester/ops/tensor.h"
#include "sylvester/train/option_table.h"

namespace sylvester::sim {

struct Positional {
  std::string name;
  std::string help;
  std::string* field = nullptr;
  bool required = true;
};

class Arguments {
 public:
  Arguments(std::string command, std::string summary);
  ~Arguments();

  OptionTable options;  // the command's own
  bool json = false;
  bool quiet = false;
  bool verbose = false;
  bool dry_run = false;

  void positional(std::string name, std::string help, std::string& field, bool required = true);

  // '_' equals '-' in option names. Order of precedence: command line, --set, --config, default.
  // Returns false when help was asked for and printed. Errors: ValueError (one line).
  bool parse(std::span<const std::string> arguments);

  // What a command would take, where it can tell.
  struct Plan {
    std::int64_t memory_bytes = 0;
    double operations = 0;  // floating-point or integer ones
  };
  // The answer to --dry-run: every option with its origin, and the plan; JSON with --json.
  int show_plan(const Plan& plan) const;
  int show_plan() const { return show_plan(Plan{}); }

 private:
  std::vector<std::string> normalised(std::span<const std::string> arguments) const;
  const OptionEntry* find(const std::string& name) const;

  std::string command_;
  std::string summary_;
  std::vector<Positional> positionals_;
  std::string config_;
  OptionTable meta_;
};

// Options that most commands beside train share.
struct CommonOptions {
  std::string out;
  bool force = false;
  std::uint64_t seed = 42;
  std::int64_t threads = 0;
  std::string target = "auto";
  std::string backend = "cpu";
};
void add_compute_options(OptionTable& table,
                         CommonOptions& common);  // seed, threads, target, backend
void add_machine_options(OptionTable& table, CommonOptions& common);  // the last three
void add_out_options(OptionTable& table, CommonOptions& common);      // out, force
// Sets threads and target. UnsupportedError for the backend "cuda": most commands compute on the
// CPU.
void apply(const CommonOptions& common);
// The same for commands whose arithmetic the card has too. UnsupportedError without a card, or in a
// build without CUDA.
Device apply_on_device(const CommonOptions& common);

}  // namespace sylvester::sim
