#include "sylvester/nn/linear_plan.h"

#include <utility>

namespace sylvester {
namespace {

// Codes of the stored matrix can be read transposed when its blocks can: whole tensors, rows and
// columns, rectangles. Groups and MX blocks lie along the contraction, so the transposed matrix is
// quantized on its own.
bool transposable(const QuantSpec& spec) {
  switch (spec.granularity) {
    case Granularity::kTensor:
    case Granularity::kRow:
    case Granularity::kColumn:
    case Granularity::kBlock:
      return true;
    default:
      return is_cast(spec);
  }
}

QuantSpec transposed(QuantSpec spec) {
  if (spec.granularity == Granularity::kRow) {
    spec.granularity = Granularity::kColumn;
  } else if (spec.granularity == Granularity::kColumn) {
    spec.granularity = Granularity::kRow;
  }
  std::swap(spec.block_rows, spec.block_cols);
  return spec;
}

// `rows`, `cols`: rotation of the stored matrix along its last and its first dimension.
OperandPlan stored(bool rows, bool cols, const QuantSpec& spec) {
  return {.rotation = {.rows = rows, .cols = cols}, .spec = spec};
}
OperandPlan read_transposed(bool rows, bool cols, const QuantSpec& spec) {
  if (transposable(spec)) {
    return {.rotation = {.rows = rows, .cols = cols}, .spec = transposed(spec), .transposed = true};
  }
  return {.rotation = {.transpose = true, .rows = cols, .cols = rows}, .spec = spec};
}

}  // namespace

// A of each product is [M, K]; B is taken as [N, K].
LinearPlan plan(const LinearRecipe& r) {
  return {
      .x_F = stored(r.F.middle, r.F.left, r.F.a),
      .w_F = stored(r.F.middle, r.F.right, r.F.b),  // B = W', taken as W
      .e_E = stored(r.E.middle, r.E.left, r.E.a),
      .w_E = read_transposed(r.E.right, r.E.middle, r.E.b),  // B = W, taken as W'
      .e_G = read_transposed(r.G.left, r.G.middle, r.G.a),   // A = E'
      .x_G = read_transposed(r.G.right, r.G.middle, r.G.b),  // B = X, taken as X'
  };
}

}  // namespace sylvester
