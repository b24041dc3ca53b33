// Rotation, absmax and codes in as few passes over memory as the scale rule allows.
#pragma once

#include "sylvester/hadamard/hadamard.h"
#include "sylvester/quant/quantize.h"

namespace sylvester {

struct RotateQuantizeOptions {
  bool rows = false;  // right transform (each row)
  bool cols = false;  // left transform (each column)
  HadamardOptions right = {};
  HadamardOptions left = {};
  bool transposed = false;  // also write codes_t: the codes transposed, [cols][rows]
  // Specs whose scales need all of X, rotated, keep the rotation here until it is encoded: worth
  // its memory (resized to X.size()) where calls repeat. Without it a large X is rotated twice.
  Buffer<float>* scratch = nullptr;
};

// Equal in bits to hadamard_cols / hadamard_rows followed by quantize.
// Shapes: X [M, n]; out [M, n]; codes_t [n][M] when asked for.
void rotate_quantize(MatrixView<const float> X, const RotateQuantizeOptions& options,
                     const QuantSpec& spec, QuantizedMatrix& out,
                     Buffer<std::uint8_t>* codes_t = nullptr, const RandomStream& stream = {});

}  // namespace sylvester
