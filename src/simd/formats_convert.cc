// Bulk conversions. The bodies are in formats-inl.h; here are the loops over memory.
#include "formats/convert_kernels.h"

#include <algorithm>
#include <cstring>

#include "sylvester/formats/dtype.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/formats_convert.cc"
// The scalable vectors of SVE can be no members of classes; such CPUs take NEON.
// Beside AVX3 for its permutations of bytes.
#define HWY_WANT_AVX3_DL
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#include <hwy/foreach_target.h>
// After foreach_target.
#include <hwy/highway.h>

#include "simd/formats-inl.h"
#include "simd/memory-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sylvester::detail {
namespace HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

using D = hn::ScalableTag<float>;
using DI = hn::RebindToSigned<D>;
using DU = hn::RebindToUnsigned<D>;
using VI = hn::Vec<DI>;

// Random words are made for this many elements at a time, a multiple of philox_words().
constexpr std::int64_t kChunk = 960;

inline std::int64_t lanes() { return static_cast<std::int64_t>(hn::Lanes(D())); }

// Large inputs are asked for this many elements ahead, one page.
constexpr std::int64_t kAhead = 1024;

// p is aligned to the vector where it streams.
template <bool kStream, class T, class DV, class V>
HWY_INLINE void store(V v, DV dv, T* HWY_RESTRICT p) {
  if constexpr (kStream) {
    hn::Stream(v, dv, p);
  } else {
    hn::StoreU(v, dv, p);
  }
}

// Elements before p reaches the alignment that Stream needs.
template <class T>
std::int64_t head(const T* p, std::int64_t bytes, std::int64_t n, bool stream_out) {
  const auto off = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(p) %
                                             static_cast<std::uintptr_t>(bytes));
  if (!stream_out || off == 0) return 0;
  return std::min<std::int64_t>(n, (bytes - off) / static_cast<std::int64_t>(sizeof(T)));
}

// 4 Lanes elements; `random` is read only when the encoder uses it.
template <class E>
HWY_INLINE hn::Vec<hn::Repartition<std::uint8_t, D>> encode_step(
    const E& encoder, const float* HWY_RESTRICT x, const std::uint32_t* HWY_RESTRICT random) {
  const D d;
  const DU du;
  hn::Vec<D> v[4];
  hn::Vec<DU> words[4];
  for (int k = 0; k < 4; ++k) {
    v[k] = hn::LoadU(d, x + k * lanes());
    words[k] = E::kUsesRandom ? hn::LoadU(du, random + k * lanes()) : hn::Zero(du);
  }
  return EncodeBytes(encoder, v, words);
}

// The encoder is copied: the compiler may then keep its constants in registers, which stores of
// bytes through `codes` would forbid for an object seen by others.
template <bool kStream, class E>
void encode_steps(const E& shared, const float* HWY_RESTRICT x, std::uint8_t* HWY_RESTRICT codes,
                  std::int64_t n, const std::uint32_t* HWY_RESTRICT random) {
  const E encoder = shared;
  const hn::Repartition<std::uint8_t, D> d8;
  const std::int64_t step = 4 * lanes();
  for (std::int64_t k = 0; k < n; k += step) {
    if constexpr (kStream) PrefetchLines(x + k + kAhead, step * 4);
    store<kStream>(encode_step(encoder, x + k, random + (E::kUsesRandom ? k : 0)), d8, codes + k);
  }
}

template <class E>
void encode_loop(const E& encoder, const float* HWY_RESTRICT x, std::uint8_t* HWY_RESTRICT codes,
                 std::int64_t n, const EncodeOptions& options, bool stream_out) {
  const hn::Repartition<std::uint8_t, D> d8;
  const std::int64_t step = 4 * lanes();
  alignas(64) std::uint32_t random[E::kUsesRandom ? kChunk : 1];
  const auto draw = [&](std::int64_t i, std::int64_t count) HWY_ATTR {
    if constexpr (E::kUsesRandom) {
      RandomWords(options.stream, options.first_element + static_cast<std::uint64_t>(i), count,
                  random);
    }
  };
  const auto some = [&](std::int64_t i, std::int64_t count) HWY_ATTR {  // count < step
    alignas(64) float x_tail[HWY_MAX_BYTES] = {};
    alignas(64) std::uint8_t code_tail[HWY_MAX_BYTES];
    std::memcpy(x_tail, x + i, static_cast<std::size_t>(count) * sizeof(float));
    draw(i, count);
    hn::StoreU(encode_step(encoder, x_tail, random), d8, code_tail);
    std::memcpy(codes + i, code_tail, static_cast<std::size_t>(count));
  };
  std::int64_t i = head(codes, step, n, stream_out);
  if (i > 0) some(0, i);
  while (i + step <= n) {
    const std::int64_t most = E::kUsesRandom ? kChunk : n;
    const std::int64_t chunk = std::min(n - i, most) / step * step;
    draw(i, chunk);
    if (stream_out) {
      encode_steps<true>(encoder, x + i, codes + i, chunk, random);
    } else {
      encode_steps<false>(encoder, x + i, codes + i, chunk, random);
    }
    i += chunk;
  }
  if (i < n) some(i, n - i);
}

// 16-bit sources pass through a float32 chunk that stays in the first-level cache.
template <DType kFrom>
void widen(const std::uint16_t* HWY_RESTRICT x, float* HWY_RESTRICT out, std::int64_t n) {
  const D d;
  const std::int64_t N = lanes();
  std::int64_t i = 0;
  for (; i + N <= n; i += N) hn::StoreU(LoadFloat<kFrom>(d, x + i), d, out + i);
  if (i == n) return;
  alignas(64) std::uint16_t tail[HWY_MAX_BYTES / 4] = {};
  alignas(64) float wide[HWY_MAX_BYTES / 4];
  std::memcpy(tail, x + i, static_cast<std::size_t>(n - i) * sizeof(std::uint16_t));
  hn::Store(LoadFloat<kFrom>(d, tail), d, wide);
  std::memcpy(out + i, wide, static_cast<std::size_t>(n - i) * sizeof(float));
}

template <class E>
void encode_narrow_loop(const E& encoder, const EncodeJob& job) {
  alignas(64) float wide[kChunk];
  const auto* x = static_cast<const std::uint16_t*>(job.x);
  EncodeOptions options = job.options;
  for (std::int64_t i = 0; i < job.n; i += kChunk) {
    const std::int64_t n = std::min(kChunk, job.n - i);
    if (job.from == DType::kBFloat16) {
      widen<DType::kBFloat16>(x + i, wide, n);
    } else {
      widen<DType::kFloat16>(x + i, wide, n);
    }
    options.first_element = job.options.first_element + static_cast<std::uint64_t>(i);
    encode_loop(encoder, wide, static_cast<std::uint8_t*>(job.codes) + i, n, options,
                job.stream_out);
  }
}

template <bool kStream, class E>
void encode16_steps(const E& shared, const float* HWY_RESTRICT x, std::uint16_t* HWY_RESTRICT codes,
                    std::int64_t n, const std::uint32_t* HWY_RESTRICT random) {
  const E encoder = shared;
  const D d;
  const DU du;
  const hn::Rebind<std::uint16_t, D> d16;
  const std::int64_t N = lanes();
  for (std::int64_t k = 0; k < n; k += N) {
    if constexpr (kStream) PrefetchLines(x + k + kAhead, N * 4);
    const auto words = E::kUsesRandom ? hn::LoadU(du, random + k) : hn::Zero(du);
    store<kStream>(hn::DemoteTo(d16, encoder.Encode(hn::LoadU(d, x + k), words)), d16, codes + k);
  }
}

template <class E>
void encode16_loop(const E& encoder, const float* HWY_RESTRICT x, std::uint16_t* HWY_RESTRICT codes,
                   std::int64_t n, const EncodeOptions& options, bool stream_out) {
  const std::int64_t N = lanes();
  alignas(64) std::uint32_t random[E::kUsesRandom ? kChunk : 1];
  const auto draw = [&](std::int64_t i, std::int64_t count) HWY_ATTR {
    if constexpr (E::kUsesRandom) {
      RandomWords(options.stream, options.first_element + static_cast<std::uint64_t>(i), count,
                  random);
    }
  };
  const auto some = [&](std::int64_t i, std::int64_t count) HWY_ATTR {  // count < Lanes
    alignas(64) float x_tail[HWY_MAX_BYTES / 4] = {};
    alignas(64) std::uint16_t code_tail[HWY_MAX_BYTES / 4];
    std::memcpy(x_tail, x + i, static_cast<std::size_t>(count) * sizeof(float));
    draw(i, count);
    encode16_steps<false>(encoder, x_tail, code_tail, N, random);
    std::memcpy(codes + i, code_tail, static_cast<std::size_t>(count) * sizeof(std::uint16_t));
  };
  std::int64_t i = head(codes, 2 * N, n, stream_out);
  if (i > 0) some(0, i);
  while (i + N <= n) {
    const std::int64_t most = E::kUsesRandom ? kChunk : n;
    const std::int64_t chunk = std::min(n - i, most) / N * N;
    draw(i, chunk);
    if (stream_out) {
      encode16_steps<true>(encoder, x + i, codes + i, chunk, random);
    } else {
      encode16_steps<false>(encoder, x + i, codes + i, chunk, random);
    }
    i += chunk;
  }
  if (i < n) some(i, n - i);
}

void encode_all(const EncodeJob& job) {
  const auto* x = static_cast<const float*>(job.x);
  if (job.to == DType::kBFloat16 || job.to == DType::kFloat16) {
    if (job.from != DType::kFloat32) return encode_scalar(job);
    WithFloatEncoder(D(), job.to, job.options, [&](const auto& encoder) HWY_ATTR {
      encode16_loop(encoder, x, static_cast<std::uint16_t*>(job.codes), job.n, job.options,
                    job.stream_out);
    });
  } else {
    WithEncoder(D(), job.to, job.options, [&](const auto& encoder) HWY_ATTR {
      if (job.from != DType::kFloat32) return encode_narrow_loop(encoder, job);
      encode_loop(encoder, x, static_cast<std::uint8_t*>(job.codes), job.n, job.options,
                  job.stream_out);
    });
  }
  if (job.stream_out) hwy::FlushStream();
}

// 4 vectors of a decoder that takes code bytes, or 16-bit codes by lanes.
template <class Decoder>
HWY_INLINE void decode_step(const Decoder& decoder, const std::uint8_t* HWY_RESTRICT codes,
                            hn::Vec<D> (&out)[4]) {
  decoder.DecodeBytes(codes, out);
}
template <class Decoder>
HWY_INLINE void decode_step(const Decoder& decoder, const std::uint16_t* HWY_RESTRICT codes,
                            hn::Vec<D> (&out)[4]) {
  const hn::Rebind<std::uint16_t, D> d16;
  for (int k = 0; k < 4; ++k) {
    out[k] = decoder.Decode(hn::PromoteTo(DI(), hn::LoadU(d16, codes + k * lanes())));
  }
}

template <bool kStream, class Code, class Decoder>
std::int64_t decode_steps(const Decoder& shared, const Code* HWY_RESTRICT codes,
                          float* HWY_RESTRICT x, std::int64_t i, std::int64_t n) {
  const Decoder decoder = shared;
  const std::int64_t N = lanes();
  for (; i + 4 * N <= n; i += 4 * N) {
    hn::Vec<D> v[4];
    decode_step(decoder, codes + i, v);
    for (int k = 0; k < 4; ++k) store<kStream>(v[k], D(), x + i + k * N);
  }
  return i;
}

template <class Code, class Decoder>
void decode_loop(const Decoder& decoder, const DecodeJob& job) {
  const std::int64_t N = lanes();
  const auto* HWY_RESTRICT codes = static_cast<const Code*>(job.codes);
  float* HWY_RESTRICT x = job.x;
  const auto some = [&](std::int64_t i, std::int64_t count) HWY_ATTR {  // count <= 4 Lanes
    alignas(64) Code code_tail[HWY_MAX_BYTES] = {};
    alignas(64) float x_tail[HWY_MAX_BYTES];
    std::memcpy(code_tail, codes + i, static_cast<std::size_t>(count) * sizeof(Code));
    decode_steps<false>(decoder, code_tail, x_tail, 0, 4 * N);
    std::memcpy(x + i, x_tail, static_cast<std::size_t>(count) * sizeof(float));
  };
  std::int64_t i = head(x, 4 * N, job.n, job.stream_out);
  if (i > 0) some(0, i);
  i = job.stream_out ? decode_steps<true>(decoder, codes, x, i, job.n)
                     : decode_steps<false>(decoder, codes, x, i, job.n);
  if (i < job.n) some(i, job.n - i);
  if (job.stream_out) hwy::FlushStream();
}

void decode_all(const DecodeJob& job) {
  const D d;
  if (job.from == DType::kBFloat16) {
    return decode_loop<std::uint16_t>(BFloat16Decoder<D>(d), job);
  }
  if (job.from == DType::kFloat16) {
    const FloatDecoder<D, Specials::kIeee> decoder(d, layout(DType::kFloat16));
    return decode_loop<std::uint16_t>(decoder, job);
  }
  WithByteDecoder(d, job.from,
                  [&](const auto& decoder) HWY_ATTR { decode_loop<std::uint8_t>(decoder, job); });
}

void round_bfloat16_all(const float* x, float* out, std::int64_t n) {
  const D d;
  const std::int64_t N = lanes();
  const BFloat16Encoder<D> encoder(d, kIeeeEncode);
  std::int64_t i = 0;
  for (; i + N <= n; i += N) {
    const VI code = encoder.Encode(hn::LoadU(d, x + i));
    hn::StoreU(hn::BitCast(d, hn::ShiftLeft<16>(code)), d, out + i);
  }
  round_to_bfloat16_scalar(x + i, out + i, n - i);
}

void random_words_all(const RandomStream& stream, std::uint64_t first, std::uint32_t* out,
                      std::int64_t n) {
  RandomWords(stream, first, n, out);
}

#else  // a CPU without any of the instruction sets above

void encode_all(const EncodeJob& job) { encode_scalar(job); }
void decode_all(const DecodeJob& job) { decode_scalar(job); }
void round_bfloat16_all(const float* x, float* out, std::int64_t n) {
  round_to_bfloat16_scalar(x, out, n);
}
void random_words_all(const RandomStream& stream, std::uint64_t first, std::uint32_t* out,
                      std::int64_t n) {
  random_words_scalar(stream, first, out, n);
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace sylvester::detail
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sylvester::detail {

HWY_EXPORT(encode_all);
HWY_EXPORT(decode_all);
HWY_EXPORT(round_bfloat16_all);
HWY_EXPORT(random_words_all);

void encode_simd(const EncodeJob& job) noexcept { HWY_DYNAMIC_DISPATCH(encode_all)(job); }
void decode_simd(const DecodeJob& job) noexcept { HWY_DYNAMIC_DISPATCH(decode_all)(job); }
void round_to_bfloat16_simd(const float* x, float* out, std::int64_t n) noexcept {
  HWY_DYNAMIC_DISPATCH(round_bfloat16_all)(x, out, n);
}
void random_words_simd(const RandomStream& stream, std::uint64_t first, std::uint32_t* out,
                       std::int64_t n) noexcept {
  HWY_DYNAMIC_DISPATCH(random_words_all)(stream, first, out, n);
}

}  // namespace sylvester::detail
#endif  // HWY_ONCE
