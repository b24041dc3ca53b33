// Numerics: codes, rotations and products of tensors, one declaration for every device.
//
// The CPU and the card implement the same functions with the same bits. A caller picks the device
// by where its tensor lives:
//
//   Numerics& numerics = numerics_of(X);
//   numerics.quantize(X, {.rows = true}, parse_quant_spec("int8"), q);
//
// Matrix arguments are row-major; a Tensor of any rank is read as a matrix [size / C, C] with C its
// last dimension. All tensors of a call live on the device of the Numerics.
// dtype: all tensors of a call share one. CPU: kFloat32, and kFloat64 where only rotations,
// products and the identity spec are asked for. CUDA: kFloat32, kBFloat16, kFloat16; computed in
// float32 and rounded once to the output's type.
// Determinism: codes, scales and rotations have the same bits on every device and thread count;
// products as their policy says. A NaN that a rotation makes itself is equal as NaN.
// Errors: ShapeError when shapes do not fit, ValueError when dtypes or devices do not,
// UnsupportedError for what the device has no function for (the message says what it has).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "sylvester/core/philox.h"
#include "sylvester/formats/options.h"
#include "sylvester/gemm/accumulation.h"
#include "sylvester/hadamard/hadamard.h"
#include "sylvester/ops/tensor.h"
#include "sylvester/quant/quantize.h"
#include "sylvester/quant/spec.h"

namespace sylvester {

// Codes and scales on a device, made by Numerics::quantize. A spec that is the identity ("fp32")
// keeps the values themselves. Move-only; reused storage where the shape repeats.
class QuantizedTensor {
 public:
  // What a device keeps; see its own source.
  struct Storage {
    virtual ~Storage() = default;
    virtual std::int64_t bytes() const = 0;
  };
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  QuantSpec spec;
  std::unique_ptr<Storage> storage;

  bool empty() const noexcept { return rows == 0; }
  std::int64_t bytes() const { return storage ? storage->bytes() : 0; }
};

// The arrays of a QuantizedTensor, sharing its memory: they end with it, or with the next
// quantize() into it. Fields and layout as in QuantizedMatrix; empty where it has none.
struct QuantizedParts {
  Tensor codes;         // kUInt8 [rows, cols]
  Tensor scales;        // kFloat32 [scale_rows, scale_cols]
  Tensor scale_codes;   // kUInt8 [scale_rows, scale_cols]
  Tensor zeros;         // kFloat32 [scale_rows, scale_cols]
  Tensor tensor_scale;  // kFloat32 [1]
  Tensor values;        // kFloat32 [rows, cols]
};

// What happens to a matrix before it is quantized, in this order: transposition (rows and cols
// below refer to the transposed matrix), rotation, zero columns on the right.
struct Rotation {
  bool transpose = false;
  bool rows = false;  // right transform: each row times H
  bool cols = false;  // left transform: each column times H; a column length without a Hadamard
                      // matrix is zero-padded to hadamard_length(), so the result has more rows
  std::int64_t pad_cols = 1;  // columns up to a multiple of it (blocks along the contraction)
  friend bool operator==(const Rotation&, const Rotation&) = default;
};

// n itself when a Hadamard matrix of that order exists, else the next power of two (HALO's way with
// a token count that fits no matrix).
std::int64_t hadamard_length(std::int64_t n);

// Of a tensor that holds codes of a format: kUInt8, one code a byte, or for bfloat16 and float16
// the format itself. Errors: ValueError for float32 and float64.
DType codes_dtype(DType format);

class Numerics {
 public:
  virtual ~Numerics() = default;
  virtual Device device() const noexcept = 0;

  // --- memory -----------------------------------------------------------------------------------
  // Uninitialised. dtype: one of the class comment, kInt32 or kUInt8.
  virtual Tensor allocate(const Shape& shape, DType dtype = DType::kFloat32) = 0;
  virtual void fill(Tensor& x, double value) = 0;
  // Between tensors of equal size on this device; real dtypes are converted into each other.
  virtual void copy(const Tensor& from, Tensor& to) = 0;
  virtual void upload(std::span<const float> from, Tensor& to) = 0;
  virtual void upload(std::span<const std::int32_t> from, Tensor& to) = 0;
  virtual void download(const Tensor& from, std::span<float> to) = 0;
  // Returns when everything asked for is done (at once on the CPU).
  virtual void synchronize() = 0;
  // Runs tasks that do not need each other's results: rotations, codes and elementwise work, no
  // products. On the card beside each other; what follows waits for all of them. On the CPU one
  // after the other.
  virtual void together(std::span<const std::function<void()>> tasks);

  // --- elementwise ------------------------------------------------------------------------------
  virtual void add(const Tensor& a, const Tensor& b, Tensor& out) = 0;  // out may be a or b
  // x rounded to the nearest bfloat16 values, in place.
  virtual void round_to_bfloat16(Tensor& x) = 0;
  // Codes without scales, and their values, exact, kFloat32. Codes have the dtype codes_dtype(to).
  // Equal to encode(), encode16() and decode() of formats/convert.h.
  virtual void encode(const Tensor& x, DType to, Tensor& codes,
                      const EncodeOptions& options = {}) = 0;
  virtual void decode(const Tensor& codes, DType from, Tensor& x) = 0;

  // --- rotations, codes, products ---------------------------------------------------------------
  // hadamard_rows(X) or, with `columns`, hadamard_cols(X): blocks, signs, inverse. X and Y may be
  // the same tensor.
  virtual void hadamard(const Tensor& X, bool columns, const HadamardOptions& options,
                        Tensor& Y) = 0;
  // Y = Hl' X H as `rotation` says (transpose is not allowed here); `inverse` undoes it, the rows
  // first. Shapes: X [M, n]; Y [M, n], or with cols [hadamard_length(M), n] forward and the reverse
  // for `inverse`. X and Y may be the same tensor when M needs no padding.
  virtual void rotate(const Tensor& X, const Rotation& rotation, bool inverse, Tensor& Y) = 0;
  // Codes of the rotated matrix, in bits the same as rotate in float32, then quantize. `stats` may
  // be null. `transposed`: products will read the codes transposed too; a device that wants them in
  // both orders makes both in this pass.
  virtual void quantize(const Tensor& X, const Rotation& rotation, const QuantSpec& spec,
                        QuantizedTensor& out, const RandomStream& stream = {},
                        QuantStats* stats = nullptr, bool transposed = false) = 0;
  // The rows [0, out.rows) of the decoded values; out may have fewer rows than q.
  virtual void dequantize(const QuantizedTensor& q, Tensor& out) = 0;
  // C[m, n] = sum_k op(A)[m, k] op(B)[n, k]: both operands have their rows along k, op = transpose
  // when asked. `accumulate`: adds to C instead.
  virtual void matmul(const QuantizedTensor& A, bool transpose_a, const QuantizedTensor& B,
                      bool transpose_b, const Accumulation& accumulation, Tensor& C,
                      bool accumulate = false) = 0;
  // C = alpha op(A) op(B) + beta C with op(A) [M, K], op(B) [K, N]; high precision.
  virtual void product(const Tensor& A, bool transpose_a, const Tensor& B, bool transpose_b,
                       Tensor& C, double alpha = 1.0, double beta = 0.0) = 0;

  // --- codes as arrays --------------------------------------------------------------------------
  virtual QuantizedParts parts(const QuantizedTensor& q) = 0;
  // To and from the CPU's form, so that running on a device and emulating are one call apart.
  virtual QuantizedMatrix to_host(const QuantizedTensor& q) = 0;
  virtual void from_host(const QuantizedMatrix& q, QuantizedTensor& out) = 0;
  // Codes [rows, cols] (kUInt8, one a byte) of a format as an operand with scale 1; copied.
  virtual void from_codes(const Tensor& codes, DType format, QuantizedTensor& out) = 0;
};

// The numerics of a device, one object for the whole process, safe to use from one thread at a
// time. Errors: UnsupportedError for kCuda without a card, or in a build without CUDA.
Numerics& numerics(Device device);
// What a stream of the caller's (cudaStream_t) runs, for work captured in a graph or beside others.
std::unique_ptr<Numerics> make_cuda_numerics(void* stream);
inline Numerics& numerics_of(const Tensor& x) { return numerics(x.device()); }

}  // namespace sylvester
