// The GGUF header as the file has it, shared by the reader and validate().
// Source: docs/gguf.md of the ggml project (format versions 2 and 3).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "io/findings.h"
#include "sylvester/io/gguf.h"

namespace sylvester::io::detail {

struct GgufHeader {
  struct Entry {
    GgufValue value;
    std::int64_t at = 0;  // byte offset of the value
  };
  std::uint32_t version = 0;
  std::map<std::string, Entry> values;
  std::vector<std::string> keys;  // in the file's order
  std::vector<TensorInfo> tensors;
};

GgufHeader read_gguf_header(const ReadableFile& file, Findings& findings);

}  // namespace sylvester::io::detail
