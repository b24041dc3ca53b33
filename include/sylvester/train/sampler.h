// The order in which a run visits its examples: a pure function of (seed, epoch).
#pragma once

#include <cstdint>
#include <vector>

namespace sylvester {

// A permutation of 0 ... n-1: Fisher-Yates from the top, drawing from Philox with the stream
// (seed, step = epoch, tensor = kSamplerTensor). Unbiased: a draw that would favour small indices
// is rejected. Determinism: bit-exact everywhere.
std::vector<std::int64_t> epoch_order(std::int64_t n, std::uint64_t seed, std::int64_t epoch);

// Where a run stands in its data; saved in every checkpoint.
struct SamplerPosition {
  std::int64_t epoch = 0;
  std::int64_t index = 0;  // examples of this epoch already taken
  friend bool operator==(const SamplerPosition&, const SamplerPosition&) = default;
};

// Endless visits of n examples, shuffled anew every epoch (or in file order).
class Sampler {
 public:
  // Errors: ValueError for n < 1 or a position outside the epoch.
  Sampler(std::int64_t n, std::uint64_t seed, bool shuffle = true, SamplerPosition start = {});
  // The next examples of this epoch: `count` of them, or fewer at the epoch's end, never none.
  std::vector<std::int64_t> take(std::int64_t count);
  SamplerPosition position() const noexcept { return position_; }
  bool at_epoch_start() const noexcept { return position_.index == 0; }

 private:
  void make_order();
  std::int64_t n_;
  std::uint64_t seed_;
  bool shuffle_;
  SamplerPosition position_;
  std::vector<std::int64_t> order_;
};

}  // namespace sylvester
