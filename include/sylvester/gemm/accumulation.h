// Accumulation: how the terms of a product are added. A small description, one engine for all.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sylvester {

enum class AccumulationKind : std::uint8_t {
  kBlas,      // the fast path; bits not promised
  kOrdered,   // float32, k ascending, one accumulator an output, explicit FMA
  kExact,     // one rounding of the exact sum
  kInt32,     // integer operands, exact int32
  kHardware,  // fused steps with truncation, docs/tensor_cores.md
};

// A hardware policy adds `k` products and the carried sum in one fused step: all terms aligned to
// the largest exponent, cut to `fraction_bits`, added exactly, rounded to the output format.
struct Accumulation {
  AccumulationKind kind = AccumulationKind::kBlas;
  std::string name = "blas";
  int split_k = 1;  // ":splitk=N"  partial sums over K slices added in float32 in order
  int promote = 0;  // ":promote=N" chains of N products added to a float32 accumulator

  friend bool operator==(const Accumulation&, const Accumulation&) = default;
};

// Every policy's name, software first; the hardware ones in the order of docs/tensor_cores.md.
std::vector<std::string> known_accumulations();
// "blas" | "ordered" | "exact" | "int32" | "sm90-wgmma" | "sm90-cublaslt" | ...
// [:splitk=N][:promote=N] ValueError names the nearest known policy.
Accumulation parse_accumulation(std::string_view text);
std::string to_string(const Accumulation& accumulation);

}  // namespace sylvester
