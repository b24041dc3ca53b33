#include "sylvester/io/checkpoint.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <map>
#include <mutex>
#include <set>

#include "io/paths.h"
#include "sylvester/core/error.h"
#include "sylvester/io/json.h"

namespace sylvester::io {
namespace {

namespace fs = std::filesystem;
constexpr const char* kManifest = "MANIFEST.json";
constexpr const char* kPrefix = "checkpoint-";
constexpr std::string_view kTemporary = ".tmp-";
constexpr std::int64_t kManifestVersion = 1;

struct FileRecord {
  std::uint64_t bytes = 0;
  std::string hash;
};

std::string hash_file(const fs::path& path, std::uint64_t& bytes) {
  const ReadableFile file(path);
  bytes = file.size();
  std::vector<std::byte> window(std::size_t{1} << 20);
  const std::unique_ptr<XXH64_state_t, XXH_errorcode (*)(XXH64_state_t*)> state(XXH64_createState(),
                                                                                XXH64_freeState);
  if (state == nullptr) throw std::bad_alloc();
  XXH64_reset(state.get(), 0);
  for (std::uint64_t at = 0; at < bytes; at += window.size()) {
    const std::size_t n = std::min<std::uint64_t>(window.size(), bytes - at);
    file.read(at, {window.data(), n});
    XXH64_update(state.get(), window.data(), n);
  }
  static constexpr char kHex[] = "0123456789abcdef";
  const std::uint64_t hash = XXH64_digest(state.get());
  std::string text;
  for (int shift = 60; shift >= 0; shift -= 4) text += kHex[hash >> shift & 15];
  return text;
}

// Regular files below `folder` by their path in it, MANIFEST.json left out. Anything that is
// neither a file nor a folder is an error.
std::vector<std::string> files_below(const fs::path& folder) {
  std::vector<std::string> out;
  std::error_code error;
  fs::recursive_directory_iterator it(folder, error), end;
  for (; !error && it != end; it.increment(error)) {
    const auto status = it->symlink_status();
    if (fs::is_directory(status)) continue;
    const std::string name = fs::relative(it->path(), folder).generic_string();
    if (!fs::is_regular_file(status)) {
      throw FormatError(it->path().string(), 0, "", "is not a regular file");
    }
    if (name != kManifest) out.push_back(name);
  }
  if (error) throw IoError(folder.string(), error.value(), "cannot list folder");
  std::sort(out.begin(), out.end());
  return out;
}

std::map<std::string, FileRecord> read_manifest(const fs::path& folder) {
  const fs::path path = folder / kManifest;
  if (!detail::exists(path)) {
    throw FormatError(path.string(), 0, "", "missing: the folder was not written completely");
  }
  const JsonValue json = read_json(path);
  const JsonValue version = json.at("version");
  if (version.as_int() != kManifestVersion) {
    version.fail("is " + version.integer_text() + "; this program reads " +
                 std::to_string(kManifestVersion));
  }
  std::map<std::string, FileRecord> out;
  for (const auto& [name, record] : json.at("files").members()) {
    out[std::string(name)] = {record.at("bytes").as_uint(), record.at("xxh64").as_string()};
  }
  return out;
}

void verify(const fs::path& folder, bool hashes) {
  const auto records = read_manifest(folder);
  const auto present = files_below(folder);
  for (const std::string& name : present) {
    if (!records.contains(name)) {
      throw FormatError((folder / name).string(), 0, "",
                        "is not in MANIFEST.json; move it out of the folder");
    }
  }
  for (const auto& [name, record] : records) {
    // A name that is not in the listing (absent, or pointing outside) is never opened.
    if (!std::binary_search(present.begin(), present.end(), name)) {
      throw FormatError((folder / kManifest).string(), 0, printable(name), "file is missing");
    }
    std::uint64_t bytes = detail::file_bytes(folder / name);
    const std::string hash = hashes ? hash_file(folder / name, bytes) : record.hash;
    if (bytes != record.bytes) {
      throw FormatError(
          (folder / name).string(), static_cast<std::int64_t>(bytes), "size",
          std::to_string(bytes) + " bytes; MANIFEST.json says " + std::to_string(record.bytes));
    }
    if (hash != record.hash) {
      throw FormatError((folder / name).string(), 0, "xxh64",
                        hash + "; MANIFEST.json says " + printable(record.hash));
    }
  }
}

// Temporaries that this process is writing right now.
std::mutex active_mutex;
std::set<fs::path> active;

class ActiveName {
 public:
  explicit ActiveName(fs::path path) : path_(std::move(path)) {
    const std::lock_guard lock(active_mutex);
    active.insert(path_);
  }
  ~ActiveName() {
    const std::lock_guard lock(active_mutex);
    active.erase(path_);
  }

 private:
  fs::path path_;
};

fs::path temporary_name(const fs::path& folder) {
  static std::atomic<unsigned> serial{0};
  fs::path out = folder;
  out += std::string(kTemporary) + std::to_string(::getpid()) + "-" + std::to_string(serial++);
  return out;
}

// NAME.tmp-PID-K whose process is gone, or that an earlier process with our own id left behind.
bool is_stale_temporary(const fs::path& path) {
  const std::string name = path.filename().string();
  const std::size_t at = name.rfind(kTemporary);
  if (at == std::string::npos) return false;
  long pid = 0;
  const char* begin = name.data() + at + kTemporary.size();
  const auto parsed = std::from_chars(begin, name.data() + name.size(), pid);
  if (parsed.ec != std::errc() || parsed.ptr == name.data() + name.size() || *parsed.ptr != '-' ||
      pid <= 0) {
    return false;
  }
  if (pid == ::getpid()) {
    const std::lock_guard lock(active_mutex);
    return !active.contains(path);
  }
  return ::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH;
}

void write_manifest(const fs::path& folder, FileSystem& files) {
  JsonWriter json(1);
  json.begin_object().key("version").value(kManifestVersion).key("files").begin_object();
  for (const std::string& name : files_below(folder)) {
    files.sync_file(folder / name);
    FileRecord record;
    record.hash = hash_file(folder / name, record.bytes);
    json.key(name).begin_object().key("bytes").value(record.bytes);
    json.key("xxh64").value(record.hash).end_object();
  }
  json.end_object().end_object();
  const auto writer = files.create(folder / kManifest);
  writer->write(std::as_bytes(std::span(json.text())));
  writer->sync();
  writer->close();
}

// Every folder below, innermost first, so that no name is lost.
void sync_folders(const fs::path& folder, FileSystem& files) {
  for (const auto& entry : detail::entries(folder)) {
    if (detail::is_folder(entry.path()) && !fs::is_symlink(entry.symlink_status()))
      sync_folders(entry.path(), files);
  }
  files.sync_folder(folder);
}

// Moved aside first, so that a half-removed folder never carries a checkpoint's name.
void remove_folder(const fs::path& folder, FileSystem& files) {
  const fs::path aside = temporary_name(folder);
  const ActiveName mark(aside);
  files.rename(folder, aside);
  files.remove_all(aside);
}

}  // namespace

void write_folder_atomic(const fs::path& folder_in,
                         const std::function<void(const fs::path&)>& fill, FileSystem& files) {
  // "run/checkpoint-1/" names the same folder as "run/checkpoint-1".
  const fs::path folder = folder_in.has_filename() ? folder_in : folder_in.parent_path();
  const fs::path temporary = temporary_name(folder), old = temporary_name(folder);
  const ActiveName mark(temporary), old_mark(old);
  const auto remove = [&](const fs::path& path) {
    try {
      files.remove_all(path);
    } catch (const Error&) {  // what stays is a stale temporary; prune_checkpoints removes it
    }
  };
  std::error_code ignored;  // a parent that is missing fails in create_folder
  const bool replace = fs::exists(fs::symlink_status(folder, ignored));
  try {
    files.create_folder(temporary);
    fill(temporary);
    write_manifest(temporary, files);
    sync_folders(temporary, files);
    if (!replace) {
      files.rename(temporary, folder);
    } else if (!files.exchange(temporary, folder)) {
      files.rename(folder, old);
      files.rename(temporary, folder);
    }
  } catch (...) {
    remove(temporary);
    throw;
  }
  // The old folder goes only when the new name is safe.
  files.sync_folder(folder.parent_path());
  if (!replace) return;
  remove(temporary);
  remove(old);
}

void remove_own_folder(const fs::path& folder, const std::string& mark) {
  std::error_code error;
  if (!fs::exists(folder, error)) return;
  if (!fs::is_directory(folder, error)) {
    throw IoError(folder.string(), ENOTDIR, "the output folder");
  }
  if (!fs::is_empty(folder, error) && !fs::exists(folder / mark, error)) {
    throw ValueError("output folder '" + io::printable(folder.string()) + "' has no " + mark +
                     ", so it is not replaced even with --force");
  }
  fs::remove_all(folder, error);
  if (error) throw IoError(folder.string(), error.value(), "removing the earlier output");
}

void verify_folder(const fs::path& folder) { verify(folder, true); }

std::vector<CheckpointEntry> list_checkpoints(const fs::path& run) {
  std::vector<CheckpointEntry> out;
  std::error_code error;
  for (fs::directory_iterator it(run, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!name.starts_with(kPrefix) || !detail::is_folder(it->path())) continue;
    const char* begin = name.data() + std::string_view(kPrefix).size();
    const char* last = name.data() + name.size();
    std::int64_t step = 0;
    const auto parsed = std::from_chars(begin, last, step);
    if (parsed.ec == std::errc() && parsed.ptr == last && *begin != '-') {
      out.push_back({it->path(), step});
    }
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    throw IoError(run.string(), error.value(), "cannot list folder");
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.step < b.step; });
  return out;
}

std::optional<CheckpointEntry> newest_valid_checkpoint(
    const fs::path& run, const std::function<void(const std::string&)>& warn) {
  const auto all = list_checkpoints(run);
  for (auto it = all.rbegin(); it != all.rend(); ++it) {
    try {
      verify_folder(it->folder);
      return *it;
    } catch (const Error& error) {
      if (warn) warn("damaged checkpoint skipped: " + std::string(error.what()));
    }
  }
  return std::nullopt;
}

void prune_checkpoints(const fs::path& run, std::int64_t keep, FileSystem& files) {
  if (keep < 1) throw ValueError("keep is " + std::to_string(keep) + "; want at least 1");
  for (const auto& entry : detail::entries(run)) {
    if (is_stale_temporary(entry.path())) files.remove_all(entry.path());
  }
  const auto all = list_checkpoints(run);
  std::vector<fs::path> others;
  std::int64_t valid = 0;
  for (auto it = all.rbegin(); it != all.rend(); ++it) {
    bool good = false;
    if (valid < keep) {
      try {
        verify(it->folder, false);
        good = true;
      } catch (const Error&) {  // damaged: it goes, unless nothing better exists
      }
    }
    if (good) {
      ++valid;
    } else {
      others.push_back(it->folder);
    }
  }
  if (valid == 0) return;
  for (const fs::path& folder : others) remove_folder(folder, files);
}

FolderLock::FolderLock(const fs::path& folder) {
  const fs::path path = folder / ".lock";
  descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor_ < 0) throw IoError(path.string(), errno, "cannot open lock file");
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    std::array<char, 32> owner{};
    const ssize_t n = ::pread(descriptor_, owner.data(), owner.size() - 1, 0);
    ::close(descriptor_);
    throw IoError(folder.string(), error,
                  "is in use by process " + printable({owner.data(), n > 0 ? std::size_t(n) : 0}));
  }
  const std::string pid = std::to_string(::getpid());
  // The number only serves the message above; the lock holds without it.
  if (::ftruncate(descriptor_, 0) != 0 ||
      ::pwrite(descriptor_, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    const int error = errno;
    ::close(descriptor_);
    throw IoError(path.string(), error, "cannot write lock file");
  }
}

FolderLock::~FolderLock() { ::close(descriptor_); }

}  // namespace sylvester::io
