// The one small family of exceptions. Every message says what was wrong, where, what was expected,
// and what to try. Values (NaN, Inf in data) are not errors; see docs/errors.md.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace sylvester {

// Base of everything the library throws on purpose.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Two shapes that must agree do not, or a size has no meaning here.
class ShapeError : public Error {
 public:
  using Error::Error;
};

// An argument's value is outside what the function accepts.
class ValueError : public Error {
 public:
  using Error::Error;
};

// The library knows the thing asked for but cannot do it (here, or on this machine).
class UnsupportedError : public Error {
 public:
  using Error::Error;
};

// A file's bytes break a rule of its format.
// `offset` is a byte offset, or a 1-based line number for line-based files (JSONL).
class FormatError : public Error {
 public:
  FormatError(std::string file, std::int64_t offset, std::string field, const std::string& rule);
  const std::string& file() const noexcept { return file_; }
  std::int64_t offset() const noexcept { return offset_; }
  const std::string& field() const noexcept { return field_; }

 private:
  std::string file_;
  std::int64_t offset_;
  std::string field_;
};

// The operating system refused: path and errno text.
class IoError : public Error {
 public:
  IoError(std::string path, int error_number, const std::string& what);
  const std::string& path() const noexcept { return path_; }
  int error_number() const noexcept { return error_number_; }

 private:
  std::string path_;
  int error_number_;
};

// A computation left the finite numbers where the caller asked to be stopped.
class NumericsError : public Error {
 public:
  NumericsError(std::string where, std::int64_t step, const std::string& what);
  const std::string& where() const noexcept { return where_; }
  std::int64_t step() const noexcept { return step_; }

 private:
  std::string where_;
  std::int64_t step_;
};

}  // namespace sylvester
