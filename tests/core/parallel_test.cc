#include "sylvester/core/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <set>
#include <vector>

#include "sylvester/core/error.h"

namespace sylvester {
namespace {

TEST(Parallel, BlocksDoNotDependOnThreads) {
  for (const std::int64_t n : {0, 1, 7, 64, 65, 1000}) {
    std::set<std::pair<std::int64_t, std::int64_t>> first;
    for (const int threads : {1, 2, 5}) {
      set_num_threads(threads);
      std::mutex mutex;
      std::set<std::pair<std::int64_t, std::int64_t>> seen;
      parallel_blocks(n, 8, [&](std::int64_t block, std::int64_t begin, std::int64_t end) {
        const std::lock_guard<std::mutex> lock(mutex);
        EXPECT_EQ(begin, block * 8);
        EXPECT_TRUE(seen.emplace(begin, end).second);
      });
      if (threads == 1) first = seen;
      EXPECT_EQ(seen, first) << "n " << n << " threads " << threads;
    }
  }
}

TEST(Parallel, ForCoversEveryIndexOnce) {
  set_num_threads(3);
  std::vector<std::atomic<int>> hits(1001);
  parallel_for(1001, 10, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) ++hits[static_cast<std::size_t>(i)];
  });
  for (const auto& h : hits) EXPECT_EQ(h, 1);
}

TEST(Parallel, RethrowsTheFirstBlockThatFailed) {
  set_num_threads(4);
  try {
    parallel_blocks(100, 1, [](std::int64_t block, std::int64_t, std::int64_t) {
      if (block >= 5) throw ValueError(std::to_string(block));
    });
    FAIL() << "nothing thrown";
  } catch (const ValueError& e) {
    EXPECT_STREQ(e.what(), "5");
  }
  EXPECT_THROW(set_num_threads(0), ValueError);
}

}  // namespace
}  // namespace sylvester
