#include "sylvester/hadamard/rotate_quantize.h"

#include <algorithm>
#include <cstdint>

#include "hadamard/axis.h"
#include "hadamard/kernels.h"
#include "hadamard/transform.h"
#include "hadamard/transpose.h"
#include "sylvester/core/buffer.h"
#include "sylvester/core/parallel.h"
#include "sylvester/quant/kernels.h"

namespace sylvester {
namespace {

// Rotated rows that stay in the nearest cache until they are encoded.
constexpr std::int64_t kStripeBytes = 16 << 10;
// Rows that are there already: as many as the encoding likes to have at a time.
constexpr std::int64_t kReadyElements = 1 << 16;
// Rows of one task where codes are transposed: a full cache line of every row of codes_t.
constexpr std::int64_t kTransposeRows = 64;

// Rotation of X; `out` may be X's memory only where no copy is wanted.
void rotate(MatrixView<const float> X, const RotateQuantizeOptions& options,
            MatrixView<float> out) {
  if (options.cols) hadamard_cols(X, out, options.left);
  if (options.rows) hadamard_rows(options.cols ? out : X, out, options.right);
}

// Storage of one thread, kept between stripes.
struct Space {
  Buffer<float> rotated, work;
  Buffer<std::uint32_t> row_absmax;
};

// Rows, and the largest magnitudes of each where they are known.
struct Stripe {
  MatrixView<const float> rows;
  const std::uint32_t* row_absmax = nullptr;
};

// X, or its rotation, in the order a Quantization wants it: stripes of rows, read once or twice.
class Stripes {
 public:
  // Throws ShapeError for an axis without a matrix, before anything is changed.
  Stripes(MatrixView<const float> X, const RotateQuantizeOptions& options)
      : X_(X), options_(options), rotate_rows_(options.rows) {
    if (options.rows) axis_ = detail::resolve_axis(X.cols, options.right, "rows");
    if (options.cols) detail::resolve_axis(X.rows, options.left, "cols");
  }
  // Rotates across rows; along them read() does. `twice`: there will be two rounds of reading.
  // wants_row_absmax: see Quantization.
  void start(bool twice, bool wants_row_absmax) {
    wants_row_absmax_ = wants_row_absmax;
    // Fresh memory costs more than a second transform, but of the slow ones.
    const bool small = X_.size() <= kKeptElements, slow = axis_.base > kSlowBase;
    keep_ =
        twice && options_.rows && (options_.cols || small || slow || options_.scratch != nullptr);
    if (!options_.cols && !keep_) return;
    thread_local Buffer<float> ready;
    Buffer<float>& space = options_.scratch != nullptr ? *options_.scratch : small ? ready : whole_;
    space.resize(X_.size());
    rotated_ = MatrixView<float>(space.data(), X_.rows, X_.cols);
    if (!options_.cols) return;
    hadamard_cols(X_, rotated_, options_.left);
    X_ = rotated_;
  }
  // True where read() rotates.
  bool rotates() const { return rotate_rows_; }
  // Rows [begin, end), rotated; in `space` where they had to be computed.
  Stripe read(std::int64_t begin, std::int64_t end, Space& space) const {
    const MatrixView<const float> rows(X_.row(begin), end - begin, X_.cols, X_.stride);
    if (!rotate_rows_) return {rows};
    if (!keeps_here()) space.rotated.resize(rows.size());
    const MatrixView<float> rotated(keeps_here() ? rotated_.row(begin) : space.rotated.data(),
                                    rows.rows, rows.cols);
    std::uint32_t* row_absmax = nullptr;
    if (wants_row_absmax_) {
      space.row_absmax.resize(rows.rows + Quantization::kAbsmaxPadding);
      row_absmax = space.row_absmax.data();
      // Zeros behind the rows: numbers that no scale is hard to find for.
      std::fill_n(row_absmax + rows.rows, Quantization::kAbsmaxPadding, 0u);
    }
    const bool known = detail::rotate_rows(axis_, rows, rotated, space.work, row_absmax);
    return {rotated, known ? row_absmax : nullptr};
  }
  // After the first read of what a second one will want.
  void keep(std::int64_t begin, std::int64_t end, const Space& space) const {
    if (!keep_ || keeps_here()) return;
    detail::simd_stream(space.rotated.data(), (end - begin) * X_.cols, rotated_.row(begin));
  }
  // All rows were read once.
  void second_round() {
    if (!keep_) return;
    X_ = rotated_;
    rotate_rows_ = false;
  }

 private:
  // 32 MiB: what may stay in a third-level cache between the two rounds.
  static constexpr std::int64_t kKeptElements = std::int64_t{1} << 23;
  static constexpr std::int64_t kSlowBase = 44;
  // From 8 MiB on, what is kept goes around the caches, which would have to read it first.
  static constexpr std::int64_t kStreamElements = std::int64_t{1} << 21;

  // Small matrices are rotated to where they are kept.
  bool keeps_here() const { return keep_ && X_.size() < kStreamElements; }

  MatrixView<const float> X_;
  const RotateQuantizeOptions& options_;
  bool rotate_rows_, keep_ = false, wants_row_absmax_ = false;
  detail::Axis axis_;
  Buffer<float> whole_;
  MatrixView<float> rotated_;
};

// Calls f(begin, end, space) over stripes of at most `rows` rows, in tasks of `task` rows; done(b,
// e) once a task's rows are through.
template <class F, class Done>
void for_stripes(std::int64_t total, std::int64_t task, std::int64_t rows, F&& f, Done&& done) {
  parallel_blocks(total, task, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
    thread_local Space space;
    for (std::int64_t i = begin; i < end; i += rows) f(i, std::min(end, i + rows), space);
    done(begin, end);
  });
}

void separate_steps(MatrixView<const float> X, const RotateQuantizeOptions& options,
                    const QuantSpec& spec, QuantizedMatrix& out, const RandomStream& stream) {
  if (!options.rows && !options.cols) return quantize(X, spec, out, nullptr, stream);
  Buffer<float> rotated(X.size());
  const MatrixView<float> view(rotated.data(), X.rows, X.cols);
  rotate(X, options, view);
  quantize(view, spec, out, nullptr, stream);
}

}  // namespace

void rotate_quantize(MatrixView<const float> X, const RotateQuantizeOptions& options,
                     const QuantSpec& spec, QuantizedMatrix& out, Buffer<std::uint8_t>* codes_t,
                     const RandomStream& stream) {
  Stripes stripes(X, options);
  const bool transposed = options.transposed && codes_t != nullptr;
  const QuantSpec resolved = resolve(spec);
  if (is_cast(resolved)) {
    separate_steps(X, options, spec, out, stream);
    if (transposed) codes_t->resize(0);
    return;
  }
  Quantization quantization(spec, X.rows, X.cols, out, stream);
  if (transposed) codes_t->resize(X.size());
  const auto transpose = [&](std::int64_t begin, std::int64_t end) {
    if (!transposed) return;
    detail::transpose_bytes(out.codes.data() + begin * X.cols, X.cols, end - begin, X.cols,
                            codes_t->data() + begin, X.rows);
  };
  if (quantization.needs_whole_matrix()) {
    separate_steps(X, options, spec, out, stream);
    return transpose(0, X.rows);
  }
  stripes.start(quantization.needs_observation(), quantization.wants_row_absmax());
  const std::int64_t multiple = quantization.row_multiple();
  const auto rows_of = [&](std::int64_t elements) {
    const std::int64_t fitting = elements / std::max<std::int64_t>(1, X.cols);
    return std::max(multiple, fitting / multiple * multiple);
  };
  const std::int64_t ready = rows_of(kReadyElements);
  const std::int64_t task = (std::max(kTransposeRows, ready) + multiple - 1) / multiple * multiple;
  const auto rows_now = [&] {
    return stripes.rotates() ? rows_of(kStripeBytes / static_cast<std::int64_t>(sizeof(float)))
                             : ready;
  };
  if (quantization.needs_observation()) {
    for_stripes(
        X.rows, task, rows_now(),
        [&](std::int64_t begin, std::int64_t end, Space& space) {
          const Stripe stripe = stripes.read(begin, end, space);
          quantization.observe(stripe.rows, begin, stripe.row_absmax);
          stripes.keep(begin, end, space);
        },
        [](std::int64_t, std::int64_t) { detail::simd_stream_end(); });
    stripes.second_round();
  }
  quantization.finish_observation();
  for_stripes(
      X.rows, task, rows_now(),
      [&](std::int64_t begin, std::int64_t end, Space& space) {
        const Stripe stripe = stripes.read(begin, end, space);
        quantization.encode(stripe.rows, begin, stripe.row_absmax);
      },
      transpose);
}

}  // namespace sylvester
