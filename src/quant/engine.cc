#include "quant/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "quant/search.h"
#include "quant/simd_rows.h"
#include "quant/spec_rules.h"
#include "sylvester/core/error.h"
#include "sylvester/core/target.h"

namespace sylvester::detail {
namespace {

// A tile fits the level 2 cache of every current CPU; its rows fit level 1.
constexpr std::int64_t kTileElements = 1 << 16;
constexpr std::int64_t kTileCols = 1 << 13;
// Blocks up to this size get their scale from a tile that holds them.
constexpr std::int64_t kLocalElements = 1 << 18;

[[noreturn]] void does_not_fit(const QuantSpec& spec, std::int64_t cols, std::int64_t n,
                               std::string_view option) {
  throw ValueError(
      fmt::format("quantizer '{}': {}: {} does not divide the {} columns; want a divisor of them "
                  "(pad the matrix with zeros, or use block=1x{}, whose last block may be short)",
                  to_string(spec), option, n, cols, n));
}

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

bool is_poison(float scale) { return std::isnan(scale); }

}  // namespace

Geometry::Geometry(const QuantSpec& spec, std::int64_t rows_in, std::int64_t cols_in)
    : rows(rows_in), cols(cols_in) {
  const auto at_least_one = [](std::int64_t n) { return std::max<std::int64_t>(n, 1); };
  std::int64_t col_unit = 0;  // tiles hold whole multiples of it
  switch (spec.granularity) {
    case Granularity::kTensor:
      block_rows = rows;
      block_cols = cols;
      global = true;
      break;
    case Granularity::kRow:
      block_rows = 1;
      block_cols = cols;
      global = cols > kLocalElements;
      break;
    case Granularity::kColumn:
      block_rows = rows;
      block_cols = 1;
      global = true;
      break;
    case Granularity::kGroup:
      if (cols % spec.group != 0) does_not_fit(spec, cols, spec.group, "group");
      block_rows = 1;
      block_cols = spec.group;
      break;
    case Granularity::kBlock:
      block_rows = spec.block_rows;
      block_cols = spec.block_cols;
      break;
    case Granularity::kMx:
      if (cols % 32 != 0) does_not_fit(spec, cols, 32, "mx");
      block_rows = 1;
      block_cols = 32;
      break;
    case Granularity::kNvfp4:
      if (cols % 16 != 0) does_not_fit(spec, cols, 16, "nvfp4");
      if (spec.rule == ScaleRule::kEden && cols % spec.group != 0) {
        does_not_fit(spec, cols, spec.group, "group");
      }
      block_rows = spec.block_rows;
      block_cols = 16;
      if (spec.rule == ScaleRule::kEden) col_unit = spec.group;
      break;
  }
  const bool whole =
      spec.granularity == Granularity::kTensor || spec.granularity == Granularity::kColumn;
  scale_rows = whole ? 1 : ceil_div(rows, block_rows);
  scale_cols = spec.granularity == Granularity::kTensor || spec.granularity == Granularity::kRow
                   ? 1
                   : ceil_div(cols, block_cols);
  if (col_unit == 0) col_unit = block_cols;
  if (spec.granularity == Granularity::kTensor ||
      (spec.granularity == Granularity::kRow && global)) {
    tile_cols = std::min(at_least_one(cols), kTileCols);
  } else {
    col_unit = std::min(at_least_one(col_unit), at_least_one(cols));
    // A scale for each column: fewer of them, so that their arrays stay in level 1 cache.
    const std::int64_t most = spec.granularity == Granularity::kColumn ? kTileCols / 8 : kTileCols;
    tile_cols = col_unit * at_least_one(most / col_unit);
  }
  if (spec.granularity == Granularity::kBlock && std::min(block_rows, rows) > 1) {
    global = std::min(block_rows, rows) * tile_cols > kLocalElements;
  }
  const std::int64_t fit = kTileElements / std::min(tile_cols, at_least_one(cols));
  tile_rows = global ? at_least_one(fit)
                     : at_least_one(block_rows) * at_least_one(fit / at_least_one(block_rows));
}

void ScaleStrip::clear(std::int64_t n) {
  const auto size = static_cast<std::size_t>(n);
  scale.resize(size);
  factor.resize(size);
  zero.resize(size);
  inverse.resize(size);
  code.resize(size);
  poisoned = false;
  invertible = true;
}

void ScaleStrip::set(std::int64_t k, const BlockScale& s) {
  const auto i = static_cast<std::size_t>(k);
  scale[i] = s.scale;
  factor[i] = s.factor;
  zero[i] = s.zero;
  inverse[i] = 1.0f / s.factor;
  code[i] = s.code;
  poisoned = poisoned || is_poison(s.scale);
  invertible = invertible && s.factor >= 0x1p-60f && s.factor <= 0x1p60f;
}

void ScaleStrip::fill(FastScales scales, const ScalePlan& plan, const std::uint32_t* magnitude,
                      std::int64_t n) {
  const ScaleFlags flags =
      scales(plan, magnitude, n, {scale.data(), factor.data(), inverse.data(), code.data()});
  poisoned = flags.poisoned;
  invertible = flags.invertible;
}

RowScales ScaleStrip::row(std::int64_t at) const {
  return {scale.data() + at, factor.data() + at, zero.data() + at,
          invertible ? inverse.data() + at : nullptr};
}

// The SIMD twin of the spec's scale rule, or null.
FastScales fast_scales_of(const ScalePlan& plan) {
  const QuantSpec& s = plan.spec;
  const bool reference = s.convention == Convention::kReference;
  if (s.asymmetric) return nullptr;
  if (s.granularity == Granularity::kNvfp4) {
    return s.four_over_six == FourOverSix::kNone ? nvfp4_scales_simd : nullptr;
  }
  if (s.rule == ScaleRule::kAbsmax && s.scale_format == DType::kFloat32) return linear_scales_simd;
  const bool no_subnormals = plan.emax >= 1 || s.rule == ScaleRule::kFloor;
  if (is_power_of_two_rule(s.rule) && s.rule != ScaleRule::kQuest && reference &&
      s.scale_format == DType::kFloat8E8M0FNU && s.margin == 1.0f && no_subnormals) {
    return power_of_two_scales_simd;
  }
  return nullptr;
}

// Results of more than this many bytes go around the caches.
constexpr std::int64_t kStreamBytes = 8 << 20;

Engine::Engine(const QuantSpec& spec, std::int64_t rows, std::int64_t cols,
               const RandomStream& stream)
    : geometry_(spec, rows, cols), plan_(spec), map_(plan_, stream), stream_(stream) {
  // With the next row being prefetched, stores through the caches measured faster.
  map_.stream_values = geometry_.global && rows * cols * 4 > kStreamBytes;
  map_.stream_codes = geometry_.global && rows * cols > kStreamBytes;
  needs_tensor_absmax_ = spec.granularity == Granularity::kNvfp4 && spec.levels == 2;
  poisons_ = !(spec.granularity == Granularity::kMx && spec.convention == Convention::kTorchao);
  fast_scales_ = fast_scales_of(plan_);
  if (geometry_.global) {
    const auto blocks = static_cast<std::size_t>(geometry_.scale_rows * geometry_.scale_cols);
    if (spec.asymmetric) {
      lows_.assign(blocks, kHighestKey);
      highs_.assign(blocks, kLowestKey);
    } else {
      magnitudes_.assign(blocks, 0);
    }
  } else if (needs_tensor_absmax_) {
    magnitudes_.assign(1, 0);
  }
}

std::int64_t Engine::segment(std::int64_t cols) const {
  const Granularity g = plan_.spec.granularity;
  const bool whole = g == Granularity::kTensor || g == Granularity::kRow;
  return whole ? std::max<std::int64_t>(cols, 1) : geometry_.block_cols;
}

std::int64_t Engine::ahead(MatrixView<const float> X) const {
  // A narrow window: its next row. Else two pages on, where the hardware does not look.
  return geometry_.tile_cols < geometry_.cols && geometry_.block_cols == 1 ? X.stride : 2048;
}

void Engine::observe(MatrixView<const float> X, std::int64_t first_row, std::int64_t col) {
  if (X.rows == 0 || X.cols == 0) return;
  const bool tensor = !geometry_.global;  // NVFP4's absmax
  const std::int64_t step = tensor ? X.cols : segment(X.cols);
  const auto blocks = static_cast<std::size_t>(ceil_div(X.cols, step));
  const std::int64_t at = tensor || geometry_.scale_cols == 1 ? 0 : col / geometry_.block_cols;
  std::vector<std::uint32_t> magnitude;
  std::vector<std::int32_t> low, high;
  for (std::int64_t i = 0; i < X.rows;) {
    const std::int64_t block = tensor ? 0 : (first_row + i) / geometry_.block_rows;
    const std::int64_t end =
        tensor ? X.rows : std::min(X.rows, (block + 1) * geometry_.block_rows - first_row);
    magnitude.assign(blocks, 0);
    low.assign(blocks, kHighestKey);
    high.assign(blocks, kLowestKey);
    for (; i < end; ++i) {
      if (plan_.spec.asymmetric) {
        range_segments(X.row(i), X.cols, step, low.data(), high.data());
      } else {
        absmax_segments(X.row(i), X.cols, step, magnitude.data(), ahead(X));
      }
    }
    const auto base = static_cast<std::size_t>(block * (tensor ? 1 : geometry_.scale_cols) + at);
    const std::lock_guard<std::mutex> lock(mutex_);
    for (std::size_t k = 0; k < blocks; ++k) {
      if (plan_.spec.asymmetric) {
        lows_[base + k] = std::min(lows_[base + k], low[k]);
        highs_[base + k] = std::max(highs_[base + k], high[k]);
      } else {
        magnitudes_[base + k] = std::max(magnitudes_[base + k], magnitude[k]);
      }
    }
  }
}

void Engine::finish_observation() {
  if (needs_tensor_absmax_) plan_.set_tensor_absmax(magnitudes_[0]);
  if (!geometry_.global) return;
  const bool asymmetric = plan_.spec.asymmetric;
  const std::size_t blocks = asymmetric ? lows_.size() : magnitudes_.size();
  global_scales_.clear(static_cast<std::int64_t>(blocks));
  if (fast_scales_ != nullptr && !scalar_target()) {
    global_scales_.fill(fast_scales_, plan_, magnitudes_.data(), std::ssize(magnitudes_));
    return;
  }
  for (std::size_t k = 0; k < blocks; ++k) {
    BlockBounds bounds;
    if (asymmetric) {
      bounds.low = lows_[k];
      bounds.high = highs_[k];
    } else {
      bounds.absmax = magnitudes_[k];
    }
    global_scales_.set(static_cast<std::int64_t>(k), scale_of(plan_, bounds));
  }
}

void Engine::set_tensor_scale(const BlockScale& scale) {
  global_scales_.clear(1);
  global_scales_.set(0, scale);
}

void Engine::select_block(MatrixView<const float> block, std::uint32_t magnitude, std::int64_t k,
                          ScaleStrip& strip) const {
  const QuantSpec& spec = plan_.spec;
  if (spec.granularity != Granularity::kNvfp4) {
    strip.set(k, spec.rule == ScaleRule::kQuest
                     ? quest_scale(plan_, block.row(0), block.cols, magnitude)
                     : scale_of(plan_, {.absmax = magnitude}));
  } else if (spec.four_over_six != FourOverSix::kNone) {
    strip.set(k, four_over_six_scale(plan_, map_, block, magnitude));
  } else {
    strip.set(k, nvfp4_scale(plan_, magnitude));
  }
}

// Scales of one row of blocks.
void Engine::strip_of(MatrixView<const float> X, ScaleStrip& strip) const {
  const std::int64_t step = segment(X.cols), blocks = ceil_div(X.cols, step);
  strip.clear(blocks);
  thread_local std::vector<std::uint32_t> magnitude;
  thread_local std::vector<std::int32_t> low, high;
  if (plan_.spec.asymmetric) {
    low.assign(static_cast<std::size_t>(blocks), kHighestKey);
    high.assign(static_cast<std::size_t>(blocks), kLowestKey);
    for (std::int64_t i = 0; i < X.rows; ++i) {
      range_segments(X.row(i), X.cols, step, low.data(), high.data());
    }
    for (std::int64_t k = 0; k < blocks; ++k) {
      const auto at = static_cast<std::size_t>(k);
      strip.set(k, scale_of(plan_, {.low = low[at], .high = high[at]}));
    }
    return;
  }
  magnitude.assign(static_cast<std::size_t>(blocks), 0);
  for (std::int64_t i = 0; i < X.rows; ++i) {
    absmax_segments(X.row(i), X.cols, step, magnitude.data());
  }
  if (fast_scales_ != nullptr && !scalar_target()) {
    strip.fill(fast_scales_, plan_, magnitude.data(), blocks);
    return;
  }
  for (std::int64_t k = 0; k < blocks; ++k) {
    const std::int64_t begin = k * step, width = std::min(step, X.cols - begin);
    select_block({X.data + begin, X.rows, width, X.stride}, magnitude[static_cast<std::size_t>(k)],
                 k, strip);
  }
}

void Engine::store_scales(const ScaleStrip& strip, std::int64_t count, std::int64_t first_row,
                          std::int64_t col, QuantizedMatrix& out) const {
  const std::int64_t row = first_row / std::max<std::int64_t>(geometry_.block_rows, 1);
  const std::int64_t at =
      row * geometry_.scale_cols +
      (geometry_.scale_cols == 1 ? 0 : col / std::max<std::int64_t>(geometry_.block_cols, 1));
  std::copy_n(strip.scale.data(), count, out.scales.data() + at);
  if (!out.scale_codes.empty()) std::copy_n(strip.code.data(), count, out.scale_codes.data() + at);
  if (plan_.spec.asymmetric) std::copy_n(strip.zero.data(), count, out.zeros.data() + at);
}

// Rows that share one strip of scales.
void Engine::encode_rows(MatrixView<const float> X, std::int64_t first_row, std::int64_t col,
                         const ScaleStrip& strip, const RowScales& scales, const Sink& sink) const {
  const std::int64_t step = segment(X.cols);
  thread_local std::vector<float> scratch;
  for (std::int64_t i = 0; i < X.rows; ++i) {
    const std::int64_t row = first_row + i;
    const auto first = static_cast<std::uint64_t>(row * geometry_.cols + col);
    const float* x = X.row(i);
    float* values = sink.values.data != nullptr ? sink.values.row(i) : nullptr;
    if (values == nullptr && sink.stats != nullptr) {
      scratch.resize(static_cast<std::size_t>(X.cols));
      values = scratch.data();
    }
    if (sink.stats != nullptr && values == x) {  // in place: the statistics need x
      scratch.assign(x, x + X.cols);
      x = scratch.data();
    }
    std::uint8_t* codes =
        sink.out != nullptr ? sink.out->codes.data() + row * geometry_.cols + col : nullptr;
    if (codes != nullptr) {
      encode_row(map_, x, X.cols, step, scales, first, codes);
      if (values != nullptr) decode_row(map_, codes, X.cols, step, scales, values);
    } else {
      values_row(map_, x, X.cols, step, scales, first, values);
    }
    if (strip.poisoned && poisons_) {
      for (std::int64_t begin = 0, k = 0; begin < X.cols; begin += step, ++k) {
        if (!is_poison(scales.scale[k])) continue;
        const std::int64_t end = std::min(X.cols, begin + step);
        if (codes != nullptr) std::fill(codes + begin, codes + end, std::uint8_t{0});
        if (values != nullptr) {
          std::fill(values + begin, values + end, std::numeric_limits<float>::quiet_NaN());
        }
      }
    }
    if (sink.stats != nullptr) stats_row(map_, x, values, X.cols, step, scales, *sink.stats);
  }
}

void Engine::encode(MatrixView<const float> X, std::int64_t first_row, std::int64_t col,
                    const Sink& sink) const {
  if (X.rows == 0 || X.cols == 0) return;
  thread_local ScaleStrip local;
  const std::int64_t step = segment(X.cols), blocks = ceil_div(X.cols, step);
  const bool eden = plan_.spec.rule == ScaleRule::kEden;
  for (std::int64_t i = 0; i < X.rows;) {
    const std::int64_t block = (first_row + i) / geometry_.block_rows;
    const std::int64_t end = std::min(X.rows, (block + 1) * geometry_.block_rows - first_row);
    const MatrixView<const float> rows{X.row(i), end - i, X.cols, X.stride};
    Sink part = sink;
    if (sink.values.data != nullptr) {
      part.values = {sink.values.row(i), end - i, X.cols, sink.values.stride};
    }
    if (geometry_.global) {
      const std::int64_t at = block * geometry_.scale_cols +
                              (geometry_.scale_cols == 1 ? 0 : col / geometry_.block_cols);
      RowScales scales = global_scales_.row(at);
      scales.ahead = ahead(X);
      encode_rows(rows, first_row + i, col, global_scales_, scales, part);
    } else {
      strip_of(rows, local);
      if (eden && !local.poisoned) {
        const std::int64_t group = plan_.spec.group;
        std::vector<BlockScale> scales(static_cast<std::size_t>(group / 16));
        for (std::int64_t g = 0; g < X.cols; g += group) {
          for (std::size_t k = 0; k < scales.size(); ++k) {
            const std::size_t at = static_cast<std::size_t>(g / 16) + k;
            scales[k] = {local.scale[at], local.factor[at], 0.0f, local.code[at]};
          }
          const auto first = static_cast<std::uint64_t>((first_row + i) * geometry_.cols + col + g);
          correct_eden_scales(plan_, map_, rows.row(0) + g, group, first, stream_, scales.data());
          for (std::size_t k = 0; k < scales.size(); ++k) {
            local.set(g / 16 + static_cast<std::int64_t>(k), scales[k]);
          }
        }
      }
      if (sink.out != nullptr) store_scales(local, blocks, first_row + i, col, *sink.out);
      RowScales scales = local.row(0);
      scales.ahead = end < X.rows ? rows.rows * X.stride : 0;
      encode_rows(rows, first_row + i, col, local, scales, part);
    }
    i = end;
  }
}

void Engine::store_global_scales(QuantizedMatrix& out) const {
  const auto n = static_cast<std::ptrdiff_t>(global_scales_.scale.size());
  std::copy_n(global_scales_.scale.data(), n, out.scales.data());
  if (!out.scale_codes.empty()) {
    std::copy_n(global_scales_.code.data(), n, out.scale_codes.data());
  }
  if (plan_.spec.asymmetric) std::copy_n(global_scales_.zero.data(), n, out.zeros.data());
}

void Engine::decode(const QuantizedMatrix& q, std::int64_t first_row, std::int64_t col,
                    MatrixView<float> values) const {
  const std::int64_t step = segment(values.cols);
  for (std::int64_t i = 0; i < values.rows; ++i) {
    const std::int64_t row = first_row + i;
    const std::int64_t at =
        row / q.block_rows * q.scale_cols + (q.scale_cols == 1 ? 0 : col / q.block_cols);
    const RowScales scales{q.scales.data() + at, nullptr,
                           q.zeros.empty() ? nullptr : q.zeros.data() + at};
    decode_row(map_, q.codes.data() + row * q.cols + col, values.cols, step, scales, values.row(i));
  }
}

void Engine::measure(MatrixView<const float> X, std::int64_t first_row, std::int64_t col,
                     const QuantizedMatrix& q, StatsSum& sum) const {
  const std::int64_t step = segment(X.cols);
  // The factor that made the codes is not kept; dividing by the scale is what it approximates.
  ElementMap map = map_;
  map.multiplies = false;
  std::vector<float> values(static_cast<std::size_t>(X.cols));
  for (std::int64_t i = 0; i < X.rows; ++i) {
    const std::int64_t row = first_row + i;
    const std::int64_t at =
        row / q.block_rows * q.scale_cols + (q.scale_cols == 1 ? 0 : col / q.block_cols);
    const RowScales scales{q.scales.data() + at, q.scales.data() + at,
                           q.zeros.empty() ? nullptr : q.zeros.data() + at};
    decode_row(map, q.codes.data() + row * q.cols + col, X.cols, step, scales, values.data());
    stats_row(map, X.row(i), values.data(), X.cols, step, scales, sum);
  }
}

}  // namespace sylvester::detail
