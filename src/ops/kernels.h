// The CPU kernels on plain pointers: one row, or one block of consecutive elements. float runs the
// vectorised body (src/simd/ops_*.cc), or the plain one under the target "scalar"; double always
// runs the plain one. Kernels check nothing and allocate nothing.
//
// Results are the same with any number of threads; plain and vectorised bodies agree within the
// rounding errors of another order of summation, not in bits.
#pragma once

#include <cstdint>

#include "sylvester/core/target.h"

namespace sylvester::detail {

// The constants of one AdamW step, computed once in double.
struct AdamWConstants {
  double decay;  // 1 - learning_rate * weight_decay
  double beta1, beta2;
  double step_size;   // learning_rate / (1 - beta1^t)
  double root_scale;  // 1 / sqrt(1 - beta2^t)
  double epsilon;
  double grad_scale;
};

// Columns of padded work space are a multiple of this many elements.
inline constexpr std::int64_t kLanePad = 16;
constexpr std::int64_t padded(std::int64_t n) { return (n + kLanePad - 1) / kLanePad * kLanePad; }

// SYLVESTER_KERNELS(R, name, parameters with T for the element type, arguments)
#define SYLVESTER_KERNELS(DO)                                                                      \
  DO(void, add, (const T* a, const T* b, T* out, std::int64_t n), (a, b, out, n))                  \
  DO(void, scale, (T * x, double factor, std::int64_t n), (x, factor, n))                          \
  DO(double, dot, (const T* a, const T* b, std::int64_t n), (a, b, n))                             \
  DO(double, absmax, (const T* x, std::int64_t n), (x, n))                                         \
  /* returns rstd */                                                                               \
  DO(T, rmsnorm, (const T* x, const T* gain, double eps, T* y, std::int64_t n),                    \
     (x, gain, eps, y, n))                                                                         \
  /* adds to dx and dgain */                                                                       \
  DO(void, rmsnorm_backward,                                                                       \
     (const T* x, const T* gain, T rstd, const T* dy, T* dx, T* dgain, std::int64_t n),            \
     (x, gain, rstd, dy, dx, dgain, n))                                                            \
  /* one head: (x[i], x[i + half]) rotated by the angle i, or back */                              \
  DO(void, rope, (T * x, const T* cos, const T* sin, std::int64_t half, bool inverse),             \
     (x, cos, sin, half, inverse))                                                                 \
  /* s[0, valid) becomes its softmax after scaling, s[valid, n) becomes 0; returns log sum exp */  \
  DO(T, softmax, (T * s, std::int64_t valid, std::int64_t n, double factor),                       \
     (s, valid, n, factor))                                                                        \
  /* s[0, valid) becomes exp(factor s - lse), the rest 0 */                                        \
  DO(void, exp_minus, (T * s, std::int64_t valid, std::int64_t n, double factor, T lse),           \
     (s, valid, n, factor, lse))                                                                   \
  /* dp = p (dp - delta) factor: the backward of softmax */                                        \
  DO(void, softmax_backward, (const T* p, T* dp, T delta, double factor, std::int64_t n),          \
     (p, dp, delta, factor, n))                                                                    \
  DO(void, swiglu, (const T* gate, const T* up, T* out, std::int64_t n), (gate, up, out, n))       \
  DO(void, swiglu_backward,                                                                        \
     (const T* gate, const T* up, const T* dout, T* dgate, T* dup, std::int64_t n),                \
     (gate, up, dout, dgate, dup, n))                                                              \
  /* returns the negative log-likelihood; grad_scale 0 leaves the logits as they are */            \
  DO(double, cross_entropy, (T * logits, std::int64_t label, double grad_scale, std::int64_t n),   \
     (logits, label, grad_scale, n))                                                               \
  DO(void, adamw, (T * value, const T* grad, T* m, T* v, const AdamWConstants& c, std::int64_t n), \
     (value, grad, m, v, c, n))                                                                    \
  /* C[M, N] (+)= A B; element (i, k) of A at a[i rs + k cs]; B, C row-major with strides that */  \
  /* are multiples of kLanePad; N a multiple of kLanePad; k ascending, one accumulator each */     \
  DO(void, tile_product,                                                                           \
     (const T* a, std::int64_t rs, std::int64_t cs, const T* b, std::int64_t ldb, T* c,            \
      std::int64_t ldc, std::int64_t M, std::int64_t N, std::int64_t K, bool accumulate),          \
     (a, rs, cs, b, ldb, c, ldc, M, N, K, accumulate))                                             \
  /* out[j] = sum_k q[k] rows[j stride + k] */                                                     \
  DO(void, dots,                                                                                   \
     (const T* q, const T* rows, std::int64_t stride, std::int64_t count, std::int64_t n, T* out), \
     (q, rows, stride, count, n, out))                                                             \
  /* out[0, n) = sum_j w[j] rows[j stride + .] */                                                  \
  DO(void, weighted_sum,                                                                           \
     (const T* w, const T* rows, std::int64_t stride, std::int64_t count, std::int64_t n, T* out), \
     (w, rows, stride, count, n, out))

namespace scalar {
#define SYLVESTER_DECLARE(R, name, parameters, arguments) \
  template <class T>                                      \
  R name parameters noexcept;
SYLVESTER_KERNELS(SYLVESTER_DECLARE)
#undef SYLVESTER_DECLARE
}  // namespace scalar

namespace simd {
using T = float;
#define SYLVESTER_DECLARE(R, name, parameters, arguments) R name parameters noexcept;
SYLVESTER_KERNELS(SYLVESTER_DECLARE)
#undef SYLVESTER_DECLARE
}  // namespace simd

// kernels<float>::name and kernels<double>::name choose the body.
// NOLINTBEGIN(bugprone-macro-parentheses): types and parameter lists stand without them
template <class Element>
struct Kernels;
template <>
struct Kernels<double> {
  using T = double;
#define SYLVESTER_DEFINE(R, name, parameters, arguments) \
  static R name parameters noexcept { return scalar::name<T> arguments; }
  SYLVESTER_KERNELS(SYLVESTER_DEFINE)
#undef SYLVESTER_DEFINE
};
template <>
struct Kernels<float> {
  using T = float;
#define SYLVESTER_DEFINE(R, name, parameters, arguments)                       \
  static R name parameters noexcept {                                          \
    return scalar_target() ? scalar::name<T> arguments : simd::name arguments; \
  }
  SYLVESTER_KERNELS(SYLVESTER_DEFINE)
#undef SYLVESTER_DEFINE
};
// NOLINTEND(bugprone-macro-parentheses)

}  // namespace sylvester::detail
