// Philox 4x32-10 by vectors, for stochastic rounding. The interface is described in formats-inl.h.
#include <algorithm>
#include <cstdint>

#include "sylvester/core/philox.h"

#if defined(SYLVESTER_SIMD_FORMATS_RANDOM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SYLVESTER_SIMD_FORMATS_RANDOM_INL_H_
#undef SYLVESTER_SIMD_FORMATS_RANDOM_INL_H_
#else
#define SYLVESTER_SIMD_FORMATS_RANDOM_INL_H_
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace sylvester::detail {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
#if HWY_TARGET != HWY_SCALAR

using Wide = hn::ScalableTag<std::uint64_t>;
using Narrow = hn::Repartition<std::uint32_t, Wide>;

// The keys of the ten rounds.
struct PhiloxKeys {
  hn::Vec<Wide> k[10][2];
  explicit PhiloxKeys(std::uint64_t seed) {
    auto k0 = static_cast<std::uint32_t>(seed), k1 = static_cast<std::uint32_t>(seed >> 32);
    for (auto& round : k) {
      round[0] = hn::Set(Wide(), k0);
      round[1] = hn::Set(Wide(), k1);
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
  }
};

// Philox blocks, one in each 64-bit lane, whose upper half does not matter: products of 32 by 32
// bits give both of their words without moving lanes. Source and counter layout:
// sylvester/core/philox.h. Lane 2j holds block first + j, lane 2j + 1 block first + Lanes/2 + j;
// the low counter word does not wrap (callers see to it).
struct PhiloxLanes {
  hn::Vec<Wide> w0, w1, w2, w3;

  HWY_INLINE PhiloxLanes(const RandomStream& stream, std::uint64_t first) {
    const Wide d;
    const auto lane = hn::Iota(d, 0), one = hn::Set(d, 1);
    const auto upper = hn::IfThenElseZero(hn::Eq(hn::And(lane, one), one),
                                          hn::Set(d, std::uint64_t{hn::Lanes(d) / 2}));
    const auto offset = hn::Add(hn::ShiftRight<1>(lane), upper);
    w0 = hn::Add(hn::Set(d, first & 0xFFFFFFFFu), offset);
    w1 = hn::Set(d, first >> 32);
    w2 = hn::Set(d, std::uint64_t{stream.step});
    w3 = hn::Set(d, std::uint64_t{stream.tensor});
  }
  HWY_INLINE void Round(const hn::Vec<Wide> (&keys)[2]) {
    const auto multiply = [](hn::Vec<Wide> a, std::uint32_t m) HWY_ATTR {
      return hn::MulEven(hn::BitCast(Narrow(), a), hn::Set(Narrow(), m));
    };
    const auto p0 = multiply(w0, 0xD2511F53u), p1 = multiply(w2, 0xCD9E8D57u);
    w0 = hn::Xor3(hn::ShiftRight<32>(p1), w1, keys[0]);
    w2 = hn::Xor3(hn::ShiftRight<32>(p0), w3, keys[1]);
    w1 = p1;
    w3 = p0;
  }
  // The words of all blocks in order.
  HWY_INLINE void Store(std::uint32_t* HWY_RESTRICT out) const {
    const auto pair = [](hn::Vec<Wide> low, hn::Vec<Wide> high) HWY_ATTR {
      const auto up = hn::BitCast(Narrow(), hn::ShiftLeft<32>(high));
      return hn::BitCast(Wide(), hn::OddEven(up, hn::BitCast(Narrow(), low)));
    };
    const auto w01 = pair(w0, w1), w23 = pair(w2, w3);
    const Narrow d;
    hn::StoreU(hn::BitCast(d, hn::InterleaveLower(Wide(), w01, w23)), d, out);
    hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(Wide(), w01, w23)), d, out + hn::Lanes(d));
  }
};

// Words that are made at a time: three independent chains hide the latency of the products.
inline std::int64_t philox_words() { return 12 * static_cast<std::int64_t>(hn::Lanes(Wide())); }

HWY_INLINE void philox_step(const RandomStream& stream, const PhiloxKeys& keys, std::uint64_t block,
                            std::uint32_t* HWY_RESTRICT out) {
  const std::uint64_t lanes = hn::Lanes(Wide());
  PhiloxLanes a(stream, block), b(stream, block + lanes), c(stream, block + 2 * lanes);
#pragma GCC unroll 10
  for (int round = 0; round < 10; ++round) {
    a.Round(keys.k[round]);
    b.Round(keys.k[round]);
    c.Round(keys.k[round]);
  }
  a.Store(out);
  b.Store(out + 4 * lanes);
  c.Store(out + 8 * lanes);
}

inline void RandomWords(const RandomStream& stream, std::uint64_t first, std::int64_t n,
                        std::uint32_t* HWY_RESTRICT out) {
  const std::int64_t step = philox_words();
  const PhiloxKeys keys(stream.seed);
  alignas(64) std::uint32_t some[3 * HWY_MAX_BYTES / 2];
  for (std::int64_t i = 0; i < n;) {
    const std::uint64_t at = first + static_cast<std::uint64_t>(i), block = at / 4;
    const auto skip = static_cast<std::int64_t>(at % 4);
    if ((block & 0xFFFFFFFFu) + static_cast<std::uint64_t>(step) / 4 > 0x100000000u) {
      out[i++] = random_word(stream, at);  // the low counter word wraps here
    } else if (skip == 0 && i + step <= n) {
      philox_step(stream, keys, block, out + i);
      i += step;
    } else {
      philox_step(stream, keys, block, some);
      const std::int64_t count = std::min(n - i, step - skip);
      std::copy_n(some + skip, count, out + i);
      i += count;
    }
  }
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace HWY_NAMESPACE
}  // namespace sylvester::detail
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
