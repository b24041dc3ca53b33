#include "sylvester/io/file_system.h"

#include <fcntl.h>
#include <stdio.h>  // renameat2
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <limits>
#include <system_error>

#include "io/atomic_write.h"
#include "sylvester/core/error.h"

namespace sylvester::io {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& path, const std::string& what, int error = errno) {
  throw IoError(path.string(), error, what);
}

class SystemWriter : public FileSystem::Writer {
 public:
  SystemWriter(const fs::path& path, int flags) : path_(path) {
    do {
      descriptor_ = ::open(path.c_str(), flags | O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    } while (descriptor_ < 0 && errno == EINTR);
    if (descriptor_ < 0) fail(path, "cannot open for writing");
  }
  ~SystemWriter() override {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  void write(std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const std::size_t piece = std::min<std::size_t>(bytes.size(), std::size_t{1} << 30);
      const ssize_t n = ::write(descriptor_, bytes.data(), piece);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail(path_, "cannot write");
      if (n == 0) fail(path_, "cannot write: no progress", 0);
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
  }
  void sync() override {
    int status;
    do {
      status = ::fsync(descriptor_);
    } while (status != 0 && errno == EINTR);
    // A pipe or device has nothing to sync.
    if (status != 0 && errno != EINVAL && errno != EROFS) fail(path_, "cannot sync");
  }
  void close() override {
    if (descriptor_ < 0) return;
    const int status = ::close(descriptor_);
    descriptor_ = -1;  // closed even when close() reports an error (Linux)
    if (status != 0 && errno != EINTR) fail(path_, "cannot close");
  }

 private:
  fs::path path_;
  int descriptor_ = -1;
};

class SystemFiles : public FileSystem {
 public:
  std::unique_ptr<Writer> create(const fs::path& path) override {
    return std::make_unique<SystemWriter>(path, O_TRUNC);
  }
  std::unique_ptr<Writer> append(const fs::path& path) override {
    return std::make_unique<SystemWriter>(path, O_APPEND);
  }
  void rename(const fs::path& from, const fs::path& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) {
      fail(from, "cannot rename to " + to.string());
    }
  }
  bool exchange(const fs::path& a, const fs::path& b) override {
    if (::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) == 0) return true;
    if (errno == EINVAL || errno == ENOSYS) return false;
    fail(a, "cannot exchange with " + b.string());
  }
  void sync_file(const fs::path& path) override {
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) fail(path, "cannot open");
    const int status = ::fsync(descriptor);
    const int error = errno;
    ::close(descriptor);
    if (status != 0) fail(path, "cannot sync", error);
  }
  void sync_folder(const fs::path& folder) override {
    const fs::path& name = folder.empty() ? fs::path(".") : folder;
    const int descriptor = ::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) fail(name, "cannot open folder");
    const int status = ::fsync(descriptor);
    const int error = errno;
    ::close(descriptor);
    // Some file systems cannot sync a folder; there is nothing more to do on those.
    if (status != 0 && error != EINVAL) fail(name, "cannot sync folder", error);
  }
  void create_folder(const fs::path& folder) override {
    std::error_code error;
    fs::create_directories(folder, error);
    if (error) fail(folder, "cannot create folder", error.value());
  }
  void remove_all(const fs::path& path) override {
    std::error_code error;
    fs::remove_all(path, error);
    if (error) fail(path, "cannot remove", error.value());
  }
};

}  // namespace

FileSystem& system_files() {
  static SystemFiles files;
  return files;
}

ReadableFile::ReadableFile(const fs::path& path) : path_(path) {
  // O_NONBLOCK: opening a FIFO must not wait for a writer.
  descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor_ < 0) fail(path, "cannot open");
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) {
    const int error = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
    ::close(descriptor_);
    fail(path, "not a regular file", error);
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
}

ReadableFile::~ReadableFile() { ::close(descriptor_); }

void ReadableFile::read(std::uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const std::size_t piece = std::min<std::size_t>(out.size(), std::size_t{1} << 30);
    const ssize_t n = ::pread(descriptor_, out.data(), piece, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(path_, "cannot read");
    if (n == 0) {
      fail(path_,
           "file ends at " + std::to_string(offset) + ", opened with " + std::to_string(size_) +
               " bytes (was it cut while open?)",
           0);
    }
    offset += static_cast<std::uint64_t>(n);
    out = out.subspan(static_cast<std::size_t>(n));
  }
}

std::vector<std::byte> read_file(const fs::path& path) {
  return read_file(path, std::numeric_limits<std::int64_t>::max());
}

std::vector<std::byte> read_file(const fs::path& path, std::uint64_t max_bytes) {
  const ReadableFile file(path);
  if (file.size() > max_bytes) {
    throw FormatError(
        path.string(), static_cast<std::int64_t>(max_bytes), "size",
        std::to_string(file.size()) + " bytes; want at most " + std::to_string(max_bytes));
  }
  std::vector<std::byte> bytes(file.size());
  file.read(0, bytes);
  return bytes;
}

void detail::write_atomic(const fs::path& path, FileSystem& files,
                          const std::function<void(FileSystem::Writer&)>& fill) {
  static std::atomic<unsigned> serial{0};
  fs::path temporary = path;
  temporary += ".tmp-" + std::to_string(::getpid()) + "-" + std::to_string(serial++);
  try {
    const auto writer = files.create(temporary);
    fill(*writer);
    writer->sync();
    writer->close();
    files.rename(temporary, path);
  } catch (...) {
    try {
      files.remove_all(temporary);
    } catch (const Error&) {  // the first error is the one to report
    }
    throw;
  }
  files.sync_folder(path.parent_path());
}

void write_file_atomic(const fs::path& path, std::span<const std::byte> bytes, FileSystem& files) {
  detail::write_atomic(path, files, [&](FileSystem::Writer& writer) { writer.write(bytes); });
}

void write_file_atomic(const fs::path& path, const std::string& text, FileSystem& files) {
  write_file_atomic(path, std::as_bytes(std::span(text)), files);
}

}  // namespace sylvester::io
