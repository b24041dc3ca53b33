// All 2^32 float32 inputs to every format of at most 8 bits: the best target against the scalar
// body, and decode of what came out. Registered only with SYLVESTER_NIGHTLY.
#include <atomic>
#include <bit>
#include <numeric>

#include "sylvester/core/parallel.h"
#include "sylvester/formats/convert.h"
#include "sylvester/formats/scalar.h"
#include "test_util.h"

namespace sylvester {
namespace {

constexpr std::int64_t kChunk = 1 << 16;

class SweepTest : public testing::TestWithParam<std::string> {};

TEST_P(SweepTest, EveryFloat32Input) {
  const DType to = parse_dtype(GetParam());
  const Layout f = layout(to);
  const EncodeOptions kOptions[] = {{},
                                    {.overflow = Overflow::kNonfinite, .nan = NanMode::kKeepSign}};
  std::atomic<std::int64_t> wrong{0};
  parallel_blocks(std::int64_t{1} << 32, kChunk,
                  [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                    const auto n = static_cast<std::size_t>(end - begin);
                    std::vector<float> x(n);
                    for (std::size_t i = 0; i < n; ++i) {
                      x[i] = std::bit_cast<float>(static_cast<std::uint32_t>(begin) +
                                                  static_cast<std::uint32_t>(i));
                    }
                    std::vector<std::uint8_t> codes(n);
                    for (const EncodeOptions& options : kOptions) {
                      encode(x, to, codes, options);
                      for (std::size_t i = 0; i < n; ++i) {
                        const std::uint32_t expected = encode_float(x[i], f, options);
                        if (codes[i] == expected || wrong++ > 0) continue;
                        ADD_FAILURE() << GetParam() << ": bits " << std::hex
                                      << begin + static_cast<std::int64_t>(i) << " got "
                                      << int{codes[i]} << " expected " << expected;
                      }
                    }
                  });
  EXPECT_EQ(wrong, 0);
}

std::vector<std::string> narrow_formats() {
  std::vector<std::string> out;
  for (const Format& f : formats()) {
    if (f.bits <= 8 && (f.specials != Specials::kInteger || f.bits == 8)) out.emplace_back(f.name);
  }
  return out;
}

INSTANTIATE_TEST_SUITE_P(All, SweepTest, testing::ValuesIn(narrow_formats()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace sylvester
