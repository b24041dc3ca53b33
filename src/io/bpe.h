// Byte pair encoding of one word.
// Source: Sennrich, Haddow, Birch, "Neural machine translation of rare words with subword units",
// ACL 2016; over bytes as in GPT-2.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace sylvester::io::detail {

class Bpe {
 public:
  // A byte without a token takes no part: its neighbours may merge over it.
  static constexpr std::int32_t kNoToken = -1;

  struct Merge {
    std::int32_t left, right, result;  // ids; the rank is the index
  };
  // `fused` is an id of which a run counts once (the unknown token with fuse_unk), or kNoToken.
  Bpe(const std::array<std::int32_t, 256>& byte_ids, const std::vector<Merge>& merges,
      std::int32_t fused);

  // Appends the ids of `word`. Of all pairs present the one of least rank merges first, the
  // leftmost of equals; O(n log n).
  void encode(std::string_view word, std::vector<std::int32_t>& ids) const;

 private:
  struct Slot {
    std::uint64_t pair = ~std::uint64_t{0};
    std::uint32_t rank = 0;
    std::int32_t result = 0;
  };
  const Slot* find(std::int32_t left, std::int32_t right) const noexcept;
  std::array<std::int32_t, 256> byte_ids_;
  std::vector<Slot> slots_;  // open addressing, a power of two, at most half full
  std::uint64_t mask_ = 0;
  std::int32_t fused_;
};

}  // namespace sylvester::io::detail
