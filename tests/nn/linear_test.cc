// The linear layer under every recipe: algebra in float64, codes and sharing, policies.
#include "sylvester/nn/linear.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "sylvester/core/error.h"
#include "sylvester/core/parallel.h"
#include "sylvester/formats/convert.h"
#include "sylvester/gemm/matmul.h"
#include "sylvester/hadamard/hadamard.h"
#include "test_util.h"

namespace sylvester {
namespace {

template <class T>
struct Array {
  std::int64_t rows, cols;
  std::vector<T> values;
  Array(std::int64_t rows_in, std::int64_t cols_in)
      : rows(rows_in), cols(cols_in), values(static_cast<std::size_t>(rows * cols)) {}
  MatrixView<T> view() { return {values.data(), rows, cols}; }
  MatrixView<const T> view() const { return {values.data(), rows, cols}; }
  T& operator()(std::int64_t i, std::int64_t j) {
    return values[static_cast<std::size_t>(i * cols + j)];
  }
  const T& operator()(std::int64_t i, std::int64_t j) const {
    return values[static_cast<std::size_t>(i * cols + j)];
  }
};

// Values in (-1, 1) with a few outliers, from the counter-based generator.
template <class T>
Array<T> random(std::int64_t rows, std::int64_t cols, std::uint64_t seed) {
  Array<T> out(rows, cols);
  for (std::size_t i = 0; i < out.values.size(); ++i) {
    const std::uint32_t word = random_word({.seed = seed, .step = 0, .tensor = 0}, i);
    const double value = static_cast<double>(word) * 0x1p-31 - 1.0;
    out.values[i] = static_cast<T>(word % 97 == 0 ? 20 * value : value);
  }
  return out;
}

// C = op(A) op(B), double, by definition.
template <class T>
Array<double> times(const Array<T>& A, bool ta, const Array<T>& B, bool tb) {
  const std::int64_t M = ta ? A.cols : A.rows, K = ta ? A.rows : A.cols;
  const std::int64_t N = tb ? B.rows : B.cols;
  Array<double> C(M, N);
  for (std::int64_t i = 0; i < M; ++i) {
    for (std::int64_t j = 0; j < N; ++j) {
      double sum = 0;
      for (std::int64_t k = 0; k < K; ++k) {
        sum += static_cast<double>(ta ? A(k, i) : A(i, k)) *
               static_cast<double>(tb ? B(j, k) : B(k, j));
      }
      C(i, j) = sum;
    }
  }
  return C;
}

template <class T, class U>
double largest_difference(const Array<T>& a, const Array<U>& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    largest = std::max(
        largest, std::abs(static_cast<double>(a.values[i]) - static_cast<double>(b.values[i])));
  }
  return largest;
}

template <class T, class U>
double relative_error(const Array<T>& a, const Array<U>& b) {
  double error = 0, size = 0;
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    const double d = static_cast<double>(a.values[i]) - static_cast<double>(b.values[i]);
    error += d * d;
    size += static_cast<double>(b.values[i]) * static_cast<double>(b.values[i]);
  }
  return std::sqrt(error / size);
}

template <class T>
struct Layer {
  Array<T> Y, dX, dW;
};

template <class T>
Layer<T> run(const Array<T>& X, const Array<T>& W, const Array<T>& E, const LinearRecipe& recipe,
             const std::string& policy = "blas", const RandomStream& stream = {}) {
  Layer<T> out{Array<T>(X.rows, W.rows), Array<T>(X.rows, X.cols), Array<T>(W.rows, W.cols)};
  LinearContext context;
  linear_forward(X.view(), W.view(), recipe, parse_accumulation(policy), out.Y.view(), &context,
                 stream);
  linear_backward(context, E.view(), out.dX.view(), out.dW.view());
  return out;
}

// Every placement there is, and every row; its quantizers taken out.
std::vector<LinearRecipe> recipes_without_quantizers() {
  std::vector<LinearRecipe> out;
  std::vector<std::string> names = recipe_names();
  for (const char* pattern :
       {"F.L", "F.R", "F.LMR", "E.M", "E.LMR", "G.L", "G.M", "G.LMR", "F.LMR+E.LMR+G.LMR"}) {
    names.push_back(std::string(pattern) + "-int8");
  }
  for (const std::string& name : names) {
    LinearRecipe recipe = parse_recipe(name);
    for (Product* product : {&recipe.F, &recipe.E, &recipe.G}) product->a = product->b = {};
    recipe.bfloat16_values = false;
    out.push_back(recipe);
  }
  return out;
}

// Rotations cancel: |H' H - 1| is a few 2^-53, sums of up to 48 terms of size 400.
TEST(Linear, WithoutQuantizersEveryRecipeIsPlainBackpropagation) {
  for (const std::int64_t tokens : {16, 24, 7, 1}) {  // 24 = 12 x 2; 7 is padded to 8
    const Array<double> X = random<double>(tokens, 24, 1), W = random<double>(12, 24, 2);
    const Array<double> E = random<double>(tokens, 12, 3);
    const Array<double> Y = times(X, false, W, true);
    const Array<double> dX = times(E, false, W, false), dW = times(E, true, X, false);
    for (const LinearRecipe& recipe : recipes_without_quantizers()) {
      SCOPED_TRACE(recipe.name + ", tokens " + std::to_string(tokens));
      const Layer<double> got = run(X, W, E, recipe);
      EXPECT_LT(largest_difference(got.Y, Y), 1e-12);
      EXPECT_LT(largest_difference(got.dX, dX), 1e-12);
      EXPECT_LT(largest_difference(got.dW, dW), 1e-12);
    }
  }
}

// halo2 written out by hand from its definition, with quantizers of the room below.
TEST(Linear, Halo2IsItsFormula) {
  const std::int64_t T = 32, in = 48, out = 40;
  const Array<float> X = random<float>(T, in, 4), W = random<float>(out, in, 5);
  const Array<float> E = random<float>(T, out, 6);
  const QuantSpec spec = parse_quant_spec("int8");
  const Accumulation exact = parse_accumulation("int32");
  Array<float> XH = X, WH = W, HE = E;
  hadamard_rows(X.view(), XH.view());
  hadamard_rows(W.view(), WH.view());
  hadamard_cols(E.view(), HE.view());
  const QuantizedMatrix x = quantize(XH.view(), spec), w = quantize(WH.view(), spec);
  const QuantizedMatrix he = quantize(HE.view(), spec), e = quantize(E.view(), spec);
  const HadamardOptions back{.inverse = true};
  Array<float> Y(T, out), dX(T, in), dW(out, in);
  matmul(x, w, exact, Y.view());
  matmul(he, Operand(w, true), exact, dX.view());
  hadamard_rows(dX.view(), dX.view(), back);
  hadamard_cols(dX.view(), dX.view(), back);
  matmul(Operand(e, true), Operand(x, true), exact, dW.view());
  hadamard_rows(dW.view(), dW.view(), back);
  test::for_each_target([&](Target) {
    const Layer<float> got = run(X, W, E, parse_recipe("halo2-int8"), "int32");
    EXPECT_EQ(got.Y.values, Y.values);
    EXPECT_EQ(got.dX.values, dX.values);
    EXPECT_EQ(got.dW.values, dW.values);
  });
}

// "+bf16" is HALO with bfloat16 tensors: what leaves a product and what leaves each transform is
// rounded.
TEST(Linear, Halo2InBfloat16RoundsBetweenItsTransforms) {
  const std::int64_t T = 32, in = 48, out = 40;
  const auto rounded = [](Array<float> a) {
    round_to_bfloat16(a.values, a.values);
    return a;
  };
  const Array<float> X = rounded(random<float>(T, in, 19)), W = rounded(random<float>(out, in, 20));
  const Array<float> E = rounded(random<float>(T, out, 21));
  Array<float> WH = W, HE = E;
  hadamard_rows(W.view(), WH.view());
  hadamard_cols(E.view(), HE.view());
  const QuantSpec spec = parse_quant_spec("int8");
  const QuantizedMatrix w = quantize(WH.view(), spec), he = quantize(HE.view(), spec);
  const HadamardOptions back{.inverse = true};
  Array<float> dX(T, in);
  matmul(he, Operand(w, true), parse_accumulation("int32"), dX.view());
  dX = rounded(dX);
  hadamard_rows(dX.view(), dX.view(), back);
  dX = rounded(dX);
  hadamard_cols(dX.view(), dX.view(), back);
  dX = rounded(dX);
  EXPECT_EQ(run(X, W, E, parse_recipe("halo2-int8+bf16"), "int32").dX.values, dX.values);
}

// More rotation, less error on data with outliers; a bound of each recipe against plain products.
TEST(Linear, ErrorsAreThoseOfTheFormat) {
  const Array<float> X = random<float>(64, 96, 7), W = random<float>(48, 96, 8);
  const Array<float> E = random<float>(64, 48, 9);
  const Array<double> Y = times(X, false, W, true);
  const Array<double> dX = times(E, false, W, false), dW = times(E, true, X, false);
  for (const std::string& name : recipe_names()) {
    SCOPED_TRACE(name);
    const Layer<float> got = run(X, W, E, parse_recipe(name));
    const bool coarse = name.find("fp4") != std::string::npos, exact = name == "fp32";
    // int8 of data with crest 40: step absmax / 127 against rms: 0.3 of the signal and below.
    const double bound = exact ? 1e-6 : name == "bf16" ? 0.01 : coarse ? 1.5 : 0.35;
    for (const double error :
         {relative_error(got.Y, Y), relative_error(got.dX, dX), relative_error(got.dW, dW)}) {
      EXPECT_LT(error, bound);
      EXPECT_TRUE(exact || error > 1e-4) << "nothing was quantized: error " << error;
    }
  }
  const auto error = [&](const char* name) {
    return relative_error(run(X, W, E, parse_recipe(name)).dX, dX);
  };
  EXPECT_LT(error("halo2-int8"), error("halo1-int8"));
  EXPECT_LT(error("halo1-int8"), error("halo0-int8"));
}

// Blocks of 32 along 40 tokens and 48 outputs: padded with zeros, as the same layer padded by hand.
TEST(Linear, BlocksAlongTheContractionNeedNoMultiple) {
  const Array<float> X = random<float>(40, 96, 16), W = random<float>(48, 96, 17);
  const Array<float> E = random<float>(40, 48, 18);
  const auto padded = [](const Array<float>& a, std::int64_t rows, std::int64_t cols) {
    Array<float> out(rows, cols);
    for (std::int64_t i = 0; i < a.rows; ++i) {
      for (std::int64_t j = 0; j < a.cols; ++j) out(i, j) = a(i, j);
    }
    return out;
  };
  const LinearRecipe recipe = parse_recipe("halo0-mxfp8_e4m3");
  const Layer<float> got = run(X, W, E, recipe, "exact");
  const Layer<float> want =
      run(padded(X, 64, 96), padded(W, 64, 96), padded(E, 64, 64), recipe, "exact");
  EXPECT_EQ(padded(got.Y, 64, 64).values, want.Y.values);
  EXPECT_EQ(padded(got.dX, 64, 96).values, want.dX.values);
  EXPECT_EQ(padded(got.dW, 64, 96).values, want.dW.values);
}

TEST(Linear, SameBitsWithAnyNumberOfThreads) {
  const Array<float> X = random<float>(96, 192, 10), W = random<float>(144, 192, 11);
  const Array<float> E = random<float>(96, 144, 12);
  for (const char* policy : {"int32", "exact", "ordered"}) {
    SCOPED_TRACE(policy);
    set_num_threads(1);
    const Layer<float> one = run(X, W, E, parse_recipe("halo2-int8"), policy);
    set_num_threads(3);
    const Layer<float> three = run(X, W, E, parse_recipe("halo2-int8"), policy);
    set_num_threads(2);
    EXPECT_EQ(one.Y.values, three.Y.values);
    EXPECT_EQ(one.dX.values, three.dX.values);
    EXPECT_EQ(one.dW.values, three.dW.values);
  }
}

TEST(Linear, StochasticRoundingDrawsFromItsStream) {
  const Array<float> X = random<float>(16, 32, 13), W = random<float>(16, 32, 14);
  const Array<float> E = random<float>(16, 16, 15);
  const LinearRecipe recipe = parse_recipe("halo0-int8:rounding=stochastic");
  const RandomStream first{.seed = 1, .step = 5, .tensor = 9},
      other{.seed = 1, .step = 6, .tensor = 9};
  const Layer<float> a = run(X, W, E, recipe, "blas", first);
  EXPECT_EQ(a.Y.values, run(X, W, E, recipe, "blas", first).Y.values);
  EXPECT_NE(a.Y.values, run(X, W, E, recipe, "blas", other).Y.values);
}

TEST(Linear, MistakesAreNamed) {
  const Array<float> X = random<float>(8, 23, 1), W = random<float>(16, 23, 2);
  Array<float> Y(8, 16), wrong(8, 15);
  const Accumulation blas;
  // 23 has no Hadamard matrix: one error, naming what can be done.
  try {
    linear_forward(X.view(), W.view(), parse_recipe("halo1-int8"), blas, Y.view());
    FAIL() << "no error";
  } catch (const ShapeError& e) {
    EXPECT_NE(std::string(e.what()).find("23"), std::string::npos) << e.what();
  }
  EXPECT_THROW(linear_forward(X.view(), W.view(), LinearRecipe{}, blas, wrong.view()), ShapeError);
  LinearContext context;
  EXPECT_THROW(linear_backward(context, Y.view(), Y.view(), Y.view()), ValueError);
  const Array<double> Xd = random<double>(8, 16, 1), Wd = random<double>(16, 16, 2);
  Array<double> Yd(8, 16);
  EXPECT_THROW(linear_forward(Xd.view(), Wd.view(), parse_recipe("halo1-int8"), blas, Yd.view()),
               UnsupportedError);
}

}  // namespace
}  // namespace sylvester
