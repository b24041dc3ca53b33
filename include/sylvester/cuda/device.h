// Device memory, streams and errors of the CUDA backend. No CUDA header is needed to use it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "sylvester/core/error.h"
#include "sylvester/formats/dtype.h"

namespace sylvester::cuda {

struct DeviceInfo {
  std::string name;
  int major = 0;  // compute capability
  int minor = 0;
  int multiprocessors = 0;
  std::int64_t memory_bytes = 0;
  std::int64_t l2_bytes = 0;
  std::int64_t shared_bytes = 0;  // most shared memory one block can ask for
};

// Devices that this build has code for; 0 without a driver or a card. Never throws.
int device_count() noexcept;
// The device in use. Errors: UnsupportedError when there is none, or when the build holds no code
// for its architecture (the message names both).
const DeviceInfo& device_info();
// UnsupportedError unless there is a device this build can use.
void require_device();

// A queue of work. Streams order everything this room starts; the default one is stream 0.
// Errors: what the device reports for earlier work surfaces in synchronize().
class Stream {
 public:
  Stream();
  ~Stream();
  Stream(Stream&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Stream& operator=(Stream&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  void synchronize() const;
  void* handle() const noexcept { return handle_; }  // cudaStream_t

 private:
  void* handle_ = nullptr;
};

// What functions take: nullptr is the default stream.
using StreamHandle = void*;

// Waits for all work of a stream. Errors: Error with the device's message.
void synchronize(StreamHandle stream = nullptr);

// A queue beside another: what is put on branch(stream) runs after the work on `stream` so far, and
// before what follows join(stream). Within a capture, too. The queue is made at its first use.
class SideStream {
 public:
  SideStream() = default;
  ~SideStream();
  SideStream(SideStream&& other) noexcept
      : stream_(std::exchange(other.stream_, nullptr)),
        event_(std::exchange(other.event_, nullptr)) {}
  SideStream& operator=(SideStream&& other) noexcept {
    std::swap(stream_, other.stream_);
    std::swap(event_, other.event_);
    return *this;
  }
  StreamHandle branch(StreamHandle stream);
  void join(StreamHandle stream);

 private:
  void* stream_ = nullptr;  // cudaStream_t
  void* event_ = nullptr;   // cudaEvent_t
};

// Work recorded once and run again as one launch. Capture what was run before with the same shapes:
// tables, work space and algorithm choices are made outside.
class Graph {
 public:
  // What `work` puts on the stream. Errors: Error when something in it cannot be captured.
  Graph(const Stream& stream, const std::function<void()>& work);
  ~Graph();
  Graph(Graph&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Graph& operator=(Graph&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  void launch(const Stream& stream) const;

 private:
  void* handle_ = nullptr;  // cudaGraphExec_t
};

// Untyped device memory. Errors: Error "out of device memory" with bytes asked for and free.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  explicit DeviceBuffer(std::int64_t bytes) { resize(bytes); }
  ~DeviceBuffer();
  DeviceBuffer(DeviceBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
    return *this;
  }
  // Keeps the storage when it is large enough; the contents are unspecified afterwards.
  void resize(std::int64_t bytes);
  void* data() const noexcept { return data_; }
  template <class T>
  T* as() const noexcept {
    return static_cast<T*>(data_);
  }
  std::int64_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }

 private:
  void* data_ = nullptr;
  std::int64_t size_ = 0;
  std::int64_t capacity_ = 0;
};

// Copies between host and device; both wait for the stream.
void upload(const void* host, void* device, std::int64_t bytes, StreamHandle stream = nullptr);
void download(const void* device, void* host, std::int64_t bytes, StreamHandle stream = nullptr);
// From device memory to device memory, in order with the stream.
void copy(const void* from, void* to, std::int64_t bytes, StreamHandle stream = nullptr);

// A window on a row-major matrix in device memory: element (i, j) at data[i * stride + j].
// The view never owns. dtype is kFloat32, kBFloat16, kFloat16, or kUInt8 for codes.
struct DeviceMatrix {
  void* data = nullptr;
  DType dtype = DType::kFloat32;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t stride = 0;

  DeviceMatrix() = default;
  DeviceMatrix(void* data_in, DType dtype_in, std::int64_t rows_in, std::int64_t cols_in)
      : DeviceMatrix(data_in, dtype_in, rows_in, cols_in, cols_in) {}
  // Errors: ShapeError for a negative size or a stride shorter than a row.
  DeviceMatrix(void* data_in, DType dtype_in, std::int64_t rows_in, std::int64_t cols_in,
               std::int64_t stride_in);
  std::int64_t size() const noexcept { return rows * cols; }
  bool contiguous() const noexcept { return stride == cols || rows <= 1; }
};

// Owns the memory of a contiguous matrix.
class DeviceArray {
 public:
  DeviceArray() = default;
  DeviceArray(DType dtype, std::int64_t rows, std::int64_t cols);
  DeviceMatrix view() const { return {buffer_.data(), dtype_, rows_, cols_}; }
  operator DeviceMatrix() const { return view(); }  // NOLINT: implicit on purpose
  std::int64_t bytes() const noexcept;
  void* data() const noexcept { return buffer_.data(); }

 private:
  DeviceBuffer buffer_;
  DType dtype_ = DType::kFloat32;
  std::int64_t rows_ = 0;
  std::int64_t cols_ = 0;
};

}  // namespace sylvester::cuda
