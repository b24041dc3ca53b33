// The CPU backend: Ops over the kernels of kernels.h, one fixed partition per function.
#pragma once

#include <string>
#include <vector>

#include "sylvester/core/buffer.h"
#include "sylvester/ops/ops.h"

namespace sylvester::detail {

// Calls f(float()) or f(double()), whichever x holds.
template <class F>
decltype(auto) with_type(const Tensor& x, F&& f) {
  if (x.dtype() == DType::kFloat64) return f(double());
  if (x.dtype() != DType::kFloat32) {
    throw ValueError("ops: a tensor holds " + std::string(to_string(x.dtype())) +
                     "; want float32 or float64");
  }
  return f(float());
}

std::string print_shape(const Tensor& x);
// ShapeError "what: ..., got SHAPE and SHAPE" when the sizes differ.
void require_equal_size(const char* what, const Tensor& a, const Tensor& b);
void require(bool ok, const char* what, const Tensor& culprit, const char* want);

// C of [.., C].
inline std::int64_t last(const Tensor& x) { return x.shape().empty() ? 0 : x.shape().back(); }

// Elements of one task of an elementwise function: 64 KiB of float32, so that one activation makes
// enough tasks to share out evenly.
inline constexpr std::int64_t kElementBlock = 1 << 14;
// Rows of one task of a row-wise reduction (the partition of dgain's partial sums).
inline constexpr std::int64_t kRowBlock = 16;

// What QuantizedTensor::storage is on the CPU.
struct CpuQuantized final : QuantizedTensor::Storage {
  QuantizedMatrix matrix;   // codes and scales, or float32 values
  Buffer<double> values64;  // values of an identity spec under float64
  bool is_double = false;
  std::int64_t bytes() const override;
};

class CpuOps final : public Ops {
 public:
  Device device() const noexcept override { return Device::kCpu; }

  Tensor allocate(const Shape& shape, DType dtype) override { return Tensor(shape, dtype); }
  void fill(Tensor& x, double value) override;
  void copy(const Tensor& from, Tensor& to) override;
  void upload(std::span<const float> from, Tensor& to) override;
  void upload(std::span<const std::int32_t> from, Tensor& to) override;
  void download(const Tensor& from, std::span<float> to) override;
  void synchronize() override {}

  void add(const Tensor& a, const Tensor& b, Tensor& out) override;
  void scale(Tensor& x, double factor) override;
  void round_to_bfloat16(Tensor& x) override;
  void encode(const Tensor& x, DType to, Tensor& codes, const EncodeOptions& options) override;
  void decode(const Tensor& codes, DType from, Tensor& x) override;
  void normal(Tensor& x, double mean, double stddev, const RandomStream& stream) override;
  void gather_rows(const Tensor& from, const Tensor& rows, Tensor& out) override;
  void scatter_rows(const Tensor& from, const Tensor& rows, Tensor& to) override;

  double squared_norm(const Tensor& x) override { return dot(x, x); }
  double dot(const Tensor& a, const Tensor& b) override;
  double absmax(const Tensor& x) override;
  bool all_finite(const Tensor& x) override;

  void hadamard(const Tensor& X, bool columns, const HadamardOptions& options, Tensor& Y) override;
  void rotate(const Tensor& X, const Rotation& rotation, bool inverse, Tensor& Y) override;
  void quantize(const Tensor& X, const Rotation& rotation, const QuantSpec& spec,
                QuantizedTensor& out, const RandomStream& stream, QuantStats* stats,
                bool transposed) override;
  void dequantize(const QuantizedTensor& q, Tensor& out) override;
  void matmul(const QuantizedTensor& A, bool transpose_a, const QuantizedTensor& B,
              bool transpose_b, const Accumulation& accumulation, Tensor& C,
              bool accumulate) override;
  void product(const Tensor& A, bool transpose_a, const Tensor& B, bool transpose_b, Tensor& C,
               double alpha, double beta) override;

  QuantizedParts parts(const QuantizedTensor& q) override;
  QuantizedMatrix to_host(const QuantizedTensor& q) override;
  void from_host(const QuantizedMatrix& q, QuantizedTensor& out) override;
  void from_codes(const Tensor& codes, DType format, QuantizedTensor& out) override;

  void embedding(const Tensor& ids, const Tensor& table, Tensor& out) override;
  void embedding_backward(const Tensor& ids, const Tensor& dout, Tensor& dtable) override;
  void rmsnorm(const Tensor& x, const Tensor& gain, double eps, Tensor& y, Tensor& rstd) override;
  void rmsnorm_backward(const Tensor& x, const Tensor& gain, const Tensor& rstd, const Tensor& dy,
                        Tensor& dx, Tensor& dgain) override;
  void rope(Tensor& x, std::int64_t T, std::int64_t D, const Tensor& cos, const Tensor& sin,
            std::int64_t first, bool inverse) override;
  void attention(const Tensor& Q, const Tensor& K, const Tensor& V, const AttentionShape& s,
                 Tensor& O, Tensor& lse) override;
  void attention_backward(const Tensor& Q, const Tensor& K, const Tensor& V, const Tensor& O,
                          const Tensor& lse, const Tensor& dO, const AttentionShape& s, Tensor& dQ,
                          Tensor& dK, Tensor& dV) override;
  void swiglu(const Tensor& gate, const Tensor& up, Tensor& out) override;
  void swiglu_backward(const Tensor& gate, const Tensor& up, const Tensor& dout, Tensor& dgate,
                       Tensor& dup) override;
  double cross_entropy(Tensor& logits, const Tensor& labels, double grad_scale,
                       Tensor& nll) override;
  void adamw_step(Tensor& value, const Tensor& grad, Tensor& m, Tensor& v,
                  const AdamWArgs& args) override;

 private:
  // A matrix ready for rotation and quantizer; `rotated` when the rotation is done already.
  template <class T>
  struct Arranged {
    MatrixView<const T> matrix;
    bool rotated = false;
  };
  template <class T>
  Arranged<T> arrange(MatrixView<const T> X, const Rotation& rotation);
  template <class T>
  void quantize_matrix(const Arranged<T>& arranged, const Rotation& rotation, const QuantSpec& spec,
                       QuantizedTensor& out, CpuQuantized& storage, const RandomStream& stream,
                       QuantStats* stats);

  // Work space kept between calls, so that a training step allocates nothing large.
  template <class T>
  T* scratch(std::int64_t elements);
  Buffer<std::byte> scratch_;
  Tensor product_scratch_;
  Buffer<float> rotated_;  // of rotate_quantize
};

}  // namespace sylvester::detail
