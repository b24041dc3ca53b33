// CPU backend: causal attention as blocked matrix products.
//
// One head at a time is copied into padded, contiguous work space; kQueryBlock query rows meet all
// the keys they can see. The backward recomputes the probabilities from the saved log sum exp
// (Dao et al. 2022, section 3.1), so nothing of size T x T is kept.
#include <algorithm>
#include <cmath>

#include "ops/cpu_ops.h"
#include "ops/kernels.h"
#include "sylvester/core/parallel.h"

namespace sylvester::detail {
namespace {

constexpr std::int64_t kQueryBlock = 48;  // a multiple of the tile's 6 rows

void check(const AttentionShape& s, const Tensor& Q, const Tensor& K, const Tensor& V,
           const Tensor& lse) {
  const bool sane = s.B > 0 && s.Tq > 0 && s.D > 0 && s.H > 0 && s.Hkv > 0 && s.H % s.Hkv == 0 &&
                    s.Tk >= s.Tq && s.capacity >= s.Tk;
  require(sane && Q.size() == s.B * s.Tq * s.H * s.D, "attention", Q, "[B, Tq, H, D]");
  require(K.size() == s.B * s.capacity * s.Hkv * s.D, "attention", K, "[B, capacity, Hkv, D]");
  require(V.size() == K.size(), "attention", V, "[B, capacity, Hkv, D]");
  require(lse.size() == s.B * s.H * s.Tq, "attention", lse, "[B, H, Tq]");
}

// rows x D elements at p, one row every `stride`, into rows padded to Dp with zeros.
template <class T>
void copy_head(const T* p, std::int64_t stride, std::int64_t rows, std::int64_t D, std::int64_t Dp,
               T* out) {
  for (std::int64_t i = 0; i < rows; ++i) {
    std::copy_n(p + i * stride, D, out + i * Dp);
    std::fill(out + i * Dp + D, out + (i + 1) * Dp, T(0));
  }
}

// The same transposed: out[D][Tp], columns past `rows` zero.
template <class T>
void transpose_head(const T* p, std::int64_t stride, std::int64_t rows, std::int64_t D,
                    std::int64_t Tp, T* out) {
  constexpr std::int64_t kBlock = 16;
  for (std::int64_t k0 = 0; k0 < D; k0 += kBlock) {
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t k = k0; k < std::min(D, k0 + kBlock); ++k)
        out[k * Tp + i] = p[i * stride + k];
    }
  }
  for (std::int64_t k = 0; k < D; ++k) std::fill(out + k * Tp + rows, out + (k + 1) * Tp, T(0));
}

template <class T>
T* work_space(std::int64_t elements) {
  static thread_local Buffer<T> buffer;
  if (buffer.size() < elements) buffer.resize(elements);
  return buffer.data();
}

// Addresses of one (batch row, head).
template <class T>
struct Head {
  std::int64_t q_stride, kv_stride, q_offset, kv_offset, lse_offset;
  Head(const AttentionShape& s, std::int64_t b, std::int64_t h)
      : q_stride(s.H * s.D),
        kv_stride(s.Hkv * s.D),
        q_offset((b * s.Tq * s.H + h) * s.D),
        kv_offset((b * s.capacity * s.Hkv + h / (s.H / s.Hkv)) * s.D),
        lse_offset((b * s.H + h) * s.Tq) {}
};

template <class T>
void attend_head(const T* Q, const T* K, const T* V, const AttentionShape& s, const Head<T>& at,
                 T* O, T* lse) {
  using Kern = Kernels<T>;
  const double factor = 1.0 / std::sqrt(static_cast<double>(s.D));
  const std::int64_t D = s.D, Dp = padded(D), Tp = padded(s.Tk), past = s.Tk - s.Tq;
  const T *q = Q + at.q_offset, *k = K + at.kv_offset, *v = V + at.kv_offset;
  if (s.Tq == 1) {  // generation: no copies
    T* scores = work_space<T>(Tp);
    Kern::dots(q, k, at.kv_stride, s.Tk, D, scores);
    lse[at.lse_offset] = Kern::softmax(scores, s.Tk, s.Tk, factor);
    Kern::weighted_sum(scores, v, at.kv_stride, s.Tk, D, O + at.q_offset);
    return;
  }
  T* kt = work_space<T>(D * Tp + s.Tk * Dp + kQueryBlock * (Tp + Dp));
  T* vp = kt + D * Tp;
  T* scores = vp + s.Tk * Dp;
  T* out = scores + kQueryBlock * Tp;
  transpose_head(k, at.kv_stride, s.Tk, D, Tp, kt);
  copy_head(v, at.kv_stride, s.Tk, D, Dp, vp);
  for (std::int64_t q0 = 0; q0 < s.Tq; q0 += kQueryBlock) {
    const std::int64_t rows = std::min(kQueryBlock, s.Tq - q0), keys = past + q0 + rows;
    const std::int64_t width = padded(keys);
    Kern::tile_product(q + q0 * at.q_stride, at.q_stride, 1, kt, Tp, scores, Tp, rows, width, D,
                       false);
    for (std::int64_t i = 0; i < rows; ++i) {
      lse[at.lse_offset + q0 + i] =
          Kern::softmax(scores + i * Tp, past + q0 + i + 1, width, factor);
    }
    Kern::tile_product(scores, Tp, 1, vp, Dp, out, Dp, rows, Dp, keys, false);
    for (std::int64_t i = 0; i < rows; ++i) {
      std::copy_n(out + i * Dp, D, O + at.q_offset + (q0 + i) * at.q_stride);
    }
  }
}

// With S = factor Q K', P = softmax(S):  dV += P' dO,  dP = dO V',
// dS = factor P (dP - rowsum(dO O)),  dQ = dS K,  dK += dS' Q.
// dk and dv [Tk][Dp] collect the heads of one group.
template <class T>
void attend_head_backward(const T* Q, const T* O, const T* lse, const T* dO,
                          const AttentionShape& s, const Head<T>& at, const T* kt, const T* vt,
                          const T* kp, T* work, T* dQ, T* dk, T* dv) {
  using Kern = Kernels<T>;
  const double factor = 1.0 / std::sqrt(static_cast<double>(s.D));
  const std::int64_t D = s.D, Dp = padded(D), Tp = padded(s.Tk), past = s.Tk - s.Tq;
  T* p = work;
  T* ds = p + kQueryBlock * Tp;
  T* qp = ds + kQueryBlock * Tp;
  T* dop = qp + kQueryBlock * Dp;
  T* dq = dop + kQueryBlock * Dp;
  for (std::int64_t q0 = 0; q0 < s.Tq; q0 += kQueryBlock) {
    const std::int64_t rows = std::min(kQueryBlock, s.Tq - q0), keys = past + q0 + rows;
    const std::int64_t width = padded(keys), first = at.q_offset + q0 * at.q_stride;
    copy_head(Q + first, at.q_stride, rows, D, Dp, qp);
    copy_head(dO + first, at.q_stride, rows, D, Dp, dop);
    Kern::tile_product(qp, Dp, 1, kt, Tp, p, Tp, rows, width, D, false);
    Kern::tile_product(dop, Dp, 1, vt, Tp, ds, Tp, rows, width, D, false);
    for (std::int64_t i = 0; i < rows; ++i) {
      Kern::exp_minus(p + i * Tp, past + q0 + i + 1, width, factor, lse[at.lse_offset + q0 + i]);
      const T delta = static_cast<T>(Kern::dot(dop + i * Dp, O + first + i * at.q_stride, D));
      Kern::softmax_backward(p + i * Tp, ds + i * Tp, delta, factor, width);
    }
    Kern::tile_product(p, 1, Tp, dop, Dp, dv, Dp, keys, Dp, rows, true);
    Kern::tile_product(ds, 1, Tp, qp, Dp, dk, Dp, keys, Dp, rows, true);
    Kern::tile_product(ds, Tp, 1, kp, Dp, dq, Dp, rows, Dp, keys, false);
    for (std::int64_t i = 0; i < rows; ++i) {
      std::copy_n(dq + i * Dp, D, dQ + first + i * at.q_stride);
    }
  }
}

// All query heads that share one key/value head.
template <class T>
void attend_group_backward(const T* Q, const T* K, const T* V, const T* O, const T* lse,
                           const T* dO, const AttentionShape& s, std::int64_t b, std::int64_t group,
                           T* dQ, T* dK, T* dV) {
  const std::int64_t D = s.D, Dp = padded(D), Tp = padded(s.Tk), each = s.H / s.Hkv;
  const Head<T> kv(s, b, group * each);
  T* kt = work_space<T>(2 * D * Tp + 3 * s.Tk * Dp + kQueryBlock * (2 * Tp + 3 * Dp));
  T* vt = kt + D * Tp;
  T* kp = vt + D * Tp;
  T* dk = kp + s.Tk * Dp;
  T* dv = dk + s.Tk * Dp;
  T* work = dv + s.Tk * Dp;
  transpose_head(K + kv.kv_offset, kv.kv_stride, s.Tk, D, Tp, kt);
  transpose_head(V + kv.kv_offset, kv.kv_stride, s.Tk, D, Tp, vt);
  copy_head(K + kv.kv_offset, kv.kv_stride, s.Tk, D, Dp, kp);
  std::fill_n(dk, 2 * s.Tk * Dp, T(0));
  for (std::int64_t h = group * each; h < (group + 1) * each; ++h) {
    attend_head_backward(Q, O, lse, dO, s, Head<T>(s, b, h), kt, vt, kp, work, dQ, dk, dv);
  }
  for (std::int64_t t = 0; t < s.Tk; ++t) {
    std::copy_n(dk + t * Dp, D, dK + kv.kv_offset + t * kv.kv_stride);
    std::copy_n(dv + t * Dp, D, dV + kv.kv_offset + t * kv.kv_stride);
  }
}

}  // namespace

void CpuOps::attention(const Tensor& Q, const Tensor& K, const Tensor& V, const AttentionShape& s,
                       Tensor& O, Tensor& lse) {
  check(s, Q, K, V, lse);
  require_equal_size("attention", Q, O);
  with_type(Q, [&](auto zero) {
    using T = decltype(zero);
    const T *q = Q.data<T>(), *k = K.data<T>(), *v = V.data<T>();
    T *o = O.data<T>(), *l = lse.data<T>();
    parallel_blocks(s.B * s.H, 1, [&](std::int64_t task, std::int64_t, std::int64_t) {
      attend_head(q, k, v, s, Head<T>(s, task / s.H, task % s.H), o, l);
    });
  });
}

void CpuOps::attention_backward(const Tensor& Q, const Tensor& K, const Tensor& V, const Tensor& O,
                                const Tensor& lse, const Tensor& dO, const AttentionShape& s,
                                Tensor& dQ, Tensor& dK, Tensor& dV) {
  check(s, Q, K, V, lse);
  require_equal_size("attention_backward", Q, O);
  require_equal_size("attention_backward", Q, dO);
  require_equal_size("attention_backward", Q, dQ);
  require_equal_size("attention_backward", K, dK);
  require_equal_size("attention_backward", V, dV);
  with_type(Q, [&](auto zero) {
    using T = decltype(zero);
    const T *q = Q.data<T>(), *k = K.data<T>(), *v = V.data<T>(), *o = O.data<T>();
    const T *l = lse.data<T>(), *g = dO.data<T>();
    T *dq = dQ.data<T>(), *dk = dK.data<T>(), *dv = dV.data<T>();
    parallel_blocks(s.B * s.Hkv, 1, [&](std::int64_t task, std::int64_t, std::int64_t) {
      attend_group_backward(q, k, v, o, l, g, s, task / s.Hkv, task % s.Hkv, dq, dk, dv);
    });
  });
}

}  // namespace sylvester::detail
