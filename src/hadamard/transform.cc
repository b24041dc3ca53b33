#include <algorithm>
#include <string>
#include <type_traits>

#include "hadamard/axis.h"
#include "hadamard/definition.h"
#include "hadamard/kernels.h"
#include "hadamard/transform.h"
#include "sylvester/core/buffer.h"
#include "sylvester/core/parallel.h"
#include "sylvester/core/target.h"
#include "sylvester/hadamard/hadamard.h"

namespace sylvester {
namespace {

using detail::Axis;

// Elements transformed by one task: large enough to hide the hand-over, small enough to balance.
constexpr std::int64_t kTaskElements = std::int64_t{1} << 16;
// Columns that the scalar left transform gathers at a time.
constexpr std::int64_t kScalarPanel = 64;

// The type computed in, and the exact widening into it and rounding out of it.
template <class T>
struct Compute {
  using Type = T;
  static T load(T x) { return x; }
  static T store(T x) { return x; }
};
template <>
struct Compute<std::uint16_t> {
  using Type = float;
  static float load(std::uint16_t x) { return detail::widen_bfloat16(x); }
  static std::uint16_t store(float x) { return detail::round_bfloat16(x); }
};

template <class T>
void check_shapes(const MatrixView<const T>& X, const MatrixView<T>& Y, const char* what) {
  if (X.rows != Y.rows || X.cols != Y.cols) {
    throw ShapeError("hadamard " + std::string(what) + ": X is " + std::to_string(X.rows) + " x " +
                     std::to_string(X.cols) + ", Y " + std::to_string(Y.rows) + " x " +
                     std::to_string(Y.cols) + "; want equal shapes");
  }
}

// All blocks of `width` vectors side by side, z [axis.length][width].
template <class T>
void transform_blocks(const Axis& axis, T* z, std::int64_t width, T* work) {
  for (std::int64_t begin = 0; begin < axis.length; begin += axis.order) {
    detail::apply_definition(axis, z + begin * width, width, work);
  }
}

template <class T>
void rows_scalar(const Axis& axis, MatrixView<const T> X, MatrixView<T> Y) {
  using Z = typename Compute<T>::Type;
  const std::int64_t n = X.cols;
  const auto signs = [&axis](Z* z, bool wanted) {
    if (axis.signs.empty() || !wanted) return;
    for (std::size_t j = 0; j < axis.signs.size(); ++j) z[j] *= axis.signs[j];
  };
  Buffer<Z> z(n), work(axis.base);
  for (std::int64_t i = 0; i < X.rows; ++i) {
    for (std::int64_t j = 0; j < n; ++j) z[j] = Compute<T>::load(X(i, j));
    signs(z.data(), !axis.inverse);
    transform_blocks(axis, z.data(), 1, work.data());
    signs(z.data(), axis.inverse);
    for (std::int64_t j = 0; j < n; ++j) Y(i, j) = Compute<T>::store(z[j]);
  }
}

template <class T>
void cols_scalar(const Axis& axis, MatrixView<const T> X, MatrixView<T> Y) {
  using Z = typename Compute<T>::Type;
  parallel_blocks(X.cols, kScalarPanel, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
    const std::int64_t width = end - begin;
    Buffer<Z> z(X.rows * width), work(axis.base);
    const auto sign = [&](std::int64_t i, bool wanted) {
      return !axis.signs.empty() && wanted ? Z(axis.signs[static_cast<std::size_t>(i)]) : Z(1);
    };
    for (std::int64_t i = 0; i < X.rows; ++i) {
      const Z r = sign(i, !axis.inverse);
      for (std::int64_t j = 0; j < width; ++j) {
        z[i * width + j] = r * Compute<T>::load(X(i, begin + j));
      }
    }
    transform_blocks(axis, z.data(), width, work.data());
    for (std::int64_t i = 0; i < X.rows; ++i) {
      const Z r = sign(i, axis.inverse);
      for (std::int64_t j = 0; j < width; ++j) {
        Y(i, begin + j) = Compute<T>::store(r * z[i * width + j]);
      }
    }
  });
}

// double has the scalar body alone: it serves tests and merged weights, not the hot path.
template <class T>
constexpr bool kHasKernels = !std::is_same_v<T, double>;

// True where `most`, if given, was written; see simd_rows.
template <class T>
bool rows_here(const Axis& axis, MatrixView<const T> X, MatrixView<T> Y, Buffer<float>& work,
               [[maybe_unused]] std::uint32_t* most = nullptr) {
  if constexpr (kHasKernels<T>) {
    if (!scalar_target()) {
      work.resize(detail::rows_work(axis, sizeof(T) < sizeof(float)));
      if constexpr (std::is_same_v<T, float>) {
        return detail::simd_rows(axis, X.data, X.stride, Y.data, Y.stride, X.rows, work.data(),
                                 most);
      } else {
        detail::simd_rows(axis, X.data, X.stride, Y.data, Y.stride, X.rows, work.data());
        return false;
      }
    }
  }
  rows_scalar(axis, X, Y);
  return false;
}

template <class T>
void cols_simd(const Axis& axis, MatrixView<const T> X, MatrixView<T> Y) {
  // Narrower panels where there would be too few for the threads; the bits do not change.
  const std::int64_t share = X.cols / (2 * num_threads()) / detail::kShortPanel;
  const std::int64_t width = std::min(detail::panel_width(axis.order),
                                      std::max<std::int64_t>(1, share) * detail::kShortPanel);
  parallel_blocks(X.cols, num_threads() == 1 ? detail::panel_width(axis.order) : width,
                  [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                    Buffer<float> work(detail::cols_work(axis, end - begin));
                    detail::simd_cols(axis, X.data + begin, X.stride, Y.data + begin, Y.stride,
                                      end - begin, work.data());
                  });
}

template <class T>
void rows(MatrixView<const T> X, MatrixView<T> Y, const HadamardOptions& options) {
  check_shapes(X, Y, "rows");
  const Axis axis = detail::resolve_axis(X.cols, options, "rows");
  if (X.size() == 0) return;
  parallel_blocks(X.rows, std::max<std::int64_t>(1, kTaskElements / X.cols),
                  [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                    Buffer<float> work;
                    rows_here<T>(axis, {X.row(begin), end - begin, X.cols, X.stride},
                                 {Y.row(begin), end - begin, Y.cols, Y.stride}, work);
                  });
}

template <class T>
void cols(MatrixView<const T> X, MatrixView<T> Y, const HadamardOptions& options) {
  check_shapes(X, Y, "cols");
  const Axis axis = detail::resolve_axis(X.rows, options, "cols");
  if (X.size() == 0) return;
  if constexpr (kHasKernels<T>) {
    if (!scalar_target()) return cols_simd(axis, X, Y);
  }
  cols_scalar(axis, X, Y);
}

}  // namespace

bool detail::rotate_rows(const Axis& axis, MatrixView<const float> X, MatrixView<float> Y,
                         Buffer<float>& work, std::uint32_t* most) {
  return X.size() > 0 && rows_here(axis, X, Y, work, most);
}

void hadamard_rows(MatrixView<const float> X, MatrixView<float> Y, const HadamardOptions& options) {
  rows(X, Y, options);
}
void hadamard_rows(MatrixView<const double> X, MatrixView<double> Y,
                   const HadamardOptions& options) {
  rows(X, Y, options);
}
void hadamard_rows(MatrixView<const std::uint16_t> X, MatrixView<std::uint16_t> Y,
                   const HadamardOptions& options) {
  rows(X, Y, options);
}
void hadamard_cols(MatrixView<const float> X, MatrixView<float> Y, const HadamardOptions& options) {
  cols(X, Y, options);
}
void hadamard_cols(MatrixView<const double> X, MatrixView<double> Y,
                   const HadamardOptions& options) {
  cols(X, Y, options);
}
void hadamard_cols(MatrixView<const std::uint16_t> X, MatrixView<std::uint16_t> Y,
                   const HadamardOptions& options) {
  cols(X, Y, options);
}

}  // namespace sylvester
