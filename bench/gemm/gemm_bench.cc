// Products of N x N x N under each policy, beside the libraries' sgemm and int8 product.
//
//   gemm_bench [N = 1024] [target = auto] [threads = 1] [repetitions = 9]
//
// All cases of a group are timed by turns in one loop, and the least of each is printed, so that
// other load on the machine hits all alike. One thread is timed by its processor time. Every case
// checks its result against "exact" before it is timed.
#include <cblas.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "sylvester/core/parallel.h"
#include "sylvester/core/target.h"
#include "sylvester/gemm/matmul.h"
#include "sylvester/quant/quantize.h"

#ifdef SYLVESTER_HAVE_DNNL
#include <dnnl.h>
#endif
extern "C" void openblas_set_num_threads(int);

namespace sylvester {
namespace {

double now() {
  timespec t{};
  clock_gettime(num_threads() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

struct Case {
  std::string name;
  std::function<void()> run;
  double least = 1e30;
};

// Times the cases by turns; the first is the baseline of the ratios.
void time_group(std::vector<Case>& cases, double operations, int repetitions) {
  for (int r = 0; r < repetitions; ++r) {
    for (Case& c : cases) {
      const double start = now();
      c.run();
      c.least = std::min(c.least, now() - start);
    }
  }
  for (const Case& c : cases) {
    std::printf("%-44s %8.1f G/s   %5.2f of %s\n", c.name.c_str(), operations / c.least * 1e-9,
                cases[0].least / c.least, cases[0].name.c_str());
  }
  std::printf("\n");
}

struct Data {
  std::int64_t n;
  std::vector<float> X, W, Y, Y_exact;
  explicit Data(std::int64_t size) : n(size), X(size * size), W(X), Y(X), Y_exact(X) {
    std::mt19937_64 random(1);
    std::normal_distribution<float> normal;
    for (float& x : X) x = normal(random);
    for (float& x : W) x = normal(random);
  }
  MatrixView<const float> x() const { return {X.data(), n, n}; }
  MatrixView<const float> w() const { return {W.data(), n, n}; }
  MatrixView<float> y() { return {Y.data(), n, n}; }
};

// Largest difference to "exact" over the root mean square of the result.
double error(Data& d, const QuantizedMatrix& x, const QuantizedMatrix& w) {
  matmul(x, w, parse_accumulation("exact"), MatrixView<float>(d.Y_exact.data(), d.n, d.n));
  double largest = 0, square = 0;
  for (std::size_t i = 0; i < d.Y.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(d.Y[i]) - d.Y_exact[i]));
    square += static_cast<double>(d.Y_exact[i]) * d.Y_exact[i];
  }
  return largest / std::sqrt(square / static_cast<double>(d.Y.size()));
}

void add_sgemm(std::vector<Case>& cases, Data& d) {
  const int n = static_cast<int>(d.n);
#ifdef SYLVESTER_HAVE_DNNL
  cases.push_back({"oneDNN sgemm", [&d, n] {
                     dnnl_sgemm('N', 'T', n, n, n, 1.0f, d.X.data(), n, d.W.data(), n, 0.0f,
                                d.Y.data(), n);
                   }});
#endif
  cases.push_back({"OpenBLAS sgemm", [&d, n] {
                     cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n, n, n, 1.0f, d.X.data(),
                                 n, d.W.data(), n, 0.0f, d.Y.data(), n);
                   }});
  cases.push_back({"product() float32", [&d] { product(d.x(), false, d.w(), true, d.y()); }});
}

void add_policy(std::vector<Case>& cases, Data& d, const char* spec_text, const char* policy_text,
                bool quantization_too) {
  const QuantSpec spec = parse_quant_spec(spec_text);
  const Accumulation policy = parse_accumulation(policy_text);
  auto x = std::make_shared<QuantizedMatrix>(quantize(d.x(), spec));
  auto w = std::make_shared<QuantizedMatrix>(quantize(d.w(), spec));
  matmul(*x, *w, policy, d.y());
  // sm90's FP8 keeps 13 fraction bits: errors up to K / 32 2^-13 of the largest partial sum.
  const double worst = error(d, *x, *w);
  if (!(worst < 0.1)) {
    std::printf("%s %s: WRONG, error %g\n", spec_text, policy_text, worst);
    std::exit(1);
  }
  const std::string name = std::string(spec_text) + " " + policy_text;
  if (quantization_too) {
    cases.push_back({name + " + quantize both", [&d, x, w, spec, policy] {
                       quantize(d.x(), spec, *x);
                       quantize(d.w(), spec, *w);
                       matmul(*x, *w, policy, d.y());
                     }});
  } else {
    cases.push_back({name, [&d, x, w, policy] { matmul(*x, *w, policy, d.y()); }});
  }
}

void int8_group(Data& d, int repetitions) {
  const std::int64_t n = d.n;
  std::vector<std::int8_t> A(d.X.size()), B(d.X.size());
  std::mt19937_64 random(2);
  for (auto& x : A) x = static_cast<std::int8_t>(static_cast<int>(random() % 255) - 127);
  for (auto& x : B) x = static_cast<std::int8_t>(static_cast<int>(random() % 255) - 127);
  std::vector<std::int32_t> C(A.size()), library(A.size());
  std::vector<Case> cases;
#ifdef SYLVESTER_HAVE_DNNL
  cases.push_back({"oneDNN int8", [&, n] {
                     const std::int32_t offset = 0;
                     dnnl_gemm_s8s8s32('N', 'T', 'F', n, n, n, 1.0f, A.data(), n, 0, B.data(), n, 0,
                                       0.0f, library.data(), n, &offset);
                   }});
#endif
  cases.push_back({"int32", [&, n] {
                     matmul_codes(MatrixView<const std::int8_t>(A.data(), n, n),
                                  MatrixView<const std::int8_t>(B.data(), n, n), {},
                                  MatrixView<std::int32_t>(C.data(), n, n));
                   }});
  time_group(cases, 2.0 * static_cast<double>(n) * n * n, repetitions);
#ifdef SYLVESTER_HAVE_DNNL
  if (C != library) std::printf("int32 and oneDNN differ\n");
#endif
}

int run(int argc, char** argv) {
  const std::int64_t n = argc > 1 ? std::atoll(argv[1]) : 1024;
  if (argc > 2) set_target(parse_target(argv[2]));
  const int threads = argc > 3 ? std::atoi(argv[3]) : 1;
  const int repetitions = argc > 4 ? std::atoi(argv[4]) : 9;
  set_num_threads(threads);
  omp_set_num_threads(threads);
  openblas_set_num_threads(threads);
  std::printf("N %lld, target %s, threads %d, least of %d\n", static_cast<long long>(n),
              to_string(current_target()).c_str(), threads, repetitions);
  Data d(n);
  const double operations = 2.0 * static_cast<double>(n) * n * n;
  int8_group(d, repetitions);
  std::vector<Case> fast;
  add_sgemm(fast, d);
  for (const char* spec : {"int8", "float8_e4m3fn", "float6_e2m3fn", "float4_e2m1fn"}) {
    add_policy(fast, d, spec, "blas", true);
  }
  openblas_set_num_threads(threads);  // product() runs it on one
  time_group(fast, operations, repetitions);
  std::vector<Case> emulated;
  add_policy(emulated, d, "float8_e4m3fn", "exact", false);
  add_policy(emulated, d, "float8_e5m2", "exact", false);
  add_policy(emulated, d, "bfloat16", "exact", false);
  for (const char* policy :
       {"sm90-cublaslt", "sm90-cublaslt-fast", "sm90-wgmma", "sm90-mma", "sm89-mma"}) {
    add_policy(emulated, d, "float8_e4m3fn", policy, false);
  }
  add_policy(emulated, d, "bfloat16", "sm90-wgmma", false);
  add_policy(emulated, d, "mxfp8_e4m3", "sm100-tcgen05", false);
  time_group(emulated, operations, std::min(repetitions, 5));
  return 0;
}

}  // namespace
}  // namespace sylvester

int main(int argc, char** argv) { return sylvester::run(argc, argv); }
