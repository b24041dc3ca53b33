// What the binding files share: array types, and results handed to NumPy without a copy.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <utility>

#include "sylvester/core/buffer.h"
#include "sylvester/core/view.h"
#include "sylvester/formats/options.h"

namespace sylvester::python {

namespace nb = nanobind;

// C-contiguous CPU arrays; the Python layer makes them so.
template <class T>
using In = nb::ndarray<const T, nb::c_contig, nb::device::cpu>;
template <class T>
using Into = nb::ndarray<T, nb::c_contig, nb::device::cpu>;
template <class T>
using Out = nb::ndarray<nb::numpy, T>;

// Storage given to NumPy: the array's capsule owns it.
template <class T>
Out<T> give(Buffer<T> buffer, std::vector<std::size_t> shape) {
  auto* owner = new Buffer<T>(std::move(buffer));
  nb::capsule capsule(owner, [](void* p) noexcept { delete static_cast<Buffer<T>*>(p); });
  return Out<T>(owner->data(), shape.size(), shape.data(), capsule);
}
template <class T>
Out<T> give(Buffer<T> buffer) {
  const auto n = static_cast<std::size_t>(buffer.size());
  return give(std::move(buffer), {n});
}

// [..., C] arrays reach the binding as two-dimensional ones.
template <class T>
MatrixView<const T> matrix(const In<T>& array) {
  if (array.ndim() != 2) throw ShapeError("array: want two dimensions");
  return {array.data(), static_cast<std::int64_t>(array.shape(0)),
          static_cast<std::int64_t>(array.shape(1))};
}

// How one call encodes: three modes and a stream, or a named library's convention.
struct Modes {
  std::string rounding, overflow, nan;
  std::uint64_t seed;
  std::uint32_t step, tensor;
  std::optional<std::string> preset;
  EncodeOptions options(DType to) const;
};

void bind_numerics(nb::module_& m);
void bind_device(nb::module_& m);
void bind_models(nb::module_& m);
void bind_tools(nb::module_& m);

}  // namespace sylvester::python
