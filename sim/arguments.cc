#include "arguments.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <map>

#include "program.h"
#include "sylvester/core/error.h"
#include "sylvester/core/parallel.h"
#include "sylvester/core/target.h"
#include "sylvester/io/json.h"
#include "sylvester/ops/numerics.h"

namespace sylvester::sim {
namespace {

// The longest argument that is worth looking at; longer ones are a mistake of the caller's script.
constexpr std::size_t kMaxArgument = std::size_t{1} << 20;

std::string one_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

struct Given {
  std::map<std::string, std::string> values;  // by option name
  std::vector<std::string> sets;
};

void add_to_app(CLI::App& app, const OptionEntry& e, Given& given) {
  const std::string name = "--" + e.name;
  std::string& value = given.values[e.name];
  if (e.kind == OptionKind::kFlag) {
    const std::string short_form = e.name == "quiet" ? "-q," : e.name == "verbose" ? "-v," : "";
    app.add_flag(short_form + name, value, e.help)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    return;
  }
  std::string help = e.help;
  const std::string now = e.get();
  if (!now.empty()) help += " (default " + now + ")";
  app.add_option(name, value, help)->type_name(e.placeholder)->expected(1);
}

}  // namespace

Arguments::Arguments(std::string command, std::string summary)
    : command_(std::move(command)), summary_(std::move(summary)) {
  meta_.add("config", "FILE", "options from a JSON object; a run's config.json will do", config_);
  meta_.add_flag("json", "the result on stdout as JSON", json);
  meta_.add_flag("quiet", "no progress", quiet);
  meta_.add_flag("verbose", "more progress", verbose);
  meta_.add_flag("dry-run", "print every option and where it comes from, then exit", dry_run);
}

Arguments::~Arguments() = default;

void Arguments::positional(std::string name, std::string help, std::string& field, bool required) {
  positionals_.push_back({std::move(name), std::move(help), &field, required});
}

const OptionEntry* Arguments::find(const std::string& name) const {
  if (const OptionEntry* e = options.find(name)) return e;
  return meta_.find(name);
}

// "--Learning_rate 1" to "--learning-rate=1", so that values may begin with '-'; names are checked
// here because the hint needs all of them.
std::vector<std::string> Arguments::normalised(std::span<const std::string> arguments) const {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument.size() > kMaxArgument) throw ValueError("an argument is longer than 1 MiB");
    if (argument == "--") {
      out.insert(out.end(), arguments.begin() + static_cast<std::ptrdiff_t>(i), arguments.end());
      break;
    }
    if (argument.size() < 3 || !argument.starts_with("--")) {
      out.push_back(argument);
      continue;
    }
    const std::size_t equals = argument.find('=');
    std::string name = argument.substr(2, equals == std::string::npos ? equals : equals - 2);
    std::replace(name.begin(), name.end(), '_', '-');
    const bool help = name == "help";
    const OptionEntry* e = find(name);
    if (e == nullptr && !help && name != "set") {
      OptionTable all = options;
      for (const OptionEntry& m : meta_.entries()) {
        static bool ignored = false;
        all.add_flag(m.name, "", ignored);
      }
      all.unknown(name, "");
    }
    std::string token = "--" + name;
    if (equals != std::string::npos) {
      token += argument.substr(equals);
    } else if (!help && (e == nullptr || e->kind != OptionKind::kFlag)) {
      if (i + 1 == arguments.size()) throw ValueError("option " + name + ": a value is missing");
      token += "=" + arguments[++i];
    }
    out.push_back(token);
  }
  return out;
}

bool Arguments::parse(std::span<const std::string> arguments) {
  CLI::App app(summary_, "sylvester " + command_);
  Given given;
  app.add_option("--set", given.sets, "KEY=VALUE, as often as needed")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  for (const OptionEntry& e : options.entries()) add_to_app(app, e, given);
  for (const OptionEntry& e : meta_.entries()) add_to_app(app, e, given);
  for (const Positional& p : positionals_) {
    app.add_option(p.name, *p.field, p.help)->required(p.required)->type_name("");
  }
  std::vector<std::string> tokens = normalised(arguments);
  std::reverse(tokens.begin(), tokens.end());
  try {
    app.parse(tokens);
  } catch (const CLI::CallForHelp&) {
    std::fputs(app.help().c_str(), stdout);
    return false;
  } catch (const CLI::ParseError& error) {
    throw ValueError(one_line(error.what()));
  }
  for (const OptionEntry& e : meta_.entries()) {
    if (app.count("--" + e.name) > 0) meta_.set(e.name, given.values[e.name], "command line");
  }
  if (!config_.empty()) {
    try {
      options.set_from_file(config_);
    } catch (const FormatError& e) {
      throw ValueError(e.what());  // a damaged configuration is a usage error, not a bad input
    }
  }
  for (const std::string& pair : given.sets) options.set_pair(pair, "--set");
  const std::vector<OptionEntry> entries = options.entries();
  for (const OptionEntry& e : entries) {
    if (app.count("--" + e.name) > 0) options.set(e.name, given.values[e.name], "command line");
  }
  return true;
}

int Arguments::show_plan(const Plan& plan) const {
  if (json) {
    io::JsonWriter out(2);
    out.begin_object().key("command").value(command_).key("options").begin_object();
    for (const OptionEntry& e : options.entries()) {
      out.key(e.name).begin_object().key("value").value(e.get());
      out.key("origin").value(e.origin).end_object();
    }
    out.end_object();
    if (plan.memory_bytes > 0) out.key("memory_bytes").value(plan.memory_bytes);
    if (plan.operations > 0) out.key("operations").value(plan.operations);
    out.end_object();
    print(out.text() + "\n");
    return kOk;
  }
  std::string text = options.describe();
  if (plan.memory_bytes > 0) {
    text += fmt::format("memory, about  {:.1f} MiB\n",
                        static_cast<double>(plan.memory_bytes) / (1 << 20));
  }
  if (plan.operations > 0)
    text += fmt::format("work, about    {:.3g} GFLOP\n", plan.operations * 1e-9);
  print(text);
  return kOk;
}

void add_compute_options(OptionTable& table, CommonOptions& common) {
  table.add("seed", "N", "random signs, stochastic rounding, sampling", common.seed);
  add_machine_options(table, common);
}

void add_machine_options(OptionTable& table, CommonOptions& common) {
  table.add("threads", "N", "threads, 0 = all", common.threads, {0, 4096});
  table.add("target", "NAME", "instruction set: auto|scalar|sse4|avx2|avx512|neon", common.target,
            [](const std::string& text) { parse_target(text); });
  table.add_choice("backend", "where the arithmetic runs", common.backend, {"cpu", "cuda"});
}

void add_out_options(OptionTable& table, CommonOptions& common) {
  table.add("out", "DIR", "output folder", common.out);
  table.add_flag("force", "write into a folder that is not empty", common.force);
}

namespace {
void apply_machine(const CommonOptions& common) {
  if (common.threads > 0) set_num_threads(static_cast<int>(common.threads));
  set_target(parse_target(common.target));
}
}  // namespace

void apply(const CommonOptions& common) {
  if (common.backend != "cpu") {
    throw UnsupportedError("backend '" + common.backend +
                           "': this command computes on the CPU only; use --backend cpu");
  }
  apply_machine(common);
}

Device apply_on_device(const CommonOptions& common) {
  apply_machine(common);
  const Device device = common.backend == "cuda" ? Device::kCuda : Device::kCpu;
  numerics(device);  // its error names what is missing
  return device;
}

}  // namespace sylvester::sim
