// Walsh-Hadamard transforms of rows and columns, any order K 2^m with a known K.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "sylvester/core/view.h"

namespace sylvester {

struct HadamardOptions {
  std::int64_t block = 0;  // 0: the whole axis; else block-diagonal of this order
  std::optional<std::uint64_t> signs =
      {};                 // random signs Diag(r) drawn from this seed: y = x Diag(r) H
  bool inverse = false;   // the transposed (inverse) map
  bool normalize = true;  // times float32(1/sqrt(n)), so that the map is orthonormal
};

// True when a Hadamard matrix of order n can be built here.
bool has_hadamard(std::int64_t n) noexcept;
// n = K 2^m: the K used. Throws ShapeError naming the block-diagonal alternative otherwise.
std::int64_t hadamard_base(std::int64_t n);
// The +-1 matrix of order n, row-major, H H' = n I. Source: docs/hadamard.md (Sylvester, Paley,
// Williamson). Rows transform as y = x (H_K' (x) H_2^m) / sqrt(n).
std::vector<std::int8_t> hadamard_matrix(std::int64_t n);
// The +-1 signs of a seed; n values.
std::vector<std::int8_t> hadamard_signs(std::uint64_t seed, std::int64_t n);

// Right transform: each row of X times H. In place when X and Y are the same memory.
// Shapes: X, Y [M, n]. Errors: ShapeError for an order without a matrix.
// Determinism: bit-exact on every target and thread count, order of DESIGN "FWHT in float32".
void hadamard_rows(MatrixView<const float> X, MatrixView<float> Y, const HadamardOptions& = {});
void hadamard_rows(MatrixView<const double> X, MatrixView<double> Y, const HadamardOptions& = {});
// bfloat16 bit patterns: widened, transformed in float32, rounded once.
void hadamard_rows(MatrixView<const std::uint16_t> X, MatrixView<std::uint16_t> Y,
                   const HadamardOptions& = {});
// Left transform: H' times X, that is every column transformed, without a transpose pass.
void hadamard_cols(MatrixView<const float> X, MatrixView<float> Y, const HadamardOptions& = {});
void hadamard_cols(MatrixView<const double> X, MatrixView<double> Y, const HadamardOptions& = {});
void hadamard_cols(MatrixView<const std::uint16_t> X, MatrixView<std::uint16_t> Y,
                   const HadamardOptions& = {});

}  // namespace sylvester
