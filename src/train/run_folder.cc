#include "sylvester/train/run_folder.h"

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "sylvester/core/error.h"
#include "sylvester/io/checkpoint.h"

namespace sylvester {
namespace fs = std::filesystem;
namespace {

constexpr const char* kLockName = ".lock";

bool belongs_to_run(const std::string& name) {
  for (const char* file :
       {"config.json", "metrics.jsonl", "results.json", "README.md", "log.txt", "analyze.json"}) {
    if (name == file) return true;
  }
  return name.starts_with("checkpoint-") || name.starts_with("samples_");
}

}  // namespace

bool holds_files(const fs::path& folder) {
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (it->path().filename() != kLockName) return true;
  }
  return false;
}

void prepare_run_folder(const fs::path& folder, OutputPolicy policy) {
  std::error_code error;
  const fs::file_status status = fs::status(folder, error);
  if (fs::exists(status) && !fs::is_directory(status)) {
    throw IoError(folder.string(), ENOTDIR, "the output folder");
  }
  if (policy == OutputPolicy::kRefuse && holds_files(folder)) {
    throw ValueError("output folder '" + folder.string() +
                     "' is not empty; choose another --out, continue with --resume auto, or "
                     "replace its run with --force");
  }
  fs::create_directories(folder, error);
  if (error) throw IoError(folder.string(), error.value(), "creating the output folder");
  if (policy != OutputPolicy::kOverwrite) return;
  const io::FolderLock lock(folder);  // no other run is at work in there
  remove_earlier_run(folder);
}

void remove_earlier_run(const fs::path& folder) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (!belongs_to_run(entry.path().filename().string())) continue;
    fs::remove_all(entry.path(), error);
    if (error) throw IoError(entry.path().string(), error.value(), "removing the earlier run");
  }
}

fs::path fresh_run_folder(const std::string& name) {
  const fs::path first = fs::path("runs") / name;
  fs::path folder = first;
  for (int n = 2; fs::exists(folder); ++n) folder = first.string() + "-" + std::to_string(n);
  return folder;
}

}  // namespace sylvester
