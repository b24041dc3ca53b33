// One set of checks, two uses: a reader throws at the first broken rule, validate() collects all.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "sylvester/core/error.h"
#include "sylvester/io/validate.h"

namespace sylvester::io::detail {

class Findings {
 public:
  // list == nullptr: throw.
  explicit Findings(std::string file, std::vector<Violation>* list = nullptr)
      : file_(std::move(file)), list_(list) {}
  void error(std::int64_t offset, std::string field, const std::string& rule) {
    if (list_ == nullptr) throw FormatError(file_, offset, std::move(field), rule);
    list_->push_back({file_, offset, std::move(field), rule, false});
    ++errors_;
  }
  // The same about another file (a shard of a folder).
  void error_in(const std::string& file, std::int64_t offset, std::string field,
                const std::string& rule) {
    if (list_ == nullptr) throw FormatError(file, offset, std::move(field), rule);
    list_->push_back({file, offset, std::move(field), rule, false});
    ++errors_;
  }
  void warn(std::int64_t offset, std::string field, const std::string& rule) {
    if (list_ != nullptr) list_->push_back({file_, offset, std::move(field), rule, true});
  }
  // A defect after which nothing else can be read.
  [[noreturn]] void fatal(std::int64_t offset, std::string field, const std::string& rule) const {
    throw FormatError(file_, offset, std::move(field), rule);
  }
  bool clean() const noexcept { return errors_ == 0; }
  bool collects() const noexcept { return list_ != nullptr; }
  const std::string& file() const noexcept { return file_; }

 private:
  std::string file_;
  std::vector<Violation>* list_;
  int errors_ = 0;
};

enum class FileKind { kSafetensors, kGguf, kNpy, kNpz, kJson, kJsonl, kModelFolder, kCheckpoint };
// By ending, then by the first bytes. ValueError for a kind that is not known; IoError.
FileKind kind_of(const std::filesystem::path& path);

// False when the product does not fit 64 bits.
inline bool checked_mul(std::uint64_t& product, std::uint64_t factor) noexcept {
  return !__builtin_mul_overflow(product, factor, &product);
}

}  // namespace sylvester::io::detail
