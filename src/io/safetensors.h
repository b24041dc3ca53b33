// The safetensors header as the file has it, shared by the reader and validate().
// Source: the format section of the safetensors README and the checks of tensor.rs.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "io/atomic_write.h"
#include "io/findings.h"
#include "sylvester/io/tensor_file.h"

namespace sylvester::io::detail {

struct SafetensorsEntry {
  std::string name;
  std::int64_t at = 0;  // byte offset just after the name
  std::string dtype;
  std::int64_t dtype_at = 0;
  std::vector<std::uint64_t> shape;
  std::vector<std::uint64_t> range;  // data_offsets
  bool has_shape = false;
  bool has_range = false;
  bool bad = false;  // a field had the wrong kind of value, and that was reported
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  // in the header's order
  std::map<std::string, std::string> metadata;
  std::uint64_t data_begin = 0;
  bool broken = false;  // some entry has no usable range
};

SafetensorsHeader read_safetensors_header(const ReadableFile& file, Findings& findings);

}  // namespace sylvester::io::detail
