// Arrays from files, for the commands that take them.
#pragma once

#include <cstdint>
#include <filesystem>
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

// A float32 array seen as a matrix whose last dimension is the chosen axis, moved there when it was
// not; a vector is one row.
struct AxisMatrix {
  std::vector<std::int64_t> shape;  // of the array
  std::int64_t axis = 0;
  std::int64_t rows = 0, cols = 0;
  std::vector<float> values;  // [rows][cols]

  MatrixView<float> view() { return {values.data(), rows, cols}; }
  MatrixView<const float> view() const { return {values.data(), rows, cols}; }
};
// axis counts from the end when negative. ValueError for an axis that the shape lacks, ShapeError
// for an array without elements.
AxisMatrix to_matrix(const io::NpyArray& array, std::int64_t axis);
// Data in the matrix's order put back into the array's order.
template <class T>
std::vector<T> to_array_order(const AxisMatrix& m, const T* data) {
  std::vector<T> out(static_cast<std::size_t>(m.rows * m.cols));
  std::int64_t inner = 1;  // elements after the axis
  for (std::size_t d = static_cast<std::size_t>(m.axis) + 1; d < m.shape.size(); ++d) {
    inner *= m.shape[d];
  }
  for (std::int64_t r = 0; r < m.rows; ++r) {
    const std::int64_t base = r / inner * inner * m.cols + r % inner;
    for (std::int64_t c = 0; c < m.cols; ++c) {
      out[static_cast<std::size_t>(base + c * inner)] = data[r * m.cols + c];
    }
  }
  return out;
}

// Removes a folder that a command is about to write anew. ValueError unless it is empty, absent, or
// holds the file `mark`, which such folders have: --force must not take a stranger's files.
void remove_own_folder(const std::filesystem::path& folder, const std::string& mark);

// OUT must not be IN, and its folder must exist. ValueError, IoError.
void check_output(const std::string& in, const std::string& out, bool force);

}  // namespace sylvester::sim
