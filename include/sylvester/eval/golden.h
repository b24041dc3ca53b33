// Test vectors for authors of kernels: inputs, expected outputs, and a manifest.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sylvester/train/option_table.h"

namespace sylvester {

struct GoldenOptions {
  std::string op;   // one of golden_ops()
  std::string out;  // the folder
  bool force = false;
  std::string format = "float8_e4m3fn";  // of encode and decode; a quantizer elsewhere
  std::string accumulate = "exact", placement = "none", recipe = "halo2-int8";
  // Of encode. Empty: what encode and encode16 do by default. A preset excludes all three.
  std::string rounding, overflow, nan, preset;
  std::int64_t rows = 64, cols = 128, out_features = 96, block = 0;
  std::uint64_t seed = 42;
};

// Every field but op as an option of its name.
OptionTable bind(GoldenOptions& options);
// encode decode quantize hadamard matmul halo-linear
std::vector<std::string_view> golden_ops();

// Writes the folder in one step: an .npy file an array, golden.json (version, program, op, seed,
// what was asked for, and each array's file, role, dtype and shape) and MANIFEST.json (sizes and
// hashes). Returns the text of golden.json.
// Errors: ValueError for an unknown op, an option that does not fit, a folder that holds files
// (with force only one that holds a golden set is replaced); IoError. Determinism: the inputs come
// from integer arithmetic, so every machine writes the same bytes, for the policies that promise
// their bits.
std::string write_golden(const GoldenOptions& options);

}  // namespace sylvester
