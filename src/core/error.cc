#include "sylvester/core/error.h"

#include <cstring>
#include <utility>

namespace sylvester {

FormatError::FormatError(std::string file, std::int64_t offset, std::string field,
                         const std::string& rule)
    : Error(file + ": at " + std::to_string(offset) + ": " + (field.empty() ? "" : field + ": ") +
            rule),
      file_(std::move(file)),
      offset_(offset),
      field_(std::move(field)) {}

IoError::IoError(std::string path, int error_number, const std::string& what)
    : Error(path + ": " + what +
            (error_number != 0 ? std::string(": ") + std::strerror(error_number) : "")),
      path_(std::move(path)),
      error_number_(error_number) {}

NumericsError::NumericsError(std::string where, std::int64_t step, const std::string& what)
    : Error(where + ": step " + std::to_string(step) + ": " + what),
      where_(std::move(where)),
      step_(step) {}

}  // namespace sylvester
