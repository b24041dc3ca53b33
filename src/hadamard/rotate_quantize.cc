#include "sylvester/hadamard/rotate_quantize.h"

#include <algorithm>

#include "hadamard/axis.h"
#include "hadamard/transpose.h"
#include "sylvester/core/buffer.h"
#include "sylvester/core/parallel.h"
#include "sylvester/quant/kernels.h"

namespace sylvester {
namespace {

// Rotated rows that stay in the second-level cache until they are encoded.
constexpr std::int64_t kStripeBytes = 64 << 10;
// Rows of one task where codes are transposed: a full cache line of every row of codes_t.
constexpr std::int64_t kTransposeRows = 64;

// Rotation of X; `out` may be X's memory only where no copy is wanted.
void rotate(MatrixView<const float> X, const RotateQuantizeOptions& options,
            MatrixView<float> out) {
  if (options.cols) hadamard_cols(X, out, options.left);
  if (options.rows) hadamard_rows(options.cols ? out : X, out, options.right);
}

// X, or its rotation, in the order a Quantization wants it: stripes of rows, read once or twice.
class Stripes {
 public:
  // Throws ShapeError for an axis without a matrix, before anything is changed.
  Stripes(MatrixView<const float> X, const RotateQuantizeOptions& options)
      : X_(X), options_(options), rotate_rows_(options.rows) {
    if (options.rows) base_ = detail::resolve_axis(X.cols, options.right, "rows").base;
    if (options.cols) detail::resolve_axis(X.rows, options.left, "cols");
  }
  // Rotates across rows; along them read() does. `twice`: there will be two rounds of reading.
  void start(bool twice) {
    const bool small = X_.size() <= kKeptElements;
    keep_ = twice && options_.rows && (options_.cols || small || base_ > 1);
    if (!options_.cols && !keep_) return;
    // Fresh memory costs more than transforming it, so a small matrix has its buffer ready.
    thread_local Buffer<float> ready;
    Buffer<float>& space = small ? ready : whole_;
    space.resize(X_.size());
    rotated_ = MatrixView<float>(space.data(), X_.rows, X_.cols);
    if (!options_.cols) return;
    hadamard_cols(X_, rotated_, options_.left);
    X_ = rotated_;
  }
  // Rows [begin, end), rotated; in `space` where they had to be computed and are not kept.
  MatrixView<const float> read(std::int64_t begin, std::int64_t end, Buffer<float>& space) const {
    const MatrixView<const float> rows(X_.row(begin), end - begin, X_.cols, X_.stride);
    if (!rotate_rows_) return rows;
    float* out = keep_ ? rotated_.row(begin) : nullptr;
    if (!keep_) {
      space.resize(rows.size());
      out = space.data();
    }
    const MatrixView<float> rotated(out, rows.rows, rows.cols);
    hadamard_rows(rows, rotated, options_.right);
    return rotated;
  }
  // All rows were read once.
  void second_round() {
    if (!keep_) return;
    X_ = rotated_;
    rotate_rows_ = false;
  }

 private:
  // 8 MiB: what stays in a third-level cache between the two rounds.
  static constexpr std::int64_t kKeptElements = std::int64_t{1} << 21;

  MatrixView<const float> X_;
  const RotateQuantizeOptions& options_;
  bool rotate_rows_, keep_ = false;
  std::int64_t base_ = 1;
  Buffer<float> whole_;
  MatrixView<float> rotated_;
};

// Calls f(begin, end, space) over stripes of at most `rows` rows, in tasks of `task` rows; done(b,
// e) once a task's rows are through.
template <class F, class Done>
void for_stripes(std::int64_t total, std::int64_t task, std::int64_t rows, F&& f, Done&& done) {
  parallel_blocks(total, task, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
    Buffer<float> space;
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
  stripes.start(quantization.needs_observation());
  const std::int64_t multiple = quantization.row_multiple();
  const std::int64_t fitting =
      kStripeBytes / (static_cast<std::int64_t>(sizeof(float)) * std::max<std::int64_t>(1, X.cols));
  const std::int64_t rows = std::max(multiple, fitting / multiple * multiple);
  const std::int64_t task = (std::max(kTransposeRows, rows) + rows - 1) / rows * rows;
  if (quantization.needs_observation()) {
    for_stripes(
        X.rows, task, rows,
        [&](std::int64_t begin, std::int64_t end, Buffer<float>& space) {
          quantization.observe(stripes.read(begin, end, space), begin);
        },
        [](std::int64_t, std::int64_t) {});
    stripes.second_round();
  }
  quantization.finish_observation();
  for_stripes(
      X.rows, task, rows,
      [&](std::int64_t begin, std::int64_t end, Buffer<float>& space) {
        quantization.encode(stripes.read(begin, end, space), begin);
      },
      transpose);
}

}  // namespace sylvester
