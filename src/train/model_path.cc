#include "sylvester/train/model_path.h"

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <system_error>

#include "sylvester/core/error.h"
#include "sylvester/core/text.h"

namespace sylvester {
namespace fs = std::filesystem;
namespace {

struct Folders {
  std::mutex mutex;
  std::vector<fs::path> list = {SYLVESTER_SOURCE_MODELS, SYLVESTER_INSTALLED_MODELS};
};
Folders& folders() {
  static Folders instance;
  return instance;
}

}  // namespace

std::vector<fs::path> model_folders() {
  Folders& f = folders();
  const std::lock_guard<std::mutex> lock(f.mutex);
  return f.list;
}

void add_model_folder(const fs::path& folder) {
  Folders& f = folders();
  const std::lock_guard<std::mutex> lock(f.mutex);
  f.list.push_back(folder);
}

std::vector<std::string> shipped_models() {
  std::vector<std::string> names;
  for (const fs::path& folder : model_folders()) {
    std::error_code error;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
      if (fs::exists(it->path() / "config.json", error)) {
        names.push_back(it->path().filename().string());
      }
    }
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

fs::path resolve_model(const std::string& name) {
  if (name.empty()) throw ValueError("model: want a folder, a GGUF file or a shipped model's name");
  std::error_code error;
  if (fs::exists(name, error)) return name;
  if (name.find('/') == std::string::npos) {
    for (const fs::path& folder : model_folders()) {
      if (fs::exists(folder / name / "config.json", error)) return folder / name;
    }
  }
  const std::vector<std::string> shipped = shipped_models();
  std::string list;
  for (const std::string& model : shipped) list += (list.empty() ? "" : ", ") + model;
  throw IoError(name, ENOENT,
                "opening the model (shipped models: " + (list.empty() ? "none" : list) + ")" +
                    did_you_mean(name, shipped));
}

}  // namespace sylvester
