// The hardware policies as data: which fused step each GPU's instruction makes of which operands.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

#include "sylvester/formats/dtype.h"
#include "sylvester/gemm/accumulation.h"

namespace sylvester::detail {

// What an instruction distinguishes among operand formats. Both operands are of one kind.
enum class CoreInput : std::uint8_t {
  kFloat16,
  kBFloat16,
  kTf32,    // float32, low 13 bits ignored
  kFp8,     // float8_e4m3fn and float8_e5m2, in any pairing
  kF8F6F4,  // any pairing of FP8, FP6 and FP4
  kFp4,     // float4_e2m1fn
  kInt8,
};
enum class StepOutput : std::uint8_t {
  kFloat32,  // cut toward zero to 23 fraction bits
  kE8M13,    // cut toward zero to 13 fraction bits
};
// Scales that enter the sum.
enum class ScaleInput : std::uint8_t {
  kNone,
  kBlock32,   // ue8m0 a block of 32, exponents added to the products'
  kGroups16,  // e2m1 in groups of 16 with ue8m0 or ue4m3 scales
};

inline constexpr int kNoFloor = std::numeric_limits<int>::min() / 2;

// D = round(sum of k products + C): docs/tensor_cores.md, "One fused step".
struct FusedStep {
  int k = 0;              // products in a step
  int fraction_bits = 0;  // F
  StepOutput output = StepOutput::kFloat32;
  int floor = kNoFloor;  // least exponent terms are aligned to
};

struct HardwareRow {
  std::string_view policy;
  CoreInput input;
  FusedStep step;
  int promote = 0;         // products of a chain from 0 that is then added to C in float32
  int interleave = 0;      // 4: a chain takes k mod 4 in {0, 1} first, then {2, 3}
  int split_quantum = 64;  // split-K slices are multiples of this
  ScaleInput scales = ScaleInput::kNone;
  std::string_view evidence;
};

std::span<const HardwareRow> hardware_rows();
bool takes(CoreInput input, DType format);

// The row for an operand pair under the policy. Throws UnsupportedError that names what the policy
// takes.
const HardwareRow& hardware_row(const Accumulation& accumulation, DType a, DType b,
                                ScaleInput scales = ScaleInput::kNone);
// The same, or null.
const HardwareRow* find_hardware_row(const Accumulation& accumulation, DType a, DType b,
                                     ScaleInput scales = ScaleInput::kNone);

// How K is cut for a product of K terms.
struct ChainPlan {
  std::int64_t padded = 0;  // K with the zeros that an interleaved instruction needs
  std::int64_t slice = 0;   // products of a split-K slice
  int promote = 0;          // 0: one chain a slice
};
// Throws ValueError when the promotion is no whole number of steps.
ChainPlan chain_plan(const HardwareRow& row, const Accumulation& accumulation, std::int64_t K);

}  // namespace sylvester::detail
