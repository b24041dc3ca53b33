// A window on a row-major matrix that somebody else owns.
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>

#include "sylvester/core/error.h"

namespace sylvester {

// Shape: rows x cols, element (i, j) at data[i * stride + j], stride >= cols. The view never owns.
template <class T>
struct MatrixView {
  T* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t stride = 0;

  constexpr MatrixView() = default;
  constexpr MatrixView(T* data_in, std::int64_t rows_in, std::int64_t cols_in)
      : MatrixView(data_in, rows_in, cols_in, cols_in) {}
  constexpr MatrixView(T* data_in, std::int64_t rows_in, std::int64_t cols_in,
                       std::int64_t stride_in)
      : data(data_in), rows(rows_in), cols(cols_in), stride(stride_in) {
    if (rows < 0 || cols < 0 || stride < cols) {
      throw ShapeError("matrix view: rows " + std::to_string(rows) + ", cols " +
                       std::to_string(cols) + ", stride " + std::to_string(stride) +
                       "; want rows, cols >= 0 and stride >= cols");
    }
  }
  // A view of T is a view of const T. NOLINTNEXTLINE(google-explicit-constructor): on purpose
  constexpr operator MatrixView<const T>() const requires(!std::is_const_v<T>) {
    return {data, rows, cols, stride};
  }

  constexpr T* row(std::int64_t i) const { return data + i * stride; }
  constexpr T& operator()(std::int64_t i, std::int64_t j) const { return data[i * stride + j]; }
  constexpr std::int64_t size() const { return rows * cols; }
  constexpr bool contiguous() const { return stride == cols || rows <= 1; }
};

}  // namespace sylvester
