// sylvester doctor: this machine, this build, its libraries, and a self-check on every target.
#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "arguments.h"
#include "program.h"
#include "sylvester/core/parallel.h"
#include "sylvester/core/target.h"
#include "sylvester/formats/describe.h"
#include "sylvester/formats/dtype.h"
#include "sylvester/gemm/accumulation.h"
#include "sylvester/gemm/matmul.h"
#include "sylvester/io/json.h"
#include "sylvester/train/model_path.h"

namespace sylvester::sim {
namespace {

struct TargetCheck {
  std::string name;
  bool available = false;
  std::vector<std::string> disagreements;
};

std::vector<TargetCheck> check_targets() {
  std::vector<TargetCheck> out;
  const std::vector<Target> available = available_targets();
  for (const Target target : known_targets()) {
    TargetCheck check;
    check.name = to_string(target);
    check.available = std::find(available.begin(), available.end(), target) != available.end();
    if (check.available) {
      set_target(target);
      check.disagreements = self_check();
    }
    out.push_back(std::move(check));
  }
  set_target(Target::kAuto);
  return out;
}

std::string as_json(const std::vector<TargetCheck>& targets, bool good) {
  io::JsonWriter json(2);
  json.begin_object().key("version").value(SYLVESTER_VERSION).key("healthy").value(good);
  json.key("threads").value(num_threads());
  json.key("targets").begin_array();
  for (const TargetCheck& t : targets) {
    json.begin_object().key("name").value(t.name).key("available").value(t.available);
    json.key("disagreements").begin_array();
    for (const std::string& line : t.disagreements) json.value(line);
    json.end_array().end_object();
  }
  json.end_array().key("libraries").begin_array();
  for (const Library& l : product_libraries()) {
    json.begin_object().key("name").value(l.name).key("version").value(l.version);
    json.key("role").value(l.role).end_object();
  }
  json.end_array().key("accumulate").begin_array();
  for (const std::string& name : known_accumulations()) json.value(name);
  json.end_array().key("models").begin_array();
  for (const std::string& name : shipped_models()) json.value(name);
  json.end_array().end_object();
  return json.text() + "\n";
}

std::string as_text(const std::vector<TargetCheck>& targets, bool good) {
  std::string text = "sylvester " SYLVESTER_VERSION ", built with " __VERSION__ "\n";
  text += fmt::format("processors {}, threads used {}\n", std::thread::hardware_concurrency(),
                      num_threads());
  for (const TargetCheck& t : targets) {
    text += fmt::format("target {:<7} {}\n", t.name,
                        !t.available              ? "not on this machine"
                        : t.disagreements.empty() ? "every format agrees with its table"
                                                  : "WRONG");
    for (const std::string& line : t.disagreements) text += "  " + line + "\n";
  }
  for (const Library& l : product_libraries()) {
    text += fmt::format("library {:<8} {:<8} {}\n", l.name, l.version, l.role);
  }
  text += fmt::format("formats {}, accumulation policies {}\n", formats().size(),
                      known_accumulations().size());
  std::string models;
  for (const std::string& name : shipped_models()) models += " " + name;
  text += "shipped models:" + (models.empty() ? " none" : models) + "\n";
  return text + (good ? "healthy\n" : "NOT healthy\n");
}

}  // namespace

int run_doctor(Words words) {
  Arguments arguments("doctor", "This machine and build, and a self-check of every format.");
  if (!arguments.parse(words)) return kOk;
  if (arguments.dry_run) return arguments.show_plan();
  const std::vector<TargetCheck> targets = check_targets();
  bool good = true;
  for (const TargetCheck& t : targets) good = good && t.disagreements.empty();
  print(arguments.json ? as_json(targets, good) : as_text(targets, good));
  return good ? kOk : kCheckFailed;
}

}  // namespace sylvester::sim
