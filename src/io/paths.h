// Questions about paths that answer with a value or an IoError, never another exception.
#pragma once

#include <cstdint>
#include <filesystem>
#include <system_error>
#include <vector>

#include "sylvester/core/error.h"

namespace sylvester::io::detail {

// False for what cannot be looked at (symbolic link loop, no permission); opening it says why.
inline bool exists(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}
inline bool is_folder(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::is_directory(path, error);
}

inline std::uintmax_t file_bytes(const std::filesystem::path& path) {
  std::error_code error;
  const auto bytes = std::filesystem::file_size(path, error);
  if (error) throw IoError(path.string(), error.value(), "cannot look at");
  return bytes;
}

// The entries of a folder, not of the folders in it.
inline std::vector<std::filesystem::directory_entry> entries(const std::filesystem::path& folder) {
  std::vector<std::filesystem::directory_entry> out;
  std::error_code error;
  std::filesystem::directory_iterator it(folder, error), end;
  for (; !error && it != end; it.increment(error)) out.push_back(*it);
  if (error) throw IoError(folder.string(), error.value(), "cannot list folder");
  return out;
}

}  // namespace sylvester::io::detail
