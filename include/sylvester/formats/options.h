// How a number that a format cannot hold becomes one that it can: rounding, overflow, NaN.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "sylvester/core/philox.h"
#include "sylvester/formats/dtype.h"

namespace sylvester {

// Text forms: nearest_even nearest_away toward_zero nearest_toward_negative stochastic down
// up nearest_toward_zero.
enum class Rounding : std::uint8_t {
  kNearestEven,  // ties to the even code; float8_e8m0fnu: as torch and ml_dtypes, see scalar.h
  kNearestAway,  // ties away from zero
  kTowardZero,
  kNearestTowardNegative,  // ties to the lower value (HALO's codebook search)
  kStochastic,             // up with probability equal to the distance, from Philox
  kDown,                   // magnitude down (the name E8M0 scales use for kTowardZero)
  kUp,                     // magnitude up
  kNearestTowardZero,      // ties toward zero (Quartet's forward quantizer)
};

// Overflow is judged after rounding with unbounded exponent: the rounded magnitude exceeds the
// largest finite value. Infinity overflows. Text forms: saturate nonfinite.
enum class Overflow : std::uint8_t {
  kSaturate,   // largest finite value, sign kept
  kNonfinite,  // Inf, else NaN, else (FP6, FP4, integers) the largest finite value
};

// What NaN becomes. "All ones" and "quiet" differ only where a format has several NaN codes.
// Text forms: canonical keep_sign max_finite signed_zero quiet quiet_keep_sign negative.
enum class NanMode : std::uint8_t {
  kCanonical,      // all exponent and mantissa bits one, sign dropped (CUDA: 0x7F)
  kKeepSign,       // the same, sign kept (torch: 0x7F, 0xFF)
  kMaxFinite,      // + largest finite value (CUDA for FP6 and FP4)
  kSignedZero,     // -0 for +NaN and +0 for -NaN (ml_dtypes for FP6 and FP4)
  kQuiet,          // only the top mantissa bit set, sign dropped (torch's bfloat16: 0x7FC0)
  kQuietKeepSign,  // the same, sign kept (ml_dtypes: float8_e5m2 0x7E, 0xFE)
  kNegative,       // all ones and the sign bit (gfloat: 0xFF)
};

// float8_e8m0fnu has neither zero nor sign. Text forms: magnitude nan.
enum class NonPositive : std::uint8_t {
  kMagnitude,  // sign ignored, zero becomes code 0 (CUDA, torch)
  kNan,        // zero and every negative number become NaN (ml_dtypes)
};

struct EncodeOptions {
  Rounding rounding = Rounding::kNearestEven;
  Overflow overflow = Overflow::kSaturate;
  NanMode nan = NanMode::kCanonical;
  RandomStream stream = {};                            // used by kStochastic only
  std::uint64_t first_element = 0;                     // index of x[0] in the stream
  NonPositive non_positive = NonPositive::kMagnitude;  // float8_e8m0fnu only
};

// What IEEE 754 and ml_dtypes do, the default for 16-bit targets: overflow to Inf, NaN quiet.
inline constexpr EncodeOptions kIeeeEncode{.overflow = Overflow::kNonfinite,
                                           .nan = NanMode::kQuietKeepSign};

// The text forms above. Errors: ValueError names the option, the value and what is allowed.
Rounding parse_rounding(std::string_view name);
Overflow parse_overflow(std::string_view name);
NanMode parse_nan_mode(std::string_view name);
std::string_view to_string(Rounding rounding) noexcept;
std::string_view to_string(Overflow overflow) noexcept;
std::string_view to_string(NanMode nan) noexcept;

// The convention of a named reference for one format; encode(x, to, codes, preset) then gives the
// reference's bits. Names: cuda cuda_nosat cuda_rz cuda_nosat_rz ml_dtypes torch ocp ocp_nosat
// gfloat gfloat_rz gfloat_rna; docs/formats.md says what each does where they differ.
// Errors: ValueError for an unknown name, or a reference that has no conversion to the format.
EncodeOptions encode_preset(std::string_view name, DType to);
// The names that encode_preset accepts, in that order.
std::span<const std::string_view> encode_preset_names() noexcept;
// True when the named reference converts to the format.
bool has_encode_preset(std::string_view name, DType to) noexcept;

}  // namespace sylvester
