// Named tensors in files: safetensors (read, write), GGUF (read). Strict: see docs/file_formats.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
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

// Storage of one dtype name: `block` elements take `bytes` bytes (F4: 2 in 1, Q4_0: 32 in 18).
struct StorageType {
  std::string_view name;
  std::int64_t block;
  std::int64_t bytes;
};
// Every dtype name of safetensors and GGUF that the library knows; nullptr for any other.
const StorageType* find_storage_type(std::string_view name) noexcept;

// A reader keeps the header in memory and the file open; data is read on demand, by several threads
// at once if the caller likes.
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
  // Decoded to float32: F32, F64 (rounded to nearest), F16, BF16, F8_*, F6_*, F4, U8, I8, U16, I16,
  // BOOL, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K. Reads and decodes with all threads.
  // Shapes: out.size() is the product of info.shape, else ShapeError.
  // Errors: UnsupportedError for any other dtype; IoError when the file was cut while open.
  // Determinism: bit-exact everywhere; quantized blocks are scale * q (+ minimum), two roundings,
  // as gguf-py has them.
  void read_float32(const TensorInfo& info, std::span<float> out) const;
  // Metadata as text (safetensors: __metadata__; GGUF: scalars and strings printed, arrays by
  // count).
  virtual std::map<std::string, std::string> metadata() const = 0;

 protected:
  // Called once by a reader when tensors() is complete; makes info() a hash look-up.
  void index_tensors();

 private:
  std::unordered_map<std::string_view, std::size_t> index_;
};

// Rules in docs/file_formats.md. Errors: FormatError, IoError.
std::unique_ptr<TensorFile> open_safetensors(const std::filesystem::path& path);

// The tensors of a model: a safetensors or GGUF file, or a Hugging Face folder with
// model.safetensors or with model.safetensors.index.json and its shards (one view of them all).
// Errors: FormatError for a missing or doubly stored tensor and for a shard outside the folder.
std::unique_ptr<TensorFile> open_model_tensors(const std::filesystem::path& path);

struct NamedBytes {
  std::string name;
  std::string dtype;  // safetensors name
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;
};
// Tensors in the given order, offsets without holes, the header padded with spaces to a multiple of
// 8 bytes. Atomic (temp, fsync, rename): an existing file stays whole until the new one is.
// Errors: ValueError for a repeated name, an unknown dtype, bytes that do not fit the shape, or a
// name that is not UTF-8; IoError.
void write_safetensors(const std::filesystem::path& path, std::span<const NamedBytes> tensors,
                       const std::map<std::string, std::string>& metadata = {},
                       FileSystem& files = system_files());

}  // namespace sylvester::io
