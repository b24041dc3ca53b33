// Arrays from files, for the commands that take them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sylvester/core/view.h"
#include "sylvester/io/npy.h"
#include "sylvester/quant/quantize.h"

namespace sylvester::sim {

enum class FileKind : std::uint8_t { kNpy, kNpz, kSafetensors, kFolder };
// By ending; a folder is a model folder. ValueError for anything else.
FileKind kind_of(const std::string& path);

// "a.npy", "a.npz:member" (the name may be left out when there is one member) or
// "a.safetensors:tensor". Tensors of a safetensors file come as float32.
io::NpyArray load_array(const std::string& place);

// An array seen as a matrix whose last dimension is the chosen axis; a vector is one row.
struct AxisLayout {
  std::vector<std::int64_t> shape;  // of the array
  std::int64_t axis = 0;
  std::int64_t rows = 0, cols = 0;

  // Where element (r, 0) lies in the array, and how far its columns are apart.
  std::int64_t inner() const;
  std::int64_t base(std::int64_t r) const { return r / inner() * inner() * cols + r % inner(); }
};
// axis counts from the end when negative. ValueError for an axis that the shape lacks.
AxisLayout axis_layout(const io::NpyArray& array, std::int64_t axis);

// The array's data in the matrix's order.
template <class T>
std::vector<T> to_axis_order(const AxisLayout& m, std::vector<T> flat) {
  const std::int64_t inner = m.inner();
  if (inner == 1) return flat;
  std::vector<T> out(flat.size());
  for (std::int64_t r = 0; r < m.rows; ++r) {
    const std::int64_t base = m.base(r);
    for (std::int64_t c = 0; c < m.cols; ++c) {
      out[static_cast<std::size_t>(r * m.cols + c)] =
          flat[static_cast<std::size_t>(base + c * inner)];
    }
  }
  return out;
}
// And back.
template <class T>
std::vector<T> to_array_order(const AxisLayout& m, const T* data) {
  std::vector<T> out(static_cast<std::size_t>(m.rows * m.cols));
  const std::int64_t inner = m.inner();
  for (std::int64_t r = 0; r < m.rows; ++r) {
    const std::int64_t base = m.base(r);
    for (std::int64_t c = 0; c < m.cols; ++c) {
      out[static_cast<std::size_t>(base + c * inner)] = data[r * m.cols + c];
    }
  }
  return out;
}

// A layout with its values as float32.
struct AxisMatrix : AxisLayout {
  std::vector<float> values;  // [rows][cols]

  MatrixView<float> view() { return {values.data(), rows, cols}; }
  MatrixView<const float> view() const { return {values.data(), rows, cols}; }
};
AxisMatrix to_matrix(const io::NpyArray& array, std::int64_t axis);

// OUT must not be IN, and its folder must exist. ValueError, IoError.
void check_output(const std::string& in, const std::string& out, bool force);

// Bytes of a file, or of the files of a folder, for the estimate of --dry-run. IoError.
std::int64_t bytes_of(const std::string& path);

}  // namespace sylvester::sim
