// Quantization in pieces, for callers that have rows in cache (the fused rotate-and-quantize):
// the same bits as quantize() on the whole matrix.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "sylvester/core/view.h"
#include "sylvester/quant/quantize.h"

namespace sylvester {

// Largest |x|. NaN when x holds a NaN, else Inf when it holds an Inf; 0 for no numbers.
// Determinism: bit-exact on every target.
float absmax(std::span<const float> x) noexcept;

// Scale of one block.
struct BlockScale {
  float scale = 1.0f;     // what codes are multiplied with
  float factor = 1.0f;    // what elements are divided by, or multiplied with (multiplies())
  float zero = 0.0f;      // asymmetric only
  std::uint8_t code = 0;  // E8M0 or E4M3 code, else 0
};

// The scale that a block with this absmax gets. `tensor_absmax` matters to NVFP4 alone.
// Errors: ValueError for rules that need more than the absmax (asym, grid, quest, eden,
// four_over_six), and as resolve().
BlockScale block_scale(const QuantSpec& spec, float absmax, float tensor_absmax = 0.0f);

// One quantization of a rows x cols matrix handed over in stripes of whole rows.
//   Quantization q(spec, rows, cols, out, stream);
//   if (q.needs_observation()) { for each stripe: q.observe(stripe, first_row); }
//   q.finish_observation();
//   for each stripe: q.encode(stripe, first_row);
// observe() and encode() may run on several threads at once, each for its own rows; the result
// does not depend on the order or the split. Stripes start at multiples of row_multiple().
class Quantization {
 public:
  // Sizes the buffers of `out` (codes, scales, ...), which must outlive this object.
  // Errors: ValueError when the spec is impossible or does not fit the shape.
  Quantization(const QuantSpec& spec, std::int64_t rows, std::int64_t cols, QuantizedMatrix& out,
               const RandomStream& stream = {});
  ~Quantization();
  Quantization(const Quantization&) = delete;
  Quantization& operator=(const Quantization&) = delete;

  // False when the scales of a stripe follow from the stripe alone (row, group, mx, ...).
  bool needs_observation() const noexcept;
  // True for rule=grid: no stripes, call quantize() on the whole matrix.
  bool needs_whole_matrix() const noexcept;
  std::int64_t row_multiple() const noexcept;
  // True where row_absmax, below, is of use.
  bool wants_row_absmax() const noexcept;

  // Shapes: stripe [any, cols], rows first_row ... of the matrix. row_absmax, where the caller
  // knows it and not null: bits of the largest |x| of each row (above those of infinity where it
  // holds a NaN), with kAbsmaxPadding numbers more behind them, whose values do not matter.
  static constexpr std::int64_t kAbsmaxPadding = 16;
  void observe(MatrixView<const float> stripe, std::int64_t first_row,
               const std::uint32_t* row_absmax = nullptr);
  void finish_observation();
  void encode(MatrixView<const float> stripe, std::int64_t first_row,
              const std::uint32_t* row_absmax = nullptr);
  // As encode, and writes what the codes decode to; stripe and values may be the same memory.
  void encode(MatrixView<const float> stripe, std::int64_t first_row, MatrixView<float> values);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sylvester
