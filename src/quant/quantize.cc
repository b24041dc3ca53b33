#include "sylvester/quant/quantize.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "quant/engine.h"
#include "quant/simd_rows.h"
#include "sylvester/core/error.h"
#include "sylvester/core/parallel.h"
#include "sylvester/formats/convert.h"
#include "sylvester/quant/kernels.h"

namespace sylvester {
namespace {

using detail::Engine;
using detail::Geometry;
using detail::StatsSum;

// Casts and quantization_error work on rows in pieces of this length.
constexpr std::int64_t kPiece = 1 << 13;

template <class T>
MatrixView<T> window(MatrixView<T> X, std::int64_t row, std::int64_t rows, std::int64_t col,
                     std::int64_t cols) {
  if (X.data == nullptr) return {};
  MatrixView<T> out;
  out.data = X.data + row * X.stride + col;
  out.rows = rows;
  out.cols = cols;
  out.stride = X.stride;
  return out;
}

// Calls f(tile, row, rows, col, cols) for each tile. (A second pass from the last tile backwards
// would begin with what the first left in cache, but the processor's prefetching does not follow.)
template <class F>
void for_tiles(const Geometry& g, F&& f) {
  const std::int64_t across = g.tiles_across();
  parallel_blocks(g.tiles(), 1, [&](std::int64_t tile, std::int64_t, std::int64_t) {
    const std::int64_t row = tile / across * g.tile_rows, col = tile % across * g.tile_cols;
    f(tile, row, std::min(g.tile_rows, g.rows - row), col, std::min(g.tile_cols, g.cols - col));
  });
}

QuantStats finish(const std::vector<StatsSum>& parts, std::int64_t count) {
  StatsSum sum;
  for (const StatsSum& part : parts) sum.add(part);
  QuantStats out{
      .count = count, .max_error = sum.max_error, .zeros = sum.zeros, .saturated = sum.saturated};
  if (count > 0) out.mse = sum.error2 / static_cast<double>(count);
  out.sqnr_db = sum.error2 == 0 ? std::numeric_limits<double>::infinity()
                                : 10 * std::log10(sum.x2 / sum.error2);
  if (std::isnan(sum.error2)) out.max_error = std::numeric_limits<double>::quiet_NaN();
  return out;
}

void observe_all(Engine& engine, MatrixView<const float> X) {
  if (engine.needs_observation()) {
    for_tiles(engine.geometry(), [&](std::int64_t, std::int64_t row, std::int64_t rows,
                                     std::int64_t col, std::int64_t cols) {
      engine.observe(window(X, row, rows, col, cols), row, col);
    });
  }
  engine.finish_observation();
}

// HALO's scale='gs': ten candidates absmax / max / 1.1^i, the least relative Frobenius error wins,
// the first one in a tie.
void search_grid(Engine& engine, MatrixView<const float> X) {
  const detail::ScalePlan& plan = engine.plan();
  QuantSpec start_spec = plan.spec;
  start_spec.rule = ScaleRule::kAbsmax;
  const detail::ScalePlan start_plan(start_spec);
  std::uint32_t magnitude = 0;
  detail::absmax_rows(X, std::max<std::int64_t>(X.cols, 1), &magnitude);
  BlockScale candidate = scale_of(start_plan, {.absmax = magnitude});
  if (magnitude == 0 || std::isnan(candidate.scale)) return;
  double scale = candidate.scale, least = std::numeric_limits<double>::infinity();
  BlockScale best = candidate;
  for (int i = 0; i < 10; ++i, scale /= 1.1) {
    candidate.scale = candidate.factor = static_cast<float>(scale);
    if (plan.spec.quotient == Quotient::kReciprocal) candidate.factor = 1.0f / candidate.scale;
    engine.set_tensor_scale(candidate);
    std::vector<StatsSum> parts(static_cast<std::size_t>(engine.geometry().tiles()));
    for_tiles(engine.geometry(), [&](std::int64_t tile, std::int64_t row, std::int64_t rows,
                                     std::int64_t col, std::int64_t cols) {
      engine.encode(window(X, row, rows, col, cols), row, col,
                    {.stats = &parts[static_cast<std::size_t>(tile)]});
    });
    double error = 0;
    for (const StatsSum& part : parts) error += part.error2;
    if (error < least) {
      least = error;
      best = candidate;
    }
  }
  engine.set_tensor_scale(best);
}

void size_buffers(const Geometry& g, const QuantSpec& spec, QuantizedMatrix& out) {
  out.spec = spec;
  out.rows = g.rows;
  out.cols = g.cols;
  out.block_rows = g.block_rows;
  out.block_cols = g.block_cols;
  out.scale_rows = g.scale_rows;
  out.scale_cols = g.scale_cols;
  const std::int64_t blocks = g.scale_rows * g.scale_cols;
  const bool coded =
      spec.scale_format == DType::kFloat8E8M0FNU || spec.scale_format == DType::kFloat8E4M3FN;
  out.codes.resize(g.rows * g.cols);
  out.scales.resize(blocks);
  out.scale_codes.resize(coded ? blocks : 0);
  out.zeros.resize(spec.asymmetric ? blocks : 0);
  out.values.resize(0);
  out.tensor_scale = 1.0f;
}

// Scales that are known before the encoding pass, and the tensor's.
void store_known_scales(const Engine& engine, QuantizedMatrix& out) {
  const detail::ScalePlan& plan = engine.plan();
  if (plan.spec.granularity == Granularity::kNvfp4) {
    out.tensor_scale =
        plan.tensor_poisoned ? std::numeric_limits<float>::quiet_NaN() : plan.tensor_scale;
  } else if (plan.spec.granularity == Granularity::kMx) {
    out.tensor_scale = plan.spec.margin;
  }
  if (engine.geometry().global) engine.store_global_scales(out);
}

// float32, bfloat16 and float16: IEEE rounding, nothing else.
void cast_piece(const float* x, std::int64_t n, const QuantSpec& spec, const RandomStream& stream,
                std::uint64_t first, float* out) {
  const auto size = static_cast<std::size_t>(n);
  const std::span<const float> from(x, size);
  if (spec.format == DType::kFloat32) {
    if (x != out) std::copy_n(x, n, out);
  } else if (spec.format == DType::kBFloat16 && spec.rounding == Rounding::kNearestEven) {
    round_to_bfloat16(from, {out, size});
  } else {
    std::vector<std::uint16_t> codes(size);
    EncodeOptions options = kIeeeEncode;
    options.rounding = spec.rounding;
    options.stream = stream;
    options.first_element = first;
    encode16(from, spec.format, codes, options);
    decode16(codes, spec.format, {out, size});
  }
}

void cast_all(MatrixView<const float> X, const QuantSpec& spec, MatrixView<float> out,
              QuantStats* stats, const RandomStream& stream) {
  const std::int64_t pieces = X.cols == 0 ? 0 : (X.cols + kPiece - 1) / kPiece;
  std::vector<StatsSum> parts(stats != nullptr ? static_cast<std::size_t>(X.rows * pieces) : 0);
  parallel_blocks(X.rows * pieces, 1, [&](std::int64_t index, std::int64_t, std::int64_t) {
    const std::int64_t row = index / pieces, col = index % pieces * kPiece;
    const std::int64_t n = std::min(kPiece, X.cols - col);
    const float* x = X.row(row) + col;
    std::vector<float> copy;
    if (stats != nullptr && x == out.row(row) + col) {
      copy.assign(x, x + n);
      x = copy.data();
    }
    cast_piece(x, n, spec, stream, static_cast<std::uint64_t>(row * X.cols + col),
               out.row(row) + col);
    if (stats != nullptr) {
      detail::error_row(x, out.row(row) + col, n, parts[static_cast<std::size_t>(index)]);
    }
  });
  if (stats != nullptr) *stats = finish(parts, X.size());
}

void run(Engine& engine, MatrixView<const float> X, QuantizedMatrix* out, MatrixView<float> values,
         QuantStats* stats) {
  observe_all(engine, X);
  if (engine.plan().spec.rule == ScaleRule::kGrid) search_grid(engine, X);
  if (out != nullptr) store_known_scales(engine, *out);
  const Geometry& g = engine.geometry();
  std::vector<StatsSum> parts(stats != nullptr ? static_cast<std::size_t>(g.tiles()) : 0);
  for_tiles(g, [&](std::int64_t tile, std::int64_t row, std::int64_t rows, std::int64_t col,
                   std::int64_t cols) {
    engine.encode(window(X, row, rows, col, cols), row, col,
                  {out, window(values, row, rows, col, cols),
                   stats != nullptr ? &parts[static_cast<std::size_t>(tile)] : nullptr});
  });
  if (stats != nullptr) *stats = finish(parts, X.size());
}

void check_same_shape(const char* function, std::int64_t rows, std::int64_t cols,
                      std::int64_t out_rows, std::int64_t out_cols) {
  if (rows == out_rows && cols == out_cols) return;
  throw ShapeError(fmt::format("{}: input is {} x {}, output {} x {}; want the same shape",
                               function, rows, cols, out_rows, out_cols));
}

}  // namespace

void quantize(MatrixView<const float> X, const QuantSpec& spec, QuantizedMatrix& out,
              QuantStats* stats, const RandomStream& stream) {
  const QuantSpec resolved = resolve(spec);
  if (is_cast(resolved)) {
    out.spec = resolved;
    out.rows = out.block_rows = X.rows;
    out.cols = out.block_cols = X.cols;
    out.scale_rows = out.scale_cols = 0;
    out.codes.resize(0);
    out.scales.resize(0);
    out.scale_codes.resize(0);
    out.zeros.resize(0);
    out.tensor_scale = 1.0f;
    out.values.resize(X.size());
    cast_all(X, resolved, {out.values.data(), X.rows, X.cols}, stats, stream);
    return;
  }
  Engine engine(resolved, X.rows, X.cols, stream, stats != nullptr);
  size_buffers(engine.geometry(), resolved, out);
  run(engine, X, &out, {}, stats);
}

QuantizedMatrix quantize(MatrixView<const float> X, const QuantSpec& spec, QuantStats* stats,
                         const RandomStream& stream) {
  QuantizedMatrix out;
  quantize(X, spec, out, stats, stream);
  return out;
}

void dequantize(const QuantizedMatrix& q, MatrixView<float> out) {
  check_same_shape("dequantize", q.rows, q.cols, out.rows, out.cols);
  if (is_cast(q.spec)) {
    for (std::int64_t i = 0; i < q.rows; ++i) {
      std::copy_n(q.values.data() + i * q.cols, q.cols, out.row(i));
    }
    return;
  }
  const Engine engine(q.spec, q.rows, q.cols, {});
  for_tiles(engine.geometry(), [&](std::int64_t, std::int64_t row, std::int64_t rows,
                                   std::int64_t col, std::int64_t cols) {
    engine.decode(q, row, col, window(out, row, rows, col, cols));
  });
}

void fake_quantize(MatrixView<const float> X, const QuantSpec& spec, MatrixView<float> out,
                   QuantStats* stats, const RandomStream& stream) {
  check_same_shape("fake_quantize", X.rows, X.cols, out.rows, out.cols);
  const QuantSpec resolved = resolve(spec);
  if (is_cast(resolved)) {
    cast_all(X, resolved, out, stats, stream);
    return;
  }
  Engine engine(resolved, X.rows, X.cols, stream, stats != nullptr);
  run(engine, X, nullptr, out, stats);
}

QuantStats quantization_error(MatrixView<const float> X, const QuantizedMatrix& q) {
  check_same_shape("quantization_error", X.rows, X.cols, q.rows, q.cols);
  if (is_cast(q.spec)) {
    const std::int64_t pieces = (q.cols + kPiece - 1) / kPiece;
    std::vector<StatsSum> parts(static_cast<std::size_t>(q.rows * pieces));
    parallel_blocks(q.rows * pieces, 1, [&](std::int64_t index, std::int64_t, std::int64_t) {
      const std::int64_t row = index / pieces, col = index % pieces * kPiece;
      detail::error_row(X.row(row) + col, q.values.data() + row * q.cols + col,
                        std::min(kPiece, q.cols - col), parts[static_cast<std::size_t>(index)]);
    });
    return finish(parts, X.size());
  }
  const Engine engine(q.spec, q.rows, q.cols, {}, true);
  std::vector<StatsSum> parts(static_cast<std::size_t>(engine.geometry().tiles()));
  for_tiles(engine.geometry(), [&](std::int64_t tile, std::int64_t row, std::int64_t rows,
                                   std::int64_t col, std::int64_t cols) {
    engine.measure(window(X, row, rows, col, cols), row, col, q,
                   parts[static_cast<std::size_t>(tile)]);
  });
  return finish(parts, X.size());
}

struct Quantization::Impl {
  Engine engine;
  QuantizedMatrix& out;

  template <class F>
  void for_columns(F&& f) {
    const Geometry& g = engine.geometry();
    for (std::int64_t col = 0; col < g.cols; col += g.tile_cols) {
      f(col, std::min(g.tile_cols, g.cols - col));
    }
  }
};

Quantization::Quantization(const QuantSpec& spec, std::int64_t rows, std::int64_t cols,
                           QuantizedMatrix& out, const RandomStream& stream) {
  const QuantSpec resolved = resolve(spec);
  if (is_cast(resolved)) {
    throw ValueError(fmt::format("Quantization: '{}' has no codes; want a format of 2 to 8 bits",
                                 to_string(resolved)));
  }
  impl_.reset(new Impl{Engine(resolved, rows, cols, stream), out});
  size_buffers(impl_->engine.geometry(), resolved, out);
}

// Stripes up to this many elements are taken to be in cache: their owner made them just now.
constexpr std::int64_t kNearElements = 1 << 15;

Quantization::~Quantization() = default;

bool Quantization::needs_observation() const noexcept { return impl_->engine.needs_observation(); }

bool Quantization::needs_whole_matrix() const noexcept {
  return impl_->engine.plan().spec.rule == ScaleRule::kGrid;
}

std::int64_t Quantization::row_multiple() const noexcept {
  const Geometry& g = impl_->engine.geometry();
  return g.global ? 1 : std::max<std::int64_t>(g.block_rows, 1);
}

static_assert(Quantization::kAbsmaxPadding >= detail::kScalePadding);

bool Quantization::wants_row_absmax() const noexcept {
  const QuantSpec& spec = impl_->engine.plan().spec;
  return !spec.asymmetric &&
         (spec.granularity == Granularity::kTensor || spec.granularity == Granularity::kRow);
}

void Quantization::observe(MatrixView<const float> stripe, std::int64_t first_row,
                           const std::uint32_t* row_absmax) {
  if (row_absmax != nullptr && impl_->engine.observe_rows(row_absmax, stripe.rows)) return;
  impl_->for_columns([&](std::int64_t col, std::int64_t cols) {
    impl_->engine.observe(window(stripe, 0, stripe.rows, col, cols), first_row, col,
                          stripe.size() <= kNearElements);
  });
}

void Quantization::finish_observation() {
  impl_->engine.finish_observation();
  store_known_scales(impl_->engine, impl_->out);
}

void Quantization::encode(MatrixView<const float> stripe, std::int64_t first_row,
                          const std::uint32_t* row_absmax) {
  impl_->for_columns([&](std::int64_t col, std::int64_t cols) {
    impl_->engine.encode(
        window(stripe, 0, stripe.rows, col, cols), first_row, col,
        {.out = &impl_->out, .near = stripe.size() <= kNearElements, .row_absmax = row_absmax});
  });
}

void Quantization::encode(MatrixView<const float> stripe, std::int64_t first_row,
                          MatrixView<float> values) {
  impl_->for_columns([&](std::int64_t col, std::int64_t cols) {
    impl_->engine.encode(window(stripe, 0, stripe.rows, col, cols), first_row, col,
                         {.out = &impl_->out,
                          .values = window(values, 0, stripe.rows, col, cols),
                          .near = stripe.size() <= kNearElements});
  });
}

float absmax(std::span<const float> x) noexcept {
  std::uint32_t magnitude = 0;
  const auto n = static_cast<std::int64_t>(x.size());
  detail::absmax_rows({x.data(), 1, n}, std::max<std::int64_t>(n, 1), &magnitude);
  return std::bit_cast<float>(magnitude);
}

BlockScale block_scale(const QuantSpec& spec, float absmax, float tensor_absmax) {
  const QuantSpec resolved = resolve(spec);
  if (is_cast(resolved) || resolved.asymmetric || resolved.rule == ScaleRule::kGrid ||
      resolved.rule == ScaleRule::kQuest || resolved.rule == ScaleRule::kEden ||
      resolved.four_over_six != FourOverSix::kNone) {
    throw ValueError(fmt::format("block_scale: '{}' has scales that need more than the absmax",
                                 to_string(resolved)));
  }
  detail::ScalePlan plan(resolved);
  const auto bits = [](float x) {
    return std::bit_cast<std::uint32_t>(x) & detail::kMagnitudeMask;
  };
  if (resolved.granularity != Granularity::kNvfp4) return scale_of(plan, {.absmax = bits(absmax)});
  plan.set_tensor_absmax(bits(tensor_absmax));
  return nvfp4_scale(plan, bits(absmax));
}

}  // namespace sylvester
