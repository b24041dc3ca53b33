// Fused steps of few fraction bits (FP8 with F = 13): the identity behind the fast form, and the
// form beside the scalar body on every target, bit by bit.
#include <gtest/gtest.h>

#include <bit>
#include <cfenv>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "gemm/fused_anchor.h"
#include "gemm/policy.h"
#include "sylvester/formats/convert.h"
#include "sylvester/gemm/matmul.h"
#include "test_util.h"

namespace sylvester {
namespace {

constexpr DType kE4 = DType::kFloat8E4M3FN, kE5 = DType::kFloat8E5M2;

TEST(Anchor, TakesTheStepsItsBoundsAllow) {
  const auto form = [](int k, int fraction_bits, int product_bits) {
    return detail::anchor_form({k, fraction_bits, detail::StepOutput::kE8M13}, product_bits);
  };
  EXPECT_TRUE(form(32, 13, 8));  // E4M3 x E4M3
  EXPECT_TRUE(form(16, 13, 6));  // E5M2 x E5M2
  EXPECT_TRUE(form(32, 14, 8));
  EXPECT_FALSE(form(32, 15, 8));  // 33 terms below 2^17 pass 2^22
  EXPECT_TRUE(form(16, 13, 9));
  EXPECT_FALSE(form(16, 13, 10));  // 10 + 15 bits
  EXPECT_FALSE(form(32, 25, 8));
  EXPECT_FALSE(form(64, 13, 8));  // signs of a step are 32 bits
  EXPECT_FALSE(detail::anchor_form({32, 13, detail::StepOutput::kE8M13, -80}, 8));
}

// floor(p (1 + 2^-L)) = cut(p) - [p < 0] for every product of FP8 numbers at every alignment, zeros
// as tiny numbers.
TEST(Anchor, FloorOfALiftedProductIsOneBelowTheCutOfANegativeOne) {
  for (const auto& [a_type, b_type] : {std::pair(kE4, kE4), {kE4, kE5}, {kE5, kE5}}) {
    const int bits = format(a_type).mantissa_bits + format(b_type).mantissa_bits + 2;
    const double lift = 1 + std::ldexp(1.0, -detail::anchor_lift({32, 13}, bits));
    for (int i = 0; i < 256; ++i) {
      for (int j = 0; j < 256; ++j) {
        const double a = decode_one(static_cast<std::uint8_t>(i), a_type);
        const double b = decode_one(static_cast<std::uint8_t>(j), b_type);
        if (!std::isfinite(a) || !std::isfinite(b)) continue;
        const double x = a == 0 ? detail::kTinyNumber : a, y = b == 0 ? detail::kTinyNumber : b;
        const int own = std::max(std::ilogb(x), 1 - format(a_type).bias) +
                        std::max(std::ilogb(y), 1 - format(b_type).bias);
        for (int emax = std::max(own, detail::kLeastAnchor); emax <= std::max(own, -30) + 20;
             ++emax) {
          const double floor = std::floor(std::ldexp(x * lift * y, 13 - emax));
          const double cut = std::trunc(std::ldexp(a * b, 13 - emax));
          ASSERT_EQ(floor, cut - (x * y < 0 ? 1 : 0)) << a << " x " << b << ", emax " << emax;
        }
      }
    }
  }
}

// What the numbers of an operand are like.
enum class Kind { kAnyCode, kBand, kLargest, kPositive, kNegative, kSubnormal, kMostlyZero };
constexpr int kKinds = 7;
// And C.
enum class Start { kZero, kNegativeZero, kModerate, kTiny, kHuge, kAnyBits };
constexpr int kStarts = 6;

class Cases {
 public:
  explicit Cases(std::uint64_t seed) : random_(seed) {}

  int draw(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }

  std::vector<std::uint8_t> codes(DType dtype, std::int64_t count, Kind kind, bool specials) {
    std::vector<std::uint8_t> out(static_cast<std::size_t>(count));
    const int mantissa_bits = format(dtype).mantissa_bits, low = draw(1 << (6 - mantissa_bits));
    const int top = (1 << (7 - mantissa_bits)) - 1;
    for (std::uint8_t& code : out) {
      int field = draw(top + 1), mantissa = draw(1 << mantissa_bits), sign = draw(2);
      if (kind == Kind::kBand) field = std::min(top, low + draw(4));
      if (kind == Kind::kLargest) {  // ties of the largest exponent
        field = top - draw(2);
        mantissa = (1 << mantissa_bits) - 1 - draw(2);
      }
      if (kind == Kind::kPositive) sign = 0;
      if (kind == Kind::kNegative) sign = 1;
      if (kind == Kind::kSubnormal) field = draw(2);
      if (kind == Kind::kMostlyZero ? draw(16) != 0 : draw(16) == 0) field = mantissa = 0;
      code = static_cast<std::uint8_t>(sign << 7 | field << mantissa_bits | mantissa);
      const bool finite = std::isfinite(decode_one(code, dtype));
      if (!finite && !(specials && draw(40) == 0)) code -= 1 << mantissa_bits;
    }
    return out;
  }

  std::vector<float> start(std::int64_t count, Start kind) {
    std::vector<float> out(static_cast<std::size_t>(count));
    for (float& c : out) {
      const auto bits = static_cast<std::uint32_t>(random_());
      const float sign = draw(2) == 0 ? 1.0f : -1.0f;
      const float digits = 1 + static_cast<float>(bits & 0x7FFFFF) * 0x1p-23f;
      c = 0.0f;
      if (kind == Start::kNegativeZero) c = -0.0f;
      if (kind == Start::kModerate) c = sign * std::ldexp(digits, draw(50) - 40);
      if (kind == Start::kTiny) c = sign * std::ldexp(digits, draw(70) - 149);  // about 2^-90
      if (kind == Start::kHuge) c = sign * std::ldexp(digits, draw(8) + 59);    // about 2^63
      if (kind == Start::kAnyBits) c = std::bit_cast<float>(bits);
    }
    return out;
  }

 private:
  std::mt19937_64 random_;
};

struct Case {
  std::int64_t M, N, K;
  DType a, b;
  std::vector<std::uint8_t> A, B;
  std::vector<float> C;
};

std::vector<float> run(const Case& x, const Accumulation& policy) {
  std::vector<float> D = x.C;  // in place
  matmul_codes(MatrixView<const std::uint8_t>(x.A.data(), x.M, x.K), x.a,
               MatrixView<const std::uint8_t>(x.B.data(), x.N, x.K), x.b, policy,
               MatrixView<const float>(D.data(), x.M, x.N), MatrixView<float>(D.data(), x.M, x.N));
  return D;
}

void check(const Case& x, const std::string& policy_name, const std::string& what) {
  const Accumulation policy = parse_accumulation(policy_name);
  set_target(Target::kScalar);
  const std::vector<float> want = run(x, policy);
  test::for_each_target([&](Target) {
    const std::vector<float> got = run(x, policy);
    for (std::size_t i = 0; i < got.size(); ++i) {
      ASSERT_EQ(std::bit_cast<std::uint32_t>(got[i]), std::bit_cast<std::uint32_t>(want[i]))
          << policy_name << ' ' << to_string(x.a) << " x " << to_string(x.b) << ' ' << what << " M "
          << x.M << " N " << x.N << " K " << x.K << " output " << i << " C " << x.C[i] << ": got "
          << got[i] << " expected " << want[i];
    }
  });
}

TEST(Anchor, EqualsTheScalarBodyOnEveryKindOfOperand) {
  const std::vector<std::string> policies{"sm89-mma",
                                          "sm90-wgmma",
                                          "sm90-cublaslt",
                                          "sm90-cublaslt-fast",
                                          "sm90-wgmma:promote=32",
                                          "sm90-cublaslt:splitk=2",
                                          "sm90-cublaslt-fast:splitk=3:promote=64"};
  Cases cases(2026);
  int turn = 0;
  for (int ka = 0; ka < kKinds; ++ka) {
    for (int kb = 0; kb < kKinds; ++kb) {
      for (int kc = 0; kc < kStarts; ++kc, ++turn) {
        Case x;
        x.M = 1 + cases.draw(9);
        x.N = 1 + cases.draw(40);
        x.K = 1 + cases.draw(turn % 4 == 0 ? 700 : 130);
        x.a = turn % 2 == 0 ? kE4 : kE5;
        x.b = turn / 2 % 2 == 0 ? kE4 : kE5;
        const bool specials = turn % 7 == 0;
        x.A = cases.codes(x.a, x.M * x.K, static_cast<Kind>(ka), specials);
        x.B = cases.codes(x.b, x.N * x.K, static_cast<Kind>(kb), specials);
        x.C = cases.start(x.M * x.N, static_cast<Start>(kc));
        const auto policy = static_cast<std::size_t>(turn) % policies.size();
        check(x, policies[policy], "turn " + std::to_string(turn));
        if (HasFatalFailure()) return;
      }
    }
  }
}

// The largest sums of a step: all products of the largest magnitude, of one sign or of both.
TEST(Anchor, LargestSums) {
  for (const DType dtype : {kE4, kE5}) {
    const auto most = static_cast<std::uint8_t>(dtype == kE4 ? 0x7E : 0x7B);
    for (const int flip : {0, 1, 2}) {
      Case x{4, 33, 256, dtype, dtype, {}, {}, {}};
      x.A.assign(static_cast<std::size_t>(x.M * x.K), most);
      x.B.assign(static_cast<std::size_t>(x.N * x.K), most);
      for (std::size_t i = 0; i < x.A.size(); ++i) {
        if (flip == 1 || (flip == 2 && i % 3 == 0)) x.A[i] ^= 0x80;
      }
      for (const float c : {0.0f, 0x1.FFFFFEp30f, -0x1.FFFFFEp30f}) {
        x.C.assign(static_cast<std::size_t>(x.M * x.N), c);
        check(x, "sm90-wgmma", "flip " + std::to_string(flip));
        check(x, "sm89-mma", "flip " + std::to_string(flip));
      }
    }
  }
}

TEST(Anchor, LeavesTheRoundingModeAsItWas) {
  Cases cases(1);
  Case x{5, 40, 64, kE4, kE4, {}, {}, {}};
  x.A = cases.codes(kE4, x.M * x.K, Kind::kAnyCode, false);
  x.B = cases.codes(kE4, x.N * x.K, Kind::kAnyCode, false);
  x.C = cases.start(x.M * x.N, Start::kModerate);
  test::for_each_target([&](Target) {
    for (const int mode : {FE_TONEAREST, FE_UPWARD}) {
      std::fesetround(mode);
      run(x, parse_accumulation("sm90-cublaslt-fast"));
      EXPECT_EQ(std::fegetround(), mode);
    }
    std::fesetround(FE_TONEAREST);
  });
}

}  // namespace
}  // namespace sylvester
