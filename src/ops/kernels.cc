// The plain bodies of the kernels: the definition of what each computes.
#include "ops/kernels.h"

#include <algorithm>
#include <cmath>

namespace sylvester::detail::scalar {
namespace {
template <class T>
T sigmoid(T x) {
  return T(1) / (T(1) + std::exp(-x));
}
}  // namespace

template <class T>
void add(const T* a, const T* b, T* out, std::int64_t n) noexcept {
  for (std::int64_t i = 0; i < n; ++i) out[i] = a[i] + b[i];
}

template <class T>
void scale(T* x, double factor, std::int64_t n) noexcept {
  const T f = static_cast<T>(factor);
  for (std::int64_t i = 0; i < n; ++i) x[i] *= f;
}

template <class T>
double dot(const T* a, const T* b, std::int64_t n) noexcept {
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

// NaN when any element is NaN.
template <class T>
double absmax(const T* x, std::int64_t n) noexcept {
  T largest = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const T magnitude = std::abs(x[i]);
    if (!(magnitude <= largest)) largest = magnitude;
    if (std::isnan(largest)) break;
  }
  return static_cast<double>(largest);
}

// y_i = x_i r g_i,  r = (mean x^2 + eps)^-1/2.
template <class T>
T rmsnorm(const T* x, const T* gain, double eps, T* y, std::int64_t n) noexcept {
  const double mean = dot(x, x, n) / static_cast<double>(n);
  const T rstd = static_cast<T>(1.0 / std::sqrt(mean + eps));
  for (std::int64_t i = 0; i < n; ++i) y[i] = x[i] * rstd * gain[i];
  return rstd;
}

// With u = dy g:  dx = r (u - x r^2 mean(u x)),  dg = sum over rows of dy x r.
template <class T>
void rmsnorm_backward(const T* x, const T* gain, T rstd, const T* dy, T* dx, T* dgain,
                      std::int64_t n) noexcept {
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += static_cast<double>(dy[i] * gain[i] * x[i]);
  const T factor = static_cast<T>(sum / static_cast<double>(n)) * rstd * rstd;
  for (std::int64_t i = 0; i < n; ++i) {
    dx[i] += rstd * (dy[i] * gain[i] - x[i] * factor);
    dgain[i] += dy[i] * x[i] * rstd;
  }
}

template <class T>
void rope(T* x, const T* cos, const T* sin, std::int64_t half, bool inverse) noexcept {
  const T sign = inverse ? T(-1) : T(1);
  for (std::int64_t i = 0; i < half; ++i) {
    const T a = x[i], b = x[i + half], s = sign * sin[i];
    x[i] = a * cos[i] - b * s;
    x[i + half] = b * cos[i] + a * s;
  }
}

template <class T>
T softmax(T* s, std::int64_t valid, std::int64_t n, double factor) noexcept {
  const T f = static_cast<T>(factor);
  T largest = s[0] * f;
  for (std::int64_t i = 1; i < valid; ++i) largest = std::max(largest, s[i] * f);
  T sum = 0;
  for (std::int64_t i = 0; i < valid; ++i) sum += s[i] = std::exp(s[i] * f - largest);
  const T inverse = T(1) / sum;
  for (std::int64_t i = 0; i < valid; ++i) s[i] *= inverse;
  for (std::int64_t i = valid; i < n; ++i) s[i] = 0;
  return largest + std::log(sum);
}

template <class T>
void exp_minus(T* s, std::int64_t valid, std::int64_t n, double factor, T lse) noexcept {
  const T f = static_cast<T>(factor);
  for (std::int64_t i = 0; i < valid; ++i) s[i] = std::exp(s[i] * f - lse);
  for (std::int64_t i = valid; i < n; ++i) s[i] = 0;
}

template <class T>
void softmax_backward(const T* p, T* dp, T delta, double factor, std::int64_t n) noexcept {
  const T f = static_cast<T>(factor);
  for (std::int64_t i = 0; i < n; ++i) dp[i] = p[i] * (dp[i] - delta) * f;
}

template <class T>
void swiglu(const T* gate, const T* up, T* out, std::int64_t n) noexcept {
  for (std::int64_t i = 0; i < n; ++i) out[i] = gate[i] * sigmoid(gate[i]) * up[i];
}

// silu'(g) = s (1 + g (1 - s)), s = sigmoid(g).
template <class T>
void swiglu_backward(const T* gate, const T* up, const T* dout, T* dgate, T* dup,
                     std::int64_t n) noexcept {
  for (std::int64_t i = 0; i < n; ++i) {
    const T g = gate[i], u = up[i], d = dout[i], s = sigmoid(g);
    dup[i] = d * g * s;
    dgate[i] = d * u * s * (T(1) + g * (T(1) - s));
  }
}

template <class T>
double cross_entropy(T* logits, std::int64_t label, double grad_scale, std::int64_t n) noexcept {
  const T largest = *std::max_element(logits, logits + n);
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += static_cast<double>(std::exp(logits[i] - largest));
  const double log_sum = static_cast<double>(largest) + std::log(sum);
  const double nll = log_sum - static_cast<double>(logits[label]);
  if (grad_scale != 0) {
    const T lse = static_cast<T>(log_sum), g = static_cast<T>(grad_scale);
    for (std::int64_t i = 0; i < n; ++i) logits[i] = g * std::exp(logits[i] - lse);
    logits[label] -= g;
  }
  return nll;
}

template <class T>
void adamw(T* value, const T* grad, T* m, T* v, const AdamWConstants& c, std::int64_t n) noexcept {
  const T decay = static_cast<T>(c.decay), beta1 = static_cast<T>(c.beta1);
  const T beta2 = static_cast<T>(c.beta2), rest1 = static_cast<T>(1 - c.beta1);
  const T rest2 = static_cast<T>(1 - c.beta2), step = static_cast<T>(c.step_size);
  const T root = static_cast<T>(c.root_scale), eps = static_cast<T>(c.epsilon);
  const T scaled = static_cast<T>(c.grad_scale);
  for (std::int64_t i = 0; i < n; ++i) {
    const T g = grad[i] * scaled;
    m[i] = beta1 * m[i] + rest1 * g;
    v[i] = beta2 * v[i] + rest2 * g * g;
    value[i] = value[i] * decay - step * m[i] / (std::sqrt(v[i]) * root + eps);
  }
}

template <class T>
void tile_product(const T* a, std::int64_t rs, std::int64_t cs, const T* b, std::int64_t ldb, T* c,
                  std::int64_t ldc, std::int64_t M, std::int64_t N, std::int64_t K,
                  bool accumulate) noexcept {
  for (std::int64_t i = 0; i < M; ++i) {
    if (!accumulate) std::fill_n(c + i * ldc, N, T(0));
    for (std::int64_t k = 0; k < K; ++k) {
      const T factor = a[i * rs + k * cs];
      for (std::int64_t j = 0; j < N; ++j) c[i * ldc + j] += factor * b[k * ldb + j];
    }
  }
}

template <class T>
void dots(const T* q, const T* rows, std::int64_t stride, std::int64_t count, std::int64_t n,
          T* out) noexcept {
  for (std::int64_t j = 0; j < count; ++j) {
    out[j] = static_cast<T>(dot(q, rows + j * stride, n));
  }
}

template <class T>
void weighted_sum(const T* w, const T* rows, std::int64_t stride, std::int64_t count,
                  std::int64_t n, T* out) noexcept {
  std::fill_n(out, n, T(0));
  for (std::int64_t j = 0; j < count; ++j) {
    for (std::int64_t i = 0; i < n; ++i) out[i] += w[j] * rows[j * stride + i];
  }
}

#define SYLVESTER_INSTANTIATE(R, name, parameters, arguments) template R name parameters noexcept;
#define T float
SYLVESTER_KERNELS(SYLVESTER_INSTANTIATE)
#undef T
#define T double
SYLVESTER_KERNELS(SYLVESTER_INSTANTIATE)
#undef T
#undef SYLVESTER_INSTANTIATE

}  // namespace sylvester::detail::scalar
