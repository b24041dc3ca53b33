// Where a model's name leads: a path, or one of the tiny models that ship with the library.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace sylvester {

// Folders that hold shipped models, each in a folder of its name. The source tree's and the
// installed share folder are there from the start.
std::vector<std::filesystem::path> model_folders();
void add_model_folder(const std::filesystem::path& folder);
std::vector<std::string> shipped_models();

// `name` itself when it exists; else the shipped model of that name. IoError (ENOENT) lists them.
std::filesystem::path resolve_model(const std::string& name);

}  // namespace sylvester
