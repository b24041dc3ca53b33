#include "sylvester/train/sampler.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <string>

#include "sylvester/core/error.h"
#include "sylvester/core/philox.h"

namespace sylvester {
namespace {

// Number of the shuffle's random stream; quantizers use small numbers.
constexpr std::uint32_t kSamplerTensor = 0xFFFFFF01u;

}  // namespace

std::vector<std::int64_t> epoch_order(std::int64_t n, std::uint64_t seed, std::int64_t epoch) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  const RandomStream stream{seed, static_cast<std::uint32_t>(epoch), kSamplerTensor};
  std::uint64_t drawn = 0;
  const auto draw64 = [&] {
    const std::uint64_t low = random_word(stream, drawn++);
    return low | std::uint64_t{random_word(stream, drawn++)} << 32;
  };
  for (std::int64_t i = n - 1; i > 0; --i) {
    const auto bound = static_cast<std::uint64_t>(i) + 1;
    // 2^64 mod bound values at the low end are over-represented; draws below it are rejected.
    const std::uint64_t reject_below = (0 - bound) % bound;
    std::uint64_t word = draw64();
    while (word < reject_below) word = draw64();
    std::swap(order[static_cast<std::size_t>(i)], order[static_cast<std::size_t>(word % bound)]);
  }
  return order;
}

Sampler::Sampler(std::int64_t n, std::uint64_t seed, bool shuffle, SamplerPosition start)
    : n_(n), seed_(seed), shuffle_(shuffle), position_(start) {
  if (n < 1) throw ValueError("sampler: " + std::to_string(n) + " examples; want at least one");
  if (start.epoch < 0 || start.epoch > std::numeric_limits<std::uint32_t>::max() ||
      start.index < 0 || start.index >= n) {
    throw ValueError("sampler: position epoch " + std::to_string(start.epoch) + ", index " +
                     std::to_string(start.index) + " is outside the " + std::to_string(n) +
                     " examples");
  }
  make_order();
}

void Sampler::make_order() {
  if (shuffle_) {
    order_ = epoch_order(n_, seed_, position_.epoch);
  } else if (order_.empty()) {
    order_.resize(static_cast<std::size_t>(n_));
    std::iota(order_.begin(), order_.end(), std::int64_t{0});
  }
}

std::vector<std::int64_t> Sampler::take(std::int64_t count) {
  const std::int64_t end = std::min(n_, position_.index + std::max<std::int64_t>(1, count));
  std::vector<std::int64_t> out(order_.begin() + position_.index, order_.begin() + end);
  position_.index = end;
  if (end == n_) {
    position_ = {position_.epoch + 1, 0};
    make_order();
  }
  return out;
}

}  // namespace sylvester
