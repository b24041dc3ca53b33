#include "quant/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>

#include "quant/search.h"
#include "quant/spec_rules.h"
#include "sylvester/core/error.h"
#include "sylvester/core/target.h"

namespace sylvester::detail {
namespace {

// A tile fits the level 2 cache of every current CPU; its rows fit level 1.
constexpr std::int64_t kTileElements = 1 << 16;
constexpr std::int64_t kTileCols = 1 << 13;
// Tiles of large matrices with one scale, which are walked by several streams at once.
constexpr std::int64_t kLongTile = 1 << 18;
// Blocks up to this size get their scale from a tile that holds them.
constexpr std::int64_t kLocalElements = 1 << 18;
// Blocks of one row: elements that are read twice, the second time from the nearest caches.
constexpr std::int64_t kPanel = 1 << 12;
// Blocks of several rows: the same, from a third-level cache.
constexpr std::int64_t kBandElements = 1 << 19;
// Passes over memory ask for what lies this many elements ahead, one page.
constexpr std::int64_t kAhead = 1 << 10;
// Results of more than this many bytes go around the caches.
constexpr std::int64_t kStreamBytes = 8 << 20;

[[noreturn]] void does_not_fit(const QuantSpec& spec, std::int64_t cols, std::int64_t n,
                               std::string_view option) {
  throw ValueError(
      fmt::format("quantizer '{}': {}: {} does not divide the {} columns; want a divisor of them "
                  "(pad the matrix with zeros, or use block=1x{}, whose last block may be short)",
                  to_string(spec), option, n, cols, n));
}

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// Room for the functions that make scales by whole vectors.
std::size_t padded(std::int64_t blocks) {
  return static_cast<std::size_t>(ceil_div(blocks, kScalePadding) * kScalePadding);
}

// bound = value where value is beyond it; by several threads at once. Nearly always it is not, and
// then nothing is locked.
template <class T, class Beyond>
void move_bound(T& bound, T value, Beyond beyond) {
  std::atomic_ref<T> shared(bound);
  T now = shared.load(std::memory_order_relaxed);
  while (beyond(value, now) &&
         !shared.compare_exchange_weak(now, value, std::memory_order_relaxed)) {
  }
}

ScaleKind scale_kind_of(const ScalePlan& plan) {
  const QuantSpec& s = plan.spec;
  if (s.asymmetric) return ScaleKind::kNone;
  if (s.granularity == Granularity::kNvfp4) {
    return s.four_over_six == FourOverSix::kNone ? ScaleKind::kNvfp4 : ScaleKind::kNone;
  }
  if (s.rule == ScaleRule::kAbsmax && s.scale_format == DType::kFloat32) return ScaleKind::kLinear;
  if (is_power_of_two_rule(s.rule) && s.rule != ScaleRule::kQuest &&
      s.convention == Convention::kReference && s.margin == 1.0f) {
    return ScaleKind::kPowerOfTwo;
  }
  return ScaleKind::kNone;
}

}  // namespace

Geometry::Geometry(const QuantSpec& spec, std::int64_t rows_in, std::int64_t cols_in,
                   bool statistics)
    : rows(rows_in), cols(cols_in) {
  set_blocks(spec);
  const bool eden = spec.granularity == Granularity::kNvfp4 && spec.rule == ScaleRule::kEden;
  set_tiles(spec, eden ? spec.group : block_cols);
  // The grid search compares sums of errors, so its tiles are fixed too.
  if (!statistics && spec.rule != ScaleRule::kGrid) cut_for_speed(spec);
}

void Geometry::set_blocks(const QuantSpec& spec) {
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
      break;
  }
  const bool whole =
      spec.granularity == Granularity::kTensor || spec.granularity == Granularity::kColumn;
  scale_rows = whole ? 1 : ceil_div(rows, block_rows);
  scale_cols = spec.granularity == Granularity::kTensor || spec.granularity == Granularity::kRow
                   ? 1
                   : ceil_div(cols, block_cols);
}

// Tiles hold whole multiples of `col_unit` columns.
void Geometry::set_tiles(const QuantSpec& spec, std::int64_t col_unit) {
  const auto at_least_one = [](std::int64_t n) { return std::max<std::int64_t>(n, 1); };
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

// Statistics fix the tiles; without them, blocks of several rows are found and encoded band by
// band, and columns in longer rows.
void Geometry::cut_for_speed(const QuantSpec& spec) {
  if (spec.granularity == Granularity::kColumn) tile_cols = kTileCols;
  const bool tensor = spec.granularity == Granularity::kTensor ||
                      (spec.granularity == Granularity::kNvfp4 && spec.levels == 2);
  if (tensor && rows * cols >= 64 * kLongTile) {
    const std::int64_t unit = global ? 1 : block_rows, width = std::min(tile_cols, cols);
    tile_rows = unit * std::max<std::int64_t>(1, kLongTile / (unit * width));
  }
  const std::int64_t high = std::min(block_rows, rows), wide = std::min(block_cols, cols);
  if (spec.granularity != Granularity::kBlock || high <= 1) return;
  if (wide == 0 || high * wide > kLocalElements) return;
  global = false;
  tile_cols = std::max<std::int64_t>(1, std::min(kTileCols, kBandElements / high) / wide) * wide;
  tile_rows = block_rows * std::max<std::int64_t>(1, kTileElements / (high * tile_cols));
}

void ScaleStrip::clear(std::int64_t n) {
  const std::size_t size = padded(n);
  scale.resize(size);
  factor.resize(size);
  zero.resize(size);
  inverse.resize(size);
  code.resize(size);
  flags = {};
}

void ScaleStrip::set(std::int64_t k, const BlockScale& s) {
  const auto i = static_cast<std::size_t>(k);
  scale[i] = s.scale;
  factor[i] = s.factor;
  zero[i] = s.zero;
  inverse[i] = 1.0f / s.factor;
  code[i] = s.code;
  flags.add(ScaleFlags::of(s));
}

void ScaleStrip::fill(ScaleKind kind, const ScalePlan& plan, const std::uint32_t* magnitude,
                      std::int64_t n) {
  flags = scales_simd(kind, plan, magnitude, n,
                      {scale.data(), factor.data(), inverse.data(), code.data()});
}

RowScales ScaleStrip::row(std::int64_t at, const ElementMap& map) const {
  return {.scale = scale.data() + at,
          .factor = factor.data() + at,
          .zero = zero.data() + at,
          .inverse = flags.moderate ? inverse.data() + at : nullptr,
          .tame = map.tame && flags.regular};
}

Engine::Engine(const QuantSpec& spec, std::int64_t rows, std::int64_t cols,
               const RandomStream& stream, bool statistics)
    : geometry_(spec, rows, cols, statistics), plan_(spec), map_(plan_, stream), stream_(stream) {
  needs_tensor_absmax_ = spec.granularity == Granularity::kNvfp4 && spec.levels == 2;
  poisons_ = !(spec.granularity == Granularity::kMx && spec.convention == Convention::kTorchao);
  kind_ = scale_kind_of(plan_);
  if (!needs_observation()) return;
  const auto blocks = padded(geometry_.scale_rows * geometry_.scale_cols);
  if (spec.asymmetric) {
    lows_.assign(blocks, kHighestKey);
    highs_.assign(blocks, kLowestKey);
  } else {
    magnitudes_.resize(static_cast<std::int64_t>(blocks));
    if (geometry_.global) magnitudes_.fill(0);
  }
}

std::int64_t Engine::segment(std::int64_t cols) const {
  const Granularity g = plan_.spec.granularity;
  const bool whole = g == Granularity::kTensor || (g == Granularity::kRow && geometry_.global);
  return std::max<std::int64_t>(whole ? cols : geometry_.block_cols, 1);
}

std::int64_t Engine::panel(std::int64_t rows, std::int64_t cols) const {
  const std::int64_t most = rows == 1 ? kPanel : kBandElements / rows;
  const std::int64_t step = segment(cols);
  return std::max<std::int64_t>(1, most / step) * step;
}

MatrixView<const float> Engine::join_rows(MatrixView<const float> X) const {
  const bool joins = !geometry_.global && geometry_.block_rows == 1 && X.cols == geometry_.cols &&
                     X.cols % segment(X.cols) == 0 && X.contiguous();
  return joins ? MatrixView<const float>{X.data, 1, X.size()} : X;
}

std::int64_t Engine::block_at(std::int64_t row, std::int64_t col) const {
  const Geometry& g = geometry_;
  const std::int64_t across = g.scale_cols == 1 && g.global ? 0 : col / segment(g.cols);
  return row / std::max<std::int64_t>(g.block_rows, 1) * g.scale_cols + across;
}

// Blocks that lie in one window each.
void Engine::observe_blocks(MatrixView<const float> X, std::int64_t first_row, std::int64_t col,
                            const Access& access) {
  const std::int64_t step = segment(X.cols);
  X = join_rows(X);
  std::uint32_t most = 0;
  for (std::int64_t i = 0; i < X.rows; i += geometry_.block_rows) {
    const MatrixView<const float> rows{X.row(i), std::min(geometry_.block_rows, X.rows - i), X.cols,
                                       X.stride};
    const std::int64_t n = ceil_div(X.cols, step);
    std::uint32_t* magnitude = magnitudes_.data() + block_at(first_row + i, col);
    std::fill_n(magnitude, n, 0u);
    absmax_rows(rows, step, magnitude, access);
    // As numbers, whose order is that of their bits.
    absmax_rows({reinterpret_cast<const float*>(magnitude), 1, n}, std::max<std::int64_t>(n, 2),
                &most);
  }
  move_bound(tensor_magnitude_, most, std::greater<>());
}

void Engine::observe(MatrixView<const float> X, std::int64_t first_row, std::int64_t col,
                     bool near) {
  if (X.rows == 0 || X.cols == 0) return;
  const Access access{.ahead = near ? 0 : kAhead};
  if (!geometry_.global) return observe_blocks(X, first_row, col, access);
  const std::int64_t step = segment(X.cols);
  const auto blocks = static_cast<std::size_t>(ceil_div(X.cols, step));
  thread_local std::vector<std::uint32_t> magnitude;
  thread_local std::vector<std::int32_t> low, high;
  for (std::int64_t i = 0; i < X.rows;) {
    const std::int64_t block = (first_row + i) / geometry_.block_rows;
    const std::int64_t end = std::min(X.rows, (block + 1) * geometry_.block_rows - first_row);
    const MatrixView<const float> rows{X.row(i), end - i, X.cols, X.stride};
    const auto base = static_cast<std::size_t>(block_at(first_row + i, col));
    if (plan_.spec.asymmetric) {
      low.assign(blocks, kHighestKey);
      high.assign(blocks, kLowestKey);
      range_rows(rows, step, low.data(), high.data(), access);
    } else {
      magnitude.assign(blocks, 0);
      absmax_rows(rows, step, magnitude.data(), access);
    }
    i = end;
    for (std::size_t k = 0; k < blocks; ++k) {
      if (plan_.spec.asymmetric) {
        move_bound(lows_[base + k], low[k], std::less<>());
        move_bound(highs_[base + k], high[k], std::greater<>());
      } else {
        move_bound(magnitudes_[static_cast<std::int64_t>(base + k)], magnitude[k],
                   std::greater<>());
      }
    }
  }
}

bool Engine::observe_rows(const std::uint32_t* row_absmax, std::int64_t rows) {
  if (plan_.spec.granularity != Granularity::kTensor || plan_.spec.asymmetric) return false;
  for (std::int64_t i = 0; i < rows; ++i) {
    move_bound(magnitudes_[0], row_absmax[i], std::greater<>());
  }
  return true;
}

void Engine::finish_observation() {
  if (needs_tensor_absmax_) plan_.set_tensor_absmax(tensor_magnitude_);
  if (!geometry_.global) return;
  const std::int64_t blocks = geometry_.scale_rows * geometry_.scale_cols;
  global_scales_.clear(blocks);
  if (kind_ != ScaleKind::kNone && !scalar_target()) {
    global_scales_.fill(kind_, plan_, magnitudes_.data(), blocks);
    return;
  }
  for (std::int64_t k = 0; k < blocks; ++k) {
    const auto i = static_cast<std::size_t>(k);
    BlockBounds bounds;
    if (plan_.spec.asymmetric) {
      bounds.low = lows_[i];
      bounds.high = highs_[i];
    } else {
      bounds.absmax = magnitudes_[i];
    }
    global_scales_.set(k, scale_of(plan_, bounds));
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
void Engine::strip_of(MatrixView<const float> X, std::int64_t first_block,
                      ScaleStrip& strip) const {
  const std::int64_t step = segment(X.cols), blocks = ceil_div(X.cols, step);
  const Access access{.ahead = kAhead};
  strip.clear(blocks);
  thread_local std::vector<std::uint32_t> magnitude;
  thread_local std::vector<std::int32_t> low, high;
  if (plan_.spec.asymmetric) {
    low.assign(static_cast<std::size_t>(blocks), kHighestKey);
    high.assign(static_cast<std::size_t>(blocks), kLowestKey);
    range_rows(X, step, low.data(), high.data(), access);
    for (std::int64_t k = 0; k < blocks; ++k) {
      const auto at = static_cast<std::size_t>(k);
      strip.set(k, scale_of(plan_, {.low = low[at], .high = high[at]}));
    }
    return;
  }
  magnitude.assign(padded(blocks), 0);
  if (needs_tensor_absmax_) {
    std::copy_n(magnitudes_.data() + first_block, blocks, magnitude.data());
  } else {
    absmax_rows(X, step, magnitude.data(), access);
  }
  if (kind_ != ScaleKind::kNone && !scalar_target()) {
    strip.fill(kind_, plan_, magnitude.data(), blocks);
    return;
  }
  for (std::int64_t k = 0; k < blocks; ++k) {
    const std::int64_t begin = k * step, width = std::min(step, X.cols - begin);
    select_block({X.data + begin, X.rows, width, X.stride}, magnitude[static_cast<std::size_t>(k)],
                 k, strip);
  }
}

void Engine::store_scales(const ScaleStrip& strip, std::int64_t first_block, std::int64_t count,
                          QuantizedMatrix& out) const {
  std::copy_n(strip.scale.data(), count, out.scales.data() + first_block);
  if (!out.scale_codes.empty()) {
    std::copy_n(strip.code.data(), count, out.scale_codes.data() + first_block);
  }
  if (plan_.spec.asymmetric) std::copy_n(strip.zero.data(), count, out.zeros.data() + first_block);
}

// Rows that share one strip of scales, which begins at its block `at`.
void Engine::encode_strip(MatrixView<const float> X, std::int64_t first_row, std::int64_t col,
                          const ScaleStrip& strip, std::int64_t at, const Sink& sink,
                          Access access) const {
  const std::int64_t step = segment(X.cols), cols = geometry_.cols;
  const RowScales scales = strip.row(at, map_);
  const auto stride = static_cast<std::uint64_t>(cols);
  const Draws draws{static_cast<std::uint64_t>(first_row * cols + col), stride};
  MatrixView<float> values = sink.values;
  MatrixView<std::uint8_t> codes;
  if (sink.out != nullptr) {
    codes = {sink.out->codes.data() + first_row * cols + col, X.rows, X.cols,
             std::max(cols, X.cols)};
  }
  thread_local std::vector<float> scratch, original;
  if (values.data == nullptr && sink.stats != nullptr) {
    scratch.resize(static_cast<std::size_t>(X.size()));
    values = {scratch.data(), X.rows, X.cols};
  }
  if (sink.stats != nullptr && values.data == X.data) {  // in place: the statistics need X
    original.resize(static_cast<std::size_t>(X.size()));
    for (std::int64_t i = 0; i < X.rows; ++i) {
      std::copy_n(X.row(i), X.cols, original.data() + i * X.cols);
    }
    X = {original.data(), X.rows, X.cols};
  }
  if (codes.data != nullptr) {
    access.streams = geometry_.rows * cols > kStreamBytes && !sink.near;
    encode_rows(map_, X, step, scales, draws, codes, access);
    if (values.data != nullptr) decode_rows(map_, codes, step, scales, values);
  } else {
    // In place the lines are in the caches already.
    access.streams = 4 * geometry_.rows * cols > kStreamBytes && values.data != X.data;
    values_rows(map_, X, step, scales, draws, values, access);
  }
  if (strip.flags.poisoned && poisons_) {
    poison_rows(scales.scale, step, codes);
    poison_rows(scales.scale, step, values);
  }
  if (sink.stats == nullptr) return;
  for (std::int64_t i = 0; i < X.rows; ++i) {
    stats_row(map_, X.row(i), values.row(i), X.cols, step, scales, *sink.stats);
  }
}

void Engine::correct_eden(MatrixView<const float> X, std::int64_t row, std::int64_t col,
                          ScaleStrip& strip) const {
  const std::int64_t group = plan_.spec.group;
  std::vector<BlockScale> scales(static_cast<std::size_t>(group / 16));
  for (std::int64_t g = 0; g < X.cols; g += group) {
    for (std::size_t k = 0; k < scales.size(); ++k) {
      const std::size_t at = static_cast<std::size_t>(g / 16) + k;
      scales[k] = {strip.scale[at], strip.factor[at], 0.0f, strip.code[at]};
    }
    const auto first = static_cast<std::uint64_t>(row * geometry_.cols + col + g);
    correct_eden_scales(plan_, map_, X.row(0) + g, group, first, stream_, scales.data());
    for (std::size_t k = 0; k < scales.size(); ++k) {
      strip.set(g / 16 + static_cast<std::int64_t>(k), scales[k]);
    }
  }
}

// Blocks whose scales follow from themselves: a panel of them is read, then encoded from the cache.
void Engine::encode_local(MatrixView<const float> X, std::int64_t first_row, std::int64_t col,
                          const Sink& sink) const {
  thread_local ScaleStrip local;
  const bool eden = plan_.spec.rule == ScaleRule::kEden;
  // Sums of statistics, and what an Inf or NaN spoils in MS-EDEN, go by whole tiles.
  const bool whole = sink.stats != nullptr || eden;
  const std::int64_t width = whole ? X.cols : panel(X.rows, X.cols);
  for (std::int64_t c = 0; c < X.cols; c += width) {
    const std::int64_t cols = std::min(width, X.cols - c);
    const MatrixView<const float> part{X.data + c, X.rows, cols, X.stride};
    const std::int64_t block = block_at(first_row, col + c);
    strip_of(part, block, local);
    if (eden && !local.flags.poisoned) correct_eden(part, first_row, col + c, local);
    if (sink.out != nullptr) store_scales(local, block, ceil_div(cols, segment(cols)), *sink.out);
    Sink to = sink;
    if (sink.values.data != nullptr) {
      to.values = {sink.values.data + c, X.rows, cols, sink.values.stride};
    }
    encode_strip(part, first_row, col + c, local, 0, to, {.ahead = cols});
  }
}

bool Engine::walks_once(const Sink& sink) const {
  const bool one_result = (sink.out == nullptr) != (sink.values.data == nullptr);
  return !scalar_target() && !geometry_.global && geometry_.block_rows == 1 &&
         kind_ != ScaleKind::kNone && map_.plain() && map_.tame &&
         plan_.spec.rule != ScaleRule::kEden && one_result && sink.stats == nullptr;
}

void Engine::encode_once(MatrixView<const float> X, std::int64_t first_row, std::int64_t col,
                         const Sink& sink) const {
  const std::int64_t step = segment(X.cols);
  MatrixView<float> values = sink.values;
  if (values.contiguous()) {
    X = join_rows(X);
    if (values.data != nullptr && X.cols == values.size()) values = {values.data, 1, X.cols};
  }
  const std::int64_t bytes = geometry_.rows * geometry_.cols * (sink.out != nullptr ? 1 : 4);
  for (std::int64_t i = 0; i < X.rows; ++i) {
    BlocksOfRow row{.map = map_,
                    .plan = plan_,
                    .kind = kind_,
                    .x = X.row(i),
                    .n = X.cols,
                    .segment = step,
                    .streams = bytes > kStreamBytes && !sink.near,
                    .near = sink.near};
    const std::int64_t at = block_at(first_row + i, col);
    if (needs_tensor_absmax_) row.magnitude = magnitudes_.data() + at;
    if (plan_.spec.granularity == Granularity::kRow && sink.row_absmax != nullptr) {
      row.magnitude = sink.row_absmax + i;
    }
    if (sink.out != nullptr) {
      row.scale = sink.out->scales.data() + at;
      if (!sink.out->scale_codes.empty()) row.code = sink.out->scale_codes.data() + at;
      encode_blocks_simd(row, sink.out->codes.data() + (first_row + i) * geometry_.cols + col);
    } else {
      row.streams = row.streams && values.row(i) != row.x;
      fake_blocks_simd(row, values.row(i));
    }
  }
}

void Engine::encode(MatrixView<const float> X, std::int64_t first_row, std::int64_t col,
                    const Sink& sink) const {
  if (X.rows == 0 || X.cols == 0) return;
  if (walks_once(sink)) return encode_once(X, first_row, col, sink);
  for (std::int64_t i = 0; i < X.rows;) {
    const std::int64_t block = (first_row + i) / geometry_.block_rows;
    const std::int64_t end = std::min(X.rows, (block + 1) * geometry_.block_rows - first_row);
    const MatrixView<const float> rows{X.row(i), end - i, X.cols, X.stride};
    Sink part = sink;
    if (sink.values.data != nullptr) {
      part.values = {sink.values.row(i), end - i, X.cols, sink.values.stride};
    }
    if (geometry_.global) {
      encode_strip(rows, first_row + i, col, global_scales_, block_at(first_row + i, col), part,
                   {.ahead = sink.near ? 0 : kAhead});
    } else {
      encode_local(rows, first_row + i, col, part);
    }
    i = end;
  }
}

void Engine::store_global_scales(QuantizedMatrix& out) const {
  const std::int64_t n = geometry_.scale_rows * geometry_.scale_cols;
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
    decode_rows(map_, {q.codes.data() + row * q.cols + col, 1, values.cols}, step, scales,
                {values.row(i), 1, values.cols},
                {.streams = 4 * geometry_.rows * geometry_.cols > kStreamBytes});
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
    decode_rows(map, {q.codes.data() + row * q.cols + col, 1, X.cols}, step, scales,
                {values.data(), 1, X.cols});
    stats_row(map, X.row(i), values.data(), X.cols, step, scales, sum);
  }
}

}  // namespace sylvester::detail
