// The CPU backend's kernels against slow definitions in double, on every target, and their bits
// with one and several threads.
#include "sylvester/ops/ops.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "sylvester/core/error.h"
#include "sylvester/core/parallel.h"
#include "test_util.h"

namespace sylvester {
namespace {

Tensor random(const Shape& shape, std::uint64_t seed, double scale = 1.0) {
  Tensor out(shape);
  cpu_ops().normal(out, 0.0, scale, {.seed = seed, .step = 0, .tensor = 0});
  return out;
}

Tensor wide(const Tensor& x) {
  Tensor out(x.shape(), DType::kFloat64);
  cpu_ops().copy(x, out);
  return out;
}

std::vector<float> values(const Tensor& x) {
  std::vector<float> out(static_cast<std::size_t>(x.size()));
  cpu_ops().download(x, out);
  return out;
}

// |got - want| <= bound elementwise; prints the worst.
void expect_near(const Tensor& got, const Tensor& want, double bound, const std::string& what) {
  const std::vector<float> a = values(got), b = values(want);
  ASSERT_EQ(a.size(), b.size()) << what;
  double worst = 0;
  std::size_t at = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    if (!(d <= worst)) {
      worst = d;
      at = i;
    }
  }
  EXPECT_LE(worst, bound) << what << "[" << at << "]: got " << a[at] << ", expected " << b[at];
}

// Runs `layer` on float tensors for every target, and in float64 for the truth; each output within
// `bound` (a few float32 roundings of the largest intermediate value).
using Layer = std::function<std::vector<Tensor>(const std::vector<Tensor>&)>;
void expect_targets_agree(const std::vector<Tensor>& inputs, const Layer& layer, double bound) {
  std::vector<Tensor> exact_inputs;
  for (const Tensor& x : inputs) {
    exact_inputs.push_back(x.dtype() == DType::kFloat32 ? wide(x) : x);
  }
  const std::vector<Tensor> want = layer(exact_inputs);
  test::for_each_target([&](Target) {
    const std::vector<Tensor> got = layer(inputs);
    set_num_threads(1);
    const std::vector<Tensor> alone = layer(inputs);
    set_num_threads(3);
    const std::vector<Tensor> three = layer(inputs);
    set_num_threads(2);
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t i = 0; i < want.size(); ++i) {
      expect_near(got[i], want[i], bound, "output " + std::to_string(i));
      EXPECT_EQ(values(alone[i]), values(three[i])) << "output " << i << ": 1 and 3 threads differ";
    }
  });
}

Tensor like(const Tensor& x) { return Tensor(x.shape(), x.dtype()); }
Tensor zeros(const Shape& shape, DType dtype) { return Tensor::zeros(shape, dtype); }

TEST(Tensor, SharesSlicesAndRefuses) {
  Tensor a = Tensor::zeros({4, 3});
  Tensor b = a.slice(1, 3);
  b.data<float>()[0] = 5;
  EXPECT_EQ(a.data<float>()[3], 5);
  EXPECT_EQ(b.shape(), (Shape{2, 3}));
  EXPECT_EQ(a.reshape({2, 6}).dim(-1), 6);
  EXPECT_EQ(a.prefix({5}).size(), 5);
  Tensor c = a.clone();
  c.data<float>()[3] = 7;
  EXPECT_EQ(a.data<float>()[3], 5);
  EXPECT_THROW(a.reshape({5}), ShapeError);
  EXPECT_THROW(a.slice(3, 5), ShapeError);
  EXPECT_THROW(a.prefix({13}), ShapeError);
  EXPECT_THROW(a.data<double>(), ValueError);
  EXPECT_THROW(Tensor({-1}), ShapeError);
  EXPECT_THROW(Tensor({std::int64_t{1} << 40, std::int64_t{1} << 40}), ShapeError);
  EXPECT_EQ(Tensor({0, 7}).size(), 0);
  EXPECT_TRUE(Tensor().empty());
}

TEST(Ops, ReductionsAreExactInDouble) {
  const Tensor x = random({3, 70001}, 1);
  double sum = 0, largest = 0;
  for (const float v : values(x)) {
    sum += static_cast<double>(v) * static_cast<double>(v);
    largest = std::max(largest, std::abs(static_cast<double>(v)));
  }
  test::for_each_target([&](Target) {
    EXPECT_NEAR(cpu_ops().squared_norm(x), sum, 1e-9 * sum);  // n 2^-53
    EXPECT_EQ(cpu_ops().absmax(x), largest);
    EXPECT_TRUE(cpu_ops().all_finite(x));
    for (const float bad : {INFINITY, -INFINITY, NAN}) {
      for (const std::int64_t at : {std::int64_t{0}, x.size() - 1, std::int64_t{65536}}) {
        Tensor y = x.clone();
        y.data<float>()[at] = bad;
        EXPECT_FALSE(cpu_ops().all_finite(y)) << bad << " at " << at;
        EXPECT_EQ(std::isnan(cpu_ops().absmax(y)), std::isnan(bad)) << bad << " at " << at;
      }
    }
  });
}

TEST(Ops, NormalHasItsMoments) {
  const Tensor x = random({1 << 18}, 7, 2.0);
  const std::vector<float> v = values(x);
  double mean = 0, square = 0;
  for (const float a : v) mean += static_cast<double>(a);
  mean /= static_cast<double>(v.size());
  for (const float a : v)
    square += (static_cast<double>(a) - mean) * (static_cast<double>(a) - mean);
  // Four standard errors: 2 / 512, and 4 sqrt(2 / n).
  EXPECT_NEAR(mean, 0.0, 4 * 2.0 / 512);
  EXPECT_NEAR(square / static_cast<double>(v.size()), 4.0, 4 * 4.0 * std::sqrt(2.0 / (1 << 18)));
}

TEST(Ops, RmsNormAndItsBackward) {
  for (const std::int64_t C : {5, 64, 577}) {
    expect_targets_agree(
        {random({37, C}, 2, 3.0), random({C}, 3), random({37, C}, 4)},
        [&](const std::vector<Tensor>& in) {
          Tensor y = like(in[0]), rstd = zeros({37}, in[0].dtype());
          cpu_ops().rmsnorm(in[0], in[1], 1e-5, y, rstd);
          Tensor dx = in[2].clone(), dgain = zeros({C}, in[0].dtype());
          cpu_ops().rmsnorm_backward(in[0], in[1], rstd, in[2], dx, dgain);
          return std::vector<Tensor>{y, rstd, dx, dgain};
        },
        3e-5);
  }
}

TEST(Ops, SwigluAndItsBackward) {
  expect_targets_agree(
      {random({33, 67}, 5, 4.0), random({33, 67}, 6), random({33, 67}, 7)},
      [](const std::vector<Tensor>& in) {
        Tensor out = like(in[0]), dgate = like(in[0]), dup = like(in[0]);
        cpu_ops().swiglu(in[0], in[1], out);
        cpu_ops().swiglu_backward(in[0], in[1], in[2], dgate, dup);
        return std::vector<Tensor>{out, dgate, dup};
      },
      2e-5);
}

TEST(Ops, RopeTurnsAndTurnsBack) {
  const Tensor cos = random({20, 12}, 8), sin = random({20, 12}, 9);
  expect_targets_agree(
      {random({2, 9, 3 * 24}, 10), cos, sin},
      [](const std::vector<Tensor>& in) {
        Tensor x = in[0].clone();
        cpu_ops().rope(x, 9, 24, in[1], in[2], 11, false);
        Tensor back = x.clone();
        cpu_ops().rope(back, 9, 24, in[1], in[2], 11, true);
        return std::vector<Tensor>{x, back};
      },
      2e-5);
}

// softmax(Q K' / sqrt(D)) V by definition.
Tensor naive_attention(const Tensor& Q, const Tensor& K, const Tensor& V, const AttentionShape& s) {
  Tensor O(Q.shape(), DType::kFloat64);
  const double *q = Q.data<double>(), *k = K.data<double>(), *v = V.data<double>();
  double* o = O.data<double>();
  for (std::int64_t b = 0; b < s.B; ++b) {
    for (std::int64_t h = 0; h < s.H; ++h) {
      const std::int64_t g = h / (s.H / s.Hkv);
      for (std::int64_t i = 0; i < s.Tq; ++i) {
        const double* qi = q + ((b * s.Tq + i) * s.H + h) * s.D;
        double* oi = o + ((b * s.Tq + i) * s.H + h) * s.D;
        std::vector<double> p(static_cast<std::size_t>(s.Tk - s.Tq + i + 1));
        double sum = 0;
        for (std::size_t j = 0; j < p.size(); ++j) {
          const double* kj =
              k + ((b * s.capacity + static_cast<std::int64_t>(j)) * s.Hkv + g) * s.D;
          double score = 0;
          for (std::int64_t d = 0; d < s.D; ++d) score += qi[d] * kj[d];
          sum += p[j] = std::exp(score / std::sqrt(static_cast<double>(s.D)));
        }
        for (std::int64_t d = 0; d < s.D; ++d) oi[d] = 0;
        for (std::size_t j = 0; j < p.size(); ++j) {
          const double* vj =
              v + ((b * s.capacity + static_cast<std::int64_t>(j)) * s.Hkv + g) * s.D;
          for (std::int64_t d = 0; d < s.D; ++d) oi[d] += p[j] / sum * vj[d];
        }
      }
    }
  }
  return O;
}

// Whole sequences, sequences longer than one query block, a tail after a past, one new token.
const AttentionShape kShapes[] = {{2, 7, 7, 7, 4, 2, 16},
                                  {1, 101, 101, 101, 3, 1, 64},
                                  {1, 5, 60, 64, 2, 2, 20},
                                  {2, 1, 33, 40, 6, 2, 24},
                                  {1, 97, 97, 97, 2, 1, 6}};

TEST(Ops, AttentionIsItsDefinition) {
  for (const AttentionShape& s : kShapes) {
    SCOPED_TRACE("Tq " + std::to_string(s.Tq) + ", Tk " + std::to_string(s.Tk));
    const Tensor Q = random({s.B, s.Tq, s.H * s.D}, 11),
                 K = random({s.B, s.capacity, s.Hkv * s.D}, 12);
    const Tensor V = random({s.B, s.capacity, s.Hkv * s.D}, 13);
    const Layer layer = [&](const std::vector<Tensor>& in) {
      Tensor O = like(in[0]), lse({s.B, s.H, s.Tq}, in[0].dtype());
      cpu_ops().attention(in[0], in[1], in[2], s, O, lse);
      return std::vector<Tensor>{O, lse};
    };
    expect_targets_agree({Q, K, V}, layer, 2e-5);
    const Tensor want = naive_attention(wide(Q), wide(K), wide(V), s);
    expect_near(layer({wide(Q), wide(K), wide(V)})[0], want, 1e-6, "definition");
  }
}

// Backward against central differences of sum(O dO) in float64, and targets against float64.
TEST(Ops, AttentionBackwardIsTheDerivative) {
  for (const AttentionShape& s : {kShapes[0], kShapes[1], kShapes[4]}) {
    SCOPED_TRACE("Tq " + std::to_string(s.Tq));
    const Tensor Q = random({s.B, s.Tq, s.H * s.D}, 14), K = random({s.B, s.Tk, s.Hkv * s.D}, 15);
    const Tensor V = random({s.B, s.Tk, s.Hkv * s.D}, 16), dO = random({s.B, s.Tq, s.H * s.D}, 17);
    const Layer layer = [&](const std::vector<Tensor>& in) {
      Tensor O = like(in[0]), lse({s.B, s.H, s.Tq}, in[0].dtype());
      cpu_ops().attention(in[0], in[1], in[2], s, O, lse);
      Tensor dQ = like(in[0]), dK = like(in[1]), dV = like(in[2]);
      cpu_ops().attention_backward(in[0], in[1], in[2], O, lse, in[3], s, dQ, dK, dV);
      return std::vector<Tensor>{dQ, dK, dV};
    };
    expect_targets_agree({Q, K, V, dO}, layer, 1e-4);
    std::vector<Tensor> in{wide(Q), wide(K), wide(V), wide(dO)};
    const std::vector<Tensor> grads = layer(in);
    const auto value = [&] {
      return cpu_ops().dot(naive_attention(in[0], in[1], in[2], s), in[3]);
    };
    for (std::size_t which = 0; which < 3; ++which) {
      double* x = in[which].data<double>();
      for (const std::int64_t i : {std::int64_t{0}, in[which].size() / 2, in[which].size() - 1}) {
        const double saved = x[i], h = 1e-5;
        x[i] = saved + h;
        const double up = value();
        x[i] = saved - h;
        const double down = value();
        x[i] = saved;
        EXPECT_NEAR((up - down) / (2 * h), grads[which].data<double>()[i], 1e-7)
            << "input " << which << "[" << i << "]";
      }
    }
  }
}

TEST(Ops, CrossEntropyAndItsGradient) {
  Tensor labels({5}, DType::kInt32);
  cpu_ops().upload(std::vector<std::int32_t>{0, 7, 4999, 12, 4998}, labels);
  expect_targets_agree(
      {random({5, 5000}, 18, 3.0)},
      [&](const std::vector<Tensor>& in) {
        Tensor logits = in[0].clone(), nll({5}, in[0].dtype()), sum({1}, in[0].dtype());
        cpu_ops().fill(sum, cpu_ops().cross_entropy(logits, labels, 0.25, nll));
        return std::vector<Tensor>{logits, nll, sum};
      },
      5e-5);
  // Large logits do not overflow, and the gradient of a row sums to zero.
  Tensor logits = random({5, 5000}, 19, 1.0), nll({5});
  cpu_ops().scale(logits, 1e4);
  EXPECT_TRUE(std::isfinite(cpu_ops().cross_entropy(logits, labels, 1.0, nll)));
  double sum = 0;
  for (std::int64_t i = 0; i < 5000; ++i) sum += static_cast<double>(logits.data<float>()[i]);
  EXPECT_NEAR(sum, 0.0, 1e-5);
  labels.data<std::int32_t>()[2] = 5000;
  EXPECT_THROW(cpu_ops().cross_entropy(logits, labels, 1.0, nll), ValueError);
}

TEST(Ops, EmbeddingAddsRepeatedIdsUp) {
  const Tensor table = random({10, 33}, 20), d = random({4, 33}, 21);
  Tensor ids({4}, DType::kInt32);
  cpu_ops().upload(std::vector<std::int32_t>{3, 9, 3, 0}, ids);
  Tensor out({4, 33}), dtable = Tensor::zeros({10, 33});
  cpu_ops().embedding(ids, table, out);
  EXPECT_EQ(values(out.slice(2, 3)), values(table.slice(3, 4)));
  cpu_ops().embedding_backward(ids, d, dtable);
  Tensor twice({1, 33});
  cpu_ops().add(d.slice(0, 1), d.slice(2, 3), twice);
  EXPECT_EQ(values(dtable.slice(3, 4)), values(twice));
  ids.data<std::int32_t>()[1] = 10;
  EXPECT_THROW(cpu_ops().embedding(ids, table, out), ValueError);
}

// Algorithm 2 of Loshchilov and Hutter by hand, ten steps.
TEST(Ops, AdamWIsItsAlgorithm) {
  const std::int64_t n = 1003;
  const AdamWArgs base{.learning_rate = 0.01, .weight_decay = 0.1, .grad_scale = 0.5};
  std::vector<double> value, m(n), v(n);
  const Tensor start = random({n}, 22);
  for (const float x : values(start)) value.push_back(static_cast<double>(x));
  for (std::int64_t t = 1; t <= 10; ++t) {
    const std::vector<float> g = values(random({n}, 100 + static_cast<std::uint64_t>(t)));
    for (std::size_t i = 0; i < value.size(); ++i) {
      const double gradient = 0.5 * static_cast<double>(g[i]);
      m[i] = 0.9 * m[i] + 0.1 * gradient;
      v[i] = 0.999 * v[i] + 0.001 * gradient * gradient;
      const double m_hat = m[i] / (1 - std::pow(0.9, t)), v_hat = v[i] / (1 - std::pow(0.999, t));
      value[i] = value[i] * (1 - 0.01 * 0.1) - 0.01 * m_hat / (std::sqrt(v_hat) + 1e-8);
    }
  }
  Tensor want({n}, DType::kFloat64);
  std::copy(value.begin(), value.end(), want.data<double>());
  test::for_each_target([&](Target) {
    Tensor x = start.clone(), mt = Tensor::zeros({n}), vt = Tensor::zeros({n});
    for (std::int64_t t = 1; t <= 10; ++t) {
      AdamWArgs args = base;
      args.step = t;
      cpu_ops().adamw_step(x, random({n}, 100 + static_cast<std::uint64_t>(t)), mt, vt, args);
    }
    expect_near(x, want, 2e-6, "value");  // ten steps of 1e-2 with a few roundings each
  });
  Tensor x = start.clone(), mt = Tensor::zeros({n}), vt = Tensor::zeros({n});
  EXPECT_THROW(cpu_ops().adamw_step(x, start, mt, vt, {.step = 0}), ValueError);
}

TEST(Ops, RotationUndoesItselfAlsoWhenPadded) {
  for (const std::int64_t rows : {12, 7}) {
    const Tensor x = random({rows, 20}, 23);
    Tensor turned({hadamard_length(rows), 20}), back({rows, 20});
    cpu_ops().rotate(x, {.rows = true, .cols = true}, false, turned);
    cpu_ops().rotate(turned, {.rows = true, .cols = true}, true, back);
    expect_near(back, x, 2e-6, "rows " + std::to_string(rows));
    EXPECT_NEAR(cpu_ops().squared_norm(turned), cpu_ops().squared_norm(x), 1e-4);
  }
  EXPECT_EQ(hadamard_length(7), 8);
  EXPECT_EQ(hadamard_length(12), 12);
}

TEST(Ops, ShapesThatDoNotFitAreRefused) {
  Tensor a({2, 3}), b({2, 4}), rstd({2}), gain({3});
  EXPECT_THROW(cpu_ops().add(a, b, a), ShapeError);
  EXPECT_THROW(cpu_ops().rmsnorm(a, gain, 1e-5, b, rstd), ShapeError);
  EXPECT_THROW(cpu_ops().swiglu(a, b, a), ShapeError);
  EXPECT_THROW(cpu_ops().add(a, wide(a), a), ValueError);
  Tensor turned({3, 3});
  EXPECT_THROW(cpu_ops().rotate(a, {.cols = true}, false, turned), ShapeError);
}

}  // namespace
}  // namespace sylvester
