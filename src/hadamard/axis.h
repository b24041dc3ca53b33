// One transformed axis with every option resolved to numbers and tables.
#pragma once

#include <cstdint>
#include <vector>

#include "hadamard/matrices.h"
#include "sylvester/hadamard/hadamard.h"

namespace sylvester::detail {

struct Axis {
  std::int64_t length = 0;             // of the whole axis: blocks x order
  std::int64_t order = 1;              // n = base * power
  std::int64_t base = 1;               // K
  std::int64_t power = 1;              // 2^m
  const BaseMatrix* matrix = nullptr;  // null when K = 1
  bool inverse = false;
  bool normalize = true;
  float scale32 = 1.0f;  // float32(1/sqrt(n)), or 1
  double scale64 = 1.0;
  std::vector<float> signs;      // Diag(r) as +-1, empty without random signs
  std::vector<float> post;       // signs times scale32, filled for the inverse map
  const float* terms = nullptr;  // BaseMatrix::tiles of this direction; null when K = 1

  template <class T>
  T scale() const {
    return sizeof(T) == sizeof(double) ? static_cast<T>(scale64) : static_cast<T>(scale32);
  }
  // Coefficient of input segment `in` in output segment `out` of the stage along K.
  int coefficient(std::int64_t out, std::int64_t in) const {
    return inverse ? matrix->at(in, out) : matrix->at(out, in);
  }
};

// Throws ShapeError for an order without a matrix or a block that does not divide the axis; `what`
// ("rows", "cols") is for the message. length = 0 gives an axis with nothing to do.
Axis resolve_axis(std::int64_t length, const HadamardOptions& options, const char* what);

}  // namespace sylvester::detail
