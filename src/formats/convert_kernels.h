// The loops behind convert.h: plain ones, which define the results, and vectorised ones.
// Private to the room. Nothing is checked here.
#pragma once

#include <cstdint>

#include "sylvester/formats/options.h"

namespace sylvester::detail {

// One thread's piece of n elements. `options.first_element` is the stream index of x[0].
// `stream_out`: write past the caches, for outputs that do not fit them.
struct EncodeJob {
  const void* x;
  DType from;  // kFloat64 (plain only), kFloat32, kBFloat16, kFloat16
  DType to;
  void* codes;  // uint8_t, or uint16_t for 16-bit targets
  std::int64_t n;
  EncodeOptions options;
  bool stream_out;
};
struct DecodeJob {
  const void* codes;
  DType from;
  float* x;
  std::int64_t n;
  bool stream_out;
};

void encode_scalar(const EncodeJob& job) noexcept;
void encode_simd(const EncodeJob& job) noexcept;
void decode_scalar(const DecodeJob& job) noexcept;
void decode_simd(const DecodeJob& job) noexcept;
void round_to_bfloat16_scalar(const float* x, float* out, std::int64_t n) noexcept;
void round_to_bfloat16_simd(const float* x, float* out, std::int64_t n) noexcept;
void random_words_scalar(const RandomStream& stream, std::uint64_t first, std::uint32_t* out,
                         std::int64_t n) noexcept;
void random_words_simd(const RandomStream& stream, std::uint64_t first, std::uint32_t* out,
                       std::int64_t n) noexcept;

}  // namespace sylvester::detail
