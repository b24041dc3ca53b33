// CPU backend: embedding, RMSNorm, rotary positions, SwiGLU, cross entropy.
#include <algorithm>
#include <string>
#include <vector>

#include "ops/cpu_ops.h"
#include "ops/kernels.h"
#include "sylvester/core/parallel.h"

namespace sylvester::detail {
namespace {

void check_ids(const char* what, const Tensor& ids, std::int64_t limit) {
  const std::int32_t* p = ids.data<std::int32_t>();
  for (std::int64_t i = 0; i < ids.size(); ++i) {
    if (p[i] < 0 || p[i] >= limit) {
      throw ValueError(std::string(what) + ": id " + std::to_string(p[i]) + " at position " +
                       std::to_string(i) + "; want 0 <= id < " + std::to_string(limit));
    }
  }
}

}  // namespace

void CpuOps::embedding(const Tensor& ids, const Tensor& table, Tensor& out) {
  check_ids("embedding", ids, table.rows());
  gather_rows(table, ids, out);
}

void CpuOps::embedding_backward(const Tensor& ids, const Tensor& dout, Tensor& dtable) {
  check_ids("embedding_backward", ids, dtable.rows());
  scatter_rows(dout, ids, dtable);  // one row after the other: repeated ids add up in order
}

void CpuOps::rmsnorm(const Tensor& x, const Tensor& gain, double eps, Tensor& y, Tensor& rstd) {
  require_equal_size("rmsnorm", x, y);
  require(gain.size() == last(x), "rmsnorm", gain, "one gain a column");
  require(rstd.size() == x.rows(), "rmsnorm", rstd, "one value a row");
  with_type(x, [&](auto zero) {
    using T = decltype(zero);
    const std::int64_t C = last(x);
    const T *px = x.data<T>(), *pg = gain.data<T>();
    T *py = y.data<T>(), *pr = rstd.data<T>();
    parallel_blocks(x.rows(), kRowBlock, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        pr[i] = Kernels<T>::rmsnorm(px + i * C, pg, eps, py + i * C, C);
      }
    });
  });
}

void CpuOps::rmsnorm_backward(const Tensor& x, const Tensor& gain, const Tensor& rstd,
                              const Tensor& dy, Tensor& dx, Tensor& dgain) {
  require_equal_size("rmsnorm_backward", x, dy);
  require_equal_size("rmsnorm_backward", x, dx);
  require(gain.size() == last(x) && dgain.size() == last(x), "rmsnorm_backward", dgain,
          "one gain a column");
  require(rstd.size() == x.rows(), "rmsnorm_backward", rstd, "one value a row");
  with_type(x, [&](auto zero) {
    using T = decltype(zero);
    const std::int64_t C = last(x), rows = x.rows();
    const std::int64_t blocks = (rows + kRowBlock - 1) / kRowBlock;
    T* partial = scratch<T>(blocks * C);  // one partial dgain a block, added in block order
    std::fill_n(partial, blocks * C, T(0));
    const T *px = x.data<T>(), *pg = gain.data<T>(), *pr = rstd.data<T>(), *pdy = dy.data<T>();
    T *pdx = dx.data<T>(), *total = dgain.data<T>();
    parallel_blocks(rows, kRowBlock, [&](std::int64_t block, std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        Kernels<T>::rmsnorm_backward(px + i * C, pg, pr[i], pdy + i * C, pdx + i * C,
                                     partial + block * C, C);
      }
    });
    for (std::int64_t b = 0; b < blocks; ++b) {
      Kernels<T>::add(total, partial + b * C, total, C);
    }
  });
}

void CpuOps::rope(Tensor& x, std::int64_t T_, std::int64_t D, const Tensor& cos, const Tensor& sin,
                  std::int64_t first, bool inverse) {
  const std::int64_t C = last(x), rows = x.rows(), half = D / 2;
  require(D > 0 && D % 2 == 0 && C % D == 0 && T_ > 0 && rows % T_ == 0, "rope", x,
          "[B, T, heads D] with an even D");
  require(last(cos) == half && first >= 0 && first + T_ <= cos.rows() && cos.size() == sin.size(),
          "rope", cos, "[positions, D/2] with enough positions");
  with_type(x, [&](auto zero) {
    using T = decltype(zero);
    T* p = x.data<T>();
    const T *pc = cos.data<T>(), *ps = sin.data<T>();
    parallel_blocks(rows, kRowBlock, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t at = (first + i % T_) * half;
        for (std::int64_t h = 0; h < C; h += D) {
          Kernels<T>::rope(p + i * C + h, pc + at, ps + at, half, inverse);
        }
      }
    });
  });
}

void CpuOps::swiglu(const Tensor& gate, const Tensor& up, Tensor& out) {
  require_equal_size("swiglu", gate, up);
  require_equal_size("swiglu", gate, out);
  with_type(gate, [&](auto zero) {
    using T = decltype(zero);
    const T *g = gate.data<T>(), *u = up.data<T>();
    T* o = out.data<T>();
    parallel_blocks(gate.size(), kElementBlock,
                    [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                      Kernels<T>::swiglu(g + begin, u + begin, o + begin, end - begin);
                    });
  });
}

void CpuOps::swiglu_backward(const Tensor& gate, const Tensor& up, const Tensor& dout,
                             Tensor& dgate, Tensor& dup) {
  for (const Tensor* t :
       {&up, &dout, static_cast<const Tensor*>(&dgate), static_cast<const Tensor*>(&dup)}) {
    require_equal_size("swiglu_backward", gate, *t);
  }
  with_type(gate, [&](auto zero) {
    using T = decltype(zero);
    const T *g = gate.data<T>(), *u = up.data<T>(), *o = dout.data<T>();
    T *dg = dgate.data<T>(), *du = dup.data<T>();
    parallel_blocks(gate.size(), kElementBlock,
                    [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                      Kernels<T>::swiglu_backward(g + begin, u + begin, o + begin, dg + begin,
                                                  du + begin, end - begin);
                    });
  });
}

double CpuOps::cross_entropy(Tensor& logits, const Tensor& labels, double grad_scale, Tensor& nll) {
  const std::int64_t V = last(logits), rows = logits.rows();
  require(labels.size() == rows && nll.size() == rows, "cross_entropy", logits, "one label a row");
  check_ids("cross_entropy", labels, V);
  const std::int32_t* label = labels.data<std::int32_t>();
  return with_type(logits, [&](auto zero) {
    using T = decltype(zero);
    T *p = logits.data<T>(), *out = nll.data<T>();
    std::vector<double> each(static_cast<std::size_t>(rows));
    parallel_blocks(rows, 4, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const double value = Kernels<T>::cross_entropy(p + i * V, label[i], grad_scale, V);
        each[static_cast<std::size_t>(i)] = value;
        out[i] = static_cast<T>(value);
      }
    });
    double sum = 0;
    for (const double v : each) sum += v;
    return sum;
  });
}

}  // namespace sylvester::detail
