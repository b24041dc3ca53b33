// More than 2^31 elements: no index is 32 bits wide. Registered only with SYLVESTER_NIGHTLY; needs
// about 11 GiB of memory.
#include "sylvester/core/buffer.h"
#include "sylvester/core/parallel.h"
#include "sylvester/formats/convert.h"
#include "sylvester/formats/packing.h"
#include "test_util.h"

namespace sylvester {
namespace {

constexpr std::int64_t kCount = (std::int64_t{1} << 31) + 5;

// Calls wrong(i) on all indices and expects false everywhere.
template <class F>
void expect_none(F&& wrong) {
  std::int64_t first = kCount;
  constexpr std::int64_t kBlock = 1 << 24;
  for (std::int64_t begin = 0; begin < kCount && first == kCount; begin += kBlock) {
    for (std::int64_t i = begin; i < std::min(kCount, begin + kBlock); ++i) {
      if (wrong(i)) {
        first = i;
        break;
      }
    }
  }
  EXPECT_EQ(first, kCount) << "first wrong index";
}

TEST(LargeArrays, EncodeDecodeAndPack) {
  // The patterns of bfloat16 in turn; 2^31 is a multiple of 2^16.
  std::vector<std::uint16_t> patterns(65536);
  for (std::size_t i = 0; i < patterns.size(); ++i) patterns[i] = static_cast<std::uint16_t>(i);
  std::vector<std::uint8_t> expected(patterns.size());
  encode(patterns, DType::kBFloat16, DType::kFloat8E4M3FN, expected);
  Buffer<std::uint8_t> codes(kCount);
  {
    Buffer<std::uint16_t> x(kCount);
    for (std::int64_t i = 0; i < kCount; ++i) x[i] = static_cast<std::uint16_t>(i);
    encode(x.span(), DType::kBFloat16, DType::kFloat8E4M3FN, codes.span());
    expect_none(
        [&](std::int64_t i) { return codes[i] != expected[static_cast<std::size_t>(i & 0xFFFF)]; });
    // The element's index counts in the random stream also beyond 2^31.
    EncodeOptions stochastic;
    stochastic.rounding = Rounding::kStochastic;
    stochastic.stream = {9, 8, 7};
    encode(x.span(), DType::kBFloat16, DType::kFloat8E4M3FN, codes.span(), stochastic);
    for (std::int64_t i = kCount - 4096; i < kCount; ++i) {
      const auto random = random_word(stochastic.stream, static_cast<std::uint64_t>(i));
      const float value = decode_one(x[i], DType::kBFloat16);
      ASSERT_EQ(codes[i], encode_one(value, DType::kFloat8E4M3FN, stochastic, random)) << i;
    }
  }
  {
    for (std::int64_t i = 0; i < kCount; ++i) codes[i] = static_cast<std::uint8_t>(i);
    std::vector<std::uint8_t> all(256);
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint8_t>(i);
    std::vector<float> values(256);
    decode(all, DType::kFloat8E5M2, values);
    Buffer<float> x(kCount);
    decode(codes.span(), DType::kFloat8E5M2, x.span());
    expect_none([&](std::int64_t i) {
      return std::bit_cast<std::uint32_t>(x[i]) !=
             std::bit_cast<std::uint32_t>(values[static_cast<std::size_t>(i & 0xFF)]);
    });
  }
  for (const DType dtype : {DType::kFloat4E2M1FN, DType::kFloat6E3M2FN}) {
    const Packing packing = natural_packing(dtype);
    const int mask = (1 << format(dtype).bits) - 1;
    Buffer<std::uint8_t> packed(packed_bytes(kCount, packing)), back(kCount);
    pack(codes.span(), dtype, packing, packed.span());
    unpack(packed.span(), dtype, packing, back.span());
    expect_none([&](std::int64_t i) { return back[i] != (codes[i] & mask); });
  }
}

}  // namespace
}  // namespace sylvester
