// Eigen's dense row-major matrix under our name, and the bridge to MatrixView.
#pragma once

#include <Eigen/Core>

#include "sylvester/core/view.h"

namespace sylvester {

template <class T>
using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

template <class T>
MatrixView<T> view(Matrix<T>& m) {
  return {m.data(), m.rows(), m.cols()};
}
template <class T>
MatrixView<const T> view(const Matrix<T>& m) {
  return {m.data(), m.rows(), m.cols()};
}

// An Eigen map of the viewed window; valid as long as the view's memory is.
template <class T>
auto map(MatrixView<T> v) {
  using Plain = Matrix<std::remove_const_t<T>>;
  using Base = std::conditional_t<std::is_const_v<T>, const Plain, Plain>;
  return Eigen::Map<Base, 0, Eigen::OuterStride<>>(v.data, v.rows, v.cols,
                                                   Eigen::OuterStride<>(v.stride));
}

}  // namespace sylvester
