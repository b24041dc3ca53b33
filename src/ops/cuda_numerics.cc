#include "ops/cuda_numerics.h"

#include <cmath>
#include <cstring>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "ops/cpu_ops.h"
#include "sylvester/core/error.h"
#include "sylvester/cuda/elementwise.h"
#include "sylvester/formats/convert.h"

namespace sylvester::detail {
namespace {

using cuda::DeviceMatrix;
using cuda::DeviceOperand;

DeviceMatrix matrix_of(const Tensor& x) {
  if (x.device() != Device::kCuda) {
    throw ValueError("numerics on the device: a tensor of shape " + print_shape(x) +
                     " lives in CPU memory; copy it there first");
  }
  return {x.raw(), x.dtype(), x.rows(), last(x)};
}

// All of x as one row, for what works element by element.
DeviceMatrix flat(const Tensor& x) {
  const DeviceMatrix m = matrix_of(x);
  return {m.data, m.dtype, 1, x.size()};
}

CudaQuantized& storage_of(QuantizedTensor& q) {
  auto* storage = dynamic_cast<CudaQuantized*>(q.storage.get());
  if (storage == nullptr) {
    q.storage = std::make_unique<CudaQuantized>();
    storage = static_cast<CudaQuantized*>(q.storage.get());
  }
  return *storage;
}

cuda::DeviceQuantized& stored(const QuantizedTensor& q) {
  auto* storage = dynamic_cast<CudaQuantized*>(q.storage.get());
  if (storage == nullptr) throw ValueError("matmul: an operand was not made on this device");
  return storage->matrix;
}

bool is_fp8(DType dtype) { return dtype == DType::kFloat8E4M3FN || dtype == DType::kFloat8E5M2; }

bool one_scale(const QuantSpec& spec) {
  return !is_cast(spec) && spec.granularity == Granularity::kTensor && !spec.asymmetric;
}

// True where cuBLASLt has an FP8 product for the operands.
bool fp8_product(const DeviceOperand& A, const DeviceOperand& B) {
  const QuantSpec &a = A.matrix->spec, &b = B.matrix->spec;
  return is_fp8(a.format) && is_fp8(b.format) && one_scale(a) && one_scale(b) &&
         (a.format != DType::kFloat8E5M2 || b.format != DType::kFloat8E5M2) && A.rows() % 16 == 0 &&
         B.rows() % 16 == 0 && A.cols() % 16 == 0;
}

}  // namespace

std::int64_t CudaQuantized::bytes() const {
  const cuda::DeviceQuantized& m = matrix;
  std::int64_t sum = 0;
  for (const cuda::DeviceBuffer* b : {&m.codes, &m.codes_t, &m.scales, &m.scale_codes, &m.zeros,
                                      &m.tensor_scale, &m.values, &m.work}) {
    sum += b->size();
  }
  return sum;
}

DeviceMatrix CudaNumerics::work(cuda::DeviceBuffer& buffer, DType dtype, std::int64_t rows,
                                std::int64_t cols) const {
  buffer.resize(rows * cols * storage_bytes(dtype));
  return {buffer.data(), dtype, rows, cols};
}

void CudaNumerics::together(std::span<const std::function<void()>> tasks) {
  if (together_ || tasks.size() < 2) {
    for (const auto& task : tasks) task();
    return;
  }
  const cuda::StreamHandle main = stream_;
  const std::size_t beside = tasks.size() - 1;
  if (lanes_.size() < beside) lanes_.resize(beside);
  std::vector<cuda::StreamHandle> streams;
  for (std::size_t i = 0; i < beside; ++i) streams.push_back(lanes_[i].side.branch(main));
  together_ = true;
  std::exception_ptr failed;
  const auto run = [&](const std::function<void()>& task) {
    try {
      if (!failed) task();
    } catch (...) {
      failed = std::current_exception();
    }
  };
  run(tasks[0]);
  for (std::size_t i = 0; i < beside; ++i) {
    stream_ = streams[i];
    std::swap(work_, lanes_[i].work);
    run(tasks[i + 1]);
    std::swap(work_, lanes_[i].work);
    lanes_[i].side.join(main);
  }
  stream_ = main;
  together_ = false;
  if (failed) std::rethrow_exception(failed);
}

void CudaNumerics::require_alone(const char* what) const {
  if (together_) throw ValueError(std::string(what) + ": not within together()");
}

Tensor CudaNumerics::allocate(const Shape& shape, DType dtype) {
  Tensor size = Tensor::adopt(nullptr, shape, dtype, Device::kCuda);
  const auto buffer = std::make_shared<cuda::DeviceBuffer>(size.bytes());
  return Tensor::adopt({buffer, static_cast<std::byte*>(buffer->data())}, shape, dtype,
                       Device::kCuda);
}

void CudaNumerics::fill(Tensor& x, double value) {
  cuda::fill(flat(x), static_cast<float>(value), stream_);
}

void CudaNumerics::copy(const Tensor& from, Tensor& to) {
  require(from.size() == to.size(), "copy", to, "the size of the source");
  if (from.dtype() == to.dtype()) {
    return cuda::copy(flat(from).data, flat(to).data, from.bytes(), stream_);
  }
  cuda::arrange(flat(from), false, flat(to), stream_);
}

void CudaNumerics::upload(std::span<const float> from, Tensor& to) {
  require(std::ssize(from) == to.size(), "upload", to, "the span's size");
  const DeviceMatrix target = flat(to);
  if (to.dtype() == DType::kFloat32) {
    return cuda::upload(from.data(), target.data, to.bytes(), stream_);
  }
  const DeviceMatrix wide = work(work_.arranged, DType::kFloat32, 1, to.size());
  cuda::upload(from.data(), wide.data, to.size() * 4, stream_);
  cuda::arrange(wide, false, target, stream_);
}

void CudaNumerics::upload(std::span<const std::int32_t> from, Tensor& to) {
  require(std::ssize(from) == to.size() && to.dtype() == DType::kInt32, "upload", to,
          "int32 of the span's size");
  cuda::upload(from.data(), flat(to).data, to.bytes(), stream_);
}

void CudaNumerics::download(const Tensor& from, std::span<float> to) {
  require(std::ssize(to) == from.size(), "download", from, "the span's size");
  const DeviceMatrix source = flat(from);
  if (from.dtype() == DType::kFloat32) {
    return cuda::download(source.data, to.data(), from.bytes(), stream_);
  }
  const DeviceMatrix wide = work(work_.arranged, DType::kFloat32, 1, from.size());
  cuda::arrange(source, false, wide, stream_);
  cuda::download(wide.data, to.data(), from.size() * 4, stream_);
}

void CudaNumerics::add(const Tensor& a, const Tensor& b, Tensor& out) {
  cuda::add(flat(a), flat(b), flat(out), stream_);
}

void CudaNumerics::round_to_bfloat16(Tensor& x) { cuda::round_to_bfloat16(flat(x), stream_); }

void CudaNumerics::encode(const Tensor& x, DType to, Tensor& codes, const EncodeOptions& options) {
  require(x.size() == codes.size() && codes.dtype() == codes_dtype(to), "encode", codes,
          "codes_dtype() and the size of x");
  cuda::encode(flat(x).data, x.dtype(), x.size(), to, flat(codes).data, options, stream_);
}

void CudaNumerics::decode(const Tensor& codes, DType from, Tensor& x) {
  require(x.size() == codes.size() && x.dtype() == DType::kFloat32 &&
              codes.dtype() == codes_dtype(from),
          "decode", x, "float32 of the size of codes, which have codes_dtype()");
  cuda::decode(flat(codes).data, from, codes.size(), static_cast<float*>(flat(x).data), stream_);
}

void CudaNumerics::hadamard(const Tensor& X, bool columns, const HadamardOptions& options,
                            Tensor& Y) {
  const auto transform = columns ? cuda::hadamard_cols : cuda::hadamard_rows;
  transform(matrix_of(X), matrix_of(Y), options, stream_);
}

void CudaNumerics::rotate(const Tensor& X, const Rotation& rotation, bool inverse, Tensor& Y) {
  if (rotation.transpose) throw ValueError("rotate: transpose belongs to quantize");
  require(last(X) == last(Y), "rotate", Y, "the columns of X");
  const std::int64_t rows = (inverse ? Y : X).rows();
  require((inverse ? X : Y).rows() == (rotation.cols ? hadamard_length(rows) : rows), "rotate",
          inverse ? X : Y, "hadamard_length(rows) rows");
  const DeviceMatrix x = matrix_of(X), y = matrix_of(Y);
  const HadamardOptions options{.inverse = inverse};
  DeviceMatrix source = x;
  const auto run = [&](bool columns, const DeviceMatrix& to) {
    (columns ? cuda::hadamard_cols : cuda::hadamard_rows)(source, to, options, stream_);
    source = to;
  };
  if (x.rows < y.rows) {  // zero rows below
    cuda::arrange(x, false, y, stream_);
    source = y;
  }
  // Padded tokens of the inverse: the rows that stay come out of work space.
  DeviceMatrix to = x.rows > y.rows ? work(work_.arranged, y.dtype, x.rows, x.cols) : y;
  if (!inverse && rotation.cols) run(true, to);
  if (rotation.rows) run(false, to);
  if (inverse && rotation.cols) run(true, to);
  if (source.data != y.data) {
    source.rows = y.rows;
    cuda::arrange(source, false, y, stream_);
  }
}

void CudaNumerics::quantize(const Tensor& X, const Rotation& r, const QuantSpec& spec,
                            QuantizedTensor& out, const RandomStream& stream, QuantStats* stats,
                            bool transposed) {
  if (stats != nullptr) {
    throw UnsupportedError(
        "quantize on the device: no statistics here; to_host() and the CPU's "
        "quantization_error give them");
  }
  CudaQuantized& storage = storage_of(out);
  DeviceMatrix source = matrix_of(X);
  const std::int64_t rows = r.transpose ? source.cols : source.rows;
  const std::int64_t cols = r.transpose ? source.rows : source.cols;
  const std::int64_t length = r.cols ? hadamard_length(rows) : rows;
  const std::int64_t width = (cols + r.pad_cols - 1) / r.pad_cols * r.pad_cols;
  out.rows = length;
  out.cols = width;
  out.spec = spec;
  RotateQuantizeOptions options{.rows = r.rows, .cols = r.cols, .transposed = transposed};
  if (r.transpose || length != rows) {
    const DeviceMatrix arranged = work(work_.arranged, source.dtype, length, cols);
    cuda::arrange(source, r.transpose, arranged, stream_);
    source = arranged;
  }
  if (width != cols) {  // rotated before the zeros come, in float32
    const DeviceMatrix wide = work(work_.padded, DType::kFloat32, length, width);
    cuda::arrange(source, false, wide, stream_);
    const DeviceMatrix inner(wide.data, DType::kFloat32, length, cols, width);
    if (r.cols) cuda::hadamard_cols(inner, inner, {}, stream_);
    if (r.rows) cuda::hadamard_rows(inner, inner, {}, stream_);
    options.rows = options.cols = false;
    source = wide;
  }
  cuda::rotate_quantize(source, options, spec, storage.matrix, work_.rotate, stream, stream_);
}

void CudaNumerics::dequantize(const QuantizedTensor& q, Tensor& out) {
  cuda::DeviceQuantized& m = stored(q);
  require(last(out) == q.cols && out.rows() <= q.rows, "dequantize", out,
          "the codes' columns and at most their rows");
  const DeviceMatrix to = matrix_of(out);
  if (is_cast(m.spec)) {
    return cuda::arrange({m.values.data(), DType::kFloat32, to.rows, to.cols}, false, to, stream_);
  }
  if (to.rows == q.rows) return cuda::dequantize(m, to, stream_);
  const DeviceMatrix all = work(work_.padded, out.dtype(), q.rows, q.cols);
  cuda::dequantize(m, all, stream_);
  cuda::arrange({all.data, all.dtype, to.rows, to.cols}, false, to, stream_);
}

template <class F>
void CudaNumerics::into(const DeviceMatrix& C, bool accumulate, const F& f) {
  if (!accumulate) return f(C);
  const DeviceMatrix result = work(product_, C.dtype, C.rows, C.cols);
  f(result);
  cuda::add(C, result, C, stream_);
}

// Values of the "bfloat16" spec, kept as float32, go back to bfloat16.
void CudaNumerics::multiply_bfloat16(const DeviceOperand& A, const DeviceOperand& B,
                                     const Accumulation& accumulation, const DeviceMatrix& C) {
  const std::int64_t a_size = A.matrix->rows * A.matrix->cols;
  decoded_.resize((a_size + B.matrix->rows * B.matrix->cols) * 2);
  const auto narrow = [&](const cuda::DeviceQuantized& q, std::int64_t at) {
    const DeviceMatrix to(decoded_.as<std::uint16_t>() + at, DType::kBFloat16, q.rows, q.cols);
    cuda::arrange({q.values.data(), DType::kFloat32, q.rows, q.cols}, false, to, stream_);
    return to;
  };
  const DeviceMatrix a = narrow(*A.matrix, 0), b = narrow(*B.matrix, a_size);
  cuda::product(a, A.transposed, b, B.transposed, accumulation, C, nullptr, stream_);
}

void CudaNumerics::multiply(const DeviceOperand& A, const DeviceOperand& B,
                            const Accumulation& accumulation, const DeviceMatrix& C) {
  const QuantSpec &a = A.matrix->spec, &b = B.matrix->spec;
  if (a.format == DType::kBFloat16 && b.format == DType::kBFloat16) {
    return multiply_bfloat16(A, B, accumulation, C);
  }
  if (accumulation.kind != AccumulationKind::kBlas) {
    // On the tensor cores int8 is exact under every policy that takes it.
    const bool exact = a.format == DType::kInt8 && b.format == DType::kInt8 &&
                       accumulation.kind == AccumulationKind::kHardware;
    return cuda::matmul(A, B, exact ? parse_accumulation("int32") : accumulation, C, stream_);
  }
  if (is_integer(a.format) && is_integer(b.format) && one_scale(a) && one_scale(b)) {
    return cuda::matmul(A, B, parse_accumulation("int32"), C, stream_);
  }
  if (fp8_product(A, B)) {
    return cuda::matmul(A, B, parse_accumulation("sm90-cublaslt-fast"), C, stream_);
  }
  cuda::matmul_decoded(A, B, parse_accumulation("sm90-cublaslt"), C, decoded_, stream_);
}

void CudaNumerics::matmul(const QuantizedTensor& A, bool transpose_a, const QuantizedTensor& B,
                          bool transpose_b, const Accumulation& accumulation, Tensor& C,
                          bool accumulate) {
  require_alone("matmul");
  for (const auto& [q, transposed] : {std::pair{&A, transpose_a}, std::pair{&B, transpose_b}}) {
    cuda::DeviceQuantized& m = stored(*q);
    if (transposed && m.codes_t.empty() && !m.codes.empty()) cuda::transpose_codes(m, stream_);
  }
  const DeviceOperand a(stored(A), transpose_a), b(stored(B), transpose_b);
  into(matrix_of(C), accumulate, [&](const DeviceMatrix& to) { multiply(a, b, accumulation, to); });
}

void CudaNumerics::product(const Tensor& A, bool transpose_a, const Tensor& B, bool transpose_b,
                           Tensor& C, double alpha, double beta) {
  require_alone("product");
  if (alpha != 1.0 || (beta != 0.0 && beta != 1.0)) {
    throw UnsupportedError("product on the device: alpha " + std::to_string(alpha) + ", beta " +
                           std::to_string(beta) + "; want alpha 1, beta 0 or 1");
  }
  into(matrix_of(C), beta == 1.0, [&](const DeviceMatrix& to) {
    cuda::product(matrix_of(A), transpose_a, matrix_of(B), !transpose_b,
                  parse_accumulation("sm90-cublaslt"), to, nullptr, stream_);
  });
}

QuantizedParts CudaNumerics::parts(const QuantizedTensor& q) {
  const cuda::DeviceQuantized& m = stored(q);
  const auto view = [](const cuda::DeviceBuffer& buffer, Shape shape, DType dtype) {
    if (buffer.empty()) return Tensor();
    return Tensor::adopt({buffer.as<std::byte>(), [](std::byte*) {}}, std::move(shape), dtype,
                         Device::kCuda);
  };
  const Shape grid{m.scale_rows, m.scale_cols}, whole{m.rows, m.cols};
  return {view(m.codes, whole, DType::kUInt8),        view(m.scales, grid, DType::kFloat32),
          view(m.scale_codes, grid, DType::kUInt8),   view(m.zeros, grid, DType::kFloat32),
          view(m.tensor_scale, {1}, DType::kFloat32), view(m.values, whole, DType::kFloat32)};
}

QuantizedMatrix CudaNumerics::to_host(const QuantizedTensor& q) {
  cuda::synchronize(stream_);
  return stored(q).to_host();
}

void CudaNumerics::from_host(const QuantizedMatrix& q, QuantizedTensor& out) {
  CudaQuantized& storage = storage_of(out);
  cuda::DeviceQuantized& m = storage.matrix;
  m.spec = out.spec = q.spec;
  m.rows = out.rows = q.rows;
  m.cols = out.cols = q.cols;
  m.block_rows = q.block_rows, m.block_cols = q.block_cols;
  m.scale_rows = q.scale_rows, m.scale_cols = q.scale_cols;
  m.codes_t.resize(0);
  const auto send = [&](const auto& from, cuda::DeviceBuffer& to) {
    const auto bytes = from.size() * static_cast<std::int64_t>(sizeof(from[0]));
    to.resize(bytes);
    if (bytes > 0) cuda::upload(from.data(), to.data(), bytes, stream_);
  };
  send(q.codes, m.codes);
  send(q.scales, m.scales);
  send(q.scale_codes, m.scale_codes);
  send(q.zeros, m.zeros);
  send(q.values, m.values);
  m.tensor_scale.resize(16);
  cuda::upload(&q.tensor_scale, m.tensor_scale.data(), 4, stream_);
}

void CudaNumerics::from_codes(const Tensor& codes, DType format, QuantizedTensor& out) {
  const DeviceMatrix from = matrix_of(codes);
  require(codes.dtype() == DType::kUInt8, "from_codes", codes, "uint8, one code a byte");
  QuantizedMatrix unit;
  unit.spec = {.format = format};
  unit.rows = unit.block_rows = from.rows;
  unit.cols = unit.block_cols = from.cols;
  unit.scale_rows = unit.scale_cols = 1;
  unit.scales.resize(1);
  unit.scales[0] = 1.0f;
  from_host(unit, out);
  cuda::DeviceQuantized& m = storage_of(out).matrix;
  m.codes.resize(from.size());
  cuda::copy(from.data, m.codes.data(), from.size(), stream_);
}

}  // namespace sylvester::detail
