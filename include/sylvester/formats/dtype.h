// The number formats by name, and the one description every other piece of code reads.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace sylvester {

// Names are ml_dtypes' names; see docs/formats.md for the layout of each.
enum class DType : std::uint8_t {
  kFloat64,
  kFloat32,
  kBFloat16,
  kFloat16,
  kFloat8E4M3FN,
  kFloat8E5M2,
  kFloat8E4M3FNUZ,
  kFloat8E5M2FNUZ,
  kFloat6E3M2FN,
  kFloat6E2M3FN,
  kFloat4E2M1FN,
  kFloat4E3M0FN,
  kFloat4E1M2FN,
  kFloat8E8M0FNU,
  kInt2,
  kInt3,
  kInt4,
  kInt5,
  kInt6,
  kInt7,
  kInt8,
  kInt32,
  kUInt8,
};

// What the codes beside the finite numbers mean.
enum class Specials : std::uint8_t {
  kIeee,        // exponent all ones: Inf (mantissa 0) and NaN
  kFn,          // no Inf; exponent and mantissa all ones: NaN (float8_e4m3fn)
  kFnuz,        // no Inf, no -0; the code of -0 is the only NaN
  kFiniteOnly,  // every code is finite (FP6, FP4)
  kE8m0,        // unsigned power of two, 0xFF is NaN
  kInteger,     // two's complement integer
};

// value = (-1)^s 2^(e - bias) (1 + m / 2^mantissa_bits), subnormals at e = 0 as IEEE 754 has them.
struct Format {
  DType dtype;
  std::string_view name;   // "float8_e4m3fn"
  std::string_view alias;  // "e4m3", empty when there is none
  int bits;                // width of one code
  int exponent_bits;
  int mantissa_bits;
  int bias;
  Specials specials;
  double max;            // largest finite value
  double min_normal;     // smallest positive normal value
  double min_subnormal;  // smallest positive value
  int emax;              // exponent of the largest finite value
};

// All formats in the order of docs/formats.md.
std::span<const Format> formats() noexcept;
// Throws ValueError for a DType that is no number format of formats().
const Format& format(DType dtype);
// Accepts name and alias ("e4m3", "bf16"); ValueError names the nearest known one.
DType parse_dtype(std::string_view name);
std::string_view to_string(DType dtype) noexcept;
// Bytes of one element where one code takes one byte (1 for all formats of <= 8 bits).
std::int64_t storage_bytes(DType dtype) noexcept;
bool is_integer(DType dtype) noexcept;

}  // namespace sylvester
