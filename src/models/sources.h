// Where a model comes from: the file behind a path, and a GGUF file's config.
#pragma once

#include <filesystem>

#include "sylvester/io/gguf.h"
#include "sylvester/models/config.h"

namespace sylvester::detail {

// The GGUF file inside a folder that has no config.json; otherwise the path itself.
std::filesystem::path model_file(const std::filesystem::path& path);
ModelConfig config_of(const io::GgufFile& file);

}  // namespace sylvester::detail
