// Ops: what a backend must do for the layers and the models. The CPU is one, CUDA the other.
//
// Everything above this room holds Tensors and an Ops&, and never asks which backend runs. Matrix
// arguments are row-major; a Tensor of any rank is read as a matrix [size / C, C] with C its last
// dimension. Letters: B batch, T tokens, H heads, K key/value heads, D head dimension, C hidden, V
// vocabulary (docs/notation.md). Outputs are written completely unless the comment says "adds".
//
// dtype: all tensors of a call share one, kFloat32 (or kFloat64 on the CPU, for tests).
// Determinism: every function gives the same bits with any number of threads on one machine,
// except product() and matmul() under the policy "blas".
// Errors: ShapeError when shapes do not fit, ValueError when dtypes do not.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "sylvester/core/philox.h"
#include "sylvester/gemm/accumulation.h"
#include "sylvester/ops/tensor.h"
#include "sylvester/quant/quantize.h"
#include "sylvester/quant/spec.h"

namespace sylvester {

// Codes and scales on the backend's device, made by Ops::quantize. A spec that is the identity
// ("fp32") keeps the values themselves. Move-only; reused storage where the shape repeats.
class QuantizedTensor {
 public:
  // What a backend keeps; see its own source.
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

// Causal attention with grouped key/value heads. Q and O are [B, Tq, H, D]; K and V are
// [B, capacity, Hkv, D], of which the first Tk tokens of each row exist. Query i has position
// Tk - Tq + i and sees the keys up to its own position.
struct AttentionShape {
  std::int64_t B = 0, Tq = 0, Tk = 0, capacity = 0;
  std::int64_t H = 0, Hkv = 0, D = 0;
};

// One AdamW step with decoupled weight decay (Loshchilov, Hutter 2019, algorithm 2), in PyTorch's
// order of operations. `step` counts from 1.
struct AdamWArgs {
  double learning_rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.0;
  std::int64_t step = 1;
  double grad_scale = 1.0;       // the gradient is multiplied by it first (clipping)
  bool bfloat16_values = false;  // the updated value is rounded to bfloat16
};

class Ops {
 public:
  virtual ~Ops() = default;
  virtual Device device() const noexcept = 0;

  // --- memory -----------------------------------------------------------------------------------
  // Uninitialised. dtype: kFloat32, kFloat64, kInt32, kUInt8.
  virtual Tensor allocate(const Shape& shape, DType dtype = DType::kFloat32) = 0;
  virtual void fill(Tensor& x, double value) = 0;
  // Between tensors of equal size, float32 and float64 converted into each other.
  virtual void copy(const Tensor& from, Tensor& to) = 0;
  virtual void upload(std::span<const float> from, Tensor& to) = 0;
  virtual void upload(std::span<const std::int32_t> from, Tensor& to) = 0;
  virtual void download(const Tensor& from, std::span<float> to) = 0;

  // --- elementwise ------------------------------------------------------------------------------
  virtual void add(const Tensor& a, const Tensor& b, Tensor& out) = 0;  // out may be a or b
  virtual void scale(Tensor& x, double factor) = 0;
  // x rounded to the nearest bfloat16 values, in place.
  virtual void round_to_bfloat16(Tensor& x) = 0;
  virtual void normal(Tensor& x, double mean, double stddev, const RandomStream& stream) = 0;
  // Rows of `from` named by `rows` (int32), out[i] = from[rows[i]]; and adds back, to[rows[i]] +=
  // from[i]. Each row is named at most once in scatter_rows.
  virtual void gather_rows(const Tensor& from, const Tensor& rows, Tensor& out) = 0;
  virtual void scatter_rows(const Tensor& from, const Tensor& rows, Tensor& to) = 0;

  // --- reductions (double accumulators, fixed order)
  // ----------------------------------------------
  virtual double squared_norm(const Tensor& x) = 0;
  virtual double dot(const Tensor& a, const Tensor& b) = 0;
  virtual double absmax(const Tensor& x) = 0;
  virtual bool all_finite(const Tensor& x) = 0;

  // --- rotations, codes, products
  // ------------------------------------------------------------------- Y = Hl' X H as `rotation`
  // says (transpose is not allowed here); `inverse` undoes it. Shapes: X [M, n]; Y [M, n], or with
  // cols [hadamard_length(M), n] forward and the reverse for `inverse`. X and Y may be the same
  // tensor when M needs no padding.
  virtual void rotate(const Tensor& X, const Rotation& rotation, bool inverse, Tensor& Y) = 0;
  // Codes of the rotated matrix, in bits the same as rotate, then quantize. `stats` may be null.
  virtual void quantize(const Tensor& X, const Rotation& rotation, const QuantSpec& spec,
                        QuantizedTensor& out, const RandomStream& stream = {},
                        QuantStats* stats = nullptr) = 0;
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

  // --- layers, forward beside backward
  // -------------------------------------------------------------- out[i] = table[ids[i]]; backward
  // adds dout[i] to dtable[ids[i]], i ascending.
  virtual void embedding(const Tensor& ids, const Tensor& table, Tensor& out) = 0;
  virtual void embedding_backward(const Tensor& ids, const Tensor& dout, Tensor& dtable) = 0;

  // y = x / sqrt(mean x^2 + eps) * gain; rstd [rows] keeps the quotient's reciprocal root.
  virtual void rmsnorm(const Tensor& x, const Tensor& gain, double eps, Tensor& y,
                       Tensor& rstd) = 0;
  // Adds to dx and to dgain.
  virtual void rmsnorm_backward(const Tensor& x, const Tensor& gain, const Tensor& rstd,
                                const Tensor& dy, Tensor& dx, Tensor& dgain) = 0;

  // In place on x [B, T, heads, D]: half-split pairs (i, i + D/2), row t rotated by cos, sin
  // [positions, D/2] of position first + t. `inverse` is the backward.
  virtual void rope(Tensor& x, std::int64_t T, std::int64_t D, const Tensor& cos, const Tensor& sin,
                    std::int64_t first, bool inverse) = 0;

  // O = softmax(Q K' / sqrt(D)) V; lse [B, H, Tq] keeps log sum exp of the scaled scores.
  virtual void attention(const Tensor& Q, const Tensor& K, const Tensor& V, const AttentionShape& s,
                         Tensor& O, Tensor& lse) = 0;
  virtual void attention_backward(const Tensor& Q, const Tensor& K, const Tensor& V,
                                  const Tensor& O, const Tensor& lse, const Tensor& dO,
                                  const AttentionShape& s, Tensor& dQ, Tensor& dK, Tensor& dV) = 0;

  // out = silu(gate) * up. Backward: dgate and dup may be the memory of gate and up.
  virtual void swiglu(const Tensor& gate, const Tensor& up, Tensor& out) = 0;
  virtual void swiglu_backward(const Tensor& gate, const Tensor& up, const Tensor& dout,
                               Tensor& dgate, Tensor& dup) = 0;

  // Sum over rows of -log softmax(logits)[labels] (every label in [0, V)); nll [rows] gets each
  // row's own. With a non-zero grad_scale logits become grad_scale * d(sum) / d(logits).
  virtual double cross_entropy(Tensor& logits, const Tensor& labels, double grad_scale,
                               Tensor& nll) = 0;

  // --- optimizer
  // ------------------------------------------------------------------------------------
  virtual void adamw_step(Tensor& value, const Tensor& grad, Tensor& m, Tensor& v,
                          const AdamWArgs& args) = 0;
};

// The CPU backend; one object for the whole process, safe to use from one thread at a time.
Ops& cpu_ops();

}  // namespace sylvester
