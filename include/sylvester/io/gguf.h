// GGUF v2/v3 reader: tensors and typed metadata.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "sylvester/io/tensor_file.h"

namespace sylvester::io {

// Integers and floats are widened; arrays of bool and uint8 are bytes; arrays of arrays are
// refused.
using GgufValue =
    std::variant<std::uint64_t, std::int64_t, double, bool, std::string, std::vector<std::uint64_t>,
                 std::vector<std::int64_t>, std::vector<double>, std::vector<std::uint8_t>,
                 std::vector<std::string>>;

class GgufFile : public TensorFile {
 public:
  virtual bool has(const std::string& key) const = 0;
  // Typed access; FormatError naming the key when it is absent or of another type.
  virtual const GgufValue& value(const std::string& key) const = 0;
  virtual std::vector<std::string> keys() const = 0;
  // Byte offset of its value in the file; FormatError when it is absent.
  virtual std::int64_t offset_of(const std::string& key) const = 0;
  // Unsigned, or signed and >= 0.
  std::uint64_t get_uint(const std::string& key) const;
  double get_double(const std::string& key) const;
  const std::string& get_string(const std::string& key) const;
  const std::vector<std::string>& get_strings(const std::string& key) const;
  const std::vector<std::int64_t>& get_ints(const std::string& key) const;  // signed array
};

// True for a name that ends in .gguf and for a file that starts with "GGUF". IoError.
bool is_gguf(const std::filesystem::path& path);
// Rules in docs/file_formats.md. Errors: FormatError, IoError.
std::unique_ptr<GgufFile> open_gguf(const std::filesystem::path& path);

}  // namespace sylvester::io
