#include "sylvester/cuda/hadamard.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <mutex>
#include <numeric>
#include <string>
#include <tuple>
#include <vector>

#include "cuda/base_shape.h"
#include "cuda/check.h"
#include "cuda/fwht_launch.h"
#include "cuda/rotation.h"

namespace sylvester::cuda {
namespace detail {
namespace {

int blocks_of_one(const void* kernel, int threads, std::int64_t shared_bytes) {
  int count = 0;
  check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&count, kernel, threads,
                                                      static_cast<std::size_t>(shared_bytes)),
        "occupancy of a kernel");
  return count;
}
int resident_clusters(const void* kernel, int threads, std::int64_t shared_bytes, int cluster) {
  constexpr int kPortable = 8;  // larger clusters are a device's own matter
  if (cluster > kPortable) {
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeNonPortableClusterSizeAllowed, 1),
          "cluster of a kernel");
  }
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(cluster));
  config.blockDim = dim3(static_cast<unsigned>(threads));
  config.dynamicSmemBytes = static_cast<std::size_t>(shared_bytes);
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeClusterDimension;
  attribute.val.clusterDim.x = static_cast<unsigned>(cluster);
  attribute.val.clusterDim.y = attribute.val.clusterDim.z = 1;
  config.attrs = &attribute;
  config.numAttrs = 1;
  int count = 0;
  check(cudaOccupancyMaxActiveClusters(&count, kernel, &config), "occupancy of a kernel");
  return count;
}

}  // namespace

int resident_blocks(const void* kernel, int threads, std::int64_t shared_bytes, std::int64_t wanted,
                    int cluster) {
  static std::mutex mutex;
  static std::map<std::tuple<const void*, int, std::int64_t>, int> cache;
  const DeviceInfo& device = device_info();
  if (shared_bytes > device.shared_bytes) return 0;
  const std::lock_guard<std::mutex> lock(mutex);
  auto [at, fresh] = cache.try_emplace({kernel, threads, shared_bytes}, 0);
  if (fresh) {
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(device.shared_bytes)),
          "shared memory of a kernel");
    at->second = cluster > 1
                     ? cluster * resident_clusters(kernel, threads, shared_bytes, cluster)
                     : device.multiprocessors * blocks_of_one(kernel, threads, shared_bytes);
  }
  return static_cast<int>(std::min<std::int64_t>(at->second, wanted));
}

namespace {

// Device copies of sign words and base matrices, made once and kept: a transform that runs inside a
// captured graph must not allocate.
struct Tables {
  std::mutex mutex;
  std::map<std::tuple<std::uint64_t, std::int64_t>, DeviceBuffer> signs;
  std::map<std::int64_t, DeviceBuffer> bases;
  std::map<std::tuple<std::int64_t, bool>, DeviceBuffer> base_tables;
};
Tables& tables() {
  static auto* kept = new Tables;  // outlives the driver's own teardown order
  return *kept;
}

}  // namespace

SignWords device_signs(std::uint64_t seed, std::int64_t length) {
  // Whole words: a length that is no multiple of 64 is repeated until it is.
  const std::int64_t period = std::lcm(length, std::int64_t{64});
  Tables& t = tables();
  const std::lock_guard<std::mutex> lock(t.mutex);
  auto [at, fresh] = t.signs.try_emplace({seed, length});
  if (fresh) {
    const std::vector<std::int8_t> signs = hadamard_signs(seed, length);
    std::vector<std::uint64_t> words(static_cast<std::size_t>(period / 64), 0);
    for (std::int64_t i = 0; i < period; ++i) {
      if (signs[static_cast<std::size_t>(i % length)] < 0) {
        words[static_cast<std::size_t>(i / 64)] |= std::uint64_t{1} << (i % 64);
      }
    }
    at->second.resize(period / 8);
    upload(words.data(), at->second.data(), period / 8);
  }
  return {at->second.as<std::uint64_t>(), static_cast<int>(period / 64)};
}

const std::int8_t* device_base(std::int64_t base) {
  Tables& t = tables();
  const std::lock_guard<std::mutex> lock(t.mutex);
  auto [at, fresh] = t.bases.try_emplace(base);
  if (fresh) {
    const std::vector<std::int8_t> signs = hadamard_matrix(base);
    at->second.resize(base * base);
    upload(signs.data(), at->second.data(), base * base);
  }
  return at->second.as<std::int8_t>();
}

const float* device_base_table(std::int64_t base, bool transposed) {
  Tables& t = tables();
  const std::lock_guard<std::mutex> lock(t.mutex);
  auto [at, fresh] = t.base_tables.try_emplace({base, transposed});
  if (fresh) {
    const std::vector<std::int8_t> signs = hadamard_matrix(base);
    const int outputs = base_outputs(static_cast<int>(base));
    const std::int64_t line = base_groups(static_cast<int>(base), outputs) * kGroupFloats;
    std::vector<float> table(static_cast<std::size_t>(base * line), 1.0f);
    for (std::int64_t k = 0; k < base; ++k) {
      for (std::int64_t i = 0; i < base; ++i) {
        const std::int64_t place = k * line + i / outputs * kGroupFloats + i % outputs;
        table[static_cast<std::size_t>(place)] =
            signs[static_cast<std::size_t>(transposed ? k * base + i : i * base + k)];
      }
    }
    at->second.resize(base * line * 4);
    upload(table.data(), at->second.data(), base * line * 4);
  }
  return at->second.as<float>();
}

RowsJob resolve_rows(std::int64_t length, const HadamardOptions& options, const char* what) {
  if (options.block < 0 || (options.block > 0 && length % options.block != 0)) {
    throw ShapeError("hadamard " + std::string(what) + ": block " + std::to_string(options.block) +
                     " does not divide the axis of " + std::to_string(length) +
                     "; want a divisor, or 0 for the whole axis");
  }
  RowsJob job;
  const std::int64_t order = options.block > 0 ? options.block : length;
  const std::int64_t base = hadamard_base(order);
  if (order > kMostOrder) {
    throw UnsupportedError("hadamard " + std::string(what) + " on the device: order " +
                           std::to_string(order) + "; want <= " + std::to_string(kMostOrder) +
                           " (use block=N, or the CPU backend)");
  }
  job.n = static_cast<int>(order);
  job.base = static_cast<int>(base);
  job.power = std::countr_zero(static_cast<std::uint64_t>(order / base));
  job.transposed_base = options.inverse;
  if (options.normalize) {
    job.scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(order)));
  }
  if (base > 1) {
    job.base_signs = device_base(base);
    job.base_table = device_base_table(base, options.inverse);
  }
  if (options.signs) {
    const SignWords words = device_signs(*options.signs, length);
    (options.inverse ? job.signs_after : job.signs_before) = words.words;
    job.sign_words = words.count;
  }
  return job;
}

namespace {

void check_pair(const DeviceMatrix& X, const DeviceMatrix& Y, const char* what) {
  require_device();
  if (X.rows != Y.rows || X.cols != Y.cols) {
    throw ShapeError("hadamard " + std::string(what) + ": X is " + std::to_string(X.rows) + " x " +
                     std::to_string(X.cols) + ", Y " + std::to_string(Y.rows) + " x " +
                     std::to_string(Y.cols) + "; want equal shapes");
  }
  const bool known =
      X.dtype == DType::kFloat32 || X.dtype == DType::kBFloat16 || X.dtype == DType::kFloat16;
  if (!known || X.dtype != Y.dtype) {
    throw UnsupportedError("hadamard " + std::string(what) +
                           " on the device: " + std::string(to_string(X.dtype)) + " to " +
                           std::string(to_string(Y.dtype)) +
                           "; want float32, bfloat16 or float16 on both sides");
  }
}

// y = y Diag(r) behind the transform; changing a sign and rounding commute.
template <class T>
__global__ void flip_signs_kernel(const RowsJob job) {
  T* y = static_cast<T*>(job.y);
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < job.rows * job.n;
       i += std::int64_t{gridDim.x} * blockDim.x) {
    if (sign_after(job, i)) {
      T& at = y[i / job.n * job.y_stride + i % job.n];
      at = -at;
    }
  }
}
template <class T>
void flip_signs(const RowsJob& job, cudaStream_t stream) {
  flip_signs_kernel<T><<<device_info().multiprocessors * 8, 256, 0, stream>>>(job);
  check_launch("signs");
}

template <class T>
void rows_typed(const DeviceMatrix& X, const DeviceMatrix& Y, const RowsJob& resolved,
                cudaStream_t stream) {
  RowsJob job = resolved;
  job.x = X.data;
  job.y = Y.data;
  const std::int64_t blocks = X.cols / job.n;
  const bool dense = X.contiguous() && Y.contiguous();
  if (blocks == 1 || dense) {  // blocks of dense rows are rows themselves
    job.rows = X.rows * blocks;
    job.x_stride = blocks == 1 ? X.stride : job.n;
    job.y_stride = blocks == 1 ? Y.stride : job.n;
    const StoreOutput<T> output{static_cast<T*>(Y.data), job.y_stride};
    if (job.base == 1 && job.power > 0 && launch_pow2<T>(job, output, stream)) return;
    if (job.base > 1) {
      RowsJob unsigned_job = job;
      unsigned_job.signs_after = nullptr;
      if (launch_base<T>(unsigned_job, output, stream)) {
        if (job.signs_after != nullptr) flip_signs<T>(job, stream);
        return;
      }
    }
    job.rows = X.rows;
  }
  AnyJob any{job, X.rows, blocks, X.stride, 1, Y.stride, 1};
  launch_any<T>(any, stream);
}

template <class T>
void cols_typed(const DeviceMatrix& X, const DeviceMatrix& Y, const RowsJob& resolved,
                cudaStream_t stream) {
  RowsJob job = resolved;
  job.x = X.data;
  job.y = Y.data;
  job.x_stride = X.stride;
  job.y_stride = Y.stride;
  const StoreOutput<T> output{static_cast<T*>(Y.data), Y.stride};
  if (launch_cols<T>(job, X.cols, output, stream, X.rows / job.n)) return;
  AnyJob any{resolved, X.cols, X.rows / resolved.n, 1, X.stride, 1, Y.stride};
  any.base.x = X.data;
  any.base.y = Y.data;
  launch_any<T>(any, stream);
}

}  // namespace

template <class T, int kWidth>
bool launch_panel(const AnyJob& job, cudaStream_t stream) {
  const auto kernel = fwht_any_kernel<T, kWidth>;
  const std::int64_t bytes = panel_floats<kWidth>(job.base.n) * 4;
  const int threads = job.base.n * kWidth >= 16384 ? 512 : job.base.n * kWidth >= 2048 ? 256 : 64;
  const std::int64_t panels = (job.vectors + kWidth - 1) / kWidth * job.blocks;
  const int blocks = resident_blocks(reinterpret_cast<const void*>(kernel), threads, bytes, panels);
  if (blocks == 0) return false;
  kernel<<<blocks, threads, bytes, stream>>>(job);
  check_launch("hadamard");
  return true;
}

template <class T>
void launch_any(const AnyJob& job, cudaStream_t stream) {
  const bool columns = job.x_element != 1;
  if (columns && job.base.n <= 2048 && launch_panel<T, 16>(job, stream)) return;
  if (columns && launch_panel<T, 8>(job, stream)) return;
  if (columns && launch_panel<T, 4>(job, stream)) return;
  if (launch_panel<T, 1>(job, stream)) return;
  throw UnsupportedError("hadamard on the device: order " + std::to_string(job.base.n) +
                         " needs more shared memory than a block of this device has; use block=N");
}
template void launch_any<float>(const AnyJob&, cudaStream_t);
template void launch_any<__nv_bfloat16>(const AnyJob&, cudaStream_t);
template void launch_any<__half>(const AnyJob&, cudaStream_t);

}  // namespace detail

void hadamard_rows(const DeviceMatrix& X, const DeviceMatrix& Y, const HadamardOptions& options,
                   StreamHandle stream) {
  detail::check_pair(X, Y, "rows");
  if (X.cols == 0) return;
  const detail::RowsJob job = detail::resolve_rows(X.cols, options, "rows");
  if (X.size() == 0) return;
  const cudaStream_t native = detail::native(stream);
  if (X.dtype == DType::kFloat32) return detail::rows_typed<float>(X, Y, job, native);
  if (X.dtype == DType::kFloat16) return detail::rows_typed<__half>(X, Y, job, native);
  detail::rows_typed<__nv_bfloat16>(X, Y, job, native);
}

void hadamard_cols(const DeviceMatrix& X, const DeviceMatrix& Y, const HadamardOptions& options,
                   StreamHandle stream) {
  detail::check_pair(X, Y, "cols");
  if (X.rows == 0) return;
  const detail::RowsJob job = detail::resolve_rows(X.rows, options, "cols");
  if (X.size() == 0) return;
  const cudaStream_t native = detail::native(stream);
  if (X.dtype == DType::kFloat32) return detail::cols_typed<float>(X, Y, job, native);
  if (X.dtype == DType::kFloat16) return detail::cols_typed<__half>(X, Y, job, native);
  detail::cols_typed<__nv_bfloat16>(X, Y, job, native);
}

}  // namespace sylvester::cuda
