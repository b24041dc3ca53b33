// CPU backend: rotations, codes and products, handed to the rooms below.
#include <algorithm>
#include <bit>
#include <cmath>

#include "ops/cpu_ops.h"
#include "ops/kernels.h"
#include "sylvester/core/parallel.h"
#include "sylvester/gemm/matmul.h"
#include "sylvester/hadamard/hadamard.h"
#include "sylvester/hadamard/rotate_quantize.h"

namespace sylvester {

namespace detail {
namespace {

template <class T>
void transpose(MatrixView<const T> from, T* to) {
  constexpr std::int64_t kTile = 32;
  parallel_blocks(from.cols, kTile, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
    for (std::int64_t i0 = 0; i0 < from.rows; i0 += kTile) {
      const std::int64_t i1 = std::min(from.rows, i0 + kTile);
      for (std::int64_t j = begin; j < end; ++j) {
        for (std::int64_t i = i0; i < i1; ++i) to[j * from.rows + i] = from(i, j);
      }
    }
  });
}

template <class T>
void rotate_forward(MatrixView<const T> X, const Rotation& rotation, MatrixView<T> Y) {
  MatrixView<const T> source = X;
  if (rotation.cols) {
    if (Y.rows != X.rows) {  // zero rows below
      std::copy_n(X.data, X.size(), Y.data);
      std::fill_n(Y.data + X.size(), Y.size() - X.size(), T(0));
      source = Y;
    }
    hadamard_cols(source, Y);
    source = Y;
  }
  if (rotation.rows) hadamard_rows(source, Y);
  if (!rotation.rows && !rotation.cols && X.data != Y.data) std::copy_n(X.data, X.size(), Y.data);
}

}  // namespace

std::int64_t CpuQuantized::bytes() const {
  return matrix.codes.size() + 4 * (matrix.scales.size() + matrix.zeros.size()) +
         matrix.scale_codes.size() + 4 * matrix.values.size() + 8 * values64.size();
}

namespace {
CpuQuantized& storage_of(QuantizedTensor& q) {
  auto* storage = dynamic_cast<CpuQuantized*>(q.storage.get());
  if (storage == nullptr) {
    q.storage = std::make_unique<CpuQuantized>();
    storage = static_cast<CpuQuantized*>(q.storage.get());
  }
  return *storage;
}
}  // namespace

template <class T>
T* CpuOps::scratch(std::int64_t elements) {
  const auto bytes = elements * static_cast<std::int64_t>(sizeof(T));
  if (scratch_.size() < bytes) scratch_.resize(bytes);
  return reinterpret_cast<T*>(scratch_.data());
}
template float* CpuOps::scratch<float>(std::int64_t);
template double* CpuOps::scratch<double>(std::int64_t);

void CpuOps::hadamard(const Tensor& X, bool columns, const HadamardOptions& options, Tensor& Y) {
  require(X.rows() == Y.rows() && last(X) == last(Y), "hadamard", Y, "the shape of X");
  with_type(X, [&](auto zero) {
    using T = decltype(zero);
    const MatrixView<const T> x = X.matrix<T>();
    if (columns) return hadamard_cols(x, Y.matrix<T>(), options);
    hadamard_rows(x, Y.matrix<T>(), options);
  });
}

void CpuOps::rotate(const Tensor& X, const Rotation& rotation, bool inverse, Tensor& Y) {
  if (rotation.transpose) throw ValueError("rotate: transpose belongs to quantize");
  require(last(X) == last(Y), "rotate", Y, "the columns of X");
  const Tensor& longer = inverse ? X : Y;
  const Tensor& shorter = inverse ? Y : X;
  const std::int64_t rows = shorter.rows();
  require(longer.rows() == (rotation.cols ? hadamard_length(rows) : rows), "rotate", longer,
          "hadamard_length(rows) rows");
  with_type(X, [&](auto zero) {
    using T = decltype(zero);
    const MatrixView<const T> x = X.matrix<T>();
    const MatrixView<T> y = Y.matrix<T>();
    if (!inverse) return rotate_forward(x, rotation, y);
    const HadamardOptions back{.inverse = true};
    if (x.rows == y.rows) {
      MatrixView<const T> source = x;
      if (rotation.rows) {
        hadamard_rows(source, y, back);
        source = y;
      }
      if (rotation.cols) hadamard_cols(source, y, back);
      if (!rotation.rows && !rotation.cols && x.data != y.data)
        std::copy_n(x.data, x.size(), y.data);
      return;
    }
    // Padded tokens: undo the columns in work space, keep the first rows.
    const MatrixView<T> work(scratch<T>(x.size()), x.rows, x.cols);
    hadamard_cols(x, work, back);
    std::copy_n(work.data, y.size(), y.data);
    if (rotation.rows) hadamard_rows(MatrixView<const T>(y), y, back);
  });
}

void CpuOps::quantize(const Tensor& X, const Rotation& rotation, const QuantSpec& spec,
                      QuantizedTensor& out, const RandomStream& stream, QuantStats* stats,
                      bool /*transposed: read in place*/) {
  CpuQuantized& storage = storage_of(out);
  storage.is_double = X.dtype() == DType::kFloat64;
  if (storage.is_double && !is_identity(spec)) {
    throw UnsupportedError("quantize: float64 tensors take only the identity spec 'fp32', got '" +
                           to_string(spec) + "'");
  }
  with_type(X, [&](auto zero) {
    using T = decltype(zero);
    const MatrixView<const T> source(X.data<T>(), X.rows(), last(X));
    out.spec = spec;
    quantize_matrix(arrange(source, rotation), rotation, spec, out, storage, stream, stats);
  });
}

// The matrix that rotation and quantizer see: transposed, zero rows below for the left transform,
// and, where columns must be padded, already rotated.
template <class T>
CpuOps::Arranged<T> CpuOps::arrange(MatrixView<const T> X, const Rotation& r) {
  const std::int64_t rows = r.transpose ? X.cols : X.rows, cols = r.transpose ? X.rows : X.cols;
  const std::int64_t length = r.cols ? hadamard_length(rows) : rows;
  const std::int64_t width = (cols + r.pad_cols - 1) / r.pad_cols * r.pad_cols;
  if (!r.transpose && length == rows && width == cols) return {X, false};
  T* work = scratch<T>(length * cols + (width == cols ? 0 : length * width));
  if (r.transpose) {
    transpose(X, work);
  } else {
    std::copy_n(X.data, X.size(), work);
  }
  std::fill_n(work + rows * cols, (length - rows) * cols, T(0));
  const MatrixView<T> whole(work, length, cols);
  if (width == cols) return {whole, false};
  rotate_forward(MatrixView<const T>(whole), Rotation{.rows = r.rows, .cols = r.cols}, whole);
  const MatrixView<T> wide(work + length * cols, length, width);
  for (std::int64_t i = 0; i < length; ++i) {
    std::copy_n(whole.row(i), cols, wide.row(i));
    std::fill_n(wide.row(i) + cols, width - cols, T(0));
  }
  return {wide, true};
}

template <class T>
void CpuOps::quantize_matrix(const Arranged<T>& arranged, const Rotation& rotation,
                             const QuantSpec& spec, QuantizedTensor& out, CpuQuantized& storage,
                             const RandomStream& stream, QuantStats* stats) {
  const MatrixView<const T> X = arranged.matrix;
  const Rotation turn =
      arranged.rotated ? Rotation{} : Rotation{.rows = rotation.rows, .cols = rotation.cols};
  out.rows = X.rows;
  out.cols = X.cols;
  if (stats != nullptr) *stats = {.count = X.size(), .sqnr_db = INFINITY};
  if constexpr (std::is_same_v<T, double>) {
    storage.values64.resize(X.size());
    rotate_forward(X, turn, MatrixView<double>(storage.values64.data(), X.rows, X.cols));
  } else if (is_identity(spec)) {
    QuantizedMatrix& m = storage.matrix;
    m.spec = spec;
    m.rows = m.block_rows = X.rows;
    m.cols = m.block_cols = X.cols;
    m.values.resize(X.size());
    rotate_forward(X, turn, MatrixView<float>(m.values.data(), X.rows, X.cols));
  } else if (stats != nullptr) {
    Buffer<float> turned(X.size());
    const MatrixView<float> view(turned.data(), X.rows, X.cols);
    rotate_forward(X, turn, view);
    sylvester::quantize(view, spec, storage.matrix, stats, stream);
  } else {
    rotate_quantize(X, {.rows = turn.rows, .cols = turn.cols, .scratch = &rotated_}, spec,
                    storage.matrix, nullptr, stream);
  }
}

namespace {
const CpuQuantized& stored(const QuantizedTensor& q) {
  const auto* storage = dynamic_cast<const CpuQuantized*>(q.storage.get());
  if (storage == nullptr) throw ValueError("matmul: an operand was not made by this backend");
  return *storage;
}
MatrixView<const float> values(const QuantizedTensor& q) {
  return {stored(q).matrix.values.data(), q.rows, q.cols};
}
MatrixView<const double> values64(const QuantizedTensor& q) {
  return {stored(q).values64.data(), q.rows, q.cols};
}
}  // namespace

QuantizedParts CpuOps::parts(const QuantizedTensor& q) {
  const QuantizedMatrix& m = stored(q).matrix;
  const auto view = [](const auto& buffer, const Shape& shape, DType dtype) {
    if (buffer.empty()) return Tensor();
    auto* at = reinterpret_cast<std::byte*>(const_cast<void*>(  // the caller owns q
        static_cast<const void*>(buffer.data())));
    return Tensor::adopt({at, [](std::byte*) {}}, shape, dtype, Device::kCpu);
  };
  const Shape grid{m.scale_rows, m.scale_cols}, whole{m.rows, m.cols};
  QuantizedParts out{view(m.codes, whole, DType::kUInt8),
                     view(m.scales, grid, DType::kFloat32),
                     view(m.scale_codes, grid, DType::kUInt8),
                     view(m.zeros, grid, DType::kFloat32),
                     Tensor({1}),
                     view(m.values, whole, DType::kFloat32)};
  *out.tensor_scale.data<float>() = m.tensor_scale;
  return out;
}

QuantizedMatrix CpuOps::to_host(const QuantizedTensor& q) { return stored(q).matrix; }

void CpuOps::from_host(const QuantizedMatrix& q, QuantizedTensor& out) {
  CpuQuantized& storage = storage_of(out);
  storage.matrix = q;
  storage.is_double = false;
  out.rows = q.rows;
  out.cols = q.cols;
  out.spec = q.spec;
}

void CpuOps::from_codes(const Tensor& codes, DType format, QuantizedTensor& out) {
  const MatrixView<const std::uint8_t> from = codes.matrix<std::uint8_t>();
  QuantizedMatrix q;
  q.spec = {.format = format};
  q.rows = q.block_rows = from.rows;
  q.cols = q.block_cols = from.cols;
  q.scale_rows = q.scale_cols = 1;
  q.codes.resize(from.size());
  std::copy_n(from.data, from.size(), q.codes.data());
  q.scales.resize(1);
  q.scales[0] = 1.0f;
  from_host(q, out);
}

void CpuOps::dequantize(const QuantizedTensor& q, Tensor& out) {
  const CpuQuantized& storage = stored(q);
  require(last(out) == q.cols && out.rows() <= q.rows, "dequantize", out,
          "the codes' columns and at most their rows");
  if (storage.is_double) {
    std::copy_n(storage.values64.data(), out.size(), out.data<double>());
  } else if (is_identity(q.spec)) {
    std::copy_n(storage.matrix.values.data(), out.size(), out.data<float>());
  } else if (out.rows() == q.rows) {
    sylvester::dequantize(storage.matrix, out.matrix<float>());
  } else {
    float* work = scratch<float>(q.rows * q.cols);
    sylvester::dequantize(storage.matrix, MatrixView<float>(work, q.rows, q.cols));
    std::copy_n(work, out.size(), out.data<float>());
  }
}

void CpuOps::matmul(const QuantizedTensor& A, bool transpose_a, const QuantizedTensor& B,
                    bool transpose_b, const Accumulation& accumulation, Tensor& C,
                    bool accumulate) {
  const std::int64_t M = transpose_a ? A.cols : A.rows, K = transpose_a ? A.rows : A.cols;
  const std::int64_t N = transpose_b ? B.cols : B.rows;
  require((transpose_b ? B.rows : B.cols) == K && C.rows() == M && last(C) == N, "matmul", C,
          "[M, N] of operands that share K");
  if (stored(A).is_double) {
    sylvester::product(values64(A), transpose_a, values64(B), !transpose_b, C.matrix<double>(), 1.0,
                       accumulate ? 1.0 : 0.0);
    return;
  }
  if (is_identity(A.spec) && is_identity(B.spec)) {
    sylvester::product(values(A), transpose_a, values(B), !transpose_b, C.matrix<float>(), 1.0f,
                       accumulate ? 1.0f : 0.0f);
    return;
  }
  const Operand a(stored(A).matrix, transpose_a), b(stored(B).matrix, transpose_b);
  if (!accumulate) return sylvester::matmul(a, b, accumulation, C.matrix<float>());
  if (product_scratch_.size() < C.size()) product_scratch_ = Tensor({C.size()});
  Tensor work = product_scratch_.prefix({M, N});
  sylvester::matmul(a, b, accumulation, work.matrix<float>());
  add(C, work, C);
}

void CpuOps::product(const Tensor& A, bool transpose_a, const Tensor& B, bool transpose_b,
                     Tensor& C, double alpha, double beta) {
  with_type(A, [&](auto zero) {
    using T = decltype(zero);
    sylvester::product(A.matrix<T>(), transpose_a, B.matrix<T>(), transpose_b, C.matrix<T>(),
                       static_cast<T>(alpha), static_cast<T>(beta));
  });
}

}  // namespace detail
}  // namespace sylvester
