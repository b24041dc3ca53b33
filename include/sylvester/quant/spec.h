// QuantSpec: how a matrix of real numbers becomes codes and scales. Data, with a text form.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "sylvester/formats/dtype.h"
#include "sylvester/formats/options.h"

namespace sylvester {

enum class Granularity : std::uint8_t { kTensor, kRow, kColumn, kGroup, kBlock, kMx, kNvfp4 };

// How the scale of a block follows from its numbers. Formulas: docs/quantizers.md.
enum class ScaleRule : std::uint8_t {
  kAbsmax,  // margin * absmax / largest finite value * clip
  kFloor,   // powers of two: OCP MX v1.0
  kCeil,
  kEven,
  kRceil,  // NVIDIA's: the least power of two that does not saturate
  kUnit,   // 1: the elements are cast as they are
  kGrid,   // absmax scale / 1.1^i, i < 10, of least relative error (HALO's scale='gs')
  kQuest,  // Gaussian-optimal power of two (Quartet's forward pass)
  kEden,   // MS-EDEN: NVFP4 scales corrected and stochastically rounded (Quartet II's backward)
};
enum class ZeroRule : std::uint8_t { kFloor, kNearest };

// Asymmetric ranges. kLiteral is RoSTE eq. (4); kWithZero is what QuaRot and SpinQuant run.
enum class RangeRule : std::uint8_t {
  kLiteral,   // s = (max - min) / (2^b - 1) * clip, z from the unclipped min
  kWithZero,  // min(x, 0) * clip and max(x, 0) * clip bound the range
};

// How x / scale is computed before it is rounded to the element format.
enum class Quotient : std::uint8_t {
  kDivide,      // float32 division
  kReciprocal,  // x * (1 / scale), both rounded to float32
  kBFloat16,    // float32 division rounded to bfloat16 (HALO in pure bfloat16)
};

// Codes of symmetric integers.
enum class CodeRange : std::uint8_t {
  kFull,    // clamped to [-2^(b-1), 2^(b-1) - 1]
  kNarrow,  // clamped to +-(2^(b-1) - 1)
  kWrap,    // not clamped: the low b bits are kept (HALO's int8 cast of 128 is -128)
};

// Whose order of operations and edge cases. Each is compared with golden data of that software.
enum class Convention : std::uint8_t {
  kReference,     // this library's definition
  kTorchao,       // MX and NVFP4
  kMicroxcaling,  // MX, floor
  kTe,            // TransformerEngine: MX rceil by A * (1 / max); NVFP4 (A / 6) * S
  kTeFolded,      // TransformerEngine NVFP4 A * (S * (1 / 6)), its kernels' default
  kCublas,        // MX rceil by A / max
  kQuartet2,      // NVFP4 of Quartet II
};

// NVFP4: also try the scale that maps the block's absmax to 4, keep the better one.
enum class FourOverSix : std::uint8_t { kNone, kMse, kMae };

// Text form (the same in CLI, config files, Python and reports; parse and to_string are inverses):
//   FORMAT[:option...]   e.g. "int8"  "int4:row:asym:clip=0.95"  "mxfp6_e3m2:rule=rceil"  "nvfp4"
// The complete grammar is in docs/quantizers.md.
struct QuantSpec {
  DType format = DType::kFloat32;  // kFloat32, kBFloat16, kFloat16: no scaling, the value rounded
  Granularity granularity = Granularity::kTensor;
  std::int64_t group = 0;       // kGroup; with kEden the order of the rotation (128)
  std::int64_t block_rows = 0;  // kBlock; kNvfp4: 0 or 1 for 1x16, 16 for 16x16
  std::int64_t block_cols = 0;  // kBlock; kNvfp4: 0 or 16
  ScaleRule rule = ScaleRule::kAbsmax;
  DType scale_format = DType::kFloat32;  // kFloat32, kBFloat16, kFloat8E8M0FNU, kFloat8E4M3FN
  bool asymmetric = false;               // zero point, integer formats only
  ZeroRule zero = ZeroRule::kFloor;
  float clip = 1.0f;    // c of RoSTE eq. (2)-(4), in (0, 1]
  float margin = 1.0f;  // scale = margin * absmax / max (HALO's FP4/FP6: 0.75), in (0, 2]
  Rounding rounding = Rounding::kNearestEven;
  Overflow overflow = Overflow::kSaturate;
  NanMode nan = NanMode::kCanonical;
  RangeRule range = RangeRule::kLiteral;
  Quotient quotient = Quotient::kDivide;
  CodeRange codes = CodeRange::kFull;
  Convention convention = Convention::kReference;
  FourOverSix four_over_six = FourOverSix::kNone;
  int levels = 2;  // kNvfp4: 2 = a float32 scale of the tensor above the E4M3 ones, 1 = none
  // Absmax is taken as at least this (HALO's simulated int8: 1e-5). 0: no bound.
  float least_absmax = 0.0f;

  friend bool operator==(const QuantSpec&, const QuantSpec&) = default;
};

// Errors: ValueError names the option, its value and what is allowed. Also takes the names of
// quant_presets().
QuantSpec parse_quant_spec(std::string_view text);
// Canonical text: options that have their default are left out. Errors: as validate.
std::string to_string(const QuantSpec& spec);
// The same spec with what its granularity implies filled in (kMx: E8M0 scales and the floor rule
// where none was chosen; kNvfp4: E4M3 scales).
// Errors: ValueError for an impossible combination, naming the option, its value, what is allowed.
QuantSpec resolve(const QuantSpec& spec);
// True when quantizing is the identity on float32 ("fp32") .
bool is_identity(const QuantSpec& spec) noexcept;
// True for float32, bfloat16 and float16: no codes, no scales, QuantizedMatrix::values instead.
bool is_cast(const QuantSpec& spec) noexcept;

// Quantizers of published systems by name, as text of the grammar above.
struct QuantPreset {
  std::string_view name;
  std::string_view text;
  std::string_view source;
};
std::span<const QuantPreset> quant_presets() noexcept;

}  // namespace sylvester
