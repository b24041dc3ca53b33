#include "sylvester/core/philox.h"

#include <gtest/gtest.h>

namespace sylvester {
namespace {

// Known answers published with Random123 (kat_vectors, philox4x32 10 rounds).
TEST(Philox, KnownAnswers) {
  using W = std::array<std::uint32_t, 4>;
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (W{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (W{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (W{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, ElementsOfAStreamAreWordsOfItsBlocks) {
  const RandomStream stream{.seed = 0x0123456789abcdefull, .step = 7, .tensor = 9};
  const auto block = philox4x32({2, 0, 7, 9}, {0x89abcdefu, 0x01234567u});
  for (std::uint64_t i = 0; i < 4; ++i) EXPECT_EQ(random_word(stream, 8 + i), block[i]) << i;
}

}  // namespace
}  // namespace sylvester
