// All 2^32 float32 inputs to every format of at most 8 bits: the best target against the scalar
// body. Registered only with SYLVESTER_NIGHTLY.
#include <atomic>
#include <bit>

#include "sylvester/core/parallel.h"
#include "sylvester/formats/convert.h"
#include "sylvester/formats/scalar.h"
#include "test_util.h"

namespace sylvester {
namespace {

constexpr std::int64_t kChunk = 1 << 16;

// The layout is a template argument so that the compiler folds the scalar body.
template <DType kTo>
void sweep(const EncodeOptions& options) {
  constexpr Layout kLayout = layout(kTo);
  const Rounding rounding = Rounding::kNearestEven;
  std::atomic<std::int64_t> wrong{0};
  parallel_blocks(
      std::int64_t{1} << 32, kChunk, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
        std::vector<float> x(static_cast<std::size_t>(end - begin));
        std::vector<std::uint8_t> codes(x.size());
        const auto first = static_cast<std::uint32_t>(begin);
        for (std::size_t i = 0; i < x.size(); ++i) {
          x[i] = std::bit_cast<float>(first + static_cast<std::uint32_t>(i));
        }
        encode(x, kTo, codes, options);
        for (std::size_t i = 0; i < x.size(); ++i) {
          const std::uint32_t bits = first + static_cast<std::uint32_t>(i);
          const std::uint32_t expected = encode_bits(bits, layout(DType::kFloat32), kLayout,
                                                     rounding, options.overflow, options.nan);
          if (codes[i] == expected || wrong++ > 0) continue;
          ADD_FAILURE() << to_string(kTo) << " " << to_string(options.overflow) << ": bits "
                        << std::hex << bits << " got " << int{codes[i]} << " expected " << expected;
        }
      });
  EXPECT_EQ(wrong, 0) << to_string(kTo);
}

const EncodeOptions kNonfinite{.overflow = Overflow::kNonfinite, .nan = NanMode::kKeepSign};

// Saturating and not, where the format has something beside finite numbers.
template <DType kTo>
void sweep_both() {
  sweep<kTo>({});
  sweep<kTo>(kNonfinite);
}

TEST(SweepTest, Float8E4M3FN) { sweep_both<DType::kFloat8E4M3FN>(); }
TEST(SweepTest, Float8E5M2) { sweep_both<DType::kFloat8E5M2>(); }
TEST(SweepTest, Float8E4M3FNUZ) { sweep_both<DType::kFloat8E4M3FNUZ>(); }
TEST(SweepTest, Float8E5M2FNUZ) { sweep_both<DType::kFloat8E5M2FNUZ>(); }
TEST(SweepTest, Float6E3M2FN) { sweep<DType::kFloat6E3M2FN>({}); }
TEST(SweepTest, Float6E2M3FN) { sweep<DType::kFloat6E2M3FN>({}); }
TEST(SweepTest, Float4E2M1FN) { sweep<DType::kFloat4E2M1FN>({}); }
TEST(SweepTest, Float4E3M0FN) { sweep<DType::kFloat4E3M0FN>({}); }
TEST(SweepTest, Float4E1M2FN) { sweep<DType::kFloat4E1M2FN>({}); }
TEST(SweepTest, Float8E8M0FNU) { sweep_both<DType::kFloat8E8M0FNU>(); }
TEST(SweepTest, Int8) { sweep<DType::kInt8>({}); }

}  // namespace
}  // namespace sylvester
