// One quantization of one matrix: shapes, tiles, scales, and the loops over rows.
#pragma once

#include <cstdint>
#include <vector>

#include "quant/element.h"
#include "quant/row_kernels.h"
#include "quant/scale.h"
#include "quant/simd_rows.h"
#include "sylvester/core/buffer.h"
#include "sylvester/core/view.h"
#include "sylvester/quant/quantize.h"

namespace sylvester::detail {

// How a spec cuts a rows x cols matrix. Tiles are the unit of work and of the statistics' sums;
// they follow from shape and spec, and from whether statistics are wanted.
struct Geometry {
  std::int64_t rows = 0, cols = 0;
  std::int64_t block_rows = 0, block_cols = 0;
  std::int64_t scale_rows = 0, scale_cols = 0;
  std::int64_t tile_rows = 0, tile_cols = 0;
  bool global = false;  // scales need a pass over the whole matrix first

  // Errors: ValueError when the spec does not fit the shape.
  Geometry(const QuantSpec& resolved, std::int64_t rows, std::int64_t cols, bool statistics);
  std::int64_t tiles_across() const { return cols == 0 ? 0 : (cols + tile_cols - 1) / tile_cols; }
  std::int64_t tiles() const {
    return rows == 0 ? 0 : (rows + tile_rows - 1) / tile_rows * tiles_across();
  }

 private:
  void set_blocks(const QuantSpec& spec);
  void set_tiles(const QuantSpec& spec, std::int64_t col_unit);
  void cut_for_speed(const QuantSpec& spec);
};

// Scales of the blocks that one row of a tile crosses.
struct ScaleStrip {
  // Longer than needed: kScalePadding.
  std::vector<float> scale, factor, zero, inverse;
  std::vector<std::uint8_t> code;
  ScaleFlags flags;
  void clear(std::int64_t n);
  void set(std::int64_t k, const BlockScale& s);
  void fill(ScaleKind kind, const ScalePlan& plan, const std::uint32_t* magnitude, std::int64_t n);
  // Of the blocks from `at` on.
  RowScales row(std::int64_t at, const ElementMap& map) const;
};

// Where the results of an encoding pass go; null members are not wanted.
struct Sink {
  QuantizedMatrix* out = nullptr;
  MatrixView<float> values{};
  StatsSum* stats = nullptr;
  bool near = false;  // X is in cache
  // Largest magnitudes of X's rows, where known; kScalePadding numbers behind them are readable.
  const std::uint32_t* row_absmax = nullptr;
};

class Engine {
 public:
  // `spec` is resolved and no cast; `statistics`: encode() or measure() are to sum them.
  Engine(const QuantSpec& spec, std::int64_t rows, std::int64_t cols, const RandomStream& stream,
         bool statistics = false);

  const Geometry& geometry() const { return geometry_; }
  const ScalePlan& plan() const { return plan_; }
  const ElementMap& map() const { return map_; }
  bool needs_observation() const { return geometry_.global || needs_tensor_absmax_; }

  // Rows first_row ... of the matrix; columns [col, col + X.cols). Thread-safe.
  // `near`: X is in cache.
  void observe(MatrixView<const float> X, std::int64_t first_row, std::int64_t col,
               bool near = false);
  // The same from the largest magnitudes of rows; false where they do not suffice. Thread-safe.
  bool observe_rows(const std::uint32_t* row_absmax, std::int64_t rows);
  void finish_observation();
  // Replaces the scale of a kTensor spec (the grid search).
  void set_tensor_scale(const BlockScale& scale);
  // Codes, scales, values, statistics of a window that starts at a tile boundary in both
  // directions (rows: at a multiple of block_rows suffices). Thread-safe for distinct windows.
  void encode(MatrixView<const float> X, std::int64_t first_row, std::int64_t col,
              const Sink& sink) const;
  // The window of `q` that starts at (first_row, col) and has the shape of `values`.
  void decode(const QuantizedMatrix& q, std::int64_t first_row, std::int64_t col,
              MatrixView<float> values) const;
  // Errors of `q` against the window X.
  void measure(MatrixView<const float> X, std::int64_t first_row, std::int64_t col,
               const QuantizedMatrix& q, StatsSum& sum) const;
  // Copies the scales found by finish_observation().
  void store_global_scales(QuantizedMatrix& out) const;

 private:
  // Index of the block at (row, col), which may run on into the rows below.
  std::int64_t block_at(std::int64_t row, std::int64_t col) const;
  // Rows of one-row blocks that lie end to end are one long row of blocks.
  MatrixView<const float> join_rows(MatrixView<const float> X) const;
  void observe_blocks(MatrixView<const float> X, std::int64_t first_row, std::int64_t col,
                      const Access& access);
  void strip_of(MatrixView<const float> block_row, std::int64_t first_block,
                ScaleStrip& strip) const;
  void select_block(MatrixView<const float> block, std::uint32_t magnitude, std::int64_t k,
                    ScaleStrip& strip) const;
  void correct_eden(MatrixView<const float> X, std::int64_t row, std::int64_t col,
                    ScaleStrip& strip) const;
  // Rows of blocks in one walk each, where the spec and the sink allow it.
  bool walks_once(const Sink& sink) const;
  void encode_once(MatrixView<const float> X, std::int64_t first_row, std::int64_t col,
                   const Sink& sink) const;
  void encode_local(MatrixView<const float> X, std::int64_t first_row, std::int64_t col,
                    const Sink& sink) const;
  void encode_strip(MatrixView<const float> X, std::int64_t first_row, std::int64_t col,
                    const ScaleStrip& strip, std::int64_t at, const Sink& sink,
                    Access access) const;
  void store_scales(const ScaleStrip& strip, std::int64_t first_block, std::int64_t count,
                    QuantizedMatrix& out) const;
  std::int64_t segment(std::int64_t cols) const;
  // Columns whose scales are made, and used, while they are in the nearest cache.
  std::int64_t panel(std::int64_t rows, std::int64_t cols) const;

  Geometry geometry_;
  ScalePlan plan_;
  ElementMap map_;
  RandomStream stream_;
  ScaleKind kind_ = ScaleKind::kNone;
  bool needs_tensor_absmax_ = false;
  bool poisons_ = true;                 // a NaN scale means codes 0 (torchao's MX differs)
  Buffer<std::uint32_t> magnitudes_;    // of all blocks that were observed
  std::uint32_t tensor_magnitude_ = 0;  // NVFP4 of two levels
  std::vector<std::int32_t> lows_, highs_;
  ScaleStrip global_scales_;  // of all blocks
};

}  // namespace sylvester::detail
