// The all-or-nothing write that every writer of one file uses.
#pragma once

#include <filesystem>
#include <functional>

#include "sylvester/io/file_system.h"

namespace sylvester::io::detail {

// fill(writer of a temporary file beside `path`), fsync, close, rename, fsync of the folder. When a
// step throws, the temporary is removed and `path` is what it was.
void write_atomic(const std::filesystem::path& path, FileSystem& files,
                  const std::function<void(FileSystem::Writer&)>& fill);

}  // namespace sylvester::io::detail
