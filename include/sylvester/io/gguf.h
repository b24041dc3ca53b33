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
  std::uint64_t get_uint(const std::string& key) const;
  double get_double(const std::string& key) const;
  const std::string& get_string(const std::string& key) const;
  const std::vector<std::string>& get_strings(const std::string& key) const;
};

std::unique_ptr<GgufFile> open_gguf(const std::filesystem::path& path);

}  // namespace sylvester::io
