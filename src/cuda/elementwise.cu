#include "sylvester/cuda/elementwise.h"

#include <algorithm>
#include <string>

#include "cuda/check.h"
#include "cuda/fwht_any.cuh"

namespace sylvester::cuda {
namespace detail {
namespace {

constexpr int kTile = 32;

int grid_of(std::int64_t count) {
  return static_cast<int>(std::clamp<std::int64_t>((count + 255) / 256, 1, 8192));
}

// Tiles of 32 x 32 through shared memory, so that both sides are read and written along rows.
template <class From, class To>
__global__ __launch_bounds__(256) void arrange_kernel(const DeviceMatrix from, bool transpose,
                                                      const DeviceMatrix to) {
  __shared__ float tile[kTile][kTile + 1];
  const From* x = static_cast<const From*>(from.data);
  To* y = static_cast<To*>(to.data);
  const std::int64_t across = (to.cols + kTile - 1) / kTile;
  const std::int64_t tiles = across * ((to.rows + kTile - 1) / kTile);
  const int lane = threadIdx.x % kTile, first = threadIdx.x / kTile;
  for (std::int64_t t = blockIdx.x; t < tiles; t += gridDim.x) {
    const std::int64_t row0 = t / across * kTile, col0 = t % across * kTile;  // of `to`
    const std::int64_t from_row0 = transpose ? col0 : row0, from_col0 = transpose ? row0 : col0;
    for (int i = first; i < kTile; i += 256 / kTile) {
      const std::int64_t r = from_row0 + i, c = from_col0 + lane;
      tile[i][lane] = r < from.rows && c < from.cols ? to_float(x[r * from.stride + c]) : 0.0f;
    }
    __syncthreads();
    for (int i = first; i < kTile; i += 256 / kTile) {
      const std::int64_t r = row0 + i, c = col0 + lane;
      const float value = transpose ? tile[lane][i] : tile[i][lane];
      if (r < to.rows && c < to.cols) from_float(value, y + r * to.stride + c);
    }
    __syncthreads();
  }
}

// f(row, col) of every element.
template <class F>
__device__ void for_each(std::int64_t rows, std::int64_t cols, const F& f) {
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < rows * cols;
       i += std::int64_t{gridDim.x} * blockDim.x) {
    f(i / cols, i % cols);
  }
}

template <class T>
__global__ void fill_kernel(const DeviceMatrix x, float value) {
  for_each(x.rows, x.cols, [&](std::int64_t r, std::int64_t c) {
    from_float(value, static_cast<T*>(x.data) + r * x.stride + c);
  });
}

template <class T>
__global__ void add_kernel(const DeviceMatrix a, const DeviceMatrix b, const DeviceMatrix out) {
  for_each(out.rows, out.cols, [&](std::int64_t r, std::int64_t c) {
    const float x = to_float(static_cast<const T*>(a.data)[r * a.stride + c]);
    const float y = to_float(static_cast<const T*>(b.data)[r * b.stride + c]);
    from_float(__fadd_rn(x, y), static_cast<T*>(out.data) + r * out.stride + c);
  });
}

template <class = void>
__global__ void round_kernel(const DeviceMatrix x) {
  for_each(x.rows, x.cols, [&](std::int64_t r, std::int64_t c) {
    float& at = static_cast<float*>(x.data)[r * x.stride + c];
    at = __bfloat162float(__float2bfloat16_rn(at));
  });
}

// Calls f with a null pointer of the dtype's type.
template <class F>
void with_type(DType dtype, const char* what, const F& f) {
  if (dtype == DType::kFloat32) return f(static_cast<float*>(nullptr));
  if (dtype == DType::kBFloat16) return f(static_cast<__nv_bfloat16*>(nullptr));
  if (dtype == DType::kFloat16) return f(static_cast<__half*>(nullptr));
  throw UnsupportedError(std::string(what) + " on the device: " + std::string(to_string(dtype)) +
                         "; want float32, bfloat16 or float16");
}

void require_shape(const DeviceMatrix& m, std::int64_t rows, std::int64_t cols, const char* what) {
  if (m.rows == rows && m.cols == cols) return;
  throw ShapeError(std::string(what) + " on the device: " + std::to_string(m.rows) + " x " +
                   std::to_string(m.cols) + " beside " + std::to_string(rows) + " x " +
                   std::to_string(cols) + "; want equal shapes");
}

}  // namespace
}  // namespace detail

void arrange(const DeviceMatrix& from, bool transpose, const DeviceMatrix& to, StreamHandle queue) {
  require_device();
  const std::int64_t rows = transpose ? from.cols : from.rows;
  const std::int64_t cols = transpose ? from.rows : from.cols;
  if (rows > to.rows || cols > to.cols) {
    throw ShapeError("arrange on the device: " + std::to_string(rows) + " x " +
                     std::to_string(cols) + " does not fit into " + std::to_string(to.rows) +
                     " x " + std::to_string(to.cols));
  }
  detail::with_type(from.dtype, "arrange", [&](auto* source) {
    detail::with_type(to.dtype, "arrange", [&](auto* target) {
      using From = std::remove_pointer_t<decltype(source)>;
      using To = std::remove_pointer_t<decltype(target)>;
      if (to.size() == 0) return;
      detail::arrange_kernel<From, To>
          <<<detail::grid_of(to.size() / 4), 256, 0, detail::native(queue)>>>(from, transpose, to);
      detail::check_launch("arrange");
    });
  });
}

void fill(const DeviceMatrix& x, float value, StreamHandle queue) {
  require_device();
  detail::with_type(x.dtype, "fill", [&](auto* type) {
    if (x.size() == 0) return;
    detail::fill_kernel<std::remove_pointer_t<decltype(type)>>
        <<<detail::grid_of(x.size()), 256, 0, detail::native(queue)>>>(x, value);
    detail::check_launch("fill");
  });
}

void add(const DeviceMatrix& a, const DeviceMatrix& b, const DeviceMatrix& out,
         StreamHandle queue) {
  require_device();
  detail::require_shape(a, out.rows, out.cols, "add");
  detail::require_shape(b, out.rows, out.cols, "add");
  if (a.dtype != out.dtype || b.dtype != out.dtype) {
    throw UnsupportedError("add on the device: " + std::string(to_string(a.dtype)) + " and " +
                           std::string(to_string(b.dtype)) + " to " +
                           std::string(to_string(out.dtype)) + "; want one dtype");
  }
  detail::with_type(out.dtype, "add", [&](auto* type) {
    if (out.size() == 0) return;
    detail::add_kernel<std::remove_pointer_t<decltype(type)>>
        <<<detail::grid_of(out.size()), 256, 0, detail::native(queue)>>>(a, b, out);
    detail::check_launch("add");
  });
}

void round_to_bfloat16(const DeviceMatrix& x, StreamHandle queue) {
  require_device();
  if (x.dtype == DType::kBFloat16 || x.size() == 0) return;
  if (x.dtype != DType::kFloat32) {
    throw UnsupportedError("round_to_bfloat16 on the device: " + std::string(to_string(x.dtype)) +
                           "; want float32");
  }
  detail::round_kernel<><<<detail::grid_of(x.size()), 256, 0, detail::native(queue)>>>(x);
  detail::check_launch("round_to_bfloat16");
}

}  // namespace sylvester::cuda
