// Ops: what a backend must do for the layers and the models, beside Numerics.
//
// Models and training hold Tensors and an Ops&, and never ask which backend runs. A Tensor of any
// rank is read as a matrix [size / C, C] with C its last dimension. Letters: B batch, T tokens, H
// heads, K key/value heads, D head dimension, C hidden, V vocabulary (docs/notation.md). Outputs
// are written completely unless the comment says "adds".
//
// dtype: all tensors of a call share one, kFloat32 or (for tests) kFloat64.
// Determinism: every function gives the same bits with any number of threads on one machine,
// except product() and matmul() under the policy "blas".
// Errors: ShapeError when shapes do not fit, ValueError when dtypes do not.
#pragma once

#include <cstdint>

#include "sylvester/core/philox.h"
#include "sylvester/ops/numerics.h"
#include "sylvester/ops/tensor.h"

namespace sylvester {

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

class Ops : public Numerics {
 public:
  // --- elementwise ------------------------------------------------------------------------------
  virtual void scale(Tensor& x, double factor) = 0;
  virtual void normal(Tensor& x, double mean, double stddev, const RandomStream& stream) = 0;
  // Rows of `from` named by `rows` (int32), out[i] = from[rows[i]]; and adds back, to[rows[i]] +=
  // from[i]. Each row is named at most once in scatter_rows.
  virtual void gather_rows(const Tensor& from, const Tensor& rows, Tensor& out) = 0;
  virtual void scatter_rows(const Tensor& from, const Tensor& rows, Tensor& to) = 0;

  // --- reductions (double accumulators, fixed order) --------------------------------------------
  virtual double squared_norm(const Tensor& x) = 0;
  virtual double dot(const Tensor& a, const Tensor& b) = 0;
  virtual double absmax(const Tensor& x) = 0;
  virtual bool all_finite(const Tensor& x) = 0;

  // --- layers, forward beside backward ----------------------------------------------------------
  // out[i] = table[ids[i]]; backward adds dout[i] to dtable[ids[i]], i ascending.
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

  // --- optimizer --------------------------------------------------------------------------------
  virtual void adamw_step(Tensor& value, const Tensor& grad, Tensor& m, Tensor& v,
                          const AdamWArgs& args) = 0;
};

// The CPU backend; one object for the whole process, safe to use from one thread at a time.
Ops& cpu_ops();

}  // namespace sylvester
