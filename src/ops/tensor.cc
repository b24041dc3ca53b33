#include "sylvester/ops/tensor.h"

#include <cstring>
#include <limits>
#include <string>
#include <utility>

#include "sylvester/core/buffer.h"
#include "sylvester/core/error.h"

namespace sylvester {
namespace {

std::string print(const Shape& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  }
  return text + "]";
}

// The number of elements; refuses negative sizes and products beyond 2^62.
std::int64_t count(const Shape& shape) {
  if (shape.empty()) return 0;
  constexpr std::int64_t kLimit = std::int64_t{1} << 62;
  std::int64_t size = 1;
  for (const std::int64_t n : shape) {
    if (n < 0 || (n > 0 && size > kLimit / n)) {
      throw ShapeError("tensor: shape " + print(shape) + "; want sizes >= 0, product <= 2^62");
    }
    size *= n;
  }
  return size;
}

template <class T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, float>) return DType::kFloat32;
  if constexpr (std::is_same_v<T, double>) return DType::kFloat64;
  if constexpr (std::is_same_v<T, std::int32_t>) return DType::kInt32;
  return DType::kUInt8;
}

}  // namespace

Tensor::Tensor(Shape shape, DType dtype, Device device)
    : shape_(std::move(shape)), size_(count(shape_)), dtype_(dtype), device_(device) {
  if (device != Device::kCpu) {
    throw ValueError("tensor: only CPU memory is allocated here; ask the backend's Ops");
  }
  const auto bytes = static_cast<std::size_t>(this->bytes());
  storage_ = std::shared_ptr<std::byte>(
      static_cast<std::byte*>(detail::allocate_storage(bytes)),
      [bytes](std::byte* memory) { detail::release_storage(memory, bytes); });
}

Tensor Tensor::zeros(Shape shape, DType dtype) {
  Tensor out(std::move(shape), dtype);
  std::memset(out.raw(), 0, static_cast<std::size_t>(out.bytes()));
  return out;
}

Tensor Tensor::clone() const {
  if (shape_.empty()) return {};
  if (device_ != Device::kCpu) throw ValueError("tensor: clone() copies CPU memory; use Ops::copy");
  Tensor out(shape_, dtype_);
  std::memcpy(out.raw(), raw(), static_cast<std::size_t>(bytes()));
  return out;
}

Tensor Tensor::reshape(Shape shape) const {
  if (count(shape) != size_) {
    throw ShapeError("tensor: cannot see shape " + print(shape_) + " as " + print(shape));
  }
  Tensor out = *this;
  out.shape_ = std::move(shape);
  return out;
}

Tensor Tensor::slice(std::int64_t begin, std::int64_t end) const {
  if (shape_.empty() || begin < 0 || end < begin || end > shape_[0]) {
    throw ShapeError("tensor: rows [" + std::to_string(begin) + ", " + std::to_string(end) +
                     ") of shape " + print(shape_));
  }
  const std::int64_t row = shape_[0] == 0 ? 0 : size_ / shape_[0];
  Tensor out = *this;
  out.shape_[0] = end - begin;
  out.size_ = row * (end - begin);
  out.storage_ =
      std::shared_ptr<std::byte>(storage_, storage_.get() + begin * row * storage_bytes(dtype_));
  return out;
}

Tensor Tensor::prefix(Shape shape) const {
  const std::int64_t size = count(shape);
  if (size > size_) {
    throw ShapeError("tensor: shape " + print(shape) + " is larger than " + print(shape_));
  }
  Tensor out = *this;
  out.shape_ = std::move(shape);
  out.size_ = size;
  return out;
}

Tensor Tensor::adopt(std::shared_ptr<std::byte> storage, Shape shape, DType dtype, Device device) {
  Tensor out;
  out.shape_ = std::move(shape);
  out.size_ = count(out.shape_);
  out.dtype_ = dtype;
  out.device_ = device;
  out.storage_ = std::move(storage);
  return out;
}

Tensor Tensor::borrow(float* data, Shape shape) {
  return adopt({reinterpret_cast<std::byte*>(data), [](std::byte*) {}}, std::move(shape),
               DType::kFloat32, Device::kCpu);
}
Tensor Tensor::borrow(double* data, Shape shape) {
  return adopt({reinterpret_cast<std::byte*>(data), [](std::byte*) {}}, std::move(shape),
               DType::kFloat64, Device::kCpu);
}

std::int64_t Tensor::dim(std::int64_t i) const {
  const auto rank = static_cast<std::int64_t>(shape_.size());
  const std::int64_t at = i < 0 ? i + rank : i;
  if (at < 0 || at >= rank) {
    throw ShapeError("tensor: dimension " + std::to_string(i) + " of shape " + print(shape_));
  }
  return shape_[static_cast<std::size_t>(at)];
}

std::int64_t Tensor::bytes() const noexcept { return size_ * storage_bytes(dtype_); }

void Tensor::check_type(DType wanted) const {
  if (device_ != Device::kCpu) throw ValueError("tensor: data() of a tensor that is on a GPU");
  if (wanted != dtype_ && !(wanted == DType::kUInt8 && storage_bytes(dtype_) == 1)) {
    throw ValueError("tensor: holds " + std::string(to_string(dtype_)) + ", asked for " +
                     std::string(to_string(wanted)));
  }
}

template <class T>
T* Tensor::data() {
  check_type(dtype_of<T>());
  return reinterpret_cast<T*>(storage_.get());
}
template <class T>
const T* Tensor::data() const {
  check_type(dtype_of<T>());
  return reinterpret_cast<const T*>(storage_.get());
}
std::int64_t Tensor::rows() const noexcept {
  if (shape_.empty()) return 0;
  std::int64_t rows = 1;
  for (std::size_t d = 0; d + 1 < shape_.size(); ++d) rows *= shape_[d];
  return rows;
}

template <class T>
MatrixView<T> Tensor::matrix() {
  if (shape_.empty()) return {};
  return {data<T>(), rows(), shape_.back()};
}
template <class T>
MatrixView<const T> Tensor::matrix() const {
  if (shape_.empty()) return {};
  return {data<T>(), rows(), shape_.back()};
}

// NOLINTBEGIN(bugprone-macro-parentheses): types stand without them
#define SYLVESTER_TENSOR_TYPE(T)              \
  template T* Tensor::data<T>();              \
  template const T* Tensor::data<T>() const;  \
  template MatrixView<T> Tensor::matrix<T>(); \
  template MatrixView<const T> Tensor::matrix<T>() const;
// NOLINTEND(bugprone-macro-parentheses)
SYLVESTER_TENSOR_TYPE(float)
SYLVESTER_TENSOR_TYPE(double)
SYLVESTER_TENSOR_TYPE(std::int32_t)
SYLVESTER_TENSOR_TYPE(std::uint8_t)
#undef SYLVESTER_TENSOR_TYPE

}  // namespace sylvester
