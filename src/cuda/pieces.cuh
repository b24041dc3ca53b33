// Eight consecutive numbers of a row as they lie in memory, and the turning of blocks of codes.
#pragma once

#include <cstdint>

#include "cuda/fwht_any.cuh"
#include "cuda/memory_hints.cuh"

namespace sylvester::cuda::detail {

// Rows start at multiples of 16 bytes.
template <class T>
struct Eight {
  static constexpr int kWords = sizeof(T) == 2 ? 1 : 2;
  uint4 word[kWords];

  __device__ __forceinline__ void load(const T* from, std::uint64_t policy) {
#pragma unroll
    for (int i = 0; i < kWords; ++i) word[i] = load_words(from + i * (16 / sizeof(T)), policy);
  }
  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int i = 0; i < kWords; ++i) word[i] = make_uint4(0, 0, 0, 0);
  }
  __device__ __forceinline__ void widen_to(float (&f)[8]) const {
#pragma unroll
    for (int i = 0; i < kWords; ++i) {
      const std::uint32_t w[4] = {word[i].x, word[i].y, word[i].z, word[i].w};
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        if constexpr (sizeof(T) == 2) {
          const float2 p = widen(w[k], static_cast<const T*>(nullptr));
          f[2 * k] = p.x, f[2 * k + 1] = p.y;
        } else {
          f[4 * i + k] = __uint_as_float(w[k]);
        }
      }
    }
  }
};

// The largest magnitude of many numbers; NaN above Inf.
template <class T>
struct Magnitude {
  std::uint32_t most = 0;  // 16-bit numbers: two of them

  __device__ __forceinline__ void add(const Eight<T>& x) {
#pragma unroll
    for (int i = 0; i < Eight<T>::kWords; ++i) {
      const std::uint32_t w[4] = {x.word[i].x, x.word[i].y, x.word[i].z, x.word[i].w};
#pragma unroll
      for (int k = 0; k < 4; ++k) add_word(w[k]);
    }
  }
  // As float32 bits.
  __device__ __forceinline__ std::uint32_t bits() const {
    if constexpr (sizeof(T) == 2) {
      const float2 p = widen(most, static_cast<const T*>(nullptr));
      return max(__float_as_uint(p.x), __float_as_uint(p.y));
    } else {
      return most;
    }
  }

 private:
  __device__ __forceinline__ void add_word(std::uint32_t w) {
    if constexpr (sizeof(T) == 4) {
      most = max(most, w & 0x7FFFFFFFu);
    } else {
      w &= 0x7FFF7FFFu;
#if __CUDA_ARCH__ >= 900
      asm("max.u16x2 %0, %0, %1;" : "+r"(most) : "r"(w));  // magnitudes order as integers
#else
      most = max(most & 0xFFFFu, w & 0xFFFFu) | max(most & 0xFFFF0000u, w & 0xFFFF0000u);
#endif
    }
  }
};

// |x| added to a float32 maximum that a NaN turns into NaN.
__device__ __forceinline__ float max_magnitude(float most, float x) {
  asm("max.NaN.f32 %0, %0, %1;" : "+f"(most) : "f"(fabsf(x)));
  return most;
}

// Four rows of four codes to four columns.
__device__ __forceinline__ void turn_four(const std::uint32_t* row, std::uint32_t (&col)[4]) {
  const std::uint32_t ab01 = __byte_perm(row[0], row[1], 0x5140);
  const std::uint32_t ab23 = __byte_perm(row[0], row[1], 0x7362);
  const std::uint32_t cd01 = __byte_perm(row[2], row[3], 0x5140);
  const std::uint32_t cd23 = __byte_perm(row[2], row[3], 0x7362);
  col[0] = __byte_perm(ab01, cd01, 0x5410);
  col[1] = __byte_perm(ab01, cd01, 0x7632);
  col[2] = __byte_perm(ab23, cd23, 0x5410);
  col[3] = __byte_perm(ab23, cd23, 0x7632);
}

}  // namespace sylvester::cuda::detail
