// Tensor: a dense, row-major array on one device. Copies share storage; clone() copies the data.
// A default-constructed Tensor has shape {} and size 0.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "sylvester/core/view.h"
#include "sylvester/formats/dtype.h"

namespace sylvester {

enum class Device : std::uint8_t { kCpu, kCuda };
using Shape = std::vector<std::int64_t>;

class Tensor {
 public:
  Tensor() = default;
  // Uninitialised storage, 64-byte aligned.
  explicit Tensor(Shape shape, DType dtype = DType::kFloat32, Device device = Device::kCpu);
  static Tensor zeros(Shape shape, DType dtype = DType::kFloat32);
  Tensor clone() const;
  // The same storage seen under another shape of equal size.
  Tensor reshape(Shape shape) const;
  // Rows [begin, end) of the first dimension, sharing storage.
  Tensor slice(std::int64_t begin, std::int64_t end) const;
  // The leading elements of the same storage under a shape of at most this size.
  Tensor prefix(Shape shape) const;
  // Memory that somebody else owns and keeps alive; on the CPU.
  static Tensor borrow(float* data, Shape shape);
  static Tensor borrow(double* data, Shape shape);
  // Memory of a backend: released by the deleter when the last copy goes.
  static Tensor adopt(std::shared_ptr<std::byte> storage, Shape shape, DType dtype, Device device);

  const Shape& shape() const noexcept { return shape_; }
  std::int64_t dim(std::int64_t i) const;  // negative counts from the end
  std::int64_t size() const noexcept { return size_; }
  // Of the matrix that [.., C] is seen as: the dimensions but the last, multiplied.
  std::int64_t rows() const noexcept;
  std::int64_t bytes() const noexcept;
  DType dtype() const noexcept { return dtype_; }
  Device device() const noexcept { return device_; }
  bool empty() const noexcept { return size_ == 0; }

  // Throws ValueError when T is not the dtype's C++ type (float, double, int32_t, uint8_t) or the
  // tensor does not live on the CPU.
  template <class T>
  T* data();
  template <class T>
  const T* data() const;
  // [.., C] seen as a matrix [rows(), C].
  template <class T>
  MatrixView<T> matrix();
  template <class T>
  MatrixView<const T> matrix() const;
  // The address as the device knows it.
  std::byte* raw() const noexcept { return storage_.get(); }

 private:
  void check_type(DType wanted) const;
  Shape shape_;
  std::int64_t size_ = 0;
  DType dtype_ = DType::kFloat32;
  Device device_ = Device::kCpu;
  std::shared_ptr<std::byte> storage_;
};

}  // namespace sylvester
