// The integer engine against a 64-bit sum: extremes, tails, transposes, wrapping, every kernel.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <random>
#include <vector>

#include "gemm/panel_product.h"
#include "sylvester/core/parallel.h"
#include "sylvester/gemm/matmul.h"
#include "test_util.h"

namespace sylvester {
namespace {

std::vector<std::int8_t> random_codes(std::int64_t count, int kind, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::int8_t> out(static_cast<std::size_t>(count));
  for (std::int8_t& x : out) {
    const auto any = static_cast<int>(random() % 256) - 128;
    const int extreme = (random() & 1) != 0 ? 127 : (random() & 1) != 0 ? -127 : -128;
    x = static_cast<std::int8_t>(kind == 0 ? any : kind == 1 ? extreme : kind == 2 ? -128 : 127);
  }
  return out;
}

std::int32_t wrapped_sum(const std::int8_t* a, const std::int8_t* b, std::int64_t K,
                         std::int64_t start) {
  std::int64_t sum = start;
  for (std::int64_t k = 0; k < K; ++k) sum += std::int64_t{a[k]} * b[k];
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(sum));
}

using Shape = std::array<std::int64_t, 3>;
constexpr Shape kShapes[] = {{1, 1, 1},    {0, 3, 4},    {3, 0, 4},     {3, 4, 0},    {12, 32, 64},
                             {13, 33, 65}, {7, 100, 31}, {100, 5, 130}, {97, 65, 47}, {25, 31, 3}};

TEST(Int32, EqualsWideSumsOnEveryTarget) {
  test::for_each_target([](Target) {
    std::uint64_t seed = 1;
    for (const auto& [M, N, K] : kShapes) {
      for (int kind = 0; kind < 4; ++kind) {
        const auto A = random_codes(M * K, kind, ++seed), B = random_codes(N * K, 3 - kind, ++seed);
        std::vector<std::int32_t> C(static_cast<std::size_t>(M * N), 2147483000), D(C.size());
        matmul_codes(MatrixView<const std::int8_t>(A.data(), M, K),
                     MatrixView<const std::int8_t>(B.data(), N, K),
                     MatrixView<const std::int32_t>(C.data(), M, N),
                     MatrixView<std::int32_t>(D.data(), M, N));
        for (std::int64_t i = 0; i < M * N; ++i) {
          ASSERT_EQ(D[static_cast<std::size_t>(i)],
                    wrapped_sum(A.data() + i / N * K, B.data() + i % N * K, K, 2147483000))
              << "at (" << i / N << ", " << i % N << ") of " << M << " x " << N << " x " << K
              << " kind " << kind << " seed " << seed;
        }
      }
    }
  });
}

// 2^31 / 127^2 is 133,152: a longer K wraps.
TEST(Int32, SumsWrapAsTheHardware) {
  constexpr std::int64_t K = 140000;
  const auto A = random_codes(K, 3, 1), B = random_codes(2 * K, 3, 1);
  test::for_each_target([&](Target) {
    std::vector<std::int32_t> D(2);
    matmul_codes(MatrixView<const std::int8_t>(A.data(), 1, K),
                 MatrixView<const std::int8_t>(B.data(), 2, K), {},
                 MatrixView<std::int32_t>(D.data(), 1, 2));
    const std::int32_t want = wrapped_sum(A.data(), B.data(), K, 0);
    EXPECT_LT(want, 0);
    EXPECT_EQ(D, (std::vector<std::int32_t>{want, want}));
  });
}

// Kernels that the dispatcher would not pick on this CPU are run as well, stored and transposed.
void check_kernel(const detail::PanelKernel& kernel, bool transposed_a, bool transposed_b) {
  SCOPED_TRACE(kernel.name);
  std::uint64_t seed = 77;
  for (const auto& [M, N, K] : kShapes) {
    if (M * N == 0) continue;
    const auto A = random_codes(M * K, 1, ++seed), B = random_codes(N * K, 1, ++seed);
    detail::PackJob a, b;
    a.src = reinterpret_cast<const std::uint8_t*>(A.data());
    b.src = reinterpret_cast<const std::uint8_t*>(B.data());
    a.rows = M;
    b.rows = N;
    a.K = b.K = K;
    a.row_stride = transposed_a ? 1 : K;
    a.k_stride = transposed_a ? M : 1;
    b.row_stride = transposed_b ? 1 : K;
    b.k_stride = transposed_b ? N : 1;
    std::vector<std::int32_t> D(static_cast<std::size_t>(M * N));
    detail::panel_product(kernel, a, b, [&, N = N](const detail::PanelBlock& block) {
      for (std::int64_t i = 0; i < block.rows; ++i) {
        for (std::int64_t j = 0; j < block.cols; ++j) {
          D[static_cast<std::size_t>((block.m0 + i) * N + block.n0 + j)] =
              static_cast<const std::int32_t*>(block.data)[i * block.stride + j];
        }
      }
    });
    for (std::int64_t m = 0; m < M; ++m) {
      for (std::int64_t n = 0; n < N; ++n) {
        std::int32_t want = 0;
        for (std::int64_t k = 0; k < K; ++k) {
          want += A[static_cast<std::size_t>(m * a.row_stride + k * a.k_stride)] *
                  B[static_cast<std::size_t>(n * b.row_stride + k * b.k_stride)];
        }
        ASSERT_EQ(D[static_cast<std::size_t>(m * N + n)], want)
            << "at (" << m << ", " << n << ") of " << M << " x " << N << " x " << K << " seed "
            << seed;
      }
    }
  }
}

TEST(Int32, EveryKernelAndLayout) {
  for (const bool ta : {false, true}) {
    for (const bool tb : {false, true}) {
      test::for_each_target([&](Target target) {
        if (target == Target::kScalar) return;
        check_kernel(detail::int16_kernel(), ta, tb);
        check_kernel(detail::int_kernel(), ta, tb);
      });
    }
  }
}

TEST(Int32, ThreadsDoNotMatter) {
  constexpr std::int64_t M = 211, N = 301, K = 190;
  const auto A = random_codes(M * K, 0, 3), B = random_codes(N * K, 0, 4);
  std::vector<std::int32_t> first;
  for (int threads = 1; threads <= 3; ++threads) {
    set_num_threads(threads);
    std::vector<std::int32_t> D(static_cast<std::size_t>(M * N));
    matmul_codes(MatrixView<const std::int8_t>(A.data(), M, K),
                 MatrixView<const std::int8_t>(B.data(), N, K), {},
                 MatrixView<std::int32_t>(D.data(), M, N));
    if (first.empty()) first = D;
    EXPECT_EQ(D, first) << threads << " threads";
  }
}

}  // namespace
}  // namespace sylvester
