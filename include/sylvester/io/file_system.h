// The one seam through which the library touches files, so that a test can fail, tear or cut any
// call. Writes that must be all-or-nothing go through AtomicFolder or write_file_atomic.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace sylvester::io {

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  // A file open for writing. Every method throws IoError with path and errno.
  class Writer {
   public:
    virtual ~Writer() = default;
    virtual void write(std::span<const std::byte> bytes) = 0;
    virtual void sync() = 0;   // fsync
    virtual void close() = 0;  // reports late errors (ENOSPC)
  };
  virtual std::unique_ptr<Writer> create(const std::filesystem::path& path) = 0;
  virtual void rename(const std::filesystem::path& from, const std::filesystem::path& to) = 0;
  virtual void sync_folder(const std::filesystem::path& folder) = 0;
  virtual void create_folder(const std::filesystem::path& folder) = 0;
  virtual void remove_all(const std::filesystem::path& path) = 0;
};

// The operating system's files.
FileSystem& system_files();

// Regular files only (a FIFO, folder or device is an IoError); read() not mmap.
std::vector<std::byte> read_file(const std::filesystem::path& path);
// temp file beside it, fsync, rename, fsync of the folder.
void write_file_atomic(const std::filesystem::path& path, std::span<const std::byte> bytes,
                       FileSystem& files = system_files());
void write_file_atomic(const std::filesystem::path& path, const std::string& text,
                       FileSystem& files = system_files());

}  // namespace sylvester::io
