// Named tensors in files: safetensors (read, write), GGUF (read). Strict: see docs/file_formats.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sylvester/io/file_system.h"

namespace sylvester::io {

// One tensor as the file describes it. `dtype` is the file's own name ("F32", "BF16", "Q4_1").
struct TensorInfo {
  std::string name;
  std::string dtype;
  std::vector<std::int64_t> shape;  // row-major, outermost first (GGUF's order reversed)
  std::uint64_t offset = 0;         // of its bytes in the file
  std::uint64_t bytes = 0;
};

// A reader keeps the header in memory and the file open; data is read on demand.
class TensorFile {
 public:
  virtual ~TensorFile() = default;
  virtual const std::filesystem::path& path() const = 0;
  virtual const std::vector<TensorInfo>& tensors() const = 0;
  // Throws ValueError when there is no such tensor.
  const TensorInfo& info(const std::string& name) const;
  bool contains(const std::string& name) const;
  // The raw bytes; `out` has exactly info.bytes bytes.
  virtual void read_bytes(const TensorInfo& info, std::span<std::byte> out) const = 0;
  // Decoded to float32: F32, F64, F16, BF16, F8_E4M3, F8_E5M2, Q4_0, Q4_1, Q8_0 ...
  void read_float32(const TensorInfo& info, std::span<float> out) const;
  // Metadata as text (safetensors: __metadata__; GGUF: scalars and strings printed, arrays by
  // count).
  virtual std::map<std::string, std::string> metadata() const = 0;
};

std::unique_ptr<TensorFile> open_safetensors(const std::filesystem::path& path);

struct NamedBytes {
  std::string name;
  std::string dtype;  // safetensors name
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;
};
// Tensors in the given order, offsets without holes. Atomic (temp, fsync, rename).
void write_safetensors(const std::filesystem::path& path, std::span<const NamedBytes> tensors,
                       const std::map<std::string, std::string>& metadata = {},
                       FileSystem& files = system_files());

}  // namespace sylvester::io
