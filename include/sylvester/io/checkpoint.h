// Folders that are complete or absent: checkpoint-N/ with a MANIFEST.json of sizes and hashes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sylvester/io/file_system.h"

namespace sylvester::io {

// Calls fill(temporary folder), then: fsync of each file, MANIFEST.json (size and xxh64 of each),
// fsync, rename to `folder`, fsync of the parent. When fill or any step throws, `folder` is
// untouched and the temporary is removed.
void write_folder_atomic(const std::filesystem::path& folder,
                         const std::function<void(const std::filesystem::path&)>& fill,
                         FileSystem& files = system_files());
// Checks MANIFEST.json: every file present, of its size and hash, nothing missing. FormatError.
void verify_folder(const std::filesystem::path& folder);

struct CheckpointEntry {
  std::filesystem::path folder;
  std::int64_t step = 0;
};
// checkpoint-N folders in `run`, ascending by step; temporaries are ignored.
std::vector<CheckpointEntry> list_checkpoints(const std::filesystem::path& run);
// The newest one whose manifest verifies; damaged ones are named through `warn`.
std::optional<CheckpointEntry> newest_valid_checkpoint(
    const std::filesystem::path& run, const std::function<void(const std::string&)>& warn = {});
// Removes all but the `keep` newest valid ones, and stale temporaries of dead processes.
void prune_checkpoints(const std::filesystem::path& run, std::int64_t keep,
                       FileSystem& files = system_files());

}  // namespace sylvester::io
