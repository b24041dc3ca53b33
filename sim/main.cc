// sylvester COMMAND ...: finds the command, and turns every error into one line and an exit code.
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <string>
#include <vector>

#include "program.h"
#include "sylvester/core/error.h"
#include "sylvester/core/text.h"
#include "sylvester/io/json.h"
#include "sylvester/train/model_path.h"

namespace {

using sylvester::sim::ExitCode;
using sylvester::sim::Words;

struct Command {
  const char* name;
  int (*run)(Words);
  const char* summary;
};

constexpr Command kCommands[] = {
    {"train", sylvester::sim::run_train, "fine-tune or pre-train a model under a recipe"},
    {"eval", sylvester::sim::run_eval, "perplexity, exact match, ROUGE, KL on a data set"},
    {"generate", sylvester::sim::run_generate, "continue a prompt"},
    {"analyze", sylvester::sim::run_analyze, "what each recipe does to loss, gradient and layers"},
    {"quantize", sylvester::sim::run_quantize, "quantize arrays or a model folder"},
    {"hadamard", sylvester::sim::run_hadamard, "transform an array, or check a matrix"},
    {"matmul", sylvester::sim::run_matmul, "one emulated low-precision product"},
    {"compare", sylvester::sim::run_compare, "two arrays bit by bit, or within a tolerance"},
    {"golden", sylvester::sim::run_golden, "test vectors for kernel authors"},
    {"formats", sylvester::sim::run_formats, "number formats: codes, limits, rounding"},
    {"inspect", sylvester::sim::run_inspect, "what a model or array file holds"},
    {"validate", sylvester::sim::run_validate, "every rule that a file breaks"},
    {"doctor", sylvester::sim::run_doctor, "this machine and a self-check"},
};

std::string usage() {
  std::string text =
      "sylvester: low-precision, Hadamard-rotated training and inference, bit for bit\n\n"
      "usage: sylvester COMMAND [OPTIONS]\n\n";
  for (const Command& c : kCommands) {
    text += std::string("  ") + c.name + std::string(10 - std::string(c.name).size(), ' ') +
            c.summary + "\n";
  }
  return text + "\nsylvester COMMAND --help lists a command's options; --version, --help\n";
}

int dispatch(const std::vector<std::string>& words) {
  if (words.empty()) throw sylvester::ValueError("no command; sylvester --help lists them");
  const std::string& name = words[0];
  if (name == "--help" || name == "-h" || name == "help") {
    sylvester::sim::print(usage());
    return ExitCode::kOk;
  }
  if (name == "--version") {
    sylvester::sim::print("sylvester " SYLVESTER_VERSION "\n");
    return ExitCode::kOk;
  }
  std::vector<std::string> known;
  for (const Command& c : kCommands) {
    if (name == c.name) return c.run(Words(words).subspan(1));
    known.emplace_back(c.name);
  }
  throw sylvester::ValueError("unknown command '" + sylvester::io::printable(name) + "'" +
                              sylvester::did_you_mean(name, known));
}

// OpenMP's threads wait by spinning unless told otherwise before the runtime loads, which starves
// every machine with other work to do (measured: 17 times slower with two threads on two busy
// cores). So the program starts itself again with the passive policy; a policy the user has set
// stays.
void prefer_passive_waits(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) return;
  if (setenv("OMP_WAIT_POLICY", "passive", 0) == 0) execv("/proc/self/exe", argv);
  // Where that fails, all that is lost is speed.
}

int fail(const std::string& message, ExitCode code) {
  std::string line = "sylvester: " + message;
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  std::fprintf(stderr, "%s\n", line.c_str());
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  prefer_passive_waits(argv);
  std::signal(SIGPIPE, SIG_IGN);  // a closed stdout is an error to report, not a silent death
  try {
    std::error_code error;
    const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
    if (!error) {
      sylvester::add_model_folder(program.parent_path() / ".." / "share" / "sylvester" / "models");
    }
    const int code = dispatch(std::vector<std::string>(argv + 1, argv + argc));
    if (std::fflush(stdout) != 0) return fail("stdout: writing the result failed", ExitCode::kIo);
    return code;
  } catch (const sylvester::FormatError& e) {
    return fail(e.what(), ExitCode::kBadFile);
  } catch (const sylvester::IoError& e) {
    return fail(e.what(), ExitCode::kIo);
  } catch (const sylvester::NumericsError& e) {
    return fail(e.what(), ExitCode::kNumerics);
  } catch (const sylvester::Error& e) {  // ShapeError, ValueError, UnsupportedError
    return fail(e.what(), ExitCode::kUsage);
  } catch (const std::bad_alloc&) {
    return fail("out of memory", ExitCode::kIo);
  } catch (const std::exception& e) {
    return fail(std::string("internal error: ") + e.what(), ExitCode::kIo);
  }
}
