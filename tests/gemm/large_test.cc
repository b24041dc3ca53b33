// Operands and results of more than 2^31 elements. Registered only with SYLVESTER_NIGHTLY; needs
// about 9 GiB of memory.
#include "sylvester/core/buffer.h"
#include "sylvester/gemm/matmul.h"
#include "test_util.h"

namespace sylvester {
namespace {

std::int8_t number(std::int64_t i) {
  return static_cast<std::int8_t>(static_cast<std::uint32_t>(i * 2654435761u) >> 24);
}

Buffer<std::int8_t> numbers(std::int64_t count) {
  Buffer<std::int8_t> out(count);
  for (std::int64_t i = 0; i < count; ++i) out[i] = number(i);
  return out;
}

TEST(LargeProducts, AnOperandOfMoreThan2To31Codes) {
  constexpr std::int64_t kRows = (1 << 16) + 1, kTerms = 1 << 15, kCols = 3;
  const Buffer<std::int8_t> a = numbers(kRows * kTerms), b = numbers(kCols * kTerms);
  std::vector<std::int32_t> c(static_cast<std::size_t>(kRows * kCols));
  matmul_codes({a.data(), kRows, kTerms}, {b.data(), kCols, kTerms}, {}, {c.data(), kRows, kCols});
  for (const std::int64_t m : {std::int64_t{0}, kRows / 2, kRows - 1}) {
    for (std::int64_t n = 0; n < kCols; ++n) {
      std::int64_t sum = 0;
      for (std::int64_t k = 0; k < kTerms; ++k) {
        sum += std::int64_t{a[m * kTerms + k]} * b[n * kTerms + k];
      }
      EXPECT_EQ(c[static_cast<std::size_t>(m * kCols + n)], sum) << m << " " << n;
    }
  }
}

TEST(LargeProducts, AResultOfMoreThan2To31Numbers) {
  constexpr std::int64_t kRows = (1 << 16) + 1, kCols = (1 << 15) + 1;
  const Buffer<std::int8_t> a = numbers(kRows), b = numbers(kCols);
  Buffer<std::int32_t> c(kRows * kCols);
  matmul_codes({a.data(), kRows, 1}, {b.data(), kCols, 1}, {}, {c.data(), kRows, kCols});
  std::int64_t wrong = 0;
  for (std::int64_t m = 0; m < kRows; ++m) {
    for (std::int64_t n = 0; n < kCols; ++n) wrong += c[m * kCols + n] != a[m] * b[n] ? 1 : 0;
  }
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace sylvester
