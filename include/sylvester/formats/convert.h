// Encode real numbers to codes and back, one by one or in bulk.
#pragma once

#include <cstdint>
#include <span>

#include "sylvester/formats/dtype.h"
#include "sylvester/formats/options.h"

namespace sylvester {

// Codes of <= 8 bits: one code in the low bits of each byte (FP6: bits 0-5, FP4: 0-3; integers are
// sign-extended two's complement). Every option holds for every format; what a format lacks is
// said at the enumerator (options.h).
// Shapes: x and codes have the same length, else ShapeError. x and codes may not overlap.
// Errors: ValueError when `to` has no 8-bit codes (kFloat32, kBFloat16, ...).
// Determinism: bit-exact on every target and thread count; scalar.h is the definition.
// Speed: every mode and format is vectorised from float32, bfloat16 and float16; float64 sources,
// and 16-bit sources of 16-bit codes, take the scalar body.
//   encode(x, DType::kFloat8E4M3FN, codes);                                 // RNE, saturating
//   encode(x, DType::kFloat8E5M2, codes, encode_preset("torch", DType::kFloat8E5M2));
void encode(std::span<const float> x, DType to, std::span<std::uint8_t> codes,
            const EncodeOptions& options = {});
// The same rounded once from the source type (no double rounding through float32).
void encode(std::span<const double> x, DType to, std::span<std::uint8_t> codes,
            const EncodeOptions& options = {});
// 16-bit sources: `from` is kBFloat16 or kFloat16, x holds their bit patterns.
void encode(std::span<const std::uint16_t> x, DType from, DType to, std::span<std::uint8_t> codes,
            const EncodeOptions& options = {});
// 16-bit targets: `to` is kBFloat16 or kFloat16. The default is IEEE 754's: overflow gives Inf.
void encode16(std::span<const float> x, DType to, std::span<std::uint16_t> codes,
              const EncodeOptions& options = kIeeeEncode);
void encode16(std::span<const double> x, DType to, std::span<std::uint16_t> codes,
              const EncodeOptions& options = kIeeeEncode);
void encode16(std::span<const std::uint16_t> x, DType from, DType to,
              std::span<std::uint16_t> codes, const EncodeOptions& options = kIeeeEncode);

// Every code of every format has an exact float32 value. NaN codes decode to 0x7FC00000.
void decode(std::span<const std::uint8_t> codes, DType from, std::span<float> x);
void decode16(std::span<const std::uint16_t> codes, DType from, std::span<float> x);

// One number to or from any format of formats(), by the scalar body that defines the results.
// `random` is the Philox word of kStochastic.
std::uint32_t encode_one(double x, DType to, const EncodeOptions& options = {},
                         std::uint32_t random = 0);
float decode_one(std::uint32_t code, DType from);

// x rounded to the nearest bfloat16 value (ties to even), still a float32; NaN stays NaN.
void round_to_bfloat16(std::span<const float> x, std::span<float> out);

// out[i] = random_word(stream, first + i), vectorised.
void random_words(const RandomStream& stream, std::uint64_t first, std::span<std::uint32_t> out);

}  // namespace sylvester
