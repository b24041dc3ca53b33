#include "sylvester/nn/linear_plan.h"

#include <numeric>
#include <utility>

namespace sylvester {
namespace {

// Blocks of the spec along the contraction: operands are padded with zeros to a multiple of it,
// which changes no sum. 1 when any length will do.
std::int64_t contraction_blocks(const QuantSpec& spec) {
  if (is_cast(spec)) return 1;
  switch (spec.granularity) {
    case Granularity::kGroup:
      return spec.group;
    case Granularity::kMx:
      return 32;
    case Granularity::kNvfp4:
      return 16;
    default:
      return 1;
  }
}

std::int64_t contraction_blocks(const Product& product) {
  return std::lcm(contraction_blocks(product.a), contraction_blocks(product.b));
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
OperandPlan stored(bool rows, bool cols, const QuantSpec& spec, const Product& product) {
  return {.rotation = {.rows = rows, .cols = cols, .pad_cols = contraction_blocks(product)},
          .spec = spec};
}

// An operand that is the transposed matrix. Codes of the stored matrix are read transposed where
// its blocks can be: whole tensors, rows and columns, rectangles. Where blocks lie along the
// contraction the transposed matrix is quantized on its own.
OperandPlan read_transposed(bool rows, bool cols, const QuantSpec& spec, const Product& product) {
  const std::int64_t blocks = contraction_blocks(product);
  if (blocks == 1) {
    return {.rotation = {.rows = rows, .cols = cols}, .spec = transposed(spec), .transposed = true};
  }
  return {.rotation = {.transpose = true, .rows = cols, .cols = rows, .pad_cols = blocks},
          .spec = spec};
}

}  // namespace

// A of each product is [M, K]; B is taken as [N, K].
LinearPlan plan(const LinearRecipe& r) {
  return {
      .x_F = stored(r.F.middle, r.F.left, r.F.a, r.F),
      .w_F = stored(r.F.middle, r.F.right, r.F.b, r.F),  // B = W', taken as W
      .e_E = stored(r.E.middle, r.E.left, r.E.a, r.E),
      .w_E = read_transposed(r.E.right, r.E.middle, r.E.b, r.E),  // B = W, taken as W'
      .e_G = read_transposed(r.G.left, r.G.middle, r.G.a, r.G),   // A = E'
      .x_G = read_transposed(r.G.right, r.G.middle, r.G.b, r.G),  // B = X, taken as X'
  };
}

}  // namespace sylvester
