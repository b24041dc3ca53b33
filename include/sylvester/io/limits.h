// What a file may ask for before it has been accepted. A larger claim is a FormatError, raised
// before anything of that size is allocated.
#pragma once

#include <cstdint>

namespace sylvester::io {

inline constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // safetensors header
inline constexpr std::uint64_t kMaxGgufNameBytes = 65535;      // GGUF keys and tensor names
inline constexpr std::uint64_t kMaxTensors = 10'000'000;
inline constexpr int kMaxDims = 8;
inline constexpr int kMaxHeaderDepth = 8;  // nesting of a safetensors header
inline constexpr int kMaxJsonDepth = 64;   // nesting of every other JSON text
inline constexpr std::uint64_t kMaxJsonBytes = std::uint64_t{1}
                                               << 28;  // config.json, tokenizer.json
inline constexpr std::uint64_t kMaxLineBytes = std::uint64_t{16} << 20;     // JSONL
inline constexpr std::uint64_t kMaxAlignment = std::uint64_t{1} << 20;      // GGUF
inline constexpr std::uint64_t kMaxExpandedBytes = std::uint64_t{1} << 32;  // one npz member
inline constexpr std::uint64_t kMaxNpyHeaderBytes = 65536;

}  // namespace sylvester::io
