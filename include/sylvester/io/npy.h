// NumPy's .npy and .npz files, read and written without NumPy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "sylvester/io/file_system.h"
#include "sylvester/io/limits.h"

namespace sylvester::io {

// An array in memory: row-major (C order), little-endian, whatever the file had.
struct NpyArray {
  std::string dtype;                // "f2" "f4" "f8" "i1" ... "i8" "u1" ... "u8" "b1"
  std::vector<std::int64_t> shape;  // empty: a scalar
  std::vector<std::byte> bytes;

  std::int64_t size() const noexcept;  // elements
  // The elements as T. ValueError when T is not what dtype says (bool and uint8_t both fit "b1",
  // uint16_t holds the bits of "f2").
  template <class T>
  std::span<const T> as() const;
  // Converted: f2, f4, f8 (rounded to nearest), i1, u1, i2, u2, b1 always; wider integers when
  // float32 holds every value exactly, else ValueError with the index.
  std::vector<float> to_float32() const;
};

// An array of T with a copy of `values`. ShapeError when the shape does not hold values.size().
template <class T>
NpyArray make_array(std::span<const T> values, std::vector<std::int64_t> shape);
// float16 bit patterns.
NpyArray make_float16_array(std::span<const std::uint16_t> values, std::vector<std::int64_t> shape);

// Versions 1.0, 2.0 and 3.0; big-endian and Fortran-order arrays are converted. The header is read
// by a grammar of its own and nothing in it is evaluated. Errors: FormatError (an object, struct,
// void, string or complex dtype; a size that does not fit; bytes missing or left over), IoError.
NpyArray read_npy(const std::filesystem::path& path);
void write_npy(const std::filesystem::path& path, const NpyArray& array,
               FileSystem& files = system_files());

using NamedArray = std::pair<std::string, NpyArray>;
// The members in the file's order, names without ".npy"; stored or deflated, checked by CRC-32.
// FormatError for a damaged or encrypted archive, a repeated name, members that overlap, and a
// member that expands beyond max_bytes.
std::vector<NamedArray> read_npz(const std::filesystem::path& path,
                                 std::uint64_t max_bytes = kMaxExpandedBytes);
// Stored without compression, dated 1980-01-01: the same arrays give the same bytes.
// ValueError for a repeated name, and beyond 4 GiB.
void write_npz(const std::filesystem::path& path, std::span<const NamedArray> arrays,
               FileSystem& files = system_files());

namespace detail {
// True when dtype text and C++ type agree; size of one element of a dtype, 0 for an unknown one.
template <class T>
constexpr std::string_view dtype_name();
std::int64_t dtype_bytes(std::string_view dtype) noexcept;
void check_view(const NpyArray& array, std::string_view want, std::size_t element_bytes);
NpyArray make_bytes(std::string dtype, std::vector<std::int64_t> shape,
                    std::span<const std::byte> bytes);
}  // namespace detail

template <class T>
constexpr std::string_view detail::dtype_name() {
  if constexpr (std::is_same_v<T, bool>) return "b1";
  if constexpr (std::is_floating_point_v<T>) return sizeof(T) == 4 ? "f4" : "f8";
  constexpr std::string_view kSigned[] = {"", "i1", "i2", "", "i4", "", "", "", "i8"};
  constexpr std::string_view kUnsigned[] = {"", "u1", "u2", "", "u4", "", "", "", "u8"};
  return std::is_signed_v<T> ? kSigned[sizeof(T)] : kUnsigned[sizeof(T)];
}

template <class T>
std::span<const T> NpyArray::as() const {
  detail::check_view(*this, detail::dtype_name<T>(), sizeof(T));
  return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
}

template <class T>  // clang-tidy takes the move in a template for a copy
NpyArray make_array(
    std::span<const T> values,
    std::vector<std::int64_t> shape) {  // NOLINT(performance-unnecessary-value-param)
  return detail::make_bytes(std::string(detail::dtype_name<T>()), std::move(shape),
                            std::as_bytes(values));
}

}  // namespace sylvester::io
