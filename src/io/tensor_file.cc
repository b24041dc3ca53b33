#include "sylvester/io/tensor_file.h"

#include <algorithm>
#include <array>

#include "io/dequantize.h"
#include "io/findings.h"
#include "sylvester/core/parallel.h"
#include "sylvester/io/json.h"

namespace sylvester::io {
namespace {

// safetensors names first, then ggml's (ggml-common.h gives the block layouts).
constexpr std::array<StorageType, 36> kStorageTypes = {{
    {"BOOL", 1, 1},        {"U8", 1, 1},          {"I8", 1, 1},       {"U16", 1, 2},
    {"I16", 1, 2},         {"U32", 1, 4},         {"I32", 1, 4},      {"U64", 1, 8},
    {"I64", 1, 8},         {"F16", 1, 2},         {"BF16", 1, 2},     {"F32", 1, 4},
    {"F64", 1, 8},         {"C64", 1, 8},         {"F8_E4M3", 1, 1},  {"F8_E5M2", 1, 1},
    {"F8_E4M3FNUZ", 1, 1}, {"F8_E5M2FNUZ", 1, 1}, {"F8_E8M0", 1, 1},  {"F6_E3M2", 4, 3},
    {"F6_E2M3", 4, 3},     {"F4", 2, 1},          {"Q4_0", 32, 18},   {"Q4_1", 32, 20},
    {"Q5_0", 32, 22},      {"Q5_1", 32, 24},      {"Q8_0", 32, 34},   {"Q8_1", 32, 36},
    {"Q2_K", 256, 84},     {"Q3_K", 256, 110},    {"Q4_K", 256, 144}, {"Q5_K", 256, 176},
    {"Q6_K", 256, 210},    {"Q8_K", 256, 292},    {"IQ4_NL", 32, 18}, {"MXFP4", 32, 17},
}};

std::uint64_t element_count(const TensorInfo& info) {
  std::uint64_t count = 1;
  for (const std::int64_t dim : info.shape) {
    if (dim < 0 || !detail::checked_mul(count, static_cast<std::uint64_t>(dim))) {
      throw ShapeError("tensor \"" + printable(info.name) + "\": its size does not fit 64 bits");
    }
  }
  return count;
}

}  // namespace

const StorageType* find_storage_type(std::string_view name) noexcept {
  for (const StorageType& type : kStorageTypes) {
    if (type.name == name) return &type;
  }
  return nullptr;
}

void TensorFile::index_tensors() {
  index_.clear();
  const auto& list = tensors();
  index_.reserve(list.size());
  for (std::size_t i = 0; i < list.size(); ++i) index_.emplace(list[i].name, i);
}

const TensorInfo& TensorFile::info(const std::string& name) const {
  const auto found = index_.find(name);
  if (found == index_.end()) {
    throw ValueError(path().string() + ": no tensor \"" + printable(name) + "\"");
  }
  return tensors()[found->second];
}

bool TensorFile::contains(const std::string& name) const { return index_.contains(name); }

void TensorFile::read_float32(const TensorInfo& info, std::span<float> out) const {
  if (element_count(info) != out.size()) {
    throw ShapeError("tensor \"" + printable(info.name) + "\" has " +
                     std::to_string(element_count(info)) + " elements, the buffer " +
                     std::to_string(out.size()));
  }
  const StorageType* type = find_storage_type(info.dtype);
  const auto decode = detail::find_decoder(info.dtype);
  if (type == nullptr || decode == nullptr) {
    throw UnsupportedError(path().string() + ": tensor \"" + printable(info.name) + "\": dtype " +
                           printable(info.dtype) + " has no exact float32 values here");
  }
  const auto block = static_cast<std::uint64_t>(type->block);
  const auto block_bytes = static_cast<std::uint64_t>(type->bytes);
  if (out.size() % block != 0 || out.size() / block * block_bytes != info.bytes) {
    throw ShapeError("tensor \"" + printable(info.name) + "\": " + std::to_string(info.bytes) +
                     " bytes do not hold its shape");
  }
  // Pieces of 64 K elements (a multiple of every block) are read and decoded independently.
  constexpr std::int64_t kPiece = 65536;
  parallel_blocks(
      static_cast<std::int64_t>(out.size()), kPiece,
      [&](std::int64_t, std::int64_t begin, std::int64_t end) {
        const auto n = static_cast<std::uint64_t>(end - begin);
        const TensorInfo piece{
            .name = info.name,
            .dtype = info.dtype,
            .shape = {},
            .offset = info.offset + static_cast<std::uint64_t>(begin) / block * block_bytes,
            .bytes = n / block * block_bytes};
        const auto part = out.subspan(static_cast<std::size_t>(begin), n);
        if (info.dtype == "F32") {
          read_bytes(piece, std::as_writable_bytes(part));
          return;
        }
        thread_local std::vector<std::byte> bytes;
        bytes.resize(piece.bytes);
        read_bytes(piece, bytes);
        decode(bytes.data(), part);
      });
}

}  // namespace sylvester::io
