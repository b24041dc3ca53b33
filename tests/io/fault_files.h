// A FileSystem for tests: fails the Nth call, or stops at it as a power cut does.
#pragma once

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "sylvester/core/error.h"
#include "sylvester/io/file_system.h"

namespace sylvester::test {

// Thrown at a simulated power cut: not an Error, so nothing in the library may swallow it.
struct PowerCut {};

// Passes every call on to the system's files and counts them. With fail_at = N the Nth call throws
// IoError(ENOSPC), after half of the bytes when it is a write. With cut_at = N the Nth call and
// every later one throw PowerCut; lose_unsynced() then leaves of every file what a disk may leave:
// synced bytes are there, later ones are there, cut short, or torn into zeros.
class FaultFiles : public io::FileSystem {
 public:
  std::int64_t calls = 0;
  std::int64_t fail_at = -1;
  std::int64_t cut_at = -1;

  std::unique_ptr<Writer> create(const std::filesystem::path& path) override {
    step(path);
    synced_[path.string()] = 0;
    return std::make_unique<FaultWriter>(*this, path, io::system_files().create(path));
  }
  std::unique_ptr<Writer> append(const std::filesystem::path& path) override {
    step(path);
    return std::make_unique<FaultWriter>(*this, path, io::system_files().append(path));
  }
  void rename(const std::filesystem::path& from, const std::filesystem::path& to) override {
    step(from);
    io::system_files().rename(from, to);
    move_names(from.string(), to.string());
  }
  bool exchange(const std::filesystem::path& a, const std::filesystem::path& b) override {
    step(a);
    if (!can_exchange) return false;
    if (!io::system_files().exchange(a, b)) return false;
    move_names(a.string(), "\n");
    move_names(b.string(), a.string());
    move_names("\n", b.string());
    return true;
  }
  void sync_file(const std::filesystem::path& path) override {
    step(path);
    synced_[path.string()] = std::filesystem::file_size(path);
  }
  void sync_folder(const std::filesystem::path& folder) override { step(folder); }
  void create_folder(const std::filesystem::path& folder) override {
    step(folder);
    io::system_files().create_folder(folder);
  }
  void remove_all(const std::filesystem::path& path) override {
    step(path);
    io::system_files().remove_all(path);
  }
  bool can_exchange = true;

  // Damages what was not synced: kept whole, cut short or torn, by the generator.
  void lose_unsynced(std::mt19937& rng) const {
    for (const auto& [name, synced] : synced_) {
      if (!std::filesystem::exists(name)) continue;
      const std::uint64_t size = std::filesystem::file_size(name);
      if (size <= synced) continue;
      const auto kind = rng() % 3;
      if (kind == 0) std::filesystem::resize_file(name, synced + rng() % (size - synced));
      if (kind == 1) {
        std::fstream file(name, std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(static_cast<std::streamoff>(synced));
        file << std::string(size - synced, '\0');
      }
    }
  }

 private:
  class FaultWriter : public Writer {
   public:
    FaultWriter(FaultFiles& files, std::filesystem::path path, std::unique_ptr<Writer> writer)
        : files_(files), path_(std::move(path)), writer_(std::move(writer)) {}
    void write(std::span<const std::byte> bytes) override {
      const bool last = files_.calls + 1 == files_.fail_at || files_.calls + 1 == files_.cut_at;
      if (last) writer_->write(bytes.first(bytes.size() / 2));  // a short write comes first
      files_.step(path_);
      writer_->write(bytes);
    }
    void sync() override {
      files_.step(path_);
      files_.synced_[path_.string()] = std::filesystem::file_size(path_);
    }
    void close() override {
      files_.step(path_);
      writer_->close();
    }

   private:
    FaultFiles& files_;
    std::filesystem::path path_;
    std::unique_ptr<Writer> writer_;
  };

  void step(const std::filesystem::path& path) {
    ++calls;
    if (cut_at > 0 && calls >= cut_at) throw PowerCut{};
    if (calls == fail_at) throw IoError(path.string(), ENOSPC, "simulated");
  }
  void move_names(const std::string& from, const std::string& to) {
    std::map<std::string, std::uint64_t> moved;
    for (const auto& [name, synced] : synced_) {
      const bool below = name == from || name.starts_with(from + "/");
      moved[below ? to + name.substr(from.size()) : name] = synced;
    }
    synced_ = std::move(moved);
  }
  std::map<std::string, std::uint64_t> synced_;  // bytes of each file that are safe
};

}  // namespace sylvester::test
