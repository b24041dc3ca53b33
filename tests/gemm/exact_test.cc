// "exact" and "ordered" bit by bit, and the hardware policies' vectors against their scalar body.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "gemm/operands.h"
#include "sylvester/core/parallel.h"
#include "sylvester/gemm/matmul.h"
#include "test_util.h"

namespace sylvester {
namespace {

bool same_bits(float a, float b) {
  return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
}

// The exact sum of FP8 products as an integer multiple of 2^-32 (E5M2 products; E4M3 ones are
// multiples of 2^-18), rounded to nearest even by hand.
float integer_witness(const std::uint8_t* a, DType fa, const std::uint8_t* b, DType fb,
                      std::int64_t K) {
  __int128 sum = 0;
  bool nan = false, plus = false, minus = false;
  for (std::int64_t k = 0; k < K; ++k) {
    const double x = decode_one(a[k], fa), y = decode_one(b[k], fb);
    if (std::isnan(x * y)) nan = true;
    if (std::isinf(x * y)) (x * y > 0 ? plus : minus) = true;
    if (std::isfinite(x * y)) sum += static_cast<__int128>(std::ldexp(x * y, 32));
  }
  if (nan || (plus && minus)) return std::numeric_limits<float>::quiet_NaN();
  if (plus || minus) return plus ? INFINITY : -INFINITY;
  unsigned __int128 magnitude = sum < 0 ? -sum : sum;
  int shift = 0;
  while ((magnitude >> shift) >> 24 != 0) ++shift;
  auto kept = static_cast<std::uint64_t>(magnitude >> shift);
  if (shift > 0) {
    const unsigned __int128 half = static_cast<unsigned __int128>(1) << (shift - 1);
    const unsigned __int128 rest = magnitude & (2 * half - 1);
    if (rest > half || (rest == half && (kept & 1) != 0)) ++kept;
  }
  const auto value = static_cast<float>(std::ldexp(static_cast<double>(kept), shift - 32));
  return sum < 0 ? -value : value;
}

TEST(Exact, Fp8EqualsIntegerArithmeticSpecialsIncluded) {
  constexpr std::int64_t M = 19, N = 23, K = 300;
  const Accumulation exact = parse_accumulation("exact");
  std::mt19937_64 random(11);
  for (const bool specials : {false, true}) {
    for (const auto& formats : {std::pair(DType::kFloat8E4M3FN, DType::kFloat8E4M3FN),
                                {DType::kFloat8E5M2, DType::kFloat8E5M2},
                                {DType::kFloat8E4M3FN, DType::kFloat8E5M2}}) {
      const DType fa = formats.first, fb = formats.second;
      std::vector<std::uint8_t> A(M * K), B(N * K);
      const auto draw = [&](DType f) {
        std::uint8_t code = 0;
        do {
          code = static_cast<std::uint8_t>(random());
        } while (!std::isfinite(decode_one(code, f)) && !(specials && random() % 64 == 0));
        return code;
      };
      for (auto& x : A) x = draw(fa);
      for (auto& x : B) x = draw(fb);
      test::for_each_target([&](Target) {
        std::vector<float> D(M * N);
        matmul_codes(MatrixView<const std::uint8_t>(A.data(), M, K), fa,
                     MatrixView<const std::uint8_t>(B.data(), N, K), fb, exact, {},
                     MatrixView<float>(D.data(), M, N));
        for (std::int64_t i = 0; i < M * N; ++i) {
          const float want = integer_witness(A.data() + i / N * K, fa, B.data() + i % N * K, fb, K);
          const float got = D[static_cast<std::size_t>(i)];
          ASSERT_TRUE(got == want || (std::isnan(got) && std::isnan(want)))
              << "got " << got << " expected " << want << " at " << i << ' ' << to_string(fa)
              << " x " << to_string(fb) << " seed 11";
        }
      });
    }
  }
}

// Every policy and operand pair: all targets and thread counts give the scalar body's bits.
void check_targets(const QuantizedMatrix& A, bool ta, const QuantizedMatrix& B, bool tb,
                   const char* policy_name, const MatmulOptions& options = {}) {
  const Accumulation policy = parse_accumulation(policy_name);
  const Operand a(A, ta), b(B, tb);
  std::vector<float> want(static_cast<std::size_t>(a.rows() * b.rows()));
  set_target(Target::kScalar);
  matmul(a, b, policy, MatrixView<float>(want.data(), a.rows(), b.rows()), options);
  test::for_each_target([&](Target) {
    for (int threads = 1; threads <= 2; ++threads) {
      set_num_threads(threads);
      std::vector<float> got(want.size());
      matmul(a, b, policy, MatrixView<float>(got.data(), a.rows(), b.rows()), options);
      for (std::size_t i = 0; i < got.size(); ++i) {
        ASSERT_TRUE(same_bits(got[i], want[i]))
            << policy_name << ' ' << to_string(A.spec.format) << " x " << to_string(B.spec.format)
            << " element " << i << " threads " << threads << ": got " << got[i] << " expected "
            << want[i];
      }
    }
  });
}

QuantizedMatrix make(DType dtype, std::int64_t rows, std::int64_t cols, std::int64_t br,
                     std::int64_t bc, std::uint64_t seed, DType scale_format = DType::kFloat32) {
  QuantSpec spec;
  spec.format = dtype;
  spec.scale_format = scale_format;
  QuantizedMatrix q = test::random_matrix(spec, rows, cols, br, bc, seed, true);
  if (scale_format != DType::kFloat32) {
    q.scale_codes.resize(q.scales.size());
    std::mt19937_64 random(seed);
    for (std::int64_t i = 0; i < q.scales.size(); ++i) {
      const bool mx = scale_format == DType::kFloat8E8M0FNU;
      q.scale_codes[i] = static_cast<std::uint8_t>(mx ? 117 + random() % 20 : 1 + random() % 0x7E);
      q.scales[i] = decode_one(q.scale_codes[i], scale_format);
    }
  }
  return q;
}

TEST(Targets, SoftwarePolicies) {
  for (const char* policy : {"ordered", "exact"}) {
    for (const DType dtype : {DType::kFloat8E5M2, DType::kFloat6E2M3FN, DType::kFloat4E2M1FN,
                              DType::kBFloat16, DType::kInt8}) {
      check_targets(make(dtype, 37, 70, 37, 70, 1), false, make(dtype, 70, 41, 70, 1, 2), true,
                    policy);
    }
    check_targets(make(DType::kFloat8E4M3FN, 9, 96, 1, 32, 3), false,
                  make(DType::kFloat6E3M2FN, 20, 96, 1, 32, 4), false, policy);
  }
}

TEST(Targets, HardwarePolicies) {
  std::uint64_t seed = 20;
  for (const std::string& policy : known_accumulations()) {
    if (policy.substr(0, 2) != "sm") continue;
    for (const DType dtype : {DType::kFloat8E4M3FN, DType::kFloat8E5M2, DType::kBFloat16,
                              DType::kFloat32, DType::kInt8, DType::kFloat4E2M1FN}) {
      const QuantizedMatrix A = make(dtype, 9, 150, 9, 150, ++seed);
      const QuantizedMatrix B = make(dtype, 150, 35, 150, 35, ++seed);
      try {
        check_targets(A, false, B, true, policy.c_str());
      } catch (const UnsupportedError&) {
      }
    }
  }
  const QuantizedMatrix A = make(DType::kFloat8E4M3FN, 9, 600, 1, 600, 5);
  const QuantizedMatrix B = make(DType::kFloat8E5M2, 20, 600, 1, 600, 6);
  for (const char* policy :
       {"sm90-wgmma:splitk=2", "sm90-cublaslt:promote=64", "sm90-mma:splitk=3"}) {
    check_targets(A, false, B, false, policy);
    check_targets(A, false, B, false, policy, {0.3f, DType::kBFloat16});
  }
}

TEST(Targets, BlockScalesInsideTheSum) {
  const DType mx = DType::kFloat8E8M0FNU, fp4 = DType::kFloat4E2M1FN;
  for (const char* policy : {"sm100-tcgen05", "sm120-mma", "sm90-wgmma"}) {
    check_targets(make(DType::kFloat8E4M3FN, 9, 160, 1, 32, 7, mx), false,
                  make(DType::kFloat8E5M2, 20, 160, 1, 32, 8, mx), false, policy);
  }
  check_targets(make(fp4, 9, 100, 1, 16, 9, DType::kFloat8E4M3FN), false,
                make(fp4, 20, 100, 1, 16, 10, DType::kFloat8E4M3FN), false, "sm100-tcgen05");
  check_targets(make(fp4, 9, 100, 1, 32, 9, mx), false, make(fp4, 20, 100, 1, 32, 10, mx), false,
                "sm120-mma");
}

// With small integers every policy that keeps 25 bits is exact: one result for all of them.
TEST(Hardware, BlockScaledPoliciesAreExactWhereNothingIsCut) {
  const DType fp4 = DType::kFloat4E2M1FN, mx = DType::kFloat8E8M0FNU;
  QuantizedMatrix A = make(fp4, 6, 128, 1, 32, 1, mx), B = make(fp4, 7, 128, 1, 32, 2, mx);
  for (QuantizedMatrix* q : {&A, &B}) {
    for (std::int64_t i = 0; i < q->scales.size(); ++i) {
      q->scale_codes[i] = static_cast<std::uint8_t>(126 + i % 3);
      q->scales[i] = decode_one(q->scale_codes[i], mx);
    }
  }
  std::vector<float> want(42), got(42);
  matmul(A, B, parse_accumulation("exact"), MatrixView<float>(want.data(), 6, 7));
  for (const char* policy : {"sm100-tcgen05", "sm120-mma"}) {
    matmul(A, B, parse_accumulation(policy), MatrixView<float>(got.data(), 6, 7));
    EXPECT_EQ(got, want) << policy;
  }
}

// MMA-Sim gives a zero operand the exponent -126, so that 0 * 2^127 sets the alignment and wipes
// the other terms. The H100 drops zero products and a zero C.
TEST(Hardware, ZeroOperandsTakeNoPartInTheAlignment) {
  const auto bf16 = [](float x) {
    return static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(x) >> 16);
  };
  constexpr std::int64_t K = 16;
  std::vector<std::uint16_t> A(K, bf16(0.0f)), B(K, bf16(0.0f));
  B[0] = bf16(0x1p127f);                     // 0 * 2^127
  A[1] = bf16(0x1p-30f), B[1] = bf16(1.0f);  // 2^-30, 155 binades below
  A[2] = bf16(-0.0f), B[2] = bf16(-0x1p127f);
  test::for_each_target([&](Target) {
    for (const char* policy : {"sm90-wgmma", "sm90-mma", "sm80-mma"}) {
      for (const float c : {0.0f, -0.0f, 0x1p-40f}) {
        float d = -1;
        matmul_codes(MatrixView<const std::uint16_t>(A.data(), 1, K), DType::kBFloat16,
                     MatrixView<const std::uint16_t>(B.data(), 1, K), DType::kBFloat16,
                     parse_accumulation(policy), MatrixView<const float>(&c, 1, 1),
                     MatrixView<float>(&d, 1, 1));
        EXPECT_EQ(d, 0x1p-30f + c) << policy << " c " << c;
      }
    }
  });
}

TEST(Hardware, IntegerCodesGoThroughTheIntegerEngine) {
  const std::vector<std::uint8_t> A{127, 0x80, 3}, B{127, 0x80, 0xFF};
  const float c = 0.5f;
  float d = 0;
  const MatrixView<const std::uint8_t> a(A.data(), 1, 3), b(B.data(), 1, 3);
  matmul_codes(a, DType::kInt8, b, DType::kInt8, parse_accumulation("sm90-mma"),
               MatrixView<const float>(&c, 1, 1), MatrixView<float>(&d, 1, 1));
  EXPECT_EQ(d, 127.0f * 127 + 128 * 128 - 3 + 0.5f);
  EXPECT_THROW(matmul_codes(a, DType::kInt8, b, DType::kInt8, parse_accumulation("sm70-mma"), {},
                            MatrixView<float>(&d, 1, 1)),
               UnsupportedError);
}

TEST(Ordered, IsOneFmaAProduct) {
  const QuantizedMatrix A = make(DType::kFloat32, 3, 50, 3, 50, 1);
  const QuantizedMatrix B = make(DType::kFloat32, 40, 50, 40, 50, 2);
  test::for_each_target([&](Target) {
    std::vector<float> C(120);
    matmul(A, B, parse_accumulation("ordered"), MatrixView<float>(C.data(), 3, 40));
    for (int i = 0; i < 120; ++i) {
      float sum = 0;
      for (int k = 0; k < 50; ++k) {
        sum = std::fma(A.values[i / 40 * 50 + k], B.values[i % 40 * 50 + k], sum);
      }
      ASSERT_TRUE(same_bits(C[static_cast<std::size_t>(i)], sum)) << "element " << i;
    }
  });
}

}  // namespace
}  // namespace sylvester
