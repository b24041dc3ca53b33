// The card's Numerics: tensors handed to the functions of sylvester/cuda.
#pragma once

#include <vector>

#include "sylvester/cuda/matmul.h"
#include "sylvester/cuda/rotate_quantize.h"
#include "sylvester/ops/numerics.h"

namespace sylvester::detail {

// What QuantizedTensor::storage is on the card.
struct CudaQuantized final : QuantizedTensor::Storage {
  cuda::DeviceQuantized matrix;
  std::int64_t bytes() const override;
};

class CudaNumerics final : public Numerics {
 public:
  explicit CudaNumerics(cuda::StreamHandle stream = nullptr) : stream_(stream) {}
  Device device() const noexcept override { return Device::kCuda; }

  Tensor allocate(const Shape& shape, DType dtype) override;
  void fill(Tensor& x, double value) override;
  void copy(const Tensor& from, Tensor& to) override;
  void upload(std::span<const float> from, Tensor& to) override;
  void upload(std::span<const std::int32_t> from, Tensor& to) override;
  void download(const Tensor& from, std::span<float> to) override;
  void synchronize() override { cuda::synchronize(stream_); }
  void together(std::span<const std::function<void()>> tasks) override;

  void add(const Tensor& a, const Tensor& b, Tensor& out) override;
  void round_to_bfloat16(Tensor& x) override;
  void encode(const Tensor& x, DType to, Tensor& codes, const EncodeOptions& options) override;
  void decode(const Tensor& codes, DType from, Tensor& x) override;

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

 private:
  // A contiguous matrix in work space.
  cuda::DeviceMatrix work(cuda::DeviceBuffer& buffer, DType dtype, std::int64_t rows,
                          std::int64_t cols) const;
  void multiply(const cuda::DeviceOperand& A, const cuda::DeviceOperand& B,
                const Accumulation& accumulation, const cuda::DeviceMatrix& C);
  void multiply_bfloat16(const cuda::DeviceOperand& A, const cuda::DeviceOperand& B,
                         const Accumulation& accumulation, const cuda::DeviceMatrix& C);
  // C += f(work matrix), or C = where it does not accumulate.
  template <class F>
  void into(const cuda::DeviceMatrix& C, bool accumulate, const F& f);

  // Throws inside of together(): cuBLASLt has one work space.
  void require_alone(const char* what) const;

  struct Work {
    cuda::RotateWork rotate;
    cuda::DeviceBuffer arranged, padded;
  };
  // A task of together() but the first, which runs on the stream itself.
  struct Lane {
    cuda::SideStream side;
    Work work;
  };

  cuda::StreamHandle stream_;
  Work work_;
  cuda::DeviceBuffer decoded_, product_;  // of products, which run alone
  std::vector<Lane> lanes_;
  bool together_ = false;
};

}  // namespace sylvester::detail
