// The one seam through which the library touches files, so that a test can fail, tear or cut any
// call. Writes that must be all-or-nothing go through write_folder_atomic or write_file_atomic.
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
  // Opens for writing at the end, creating the file when it is absent.
  virtual std::unique_ptr<Writer> append(const std::filesystem::path& path) = 0;
  virtual void rename(const std::filesystem::path& from, const std::filesystem::path& to) = 0;
  // Swaps two existing paths in one step. False, and nothing done, where the file system cannot.
  virtual bool exchange(const std::filesystem::path& a, const std::filesystem::path& b) = 0;
  virtual void sync_file(const std::filesystem::path& path) = 0;  // of a file written before
  virtual void sync_folder(const std::filesystem::path& folder) = 0;
  virtual void create_folder(const std::filesystem::path& folder) = 0;
  virtual void remove_all(const std::filesystem::path& path) = 0;
};

// The operating system's files.
FileSystem& system_files();

// A regular file open for reading at any offset, by several threads at once. read() not mmap: a
// file that another process cuts while it is open gives an IoError, never a signal.
class ReadableFile {
 public:
  // IoError when the path is missing, unreadable, or no regular file (folder, FIFO, device).
  explicit ReadableFile(const std::filesystem::path& path);
  ~ReadableFile();
  ReadableFile(const ReadableFile&) = delete;
  ReadableFile& operator=(const ReadableFile&) = delete;

  const std::filesystem::path& path() const noexcept { return path_; }
  // Size when it was opened.
  std::uint64_t size() const noexcept { return size_; }
  // Exactly out.size() bytes; IoError when the file has fewer left.
  void read(std::uint64_t offset, std::span<std::byte> out) const;

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

// Regular files only (a FIFO, folder or device is an IoError); read() not mmap.
std::vector<std::byte> read_file(const std::filesystem::path& path);
// The same for a file of at most max_bytes; FormatError (field "size") for a longer one.
std::vector<std::byte> read_file(const std::filesystem::path& path, std::uint64_t max_bytes);
// temp file beside it, fsync, rename, fsync of the folder.
void write_file_atomic(const std::filesystem::path& path, std::span<const std::byte> bytes,
                       FileSystem& files = system_files());
void write_file_atomic(const std::filesystem::path& path, const std::string& text,
                       FileSystem& files = system_files());

}  // namespace sylvester::io
