// QuantSpec: how a matrix of real numbers becomes codes and scales. Data, with a text form.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sylvester/formats/convert.h"
#include "sylvester/formats/dtype.h"

namespace sylvester {

enum class Granularity : std::uint8_t { kTensor, kRow, kColumn, kGroup, kBlock, kMx, kNvfp4 };
enum class ScaleRule : std::uint8_t {
  kAbsmax,  // float scale = absmax / largest finite value
  kFloor,   // the E8M0 rules of docs/quantizers.md
  kCeil,
  kEven,
  kRceil,
};
enum class ZeroRule : std::uint8_t { kFloor, kNearest };

// Text form (the same in CLI, config files, Python and reports; parse and to_string are inverses):
//   FORMAT[:option...]   e.g. "int8"  "int4:row:asym:clip=0.95"  "mxfp6_e3m2:rule=rceil"  "nvfp4"
// The complete grammar is in docs/quantizers.md.
struct QuantSpec {
  DType format = DType::kFloat32;  // kFloat32 and kBFloat16: no scaling, the value rounded
  Granularity granularity = Granularity::kTensor;
  std::int64_t group = 0;       // kGroup
  std::int64_t block_rows = 0;  // kBlock
  std::int64_t block_cols = 0;  // kBlock
  ScaleRule rule = ScaleRule::kAbsmax;
  DType scale_format = DType::kFloat32;  // kFloat32, kBFloat16, kFloat8E8M0FNU, kFloat8E4M3FN
  bool asymmetric = false;               // zero point, integer formats only
  ZeroRule zero = ZeroRule::kFloor;
  float clip = 1.0f;    // c of RoSTE eq. (2)-(4)
  float margin = 1.0f;  // scale = margin * absmax / max (HALO's FP4/FP6: 0.75)
  Rounding rounding = Rounding::kNearestEven;
  Overflow overflow = Overflow::kSaturate;
  NanMode nan = NanMode::kCanonical;

  friend bool operator==(const QuantSpec&, const QuantSpec&) = default;
};

// ValueError names the option, its value and what is allowed.
QuantSpec parse_quant_spec(std::string_view text);
std::string to_string(const QuantSpec& spec);
// True when quantizing is the identity on float32 ("fp32") .
bool is_identity(const QuantSpec& spec) noexcept;

}  // namespace sylvester
