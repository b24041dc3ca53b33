#include "sylvester/cuda/device.h"

#include <mutex>
#include <optional>

#include "cuda/arch.h"
#include "cuda/check.h"

namespace sylvester::cuda {
namespace detail {

void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // a sticky launch error must not surface again elsewhere
  const std::string text = std::string(what) + ": " + cudaGetErrorString(status);
  switch (status) {
    case cudaErrorNoDevice:
    case cudaErrorInsufficientDriver:
    case cudaErrorStubLibrary:
    case cudaErrorSystemDriverMismatch:
      throw UnsupportedError(text + "; no usable CUDA device or driver: run with the CPU backend");
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorInvalidDeviceFunction:
      throw UnsupportedError(text +
                             "; this build holds no code for this device: rebuild with its "
                             "architecture in CMAKE_CUDA_ARCHITECTURES");
    default:
      throw Error(text);
  }
}

}  // namespace detail
namespace {

struct Probe {
  std::optional<DeviceInfo> info;
  std::string why;  // no usable device: the reason
};

Probe probe() {
  Probe out;
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess || count == 0) {
    cudaGetLastError();
    out.why = std::string("no CUDA device: ") +
              (status != cudaSuccess ? cudaGetErrorString(status) : "the driver lists none") +
              "; run with the CPU backend";
    return out;
  }
  int device = 0;
  cudaDeviceProp prop{};
  if (cudaGetDevice(&device) != cudaSuccess ||
      cudaGetDeviceProperties(&prop, device) != cudaSuccess) {
    cudaGetLastError();
    out.why = "the CUDA device does not answer; run with the CPU backend";
    return out;
  }
  if (!detail::probe_kernel_loads()) {
    cudaGetLastError();
    out.why = std::string("device ") + prop.name + " has compute capability " +
              std::to_string(prop.major) + "." + std::to_string(prop.minor) +
              ", for which this build holds no code; rebuild with it in CMAKE_CUDA_ARCHITECTURES";
    return out;
  }
  out.info = DeviceInfo{prop.name,
                        prop.major,
                        prop.minor,
                        prop.multiProcessorCount,
                        static_cast<std::int64_t>(prop.totalGlobalMem),
                        prop.l2CacheSize,
                        static_cast<std::int64_t>(prop.sharedMemPerBlockOptin)};
  return out;
}

const Probe& probed() {
  static const Probe result = probe();
  return result;
}

}  // namespace

int device_count() noexcept {
  try {
    return probed().info ? 1 : 0;
  } catch (...) {
    return 0;
  }
}

const DeviceInfo& device_info() {
  const Probe& p = probed();
  if (!p.info) throw UnsupportedError(p.why);
  return *p.info;
}

void require_device() { device_info(); }

Stream::Stream() {
  require_device();
  cudaStream_t stream = nullptr;
  detail::check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "stream");
  handle_ = stream;
}

Stream::~Stream() {
  if (handle_ != nullptr) cudaStreamDestroy(detail::native(handle_));
}

void Stream::synchronize() const { cuda::synchronize(handle_); }

SideStream::~SideStream() {
  if (event_ != nullptr) cudaEventDestroy(static_cast<cudaEvent_t>(event_));
  if (stream_ != nullptr) cudaStreamDestroy(detail::native(stream_));
}

StreamHandle SideStream::branch(StreamHandle stream) {
  if (stream_ == nullptr) {
    cudaStream_t made = nullptr;
    detail::check(cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking), "stream");
    stream_ = made;
    cudaEvent_t event = nullptr;
    detail::check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "event");
    event_ = event;
  }
  const auto event = static_cast<cudaEvent_t>(event_);
  detail::check(cudaEventRecord(event, detail::native(stream)), "event");
  detail::check(cudaStreamWaitEvent(detail::native(stream_), event, 0), "event");
  return stream_;
}

void SideStream::join(StreamHandle stream) {
  const auto event = static_cast<cudaEvent_t>(event_);
  detail::check(cudaEventRecord(event, detail::native(stream_)), "event");
  detail::check(cudaStreamWaitEvent(detail::native(stream), event, 0), "event");
}

Graph::Graph(const Stream& stream, const std::function<void()>& work) {
  const cudaStream_t native = detail::native(stream.handle());
  cudaGraph_t graph = nullptr;
  detail::check(cudaStreamBeginCapture(native, cudaStreamCaptureModeThreadLocal), "graph");
  try {
    work();
  } catch (...) {
    cudaStreamEndCapture(native, &graph);
    cudaGraphDestroy(graph);
    cudaGetLastError();
    throw;
  }
  detail::check(cudaStreamEndCapture(native, &graph), "graph");
  cudaGraphExec_t exec = nullptr;
  const cudaError_t status = cudaGraphInstantiate(&exec, graph, 0);
  cudaGraphDestroy(graph);
  detail::check(status, "graph");
  handle_ = exec;
}

Graph::~Graph() {
  if (handle_ != nullptr) cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(handle_));
}

void Graph::launch(const Stream& stream) const {
  detail::check(
      cudaGraphLaunch(static_cast<cudaGraphExec_t>(handle_), detail::native(stream.handle())),
      "graph");
}

void synchronize(StreamHandle stream) {
  detail::check(cudaStreamSynchronize(detail::native(stream)), "device work");
}

DeviceBuffer::~DeviceBuffer() {
  if (data_ != nullptr) cudaFree(data_);
}

void DeviceBuffer::resize(std::int64_t bytes) {
  if (bytes < 0) throw ValueError("device buffer of " + std::to_string(bytes) + " bytes");
  if (bytes > capacity_) {
    require_device();
    void* fresh = nullptr;
    const cudaError_t status = cudaMalloc(&fresh, static_cast<std::size_t>(bytes));
    if (status == cudaErrorMemoryAllocation) {
      cudaGetLastError();
      std::size_t available = 0, total = 0;
      cudaMemGetInfo(&available, &total);
      throw Error("out of device memory: " + std::to_string(bytes) + " bytes asked for, " +
                  std::to_string(available) + " of " + std::to_string(total) +
                  " free; use smaller batches");
    }
    detail::check(status, "device allocation");
    cudaFree(data_);
    data_ = fresh;
    capacity_ = bytes;
  }
  size_ = bytes;
}

void upload(const void* host, void* device, std::int64_t bytes, StreamHandle stream) {
  if (bytes == 0) return;
  detail::check(cudaMemcpyAsync(device, host, static_cast<std::size_t>(bytes),
                                cudaMemcpyHostToDevice, detail::native(stream)),
                "copy to the device");
  synchronize(stream);
}

void download(const void* device, void* host, std::int64_t bytes, StreamHandle stream) {
  if (bytes == 0) return;
  detail::check(cudaMemcpyAsync(host, device, static_cast<std::size_t>(bytes),
                                cudaMemcpyDeviceToHost, detail::native(stream)),
                "copy from the device");
  synchronize(stream);
}

void copy(const void* from, void* to, std::int64_t bytes, StreamHandle stream) {
  if (bytes == 0) return;
  detail::check(cudaMemcpyAsync(to, from, static_cast<std::size_t>(bytes), cudaMemcpyDeviceToDevice,
                                detail::native(stream)),
                "copy on the device");
}

DeviceMatrix::DeviceMatrix(void* data_in, DType dtype_in, std::int64_t rows_in,
                           std::int64_t cols_in, std::int64_t stride_in)
    : data(data_in), dtype(dtype_in), rows(rows_in), cols(cols_in), stride(stride_in) {
  if (rows < 0 || cols < 0 || stride < cols) {
    throw ShapeError("device matrix: rows " + std::to_string(rows) + ", cols " +
                     std::to_string(cols) + ", stride " + std::to_string(stride) +
                     "; want rows, cols >= 0 and stride >= cols");
  }
}

DeviceArray::DeviceArray(DType dtype, std::int64_t rows, std::int64_t cols)
    : dtype_(dtype), rows_(rows), cols_(cols) {
  DeviceMatrix(nullptr, dtype, rows, cols);  // checks the sizes
  buffer_.resize(bytes());
}

std::int64_t DeviceArray::bytes() const noexcept { return rows_ * cols_ * storage_bytes(dtype_); }

}  // namespace sylvester::cuda
