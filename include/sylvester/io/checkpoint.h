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
// fsync, rename to `folder`, fsync of the parent. When fill or a step up to the rename throws,
// `folder` is untouched and the temporary is removed; when the process dies, the temporary stays
// behind under the name FOLDER.tmp-PID-K and nothing reads it. An existing `folder` is replaced in
// the same one step (where the file system cannot swap two folders, it is absent for a moment).
// Errors: IoError, and what fill throws.
void write_folder_atomic(const std::filesystem::path& folder,
                         const std::function<void(const std::filesystem::path&)>& fill,
                         FileSystem& files = system_files());

// Removes a folder that is about to be written anew. ValueError unless it is empty, absent, or
// holds the file `mark`, which such folders have: nobody else's files are taken. IoError.
void remove_own_folder(const std::filesystem::path& folder, const std::string& mark);

// Checks MANIFEST.json: every file present, of its size and hash, and no other file in the folder.
// Errors: FormatError naming the file; IoError.
void verify_folder(const std::filesystem::path& folder);

struct CheckpointEntry {
  std::filesystem::path folder;
  std::int64_t step = 0;
};
// checkpoint-N folders in `run`, ascending by step; temporaries are ignored. Empty when `run` does
// not exist.
std::vector<CheckpointEntry> list_checkpoints(const std::filesystem::path& run);
// The newest one whose manifest verifies; damaged ones are named through `warn`.
std::optional<CheckpointEntry> newest_valid_checkpoint(
    const std::filesystem::path& run, const std::function<void(const std::string&)>& warn = {});
// Removes all but the `keep` newest valid ones, and stale temporaries of dead processes. "Valid"
// here compares names and sizes with the manifest, not hashes, so that a save does not read every
// checkpoint again. With no valid one nothing is removed. ValueError unless keep >= 1.
void prune_checkpoints(const std::filesystem::path& run, std::int64_t keep,
                       FileSystem& files = system_files());

// Holds FOLDER/.lock for one process, so that two runs never write into one folder. The operating
// system releases it when the process ends, however it ends.
class FolderLock {
 public:
  // IoError (EWOULDBLOCK, "is in use by process N") when another process holds it.
  explicit FolderLock(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_ = -1;
};

}  // namespace sylvester::io
