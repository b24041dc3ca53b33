// CPU backend: memory, elementwise functions, reductions, the optimizer.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

#include "ops/cpu_ops.h"
#include "ops/kernels.h"
#include "sylvester/core/parallel.h"
#include "sylvester/formats/convert.h"

namespace sylvester {

Ops& cpu_ops() {
  static detail::CpuOps ops;
  return ops;
}

namespace detail {
namespace {

// Adds f(begin, end) of fixed blocks in block order.
template <class F>
double blocked_sum(std::int64_t n, F&& f) {
  std::vector<double> partial(static_cast<std::size_t>((n + kElementBlock - 1) / kElementBlock));
  parallel_blocks(n, kElementBlock, [&](std::int64_t block, std::int64_t begin, std::int64_t end) {
    partial[static_cast<std::size_t>(block)] = f(begin, end);
  });
  double sum = 0;
  for (const double p : partial) sum += p;
  return sum;
}

void require_same_type(const char* what, const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype()) {
    throw ValueError(std::string(what) + ": tensors of " + std::string(to_string(a.dtype())) +
                     " and " + std::string(to_string(b.dtype())) + "; want one dtype");
  }
}

template <class From, class To>
void convert(const From* from, To* to, std::int64_t n) {
  parallel_blocks(n, kElementBlock, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) to[i] = static_cast<To>(from[i]);
  });
}

// Two normal numbers from two words of the stream (Box, Muller 1958); u1 in (0, 1].
struct NormalPair {
  double a, b;
};
NormalPair normal_pair(std::uint32_t w0, std::uint32_t w1) {
  const double u1 = (static_cast<double>(w0) + 1.0) * 0x1p-32;
  const double angle = 2.0 * std::numbers::pi * (static_cast<double>(w1) * 0x1p-32);
  const double radius = std::sqrt(-2.0 * std::log(u1));
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

}  // namespace

std::string print_shape(const Tensor& x) {
  std::string text = "[";
  for (std::size_t i = 0; i < x.shape().size(); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(x.shape()[i]);
  }
  return text + "]";
}

void require_equal_size(const char* what, const Tensor& a, const Tensor& b) {
  if (a.size() != b.size()) {
    throw ShapeError(std::string(what) + ": shapes " + print_shape(a) + " and " + print_shape(b) +
                     "; want equal sizes");
  }
  require_same_type(what, a, b);
}

void require(bool ok, const char* what, const Tensor& culprit, const char* want) {
  if (!ok) {
    throw ShapeError(std::string(what) + ": shape " + print_shape(culprit) + "; want " + want);
  }
}

void CpuOps::fill(Tensor& x, double value) {
  if (x.dtype() == DType::kInt32) {
    std::fill_n(x.data<std::int32_t>(), x.size(), static_cast<std::int32_t>(value));
    return;
  }
  with_type(x, [&](auto zero) {
    using T = decltype(zero);
    T* p = x.data<T>();
    parallel_blocks(x.size(), kElementBlock,
                    [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                      std::fill(p + begin, p + end, static_cast<T>(value));
                    });
  });
}

void CpuOps::copy(const Tensor& from, Tensor& to) {
  if (from.size() != to.size()) {
    throw ShapeError("copy: shapes " + print_shape(from) + " and " + print_shape(to) +
                     "; want equal sizes");
  }
  if (from.dtype() == to.dtype()) {
    std::memmove(to.raw(), from.raw(), static_cast<std::size_t>(from.bytes()));
  } else if (from.dtype() == DType::kFloat32) {
    convert(from.data<float>(), to.data<double>(), from.size());
  } else {
    convert(from.data<double>(), to.data<float>(), from.size());
  }
}

void CpuOps::upload(std::span<const float> from, Tensor& to) {
  require(static_cast<std::int64_t>(from.size()) == to.size(), "upload", to, "the span's size");
  with_type(to, [&](auto zero) { convert(from.data(), to.data<decltype(zero)>(), to.size()); });
}

void CpuOps::upload(std::span<const std::int32_t> from, Tensor& to) {
  require(static_cast<std::int64_t>(from.size()) == to.size(), "upload", to, "the span's size");
  std::copy(from.begin(), from.end(), to.data<std::int32_t>());
}

void CpuOps::download(const Tensor& from, std::span<float> to) {
  require(static_cast<std::int64_t>(to.size()) == from.size(), "download", from, "the span's size");
  with_type(from, [&](auto zero) { convert(from.data<decltype(zero)>(), to.data(), from.size()); });
}

void CpuOps::add(const Tensor& a, const Tensor& b, Tensor& out) {
  require_equal_size("add", a, b);
  require_equal_size("add", a, out);
  with_type(a, [&](auto zero) {
    using T = decltype(zero);
    const T *pa = a.data<T>(), *pb = b.data<T>();
    T* po = out.data<T>();
    parallel_blocks(a.size(), kElementBlock,
                    [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                      Kernels<T>::add(pa + begin, pb + begin, po + begin, end - begin);
                    });
  });
}

void CpuOps::scale(Tensor& x, double factor) {
  with_type(x, [&](auto zero) {
    using T = decltype(zero);
    T* p = x.data<T>();
    parallel_blocks(x.size(), kElementBlock,
                    [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                      Kernels<T>::scale(p + begin, factor, end - begin);
                    });
  });
}

void CpuOps::encode(const Tensor& x, DType to, Tensor& codes, const EncodeOptions& options) {
  require(x.size() == codes.size() && codes.dtype() == codes_dtype(to), "encode", codes,
          "codes_dtype() and the size of x");
  const auto size = static_cast<std::size_t>(codes.size());
  with_type(x, [&](auto zero) {
    using T = decltype(zero);
    const std::span<const T> from(x.data<T>(), size);
    if (codes.dtype() == DType::kUInt8) {
      return sylvester::encode(from, to, {codes.data<std::uint8_t>(), size}, options);
    }
    sylvester::encode16(from, to, {reinterpret_cast<std::uint16_t*>(codes.raw()), size}, options);
  });
}

void CpuOps::decode(const Tensor& codes, DType from, Tensor& x) {
  require(x.size() == codes.size() && codes.dtype() == codes_dtype(from), "decode", codes,
          "codes_dtype() and the size of x");
  const auto size = static_cast<std::size_t>(x.size());
  const std::span<float> to(x.data<float>(), size);
  if (codes.dtype() == DType::kUInt8) {
    return sylvester::decode({codes.data<std::uint8_t>(), size}, from, to);
  }
  sylvester::decode16({reinterpret_cast<const std::uint16_t*>(codes.raw()), size}, from, to);
}

void CpuOps::round_to_bfloat16(Tensor& x) {
  if (x.dtype() == DType::kFloat64) {
    double* p = x.data<double>();
    for (std::int64_t i = 0; i < x.size(); ++i) {
      p[i] = static_cast<double>(decode_one(encode_one(p[i], DType::kBFloat16), DType::kBFloat16));
    }
    return;
  }
  float* p = x.data<float>();
  parallel_blocks(x.size(), kElementBlock, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
    const auto n = static_cast<std::size_t>(end - begin);
    sylvester::round_to_bfloat16({p + begin, n}, {p + begin, n});
  });
}

void CpuOps::normal(Tensor& x, double mean, double stddev, const RandomStream& stream) {
  with_type(x, [&](auto zero) {
    using T = decltype(zero);
    T* p = x.data<T>();
    const std::int64_t n = x.size();
    // Blocks start at multiples of 4, the words of one counter.
    parallel_blocks(n, kElementBlock, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; i += 2) {
        const auto element = static_cast<std::uint64_t>(i);
        const NormalPair pair =
            normal_pair(random_word(stream, element), random_word(stream, element + 1));
        p[i] = static_cast<T>(mean + stddev * pair.a);
        if (i + 1 < n) p[i + 1] = static_cast<T>(mean + stddev * pair.b);
      }
    });
  });
}

void CpuOps::gather_rows(const Tensor& from, const Tensor& rows, Tensor& out) {
  require(out.rows() == rows.size() && last(out) == last(from), "gather_rows", out,
          "[rows, C] of the source");
  const auto bytes =
      static_cast<std::size_t>(from.bytes() / std::max<std::int64_t>(from.rows(), 1));
  const std::int32_t* index = rows.data<std::int32_t>();
  for (std::int64_t i = 0; i < rows.size(); ++i) {
    std::memcpy(out.raw() + static_cast<std::size_t>(i) * bytes,
                from.raw() + static_cast<std::size_t>(index[i]) * bytes, bytes);
  }
}

void CpuOps::scatter_rows(const Tensor& from, const Tensor& rows, Tensor& to) {
  require(from.rows() == rows.size() && last(from) == last(to), "scatter_rows", from,
          "[rows, C] of the destination");
  const std::int32_t* index = rows.data<std::int32_t>();
  with_type(from, [&](auto zero) {
    using T = decltype(zero);
    const std::int64_t C = last(from);
    const T* source = from.data<T>();
    T* target = to.data<T>();
    for (std::int64_t i = 0; i < rows.size(); ++i) {
      T* row = target + index[i] * C;
      Kernels<T>::add(row, source + i * C, row, C);
    }
  });
}

double CpuOps::dot(const Tensor& a, const Tensor& b) {
  require_equal_size("dot", a, b);
  return with_type(a, [&](auto zero) {
    using T = decltype(zero);
    const T *pa = a.data<T>(), *pb = b.data<T>();
    return blocked_sum(a.size(), [&](std::int64_t begin, std::int64_t end) {
      return Kernels<T>::dot(pa + begin, pb + begin, end - begin);
    });
  });
}

double CpuOps::absmax(const Tensor& x) {
  return with_type(x, [&](auto zero) {
    using T = decltype(zero);
    const T* p = x.data<T>();
    std::vector<double> partial(
        static_cast<std::size_t>((x.size() + kElementBlock - 1) / kElementBlock));
    parallel_blocks(
        x.size(), kElementBlock, [&](std::int64_t block, std::int64_t begin, std::int64_t end) {
          partial[static_cast<std::size_t>(block)] = Kernels<T>::absmax(p + begin, end - begin);
        });
    double largest = 0;
    for (const double v : partial) {
      if (std::isnan(v)) return v;
      largest = std::max(largest, v);
    }
    return largest;
  });
}

bool CpuOps::all_finite(const Tensor& x) { return std::isfinite(absmax(x)); }

void CpuOps::adamw_step(Tensor& value, const Tensor& grad, Tensor& m, Tensor& v,
                        const AdamWArgs& args) {
  require_equal_size("adamw_step", value, grad);
  require_equal_size("adamw_step", value, m);
  require_equal_size("adamw_step", value, v);
  if (args.step < 1) {
    throw ValueError("adamw_step: step " + std::to_string(args.step) + "; want >= 1");
  }
  const auto step = static_cast<double>(args.step);
  const AdamWConstants c{.decay = 1.0 - args.learning_rate * args.weight_decay,
                         .beta1 = args.beta1,
                         .beta2 = args.beta2,
                         .step_size = args.learning_rate / (1.0 - std::pow(args.beta1, step)),
                         .root_scale = 1.0 / std::sqrt(1.0 - std::pow(args.beta2, step)),
                         .epsilon = args.epsilon,
                         .grad_scale = args.grad_scale};
  with_type(value, [&](auto zero) {
    using T = decltype(zero);
    T *p = value.data<T>(), *pm = m.data<T>(), *pv = v.data<T>();
    const T* g = grad.data<T>();
    parallel_blocks(
        value.size(), kElementBlock, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
          Kernels<T>::adamw(p + begin, g + begin, pm + begin, pv + begin, c, end - begin);
        });
  });
  if (args.bfloat16_values) round_to_bfloat16(value);
}

}  // namespace detail
}  // namespace sylvester
