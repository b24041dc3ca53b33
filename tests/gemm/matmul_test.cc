// matmul() against sums in long double: every policy of software, granularity and transpose.
#include <gtest/gtest.h>

#include <array>
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

struct Blocks {
  const char* name;
  std::int64_t rows, cols;  // 0: the whole side
};
constexpr Blocks kBlocks[] = {{"tensor", 0, 0},   {"row", 1, 0},    {"column", 0, 1},
                              {"group16", 1, 16}, {"block", 8, 24}, {"mx", 1, 32}};

QuantizedMatrix operand(DType dtype, bool asymmetric, std::int64_t rows, std::int64_t K,
                        bool transposed, const Blocks& blocks, std::uint64_t seed) {
  QuantSpec spec;
  spec.format = dtype;
  spec.asymmetric = asymmetric;
  std::int64_t br = blocks.rows == 0 ? rows : blocks.rows, bc = blocks.cols == 0 ? K : blocks.cols;
  if (transposed) {
    return test::random_matrix(spec, K, rows, bc, br, seed);
  }
  return test::random_matrix(spec, rows, K, br, bc, seed);
}

struct Sums {
  long double value = 0, size = 0;
};

Sums witness(const Operand& A, const Operand& B, std::int64_t m, std::int64_t n) {
  Sums s;
  for (std::int64_t k = 0; k < A.cols(); ++k) {
    const auto [ar, ac] = A.transposed ? std::pair(k, m) : std::pair(m, k);
    const auto [br, bc] = B.transposed ? std::pair(k, n) : std::pair(n, k);
    const long double term = static_cast<long double>(test::code_value(*A.matrix, ar, ac)) *
                             test::scale_of(*A.matrix, ar, ac) *
                             test::code_value(*B.matrix, br, bc) *
                             test::scale_of(*B.matrix, br, bc);
    s.value += term;
    s.size += std::abs(term);
  }
  return s;
}

// Terms of the bound in units of eps: K roundings of the sum, one of the scale product, one of its
// application, one addition a segment (at most K), and two of dequantized operands.
void check(const Operand& A, const Operand& B, const Accumulation& policy, const char* what) {
  const std::int64_t M = A.rows(), N = B.rows(), K = A.cols();
  std::vector<float> C(static_cast<std::size_t>(M * N), std::numeric_limits<float>::quiet_NaN());
  matmul(A, B, policy, MatrixView<float>(C.data(), M, N));
  for (std::int64_t m = 0; m < M; ++m) {
    for (std::int64_t n = 0; n < N; ++n) {
      const Sums want = witness(A, B, m, n);
      const long double bound = (2 * K + 5) * 0x1p-24L * want.size;
      const float got = C[static_cast<std::size_t>(m * N + n)];
      ASSERT_LE(std::abs(got - want.value), bound)
          << "got " << got << " expected " << static_cast<double>(want.value) << " at (" << m
          << ", " << n << ") " << what << ' ' << to_string(policy);
    }
  }
}

void check_all_blocks(DType a, bool asym_a, DType b, bool asym_b, const char* policy_name) {
  const Accumulation policy = parse_accumulation(policy_name);
  constexpr std::int64_t M = 7, N = 11, K = 72;
  std::uint64_t seed = 100;
  for (const Blocks& blocks_a : kBlocks) {
    for (const Blocks& blocks_b : kBlocks) {
      const int form = static_cast<int>(seed % 4);
      const QuantizedMatrix A = operand(a, asym_a, M, K, (form & 1) != 0, blocks_a, ++seed);
      const QuantizedMatrix B = operand(b, asym_b, N, K, (form & 2) != 0, blocks_b, ++seed);
      const std::string what = std::string(to_string(a)) + ' ' + blocks_a.name + " x " +
                               std::string(to_string(b)) + ' ' + blocks_b.name + " seed " +
                               std::to_string(seed);
      check(Operand(A, (form & 1) != 0), Operand(B, (form & 2) != 0), policy, what.c_str());
      if (testing::Test::HasFatalFailure()) return;
      seed += 1;
    }
  }
}

TEST(Matmul, EveryGranularityWithinBound) {
  test::for_each_target([](Target) {
    for (const char* policy : {"ordered", "exact", "blas"}) {
      check_all_blocks(DType::kFloat8E4M3FN, false, DType::kFloat8E5M2, false, policy);
      check_all_blocks(DType::kInt8, false, DType::kInt4, true, policy);
      check_all_blocks(DType::kFloat4E2M1FN, false, DType::kInt6, false, policy);
    }
    check_all_blocks(DType::kInt8, false, DType::kInt8, false, "int32");
    check_all_blocks(DType::kInt8, true, DType::kInt4, true, "int32");
    check_all_blocks(DType::kInt8, true, DType::kInt5, false, "int32");
  });
}

TEST(Matmul, ValuesWithoutScales) {
  QuantSpec spec;
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    spec.format = dtype;
    const QuantizedMatrix A = test::random_matrix(spec, 9, 40, 9, 40, 5);
    const QuantizedMatrix B = test::random_matrix(spec, 40, 11, 40, 11, 6);
    for (const char* policy : {"ordered", "exact", "blas"}) {
      check(A, Operand(B, true), parse_accumulation(policy), "values");
    }
  }
}

// All codes times the identity: the fast path's own decoding, in both storage orders.
TEST(Matmul, BlasDecodesEveryCode) {
  for (const DType dtype : {DType::kFloat8E4M3FN, DType::kFloat8E5M2, DType::kFloat6E3M2FN,
                            DType::kFloat6E2M3FN, DType::kFloat4E2M1FN}) {
    QuantSpec spec;
    spec.format = dtype;
    QuantizedMatrix A = test::random_matrix(spec, 32, 8, 32, 8, 1);
    QuantizedMatrix I = test::random_matrix(spec, 8, 8, 8, 8, 1);
    A.scales[0] = I.scales[0] = 1.0f;
    const std::uint32_t one = encode_one(1.0, dtype);
    for (int i = 0; i < 64; ++i) I.codes[i] = static_cast<std::uint8_t>(i % 9 == 0 ? one : 0);
    for (int i = 0; i < 256; ++i) {
      const int code = i & ((1 << format(dtype).bits) - 1);
      const bool finite = std::isfinite(decode_one(static_cast<std::uint32_t>(code), dtype));
      A.codes[i] = static_cast<std::uint8_t>(finite ? code : 0);
    }
    test::for_each_target([&](Target) {
      for (const bool transposed : {false, true}) {
        std::vector<float> C(256);
        const std::int64_t rows = transposed ? 8 : 32;
        QuantizedMatrix stored = A;
        std::swap(stored.rows, transposed ? stored.cols : stored.rows);
        stored.block_rows = stored.rows;
        stored.block_cols = stored.cols;
        // The 8 x 32 reading is multiplied from the left: C = I A.
        if (transposed) {
          matmul(I, Operand(stored, true), Accumulation(), MatrixView<float>(C.data(), rows, 32));
        } else {
          matmul(stored, I, Accumulation(), MatrixView<float>(C.data(), rows, 8));
        }
        for (int i = 0; i < 256; ++i) {
          ASSERT_EQ(C[static_cast<std::size_t>(i)], decode_one(A.codes[i], dtype))
              << to_string(dtype) << " element " << i << " transposed " << transposed;
        }
      }
    });
  }
}

TEST(Matmul, EmptySizes) {
  QuantSpec spec;
  spec.format = DType::kInt8;
  const QuantizedMatrix A = test::random_matrix(spec, 3, 0, 3, 1, 1);
  const QuantizedMatrix B = test::random_matrix(spec, 2, 0, 2, 1, 2);
  const QuantizedMatrix none = test::random_matrix(spec, 0, 5, 1, 5, 2);
  const QuantizedMatrix some = test::random_matrix(spec, 2, 5, 2, 5, 2);
  for (const char* policy : {"ordered", "exact", "blas", "int32", "sm90-wgmma"}) {
    std::vector<float> C(6, 7.0f);
    matmul(A, B, parse_accumulation(policy), MatrixView<float>(C.data(), 3, 2));
    EXPECT_EQ(C, std::vector<float>(6, 0.0f)) << policy << " K = 0";
    matmul(none, some, parse_accumulation(policy), MatrixView<float>(C.data(), 0, 2));
  }
  // What quantize() makes of empty matrices.
  for (const char* text : {"int8", "int8:row", "int8:group=16", "int8:row:asym", "mxint8"}) {
    const QuantSpec how = parse_quant_spec(text);
    const std::vector<float> x(64, 1.0f);
    for (const auto& [M, N, K] : {std::array<std::int64_t, 3>{0, 2, 32}, {2, 0, 32}, {2, 2, 0}}) {
      const QuantizedMatrix a = quantize({x.data(), M, K}, how),
                            b = quantize({x.data(), N, K}, how);
      for (const char* policy : {"ordered", "exact", "blas", "int32", "sm90-wgmma"}) {
        std::vector<float> C(static_cast<std::size_t>(M * N), 7.0f);
        matmul(a, b, parse_accumulation(policy), MatrixView<float>(C.data(), M, N));
        EXPECT_EQ(C, std::vector<float>(C.size(), 0.0f)) << text << " " << policy;
      }
    }
  }
}

TEST(Matmul, BadArgumentsNameWhatIsWrong) {
  QuantSpec spec;
  spec.format = DType::kInt8;
  const QuantizedMatrix A = test::random_matrix(spec, 3, 4, 3, 4, 1);
  const QuantizedMatrix B = test::random_matrix(spec, 2, 5, 2, 5, 2);
  spec.format = DType::kFloat8E4M3FN;
  const QuantizedMatrix F = test::random_matrix(spec, 2, 4, 2, 4, 3);
  std::vector<float> C(6);
  const MatrixView<float> out(C.data(), 3, 2);
  const Accumulation blas;
  EXPECT_THROW(matmul(A, B, blas, out), ShapeError);
  EXPECT_THROW(matmul(A, F, blas, MatrixView<float>(C.data(), 2, 2)), ShapeError);
  try {
    matmul(A, F, parse_accumulation("int32"), out);
    FAIL();
  } catch (const UnsupportedError& e) {
    EXPECT_NE(std::string(e.what()).find("int8 x float8_e4m3fn"), std::string::npos) << e.what();
  }
  EXPECT_THROW(matmul(A, F, parse_accumulation("sm90-wgmma"), out), UnsupportedError);
  EXPECT_THROW(matmul(F, F, parse_accumulation("sm80-mma"), MatrixView<float>(C.data(), 2, 2)),
               UnsupportedError);
  QuantizedMatrix broken = A;
  broken.scales.resize(0);
  broken.scales.resize(7);
  EXPECT_THROW(matmul(broken, A, blas, MatrixView<float>(C.data(), 3, 3)), ShapeError);
}

TEST(Accumulation, ParseAndPrintAreInverses) {
  for (const std::string& name : known_accumulations()) {
    EXPECT_EQ(to_string(parse_accumulation(name)), name);
  }
  for (const char* text :
       {"sm90-wgmma:splitk=2", "sm90-cublaslt:promote=64", "sm90-wgmma:splitk=3:promote=128"}) {
    EXPECT_EQ(to_string(parse_accumulation(text)), text);
  }
}

TEST(Accumulation, BadTextNamesTheNearest) {
  const auto message = [](const char* text) {
    try {
      parse_accumulation(text);
    } catch (const ValueError& e) {
      return std::string(e.what());
    }
    return std::string("no error");
  };
  EXPECT_NE(message("sm90-wgma").find("sm90-wgmma"), std::string::npos) << message("sm90-wgma");
  EXPECT_NE(message("sm90-wgmma:split=2").find("splitk"), std::string::npos);
  EXPECT_NE(message("sm90-wgmma:splitk=0").find(">= 1"), std::string::npos);
  EXPECT_NE(message("sm90-wgmma:splitk=2x").find("2x"), std::string::npos);
  EXPECT_NE(message("sm90-wgmma:splitk=2:splitk=2").find("twice"), std::string::npos);
  EXPECT_NE(message("sm90-wgmma:promote=32:promote=64").find("twice"), std::string::npos);
  EXPECT_NE(message("ordered:splitk=2").find("hardware"), std::string::npos);
  EXPECT_NE(message("").find("unknown policy"), std::string::npos);
  EXPECT_NE(message("exact:").find("unknown option"), std::string::npos);
}

}  // namespace
}  // namespace sylvester
