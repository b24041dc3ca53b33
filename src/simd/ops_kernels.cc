// Vectorised bodies of the CPU kernels (float). What each computes is said in src/ops/kernels.cc;
// elements past the last full vector go through those plain bodies.
#include "ops/kernels.h"

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/ops_kernels.cc"
// Arrays of vectors: not for SVE.
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#include <hwy/foreach_target.h>
// After foreach_target.
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace sylvester::detail {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
using T = float;

void add(const T* a, const T* b, T* out, std::int64_t n) {
  const D d;
  const std::int64_t N = hn::Lanes(d);
  std::int64_t i = 0;
  for (; i + N <= n; i += N)
    hn::StoreU(hn::Add(hn::LoadU(d, a + i), hn::LoadU(d, b + i)), d, out + i);
  scalar::add(a + i, b + i, out + i, n - i);
}

void scale(T* x, double factor, std::int64_t n) {
  const D d;
  const std::int64_t N = hn::Lanes(d);
  const V f = hn::Set(d, static_cast<float>(factor));
  std::int64_t i = 0;
  for (; i + N <= n; i += N) hn::StoreU(hn::Mul(hn::LoadU(d, x + i), f), d, x + i);
  scalar::scale(x + i, factor, n - i);
}

// Products widened to double: two accumulators for each half of a float vector.
double dot(const T* a, const T* b, std::int64_t n) {
  const D d;
  const hn::RepartitionToWide<D> dd;
  const hn::Half<D> dh;
  const std::int64_t N = hn::Lanes(d), H = hn::Lanes(dh);
  auto s0 = hn::Zero(dd), s1 = hn::Zero(dd);
  std::int64_t i = 0;
  for (; i + N <= n; i += N) {
    s0 = hn::MulAdd(hn::PromoteTo(dd, hn::LoadU(dh, a + i)),
                    hn::PromoteTo(dd, hn::LoadU(dh, b + i)), s0);
    s1 = hn::MulAdd(hn::PromoteTo(dd, hn::LoadU(dh, a + i + H)),
                    hn::PromoteTo(dd, hn::LoadU(dh, b + i + H)), s1);
  }
  return hn::GetLane(hn::SumOfLanes(dd, hn::Add(s0, s1))) + scalar::dot(a + i, b + i, n - i);
}

double absmax(const T* x, std::int64_t n) {
  const D d;
  const std::int64_t N = hn::Lanes(d);
  V largest = hn::Zero(d);
  V poison = hn::Zero(d);  // x - x is 0, or NaN for NaN and Inf
  std::int64_t i = 0;
  for (; i + N <= n; i += N) {
    const V v = hn::LoadU(d, x + i);
    largest = hn::Max(largest, hn::Abs(v));
    poison = hn::Add(poison, hn::Sub(v, v));
  }
  // The rare case needs the distinction between Inf and NaN.
  if (!(hn::GetLane(hn::SumOfLanes(d, poison)) == 0.0f)) return scalar::absmax(x, n);
  const double body = hn::GetLane(hn::MaxOfLanes(d, largest));
  const double tail = scalar::absmax(x + i, n - i);
  return tail <= body ? body : tail;
}

T rmsnorm(const T* x, const T* gain, double eps, T* y, std::int64_t n) {
  const D d;
  const std::int64_t N = hn::Lanes(d);
  const double mean = dot(x, x, n) / static_cast<double>(n);
  const T rstd = static_cast<T>(1.0 / std::sqrt(mean + eps));
  const V r = hn::Set(d, rstd);
  std::int64_t i = 0;
  for (; i + N <= n; i += N) {
    hn::StoreU(hn::Mul(hn::Mul(hn::LoadU(d, x + i), r), hn::LoadU(d, gain + i)), d, y + i);
  }
  for (; i < n; ++i) y[i] = x[i] * rstd * gain[i];
  return rstd;
}

void rmsnorm_backward(const T* x, const T* gain, T rstd, const T* dy, T* dx, T* dgain,
                      std::int64_t n) {
  const D d;
  const std::int64_t N = hn::Lanes(d);
  V partial = hn::Zero(d);
  std::int64_t i = 0;
  for (; i + N <= n; i += N) {
    partial = hn::MulAdd(hn::Mul(hn::LoadU(d, dy + i), hn::LoadU(d, gain + i)), hn::LoadU(d, x + i),
                         partial);
  }
  double sum = hn::GetLane(hn::SumOfLanes(d, partial));
  for (; i < n; ++i) sum += static_cast<double>(dy[i] * gain[i] * x[i]);
  const T factor = static_cast<T>(sum / static_cast<double>(n)) * rstd * rstd;
  const V f = hn::Set(d, factor), r = hn::Set(d, rstd);
  for (i = 0; i + N <= n; i += N) {
    const V vx = hn::LoadU(d, x + i), vdy = hn::LoadU(d, dy + i);
    const V u = hn::NegMulAdd(vx, f, hn::Mul(vdy, hn::LoadU(d, gain + i)));
    hn::StoreU(hn::MulAdd(r, u, hn::LoadU(d, dx + i)), d, dx + i);
    hn::StoreU(hn::MulAdd(hn::Mul(vdy, vx), r, hn::LoadU(d, dgain + i)), d, dgain + i);
  }
  for (; i < n; ++i) {
    dx[i] += rstd * (dy[i] * gain[i] - x[i] * factor);
    dgain[i] += dy[i] * x[i] * rstd;
  }
}

void rope(T* x, const T* cos, const T* sin, std::int64_t half, bool inverse) {
  const D d;
  const std::int64_t N = hn::Lanes(d);
  const V sign = hn::Set(d, inverse ? -1.0f : 1.0f);
  std::int64_t i = 0;
  for (; i + N <= half; i += N) {
    const V a = hn::LoadU(d, x + i), b = hn::LoadU(d, x + half + i);
    const V c = hn::LoadU(d, cos + i), s = hn::Mul(sign, hn::LoadU(d, sin + i));
    hn::StoreU(hn::Sub(hn::Mul(a, c), hn::Mul(b, s)), d, x + i);
    hn::StoreU(hn::Add(hn::Mul(b, c), hn::Mul(a, s)), d, x + half + i);
  }
  const T plain_sign = inverse ? -1.0f : 1.0f;
  for (; i < half; ++i) {
    const T a = x[i], b = x[i + half], s = plain_sign * sin[i];
    x[i] = a * cos[i] - b * s;
    x[i + half] = b * cos[i] + a * s;
  }
}

T softmax(T* s, std::int64_t valid, std::int64_t n, double factor) {
  const D d;
  const std::int64_t N = hn::Lanes(d);
  const T f = static_cast<T>(factor);
  const V vf = hn::Set(d, f);
  V top = hn::Set(d, s[0]);
  std::int64_t i = 0;
  for (; i + N <= valid; i += N) top = hn::Max(top, hn::LoadU(d, s + i));
  T largest = hn::GetLane(hn::MaxOfLanes(d, top));
  for (; i < valid; ++i) largest = s[i] > largest ? s[i] : largest;
  largest *= f;  // factor > 0
  const V vl = hn::Set(d, largest);
  V partial = hn::Zero(d);
  for (i = 0; i + N <= valid; i += N) {
    const V e = hn::CallExp(d, hn::Sub(hn::Mul(hn::LoadU(d, s + i), vf), vl));
    partial = hn::Add(partial, e);
    hn::StoreU(e, d, s + i);
  }
  T sum = hn::GetLane(hn::SumOfLanes(d, partial));
  for (; i < valid; ++i) sum += s[i] = std::exp(s[i] * f - largest);
  scale(s, 1.0f / sum, valid);
  for (i = valid; i < n; ++i) s[i] = 0;
  return largest + std::log(sum);
}

void exp_minus(T* s, std::int64_t valid, std::int64_t n, double factor, T lse) {
  const D d;
  const std::int64_t N = hn::Lanes(d);
  const V f = hn::Set(d, static_cast<T>(factor)), l = hn::Set(d, lse);
  std::int64_t i = 0;
  for (; i + N <= valid; i += N) {
    hn::StoreU(hn::CallExp(d, hn::Sub(hn::Mul(hn::LoadU(d, s + i), f), l)), d, s + i);
  }
  scalar::exp_minus(s + i, valid - i, n - i, factor, lse);
}

void softmax_backward(const T* p, T* dp, T delta, double factor, std::int64_t n) {
  const D d;
  const std::int64_t N = hn::Lanes(d);
  const V f = hn::Set(d, static_cast<T>(factor)), vd = hn::Set(d, delta);
  std::int64_t i = 0;
  for (; i + N <= n; i += N) {
    const V g = hn::Sub(hn::LoadU(d, dp + i), vd);
    hn::StoreU(hn::Mul(hn::Mul(hn::LoadU(d, p + i), g), f), d, dp + i);
  }
  scalar::softmax_backward(p + i, dp + i, delta, factor, n - i);
}

HWY_INLINE V sigmoid(D d, V x) {
  const V one = hn::Set(d, 1.0f);
  return hn::Div(one, hn::Add(one, hn::CallExp(d, hn::Neg(x))));
}

void swiglu(const T* gate, const T* up, T* out, std::int64_t n) {
  const D d;
  const std::int64_t N = hn::Lanes(d);
  std::int64_t i = 0;
  for (; i + N <= n; i += N) {
    const V g = hn::LoadU(d, gate + i);
    hn::StoreU(hn::Mul(hn::Mul(g, sigmoid(d, g)), hn::LoadU(d, up + i)), d, out + i);
  }
  scalar::swiglu(gate + i, up + i, out + i, n - i);
}

void swiglu_backward(const T* gate, const T* up, const T* dout, T* dgate, T* dup, std::int64_t n) {
  const D d;
  const std::int64_t N = hn::Lanes(d);
  const V one = hn::Set(d, 1.0f);
  std::int64_t i = 0;
  for (; i + N <= n; i += N) {
    const V g = hn::LoadU(d, gate + i), u = hn::LoadU(d, up + i), o = hn::LoadU(d, dout + i);
    const V s = sigmoid(d, g);
    const V slope = hn::Mul(s, hn::MulAdd(g, hn::Sub(one, s), one));
    hn::StoreU(hn::Mul(hn::Mul(o, g), s), d, dup + i);
    hn::StoreU(hn::Mul(hn::Mul(o, u), slope), d, dgate + i);
  }
  scalar::swiglu_backward(gate + i, up + i, dout + i, dgate + i, dup + i, n - i);
}

// sum of exp(x - shift): float vectors within runs of 4096 elements, runs added in double, so that
// the error of a 50,000-word vocabulary stays near one float32 rounding.
double sum_exp(const T* x, T shift, std::int64_t n) {
  const D d;
  const std::int64_t N = hn::Lanes(d);
  const V vs = hn::Set(d, shift);
  double sum = 0;
  std::int64_t i = 0;
  while (i + N <= n) {
    const std::int64_t end = i + 4096 < n ? i + 4096 : n;
    V partial = hn::Zero(d);
    for (; i + N <= end; i += N) {
      partial = hn::Add(partial, hn::CallExp(d, hn::Sub(hn::LoadU(d, x + i), vs)));
    }
    sum += static_cast<double>(hn::GetLane(hn::SumOfLanes(d, partial)));
  }
  for (; i < n; ++i) sum += static_cast<double>(std::exp(x[i] - shift));
  return sum;
}

double cross_entropy(T* logits, std::int64_t label, double grad_scale, std::int64_t n) {
  const D d;
  const std::int64_t N = hn::Lanes(d);
  V top = hn::Set(d, logits[0]);
  std::int64_t i = 0;
  for (; i + N <= n; i += N) top = hn::Max(top, hn::LoadU(d, logits + i));
  T largest = hn::GetLane(hn::MaxOfLanes(d, top));
  for (; i < n; ++i) largest = logits[i] > largest ? logits[i] : largest;
  const double log_sum = static_cast<double>(largest) + std::log(sum_exp(logits, largest, n));
  const double nll = log_sum - static_cast<double>(logits[label]);
  if (grad_scale != 0) {
    const T lse = static_cast<T>(log_sum), g = static_cast<T>(grad_scale);
    const V vl = hn::Set(d, lse), vg = hn::Set(d, g);
    for (i = 0; i + N <= n; i += N) {
      const V e = hn::CallExp(d, hn::Sub(hn::LoadU(d, logits + i), vl));
      hn::StoreU(hn::Mul(vg, e), d, logits + i);
    }
    for (; i < n; ++i) logits[i] = g * std::exp(logits[i] - lse);
    logits[label] -= g;
  }
  return nll;
}

void adamw(T* value, const T* grad, T* m, T* v, const AdamWConstants& c, std::int64_t n) {
  const D d;
  const std::int64_t N = hn::Lanes(d);
  const V decay = hn::Set(d, static_cast<T>(c.decay)),
          scaled = hn::Set(d, static_cast<T>(c.grad_scale));
  const V beta1 = hn::Set(d, static_cast<T>(c.beta1)),
          rest1 = hn::Set(d, static_cast<T>(1 - c.beta1));
  const V beta2 = hn::Set(d, static_cast<T>(c.beta2)),
          rest2 = hn::Set(d, static_cast<T>(1 - c.beta2));
  const V step = hn::Set(d, static_cast<T>(c.step_size)),
          root = hn::Set(d, static_cast<T>(c.root_scale));
  const V eps = hn::Set(d, static_cast<T>(c.epsilon));
  std::int64_t i = 0;
  for (; i + N <= n; i += N) {
    const V g = hn::Mul(hn::LoadU(d, grad + i), scaled);
    const V vm = hn::Add(hn::Mul(beta1, hn::LoadU(d, m + i)), hn::Mul(rest1, g));
    const V vv = hn::Add(hn::Mul(beta2, hn::LoadU(d, v + i)), hn::Mul(hn::Mul(rest2, g), g));
    hn::StoreU(vm, d, m + i);
    hn::StoreU(vv, d, v + i);
    const V denominator = hn::Add(hn::Mul(hn::Sqrt(vv), root), eps);
    const V decayed = hn::Mul(hn::LoadU(d, value + i), decay);
    hn::StoreU(hn::Sub(decayed, hn::Div(hn::Mul(step, vm), denominator)), d, value + i);
  }
  scalar::adamw(value + i, grad + i, m + i, v + i, c, n - i);
}

// ROWS rows of C by two vectors: 2 ROWS independent accumulators hide the latency of the FMA.
template <int ROWS, int VECTORS>
HWY_INLINE void tile(const T* a, std::int64_t rs, std::int64_t cs, const T* b, std::int64_t ldb,
                     T* c, std::int64_t ldc, std::int64_t K, bool accumulate) {
  const D d;
  const std::int64_t N = hn::Lanes(d);
  V acc[ROWS][VECTORS];
  HWY_UNROLL(8)
  for (int i = 0; i < ROWS; ++i) {
    HWY_UNROLL(2)
    for (int j = 0; j < VECTORS; ++j) {
      acc[i][j] = accumulate ? hn::LoadU(d, c + i * ldc + j * N) : hn::Zero(d);
    }
  }
  for (std::int64_t k = 0; k < K; ++k) {
    V vb[VECTORS];
    HWY_UNROLL(2)
    for (int j = 0; j < VECTORS; ++j) vb[j] = hn::LoadU(d, b + k * ldb + j * N);
    HWY_UNROLL(8)
    for (int i = 0; i < ROWS; ++i) {
      const V va = hn::Set(d, a[i * rs + k * cs]);
      HWY_UNROLL(2)
      for (int j = 0; j < VECTORS; ++j) acc[i][j] = hn::MulAdd(va, vb[j], acc[i][j]);
    }
  }
  HWY_UNROLL(8)
  for (int i = 0; i < ROWS; ++i) {
    HWY_UNROLL(2)
    for (int j = 0; j < VECTORS; ++j) hn::StoreU(acc[i][j], d, c + i * ldc + j * N);
  }
}

template <int ROWS>
HWY_INLINE void tile_rows(const T* a, std::int64_t rs, std::int64_t cs, const T* b,
                          std::int64_t ldb, T* c, std::int64_t ldc, std::int64_t N, std::int64_t K,
                          bool accumulate) {
  const std::int64_t lanes = hn::Lanes(D());
  std::int64_t j = 0;
  for (; j + 2 * lanes <= N; j += 2 * lanes) {
    tile<ROWS, 2>(a, rs, cs, b + j, ldb, c + j, ldc, K, accumulate);
  }
  for (; j < N; j += lanes) tile<ROWS, 1>(a, rs, cs, b + j, ldb, c + j, ldc, K, accumulate);
}

void tile_product(const T* a, std::int64_t rs, std::int64_t cs, const T* b, std::int64_t ldb, T* c,
                  std::int64_t ldc, std::int64_t M, std::int64_t N, std::int64_t K,
                  bool accumulate) {
  std::int64_t i = 0;
  for (; i + 6 <= M; i += 6) {
    tile_rows<6>(a + i * rs, rs, cs, b, ldb, c + i * ldc, ldc, N, K, accumulate);
  }
  for (; i + 2 <= M; i += 2) {
    tile_rows<2>(a + i * rs, rs, cs, b, ldb, c + i * ldc, ldc, N, K, accumulate);
  }
  if (i < M) tile_rows<1>(a + i * rs, rs, cs, b, ldb, c + i * ldc, ldc, N, K, accumulate);
}

void dots(const T* q, const T* rows, std::int64_t stride, std::int64_t count, std::int64_t n,
          T* out) {
  const D d;
  const std::int64_t N = hn::Lanes(d);
  for (std::int64_t j = 0; j < count; ++j) {
    const T* row = rows + j * stride;
    V sum = hn::Zero(d);
    std::int64_t k = 0;
    for (; k + N <= n; k += N) sum = hn::MulAdd(hn::LoadU(d, q + k), hn::LoadU(d, row + k), sum);
    T total = hn::GetLane(hn::SumOfLanes(d, sum));
    for (; k < n; ++k) total += q[k] * row[k];
    out[j] = total;
  }
}

void weighted_sum(const T* w, const T* rows, std::int64_t stride, std::int64_t count,
                  std::int64_t n, T* out) {
  const D d;
  const std::int64_t N = hn::Lanes(d);
  std::int64_t i = 0;
  for (; i + N <= n; i += N) {
    V sum = hn::Zero(d);
    for (std::int64_t j = 0; j < count; ++j) {
      sum = hn::MulAdd(hn::Set(d, w[j]), hn::LoadU(d, rows + j * stride + i), sum);
    }
    hn::StoreU(sum, d, out + i);
  }
  scalar::weighted_sum(w, rows + i, stride, count, n - i, out + i);
}

}  // namespace HWY_NAMESPACE
}  // namespace sylvester::detail
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sylvester::detail {
#define SYLVESTER_EXPORT(R, name, parameters, arguments) HWY_EXPORT(name);
SYLVESTER_KERNELS(SYLVESTER_EXPORT)
#undef SYLVESTER_EXPORT

namespace simd {
#define SYLVESTER_DISPATCH(R, name, parameters, arguments) \
  R name parameters noexcept { return HWY_DYNAMIC_DISPATCH(name) arguments; }  // NOLINT
SYLVESTER_KERNELS(SYLVESTER_DISPATCH)
#undef SYLVESTER_DISPATCH
}  // namespace simd
}  // namespace sylvester::detail
#endif
