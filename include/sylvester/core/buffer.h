// Aligned, uninitialised storage for codes and kernels' work space.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

namespace sylvester {

// Alignment of every Buffer: one AVX-512 register, one cache line.
inline constexpr std::size_t kBufferAlignment = 64;

namespace detail {
// Uninitialised memory aligned to kBufferAlignment; pieces of several megabytes ask the system for
// huge pages, which a pass over them otherwise spends a quarter of its time without. Throws
// std::bad_alloc. Released with the size that was asked for.
void* allocate_storage(std::size_t bytes);
void release_storage(void* memory, std::size_t bytes) noexcept;
}  // namespace detail

// `size` elements of a trivial type, aligned to kBufferAlignment. Unlike std::vector the elements
// are not initialised, so that a large buffer costs nothing until it is written.
template <class T>
class Buffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  Buffer() = default;
  explicit Buffer(std::int64_t size) { resize(size); }
  Buffer(const Buffer& other) : Buffer(other.size_) {
    std::copy_n(other.data_, other.size_, data_);
  }
  Buffer(Buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  Buffer& operator=(Buffer other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
    return *this;
  }
  ~Buffer() { release(); }

  // Keeps the storage when it is large enough; the contents are unspecified afterwards.
  void resize(std::int64_t size) {
    if (size > capacity_) {
      release();
      data_ = static_cast<T*>(detail::allocate_storage(static_cast<std::size_t>(size) * sizeof(T)));
      capacity_ = size;
    }
    size_ = size;
  }
  void fill(T value) { std::fill_n(data_, size_, value); }

  T* data() noexcept { return data_; }
  const T* data() const noexcept { return data_; }
  std::int64_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  T& operator[](std::int64_t i) { return data_[i]; }
  const T& operator[](std::int64_t i) const { return data_[i]; }
  T* begin() noexcept { return data_; }
  T* end() noexcept { return data_ + size_; }
  const T* begin() const noexcept { return data_; }
  const T* end() const noexcept { return data_ + size_; }
  std::span<T> span() noexcept { return {data_, static_cast<std::size_t>(size_)}; }
  std::span<const T> span() const noexcept { return {data_, static_cast<std::size_t>(size_)}; }

 private:
  void release() noexcept {
    detail::release_storage(data_, static_cast<std::size_t>(capacity_) * sizeof(T));
    data_ = nullptr;
    size_ = capacity_ = 0;
  }
  T* data_ = nullptr;
  std::int64_t size_ = 0;
  std::int64_t capacity_ = 0;
};

}  // namespace sylvester
