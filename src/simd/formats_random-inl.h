// Philox 4x32-10 by vectors, for stochastic rounding. The interface is described in formats-inl.h.
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

// Philox blocks, one a lane. Source and counter layout: sylvester/core/philox.h.
template <class DU, class VU = hn::Vec<DU>>
HWY_INLINE void Philox(DU du, const RandomStream& stream, std::uint64_t block, VU (&words)[4]) {
  const hn::RepartitionToWide<DU> dw;
  // The low counter word does not wrap inside a vector: callers see to it.
  words[0] = hn::Iota(du, 0);
  words[0] = hn::Add(words[0], hn::Set(du, static_cast<std::uint32_t>(block)));
  words[1] = hn::Set(du, static_cast<std::uint32_t>(block >> 32));
  words[2] = hn::Set(du, stream.step);
  words[3] = hn::Set(du, stream.tensor);
  const VU m0 = hn::Set(du, 0xD2511F53u), m1 = hn::Set(du, 0xCD9E8D57u);
  std::uint32_t k0 = static_cast<std::uint32_t>(stream.seed);
  std::uint32_t k1 = static_cast<std::uint32_t>(stream.seed >> 32);
  const auto multiply = [&](VU a, VU m, VU& high, VU& low) HWY_ATTR {
    const auto even = hn::MulEven(a, m);
    const auto odd = hn::MulEven(hn::BitCast(du, hn::ShiftRight<32>(hn::BitCast(dw, a))), m);
    high = hn::OddEven(hn::BitCast(du, odd), hn::BitCast(du, hn::ShiftRight<32>(even)));
    low = hn::OddEven(hn::BitCast(du, hn::ShiftLeft<32>(odd)), hn::BitCast(du, even));
  };
  for (int round = 0; round < 10; ++round) {
    VU high0, low0, high1, low1;
    multiply(words[0], m0, high0, low0);
    multiply(words[2], m1, high1, low1);
    words[0] = hn::Xor(hn::Xor(high1, words[1]), hn::Set(du, k0));
    words[1] = low1;
    words[2] = hn::Xor(hn::Xor(high0, words[3]), hn::Set(du, k1));
    words[3] = low0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
}

inline void RandomWords(const RandomStream& stream, std::uint64_t first, std::int64_t n,
                        std::uint32_t* HWY_RESTRICT out) {
  const hn::ScalableTag<std::uint32_t> du;
  const std::int64_t step = 4 * static_cast<std::int64_t>(hn::Lanes(du));
  std::int64_t i = 0;
  for (; i < n && (first + static_cast<std::uint64_t>(i)) % 4 != 0; ++i) {
    out[i] = random_word(stream, first + static_cast<std::uint64_t>(i));
  }
  while (i + step <= n) {
    const std::uint64_t block = (first + static_cast<std::uint64_t>(i)) / 4;
    const std::uint64_t lanes = static_cast<std::uint64_t>(step) / 4;
    if ((block & 0xFFFFFFFFu) + lanes > 0x100000000u) {  // the low counter word wraps here
      for (std::int64_t k = 0; k < step; ++k, ++i) {
        out[i] = random_word(stream, first + static_cast<std::uint64_t>(i));
      }
      continue;
    }
    hn::Vec<decltype(du)> words[4];
    Philox(du, stream, block, words);
    hn::StoreInterleaved4(words[0], words[1], words[2], words[3], du, out + i);
    i += step;
  }
  for (; i < n; ++i) out[i] = random_word(stream, first + static_cast<std::uint64_t>(i));
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace HWY_NAMESPACE
}  // namespace sylvester::detail
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
