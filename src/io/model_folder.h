// The index of a sharded model folder, for validate().
#pragma once

#include <filesystem>

#include "io/findings.h"

namespace sylvester::io::detail {

inline constexpr const char* kIndexName = "model.safetensors.index.json";
// Opens every shard that the index names and reports what does not agree.
void check_shards(const std::filesystem::path& folder, Findings& findings);

}  // namespace sylvester::io::detail
