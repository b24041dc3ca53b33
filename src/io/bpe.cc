#include "io/bpe.h"

#include <algorithm>
#include <bit>
#include <queue>

namespace sylvester::io::detail {
namespace {

std::uint64_t pair_key(std::int32_t left, std::int32_t right) {
  return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
}
// Fibonacci hashing; the high bits are the mixed ones.
std::uint64_t mix(std::uint64_t key) { return (key * 0x9E3779B97F4A7C15u) >> 20; }

struct Symbol {
  std::int32_t id;
  std::int32_t previous;
  std::int32_t next;  // -1 at the end; -2: merged into its left neighbour
};
struct Candidate {
  std::uint32_t rank;
  std::int32_t at;
  std::int32_t left, right;  // ids when it was seen; stale when they changed
  std::int32_t result;
  bool operator>(const Candidate& other) const {
    return rank != other.rank ? rank > other.rank : at > other.at;
  }
};

}  // namespace

Bpe::Bpe(const std::array<std::int32_t, 256>& byte_ids, const std::vector<Merge>& merges,
         std::int32_t fused)
    : byte_ids_(byte_ids),
      slots_(std::bit_ceil(2 * merges.size() + 2)),
      mask_(slots_.size() - 1),
      fused_(fused) {
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const Merge& m = merges[rank];
    std::uint64_t i = mix(pair_key(m.left, m.right)) & mask_;
    while (slots_[i].pair != ~std::uint64_t{0} && slots_[i].pair != pair_key(m.left, m.right)) {
      i = (i + 1) & mask_;
    }
    // A repeated pair takes its last rank, as Hugging Face's map does.
    slots_[i] = {pair_key(m.left, m.right), static_cast<std::uint32_t>(rank), m.result};
  }
}

const Bpe::Slot* Bpe::find(std::int32_t left, std::int32_t right) const noexcept {
  const std::uint64_t key = pair_key(left, right);
  for (std::uint64_t i = mix(key) & mask_; slots_[i].pair != ~std::uint64_t{0};
       i = (i + 1) & mask_) {
    if (slots_[i].pair == key) return &slots_[i];
  }
  return nullptr;
}

void Bpe::encode(std::string_view word, std::vector<std::int32_t>& ids) const {
  thread_local std::vector<Symbol> symbols;
  thread_local std::vector<Candidate> heap;
  symbols.clear();
  heap.clear();
  for (const char c : word) {
    const std::int32_t id = byte_ids_[static_cast<unsigned char>(c)];
    if (id == kNoToken) continue;
    if (id == fused_ && !symbols.empty() && symbols.back().id == id) continue;
    const auto at = static_cast<std::int32_t>(symbols.size());
    symbols.push_back({id, at - 1, at + 1});
  }
  if (symbols.empty()) return;
  symbols.back().next = -1;
  const auto n = static_cast<std::int32_t>(symbols.size());
  const auto consider = [&](std::int32_t at) {
    if (at < 0 || symbols[static_cast<std::size_t>(at)].next < 0) return;
    const Symbol& left = symbols[static_cast<std::size_t>(at)];
    const Symbol& right = symbols[static_cast<std::size_t>(left.next)];
    if (const Slot* slot = find(left.id, right.id)) {
      heap.push_back({slot->rank, at, left.id, right.id, slot->result});
      std::push_heap(heap.begin(), heap.end(), std::greater<>());
    }
  };
  for (std::int32_t i = 0; i + 1 < n; ++i) consider(i);
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    const Candidate best = heap.back();
    heap.pop_back();
    Symbol& left = symbols[static_cast<std::size_t>(best.at)];
    if (left.next < 0 || left.id != best.left) continue;
    Symbol& right = symbols[static_cast<std::size_t>(left.next)];
    if (right.id != best.right) continue;
    left.id = best.result;
    left.next = right.next;
    right.next = -2;
    right.id = kNoToken;
    if (left.next >= 0) symbols[static_cast<std::size_t>(left.next)].previous = best.at;
    consider(left.previous);
    consider(best.at);
  }
  for (std::int32_t i = 0; i >= 0; i = symbols[static_cast<std::size_t>(i)].next) {
    ids.push_back(symbols[static_cast<std::size_t>(i)].id);
  }
}

}  // namespace sylvester::io::detail
