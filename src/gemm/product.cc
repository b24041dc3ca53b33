// Real products through the libraries: oneDNN's sgemm where present, else OpenBLAS, else Eigen.
//
// Which one, measured on a Zen 5 core at 1024^3: oneDNN 2.6.3 (AVX-512) 200 GFLOP/s, OpenBLAS
// 0.3.21 (runs there as Haswell) 107 GFLOP/s. OpenBLAS in a Debian release can be older than the
// CPU it runs on, so it answers a set of small integer products once before it is trusted; a wrong
// answer sends every later product to Eigen.
//
// Threads: C is cut into panels, each a single-threaded library call, so that the bits do not
// depend on the number of threads (they do depend on the machine and its libraries). One fork and
// join a product; the libraries' own barriers cost more on a loaded machine.

#include <cblas.h>
#include <omp.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <vector>

#include "gemm/kernels.h"
#include "sylvester/core/matrix.h"
#include "sylvester/core/parallel.h"
#include "sylvester/gemm/matmul.h"

#ifdef SYLVESTER_HAVE_DNNL
#include <dnnl.h>
#endif

extern "C" void openblas_set_num_threads(int);

namespace sylvester {
namespace {

// One product C = alpha op(A) op(B) + beta C on raw row-major memory.
template <class T>
struct Product {
  bool transpose_a, transpose_b;
  std::int64_t M, N, K;
  T alpha;
  const T* A;
  std::int64_t lda;
  const T* B;
  std::int64_t ldb;
  T beta;
  T* C;
  std::int64_t ldc;
};

template <class T>
void eigen_product(const Product<T>& p) {
  const MatrixView<const T> a(p.A, p.transpose_a ? p.K : p.M, p.transpose_a ? p.M : p.K, p.lda);
  const MatrixView<const T> b(p.B, p.transpose_b ? p.N : p.K, p.transpose_b ? p.K : p.N, p.ldb);
  Matrix<T> sum(p.M, p.N);
  const auto A = map(a);
  const auto B = map(b);
  if (p.transpose_a && p.transpose_b) {
    sum.noalias() = A.transpose() * B.transpose();
  } else if (p.transpose_a) {
    sum.noalias() = A.transpose() * B;
  } else if (p.transpose_b) {
    sum.noalias() = A * B.transpose();
  } else {
    sum.noalias() = A * B;
  }
  auto C = map(MatrixView<T>(p.C, p.M, p.N, p.ldc));
  if (p.beta == T(0)) {
    C = p.alpha * sum;
  } else {
    C = p.alpha * sum + p.beta * C;
  }
}

void openblas_call(const Product<float>& p) {
  cblas_sgemm(CblasRowMajor, p.transpose_a ? CblasTrans : CblasNoTrans,
              p.transpose_b ? CblasTrans : CblasNoTrans, static_cast<int>(p.M),
              static_cast<int>(p.N), static_cast<int>(p.K), p.alpha, p.A, static_cast<int>(p.lda),
              p.B, static_cast<int>(p.ldb), p.beta, p.C, static_cast<int>(p.ldc));
}
void openblas_call(const Product<double>& p) {
  cblas_dgemm(CblasRowMajor, p.transpose_a ? CblasTrans : CblasNoTrans,
              p.transpose_b ? CblasTrans : CblasNoTrans, static_cast<int>(p.M),
              static_cast<int>(p.N), static_cast<int>(p.K), p.alpha, p.A, static_cast<int>(p.lda),
              p.B, static_cast<int>(p.ldb), p.beta, p.C, static_cast<int>(p.ldc));
}

// Sums of small integers are exact in any order, so one wrong word condemns the library. The sizes
// reach full tiles, tails and more than one block of every OpenBLAS kernel.
template <class T>
bool openblas_agrees() {
  for (const auto& [M, N, K] : {std::array<int, 3>{3, 5, 7}, {33, 70, 40}, {97, 129, 300}}) {
    std::vector<T> A(static_cast<std::size_t>(M) * K), B(static_cast<std::size_t>(N) * K);
    for (std::size_t i = 0; i < A.size(); ++i) A[i] = static_cast<T>(static_cast<int>(i % 11) - 5);
    for (std::size_t i = 0; i < B.size(); ++i) B[i] = static_cast<T>(static_cast<int>(i % 13) - 6);
    std::vector<T> got(static_cast<std::size_t>(M) * N), want(got.size());
    for (int form = 0; form < 4; ++form) {
      const bool ta = (form & 1) != 0;
      const bool tb = (form & 2) != 0;
      Product<T> p{ta,         tb,       M,          N,    K,          T(1), A.data(),
                   ta ? M : K, B.data(), tb ? K : N, T(0), got.data(), N};
      openblas_call(p);
      p.C = want.data();
      eigen_product(p);
      if (got != want) return false;
    }
  }
  return true;
}

template <class T>
bool openblas_usable() {
  static const bool usable = [] {
    openblas_set_num_threads(1);  // our own threads call it; see the top of the file
    return openblas_agrees<T>();
  }();
  return usable;
}

// cblas of Debian takes 32-bit sizes.
template <class T>
bool fits_int(const Product<T>& p) {
  constexpr std::int64_t kMax = std::numeric_limits<int>::max();
  return std::max({p.M, p.N, p.K, p.lda, p.ldb, p.ldc}) <= kMax;
}

template <class T>
void blas_product(const Product<T>& p) {
  if (fits_int(p) && openblas_usable<T>()) {
    openblas_call(p);
  } else {
    eigen_product(p);
  }
}

void serial_product(const Product<double>& p) { blas_product(p); }

void serial_product(const Product<float>& p) {
#ifdef SYLVESTER_HAVE_DNNL
  const dnnl_status_t status =
      dnnl_sgemm(p.transpose_a ? 'T' : 'N', p.transpose_b ? 'T' : 'N', p.M, p.N, p.K, p.alpha, p.A,
                 p.lda, p.B, p.ldb, p.beta, p.C, p.ldc);
  if (status == dnnl_success) return;
#endif
  blas_product(p);
}

// oneDNN asks OpenMP for its thread count unless it is called from a parallel region.
class OneLibraryThread {
 public:
  OneLibraryThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneLibraryThread() { omp_set_num_threads(before_); }
  OneLibraryThread(const OneLibraryThread&) = delete;
  OneLibraryThread& operator=(const OneLibraryThread&) = delete;

 private:
  int before_;
};

// C is cut along its longer side into 2^j panels of 192 to 384 rows or columns (at most 64), a
// function of the shape alone: the same library calls are made for any number of threads.
std::int64_t panel_length(std::int64_t length, double work) {
  constexpr std::int64_t kLeast = 192, kAlign = 16;
  if (work < 1 << 20) return length;  // not worth a fork
  std::int64_t panels = 1;
  while (panels < 64 && length / (2 * panels) >= kLeast) panels *= 2;
  const std::int64_t even = (length + panels - 1) / panels;
  return (even + kAlign - 1) / kAlign * kAlign;
}

template <class T>
void parallel_product(const Product<T>& p) {
  const bool along_n = p.N >= p.M;
  const std::int64_t length = along_n ? p.N : p.M;
  const double work = static_cast<double>(p.M) * static_cast<double>(p.N) * p.K;
  parallel_blocks(length, panel_length(length, work),
                  [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                    const OneLibraryThread one;
                    Product<T> part = p;
                    if (along_n) {
                      part.N = end - begin;
                      part.B += p.transpose_b ? begin * p.ldb : begin;
                      part.C += begin;
                    } else {
                      part.M = end - begin;
                      part.A += p.transpose_a ? begin : begin * p.lda;
                      part.C += begin * p.ldc;
                    }
                    serial_product(part);
                  });
}

template <class T>
void checked_product(MatrixView<const T> A, bool transpose_a, MatrixView<const T> B,
                     bool transpose_b, MatrixView<T> C, T alpha, T beta) {
  const std::int64_t M = transpose_a ? A.cols : A.rows;
  const std::int64_t K = transpose_a ? A.rows : A.cols;
  const std::int64_t KB = transpose_b ? B.cols : B.rows;
  const std::int64_t N = transpose_b ? B.rows : B.cols;
  if (K != KB || C.rows != M || C.cols != N) {
    throw ShapeError("product: op(A) is " + std::to_string(M) + " x " + std::to_string(K) +
                     ", op(B) is " + std::to_string(KB) + " x " + std::to_string(N) + ", C is " +
                     std::to_string(C.rows) + " x " + std::to_string(C.cols) +
                     "; want [M, K] [K, N] [M, N]");
  }
  if (M == 0 || N == 0) return;
  if (K == 0) {
    for (std::int64_t i = 0; i < M; ++i) {
      for (std::int64_t j = 0; j < N; ++j) C(i, j) = beta == T(0) ? T(0) : beta * C(i, j);
    }
    return;
  }
  parallel_product(Product<T>{transpose_a, transpose_b, M, N, K, alpha, A.data, A.stride, B.data,
                              B.stride, beta, C.data, C.stride});
}

}  // namespace

bool detail::openblas_trusted() { return openblas_usable<float>() && openblas_usable<double>(); }

void product(MatrixView<const float> A, bool transpose_a, MatrixView<const float> B,
             bool transpose_b, MatrixView<float> C, float alpha, float beta) {
  checked_product(A, transpose_a, B, transpose_b, C, alpha, beta);
}

void product(MatrixView<const double> A, bool transpose_a, MatrixView<const double> B,
             bool transpose_b, MatrixView<double> C, double alpha, double beta) {
  checked_product(A, transpose_a, B, transpose_b, C, alpha, beta);
}

}  // namespace sylvester
