// sylvester inspect FILE, sylvester validate FILE
#include <fmt/format.h>

#include "arguments.h"
#include "program.h"
#include "sylvester/io/json.h"
#include "sylvester/io/validate.h"
#include "sylvester/train/model_path.h"

namespace sylvester::sim {

int run_inspect(Words words) {
  Arguments arguments("inspect", "What a safetensors, GGUF, npy, npz file or model folder holds.");
  std::string file;
  std::int64_t tensors = 1000;
  arguments.positional("FILE", "a file, a folder, or a shipped model's name", file);
  arguments.options.add("max-tensors", "N", "tensors listed", tensors, {0, 1'000'000'000});
  if (!arguments.parse(words)) return kOk;
  if (arguments.dry_run) return arguments.show_plan();
  const auto path = resolve_model(file);
  print(arguments.json ? io::inspect_json(path, tensors) : io::inspect(path, tensors));
  return kOk;
}

int run_validate(Words words) {
  Arguments arguments("validate", "Every rule that a file breaks; exit 3 when there is one.");
  std::string file;
  arguments.positional("FILE", "a file, a model folder, or a checkpoint", file);
  if (!arguments.parse(words)) return kOk;
  if (arguments.dry_run) return arguments.show_plan();
  const std::vector<io::Violation> found = io::validate(file);
  std::int64_t errors = 0;
  for (const io::Violation& v : found) errors += v.warning ? 0 : 1;
  if (arguments.json) {
    io::JsonWriter json(2);
    json.begin_object()
        .key("file")
        .value(io::printable(file, 4096))
        .key("valid")
        .value(errors == 0);
    json.key("violations").begin_array();
    for (const io::Violation& v : found) {
      json.begin_object().key("file").value(io::printable(v.file, 4096));
      json.key("offset").value(v.offset).key("field").value(io::printable(v.field, 4096));
      json.key("rule").value(io::printable(v.rule, 4096)).key("warning").value(v.warning);
      json.end_object();
    }
    json.end_array().end_object();
    print(json.text() + "\n");
  } else {
    for (const io::Violation& v : found) print(io::to_string(v) + "\n");
    if (errors == 0) print("valid" + std::string(found.empty() ? "" : ", with warnings") + "\n");
  }
  return errors == 0 ? kOk : kBadFile;
}

}  // namespace sylvester::sim
