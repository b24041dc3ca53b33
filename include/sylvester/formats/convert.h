// Encode real numbers to codes and back, one by one or in bulk.
#pragma once

#include <cstdint>
#include <span>

#include "sylvester/core/philox.h"
#include "sylvester/formats/dtype.h"

namespace sylvester {

enum class Rounding : std::uint8_t {
  kNearestEven,  // ties to the even code
  kNearestAway,  // ties away from zero
  kTowardZero,
  kNearestTowardNegative,  // ties to the lower value (HALO's codebook search)
  kStochastic,             // up with probability equal to the distance, from Philox
  kDown,                   // float8_e8m0fnu only: magnitude down to a power of two
  kUp,                     // float8_e8m0fnu only: magnitude up to a power of two
};
enum class Overflow : std::uint8_t { kSaturate, kNonfinite };
enum class NanMode : std::uint8_t { kCanonical, kKeepSign, kMaxFinite, kSignedZero };

struct EncodeOptions {
  Rounding rounding = Rounding::kNearestEven;
  Overflow overflow = Overflow::kSaturate;
  NanMode nan = NanMode::kCanonical;
  RandomStream stream = {};         // used by kStochastic only
  std::uint64_t first_element = 0;  // index of x[0] in the stream
};

// Codes of <= 8 bits: one code in the low bits of each byte (FP6: bits 0-5, FP4: 0-3; integers are
// sign-extended two's complement). Shapes: x and codes have the same length, else ShapeError.
// Determinism: bit-exact on every target and thread count.
void encode(std::span<const float> x, DType to, std::span<std::uint8_t> codes,
            const EncodeOptions& options = {});
// The same rounded once from the source type (no double rounding through float32).
void encode(std::span<const double> x, DType to, std::span<std::uint8_t> codes,
            const EncodeOptions& options = {});
// 16-bit sources: `from` is kBFloat16 or kFloat16, x holds their bit patterns.
void encode(std::span<const std::uint16_t> x, DType from, DType to, std::span<std::uint8_t> codes,
            const EncodeOptions& options = {});
// 16-bit targets: `to` is kBFloat16 or kFloat16.
void encode16(std::span<const float> x, DType to, std::span<std::uint16_t> codes,
              const EncodeOptions& options = {});

// Every code of every format has an exact float32 value. NaN codes decode to 0x7FC00000.
void decode(std::span<const std::uint8_t> codes, DType from, std::span<float> x);
void decode16(std::span<const std::uint16_t> codes, DType from, std::span<float> x);

// One number, the scalar body that defines the results.
std::uint32_t encode_one(double x, DType to, const EncodeOptions& options = {},
                         std::uint32_t random = 0);
float decode_one(std::uint32_t code, DType from);

// x rounded to the nearest bfloat16 value (ties to even), still a float32; NaN stays NaN.
void round_to_bfloat16(std::span<const float> x, std::span<float> out);

}  // namespace sylvester
