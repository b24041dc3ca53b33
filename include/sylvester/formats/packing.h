// Codes of fewer than 8 bits packed into bytes, and back. Layouts are named, never guessed.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "sylvester/formats/dtype.h"

namespace sylvester {

// Text forms: bytes pairs ggml sixes.
enum class Packing : std::uint8_t {
  kBytes,  // one code a byte, as encode writes them
  kPairs,  // 4 bits: element 2i in the low nibble, 2i + 1 in the high one (torch float4_e2m1fn_x2,
           // safetensors F4, ml_dtypes arrays written as bytes)
  kGgml,   // 4 bits: blocks of 32, element i low with i + 16 high (GGUF Q4_0, Q4_1)
  kSixes,  // 6 bits: 4 codes in 3 bytes, element i at bits 6i ... 6i + 5, little endian
};

// ValueError names what is allowed.
Packing parse_packing(std::string_view name);
std::string_view to_string(Packing packing) noexcept;
// The packing that fills bytes without loss: kPairs for 4 bits and less, kSixes for 5 and 6 bits,
// else kBytes.
Packing natural_packing(DType dtype);

// Bytes of n codes; the last byte's unused bits are zero.
// Errors: ShapeError when n is negative, or no multiple of 32 for kGgml.
std::int64_t packed_bytes(std::int64_t n, Packing packing);

// Codes as encode writes them; bits above the format's width are dropped.
// Shapes: packed has packed_bytes(codes.size()) bytes, else ShapeError; no overlap.
// Errors: ValueError when the format is wider than the packing's 4 or 6 bits.
// Determinism: bit-exact everywhere; unpack(pack(codes)) == codes for every tail.
//   pack(codes, DType::kFloat4E2M1FN, Packing::kPairs, bytes);   // bytes.view(torch float4) in
//   Python
void pack(std::span<const std::uint8_t> codes, DType dtype, Packing packing,
          std::span<std::uint8_t> packed);
// The inverse: integers come back sign-extended, everything else zero-extended.
void unpack(std::span<const std::uint8_t> packed, DType dtype, Packing packing,
            std::span<std::uint8_t> codes);

}  // namespace sylvester
