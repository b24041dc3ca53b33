// sylvester golden OP --out DIR: inputs and expected outputs for kernel authors.
#include "sylvester/eval/golden.h"

#include <fmt/format.h>

#include "arguments.h"
#include "program.h"

namespace sylvester::sim {

int run_golden(Words words) {
  Arguments arguments("golden", "Test vectors: inputs, expected outputs, and a manifest.");
  GoldenOptions options;
  CommonOptions common;
  arguments.options = bind(options);
  add_machine_options(arguments.options, common);
  arguments.positional("OP", fmt::format("{}", fmt::join(golden_ops(), "|")), options.op);
  if (!arguments.parse(words)) return kOk;
  if (arguments.dry_run) {
    // Two operands, the result and their float32 values, twice over while they are written.
    const std::int64_t elements =
        (options.rows + options.out_features) * options.cols + options.rows * options.out_features;
    return arguments.show_plan({.memory_bytes = 16 * elements});
  }
  apply(common);
  const std::string manifest = write_golden(options);
  if (arguments.json) {
    print(manifest);
  } else if (!arguments.quiet) {
    print(options.out + "\n");
  }
  return kOk;
}

}  // namespace sylvester::sim
