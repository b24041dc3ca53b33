#include "sylvester/train/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "sylvester/core/error.h"

namespace sylvester {
namespace {

TEST(EpochOrder, IsAPermutationThatSeedAndEpochDecide) {
  for (const std::int64_t n : {1, 2, 7, 100}) {
    std::vector<std::int64_t> order = epoch_order(n, 42, 0);
    EXPECT_EQ(order, epoch_order(n, 42, 0));
    std::sort(order.begin(), order.end());
    for (std::int64_t i = 0; i < n; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
  }
  EXPECT_NE(epoch_order(100, 42, 0), epoch_order(100, 42, 1));
  EXPECT_NE(epoch_order(100, 42, 0), epoch_order(100, 43, 0));
}

// The bits are part of the promise: a run repeats on another machine and by a later version.
// The same numbers come from a separate Python implementation of Philox and the shuffle.
TEST(EpochOrder, KnownBits) {
  EXPECT_EQ(epoch_order(8, 42, 0), (std::vector<std::int64_t>{2, 3, 6, 5, 7, 0, 1, 4}));
  EXPECT_EQ(epoch_order(8, 42, 1), (std::vector<std::int64_t>{1, 5, 0, 2, 6, 7, 4, 3}));
}

TEST(EpochOrder, EveryPermutationOfThreeIsEquallyLikely) {
  std::map<std::vector<std::int64_t>, int> seen;
  constexpr int kDraws = 6000;
  for (int seed = 0; seed < kDraws; ++seed) ++seen[epoch_order(3, 1000 + seed, 0)];
  ASSERT_EQ(seen.size(), 6u);
  // Binomial with p = 1/6: sigma = sqrt(6000 * 5 / 36) = 28.9; five sigma.
  for (const auto& [order, count] : seen) EXPECT_NEAR(count, kDraws / 6, 145);
}

TEST(Sampler, TakesEachExampleOnceAnEpochAndNeverCrossesItsEnd) {
  Sampler sampler(10, 7);
  for (int epoch = 0; epoch < 3; ++epoch) {
    std::set<std::int64_t> seen;
    std::vector<std::size_t> sizes;
    do {
      const auto part = sampler.take(4);
      sizes.push_back(part.size());
      seen.insert(part.begin(), part.end());
    } while (!sampler.at_epoch_start());
    EXPECT_EQ(sizes, (std::vector<std::size_t>{4, 4, 2}));
    EXPECT_EQ(seen.size(), 10u);
    EXPECT_EQ(sampler.position(), (SamplerPosition{epoch + 1, 0}));
  }
}

TEST(Sampler, ContinuesFromEveryPosition) {
  Sampler whole(9, 3);
  for (int i = 0; i < 12; ++i) {
    Sampler resumed(9, 3, true, whole.position());
    Sampler copy = whole;
    for (int k = 0; k < 5; ++k) EXPECT_EQ(resumed.take(2), copy.take(2)) << "after " << i;
    whole.take(2);
  }
}

TEST(Sampler, FileOrderAndBadPositions) {
  Sampler sampler(3, 1, false);
  EXPECT_EQ(sampler.take(2), (std::vector<std::int64_t>{0, 1}));
  EXPECT_EQ(sampler.take(2), (std::vector<std::int64_t>{2}));
  EXPECT_EQ(sampler.take(2), (std::vector<std::int64_t>{0, 1}));
  EXPECT_THROW(Sampler(0, 1), ValueError);
  EXPECT_THROW(Sampler(3, 1, true, {0, 3}), ValueError);
  EXPECT_THROW(Sampler(3, 1, true, {-1, 0}), ValueError);
}

}  // namespace
}  // namespace sylvester
