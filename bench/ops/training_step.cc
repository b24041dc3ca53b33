// One training step of a model: forward, loss, backward, AdamW, under each of several recipes.
//
//   training_step MODEL [--batch 4] [--length 128] [--steps 5] [--threads 2] [--recipes
//   fp32,halo2-int8] training_step MODEL --serve ...    runs one step of a recipe for each line
//   "RECIPE" on stdin and
//                                      prints its seconds (training_step_peer.py)
// Steps of the recipes are interleaved; the least time of each is the figure. The token ids are
// pseudo-random: a step's cost does not depend on them.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "sylvester/core/parallel.h"
#include "sylvester/core/philox.h"
#include "sylvester/models/decoder.h"
#include "sylvester/ops/ops.h"

namespace {

using namespace sylvester;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double peak_gib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / (1 << 20);
}

// Processor seconds do not count what other programs on the machine take.
double processor_seconds(const rusage& u) {
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(u.ru_utime) + seconds(u.ru_stime);
}

struct Times {
  double total = 0, passes = 0, optimizer = 0, processor = 0;
  long page_faults = 0;
};

class Trainer {
 public:
  Trainer(const std::string& path, std::int64_t B, std::int64_t T)
      : model_(Decoder::load(path, cpu_ops())) {
    batch_.B = B;
    batch_.T = T;
    for (std::int64_t i = 0; i < B * T; ++i) {
      const std::uint32_t word =
          random_word({.seed = 1, .step = 0, .tensor = 0}, static_cast<std::uint64_t>(i));
      batch_.ids.push_back(static_cast<std::int32_t>(word % model_.config().vocab_size));
    }
    batch_.labels = batch_.ids;
  }

  Times step(const LinearRecipe& recipe) {
    if (recipe.name != model_.options().recipe.name) {
      model_.set_recipe(recipe, {});
      run();  // the first step of a recipe makes its work space
    }
    return run();
  }

 private:
  Times run() {
    Ops& ops = cpu_ops();
    const auto start = Clock::now();
    rusage before{}, after{};
    getrusage(RUSAGE_SELF, &before);
    model_.zero_grad();
    model_.forward_backward(batch_, 1.0 / static_cast<double>(batch_.B * (batch_.T - 1)), ++steps_);
    Times times;
    times.passes = seconds_since(start);
    const auto parameters = model_.parameters();
    if (m_.empty()) {
      for (const Parameter* p : parameters) {
        m_.push_back(Tensor::zeros(p->value.shape()));
        v_.push_back(Tensor::zeros(p->value.shape()));
      }
    }
    const auto optimizer = Clock::now();
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      ops.adamw_step(parameters[i]->value, parameters[i]->grad, m_[i], v_[i],
                     {.learning_rate = 1e-6, .step = steps_});
    }
    model_.parameters_changed();
    times.optimizer = seconds_since(optimizer);
    times.total = seconds_since(start);
    getrusage(RUSAGE_SELF, &after);
    times.processor = processor_seconds(after) - processor_seconds(before);
    times.page_faults = after.ru_minflt - before.ru_minflt;
    return times;
  }

  Decoder model_;
  Batch batch_;
  std::vector<Tensor> m_, v_;
  std::int64_t steps_ = 0;
};

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> out;
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    out.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

void serve(Trainer& trainer) {
  std::string line;
  while (std::getline(std::cin, line)) {
    const Times times = trainer.step(parse_recipe(line));
    std::printf("%.6f %.3f\n", times.total, peak_gib());
    std::fflush(stdout);
  }
}

void table(Trainer& trainer, const std::vector<std::string>& recipes, int steps) {
  std::map<std::string, std::vector<Times>> all;
  for (int i = 0; i < steps; ++i) {
    for (const std::string& name : recipes) all[name].push_back(trainer.step(parse_recipe(name)));
  }
  std::printf("%-24s %9s %9s %9s %12s %12s %12s %7s\n", "recipe", "least s", "median s", "passes s",
              "optimizer s", "processor s", "page faults", "ratio");
  double first = 0;
  for (const std::string& name : recipes) {
    std::vector<Times>& runs = all[name];
    std::sort(runs.begin(), runs.end(),
              [](const Times& a, const Times& b) { return a.total < b.total; });
    const Times& best = runs.front();
    if (first == 0) first = best.total;
    const auto least =
        std::min_element(runs.begin(), runs.end(),
                         [](const Times& x, const Times& y) { return x.processor < y.processor; });
    std::printf("%-24s %9.3f %9.3f %9.3f %12.3f %12.3f %12ld %7.2f\n", name.c_str(), best.total,
                runs[runs.size() / 2].total, best.passes, best.optimizer, least->processor,
                least->page_faults, best.total / first);
  }
  std::printf("peak memory %.2f GiB, %d threads\n", peak_gib(), num_threads());
}

}  // namespace

int main(int argc, char** argv) try {
  std::map<std::string, std::string> options{{"--batch", "4"},
                                             {"--length", "128"},
                                             {"--steps", "5"},
                                             {"--threads", "2"},
                                             {"--recipes", "fp32,bf16,halo0-int8,halo2-int8"}};
  std::string model;
  bool serving = false;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--serve") {
      serving = true;
    } else if (options.count(argument) != 0 && i + 1 < argc) {
      options[argument] = argv[++i];
    } else {
      model = argument;
    }
  }
  if (model.empty()) {
    std::fprintf(stderr,
                 "usage: training_step MODEL [--batch N] [--length N] [--steps N] [--threads N] "
                 "[--recipes a,b] [--serve]\n");
    return 2;
  }
  set_num_threads(std::atoi(options["--threads"].c_str()));
  Trainer trainer(model, std::atoll(options["--batch"].c_str()),
                  std::atoll(options["--length"].c_str()));
  if (serving) {
    serve(trainer);
  } else {
    table(trainer, split(options["--recipes"]), std::atoi(options["--steps"].c_str()));
  }
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "training_step: %s\n", e.what());
  return 1;
}
