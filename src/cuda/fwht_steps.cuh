// The pieces of a row transform. A tile of rows lies in shared memory as float32; a thread owns 64
// consecutive elements for the stages 1 ... 32 and elements a power of two apart for the later
// ones. Every stage is (a + b, a - b) with one rounding each, in ascending order, as on the CPU.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

namespace sylvester::cuda::detail {

// Widens two 16-bit numbers packed in a word, exactly.
__device__ inline float2 widen(std::uint32_t word, const __nv_bfloat16*) {
  return make_float2(__uint_as_float(word << 16), __uint_as_float(word & 0xFFFF0000u));
}
__device__ inline float2 widen(std::uint32_t word, const __half*) {
  __half2 h;
  memcpy(&h, &word, 4);
  return __half22float2(h);
}
__device__ inline std::uint32_t narrow(float a, float b, const __nv_bfloat16*) {
  const __nv_bfloat162 h = __floats2bfloat162_rn(a, b);
  std::uint32_t word;
  memcpy(&word, &h, 4);
  return word;
}
__device__ inline std::uint32_t narrow(float a, float b, const __half*) {
  const __half2 h = __floats2half2_rn(a, b);
  std::uint32_t word;
  memcpy(&word, &h, 4);
  return word;
}

// Shared-memory place of tile element e: padding behind each chunk, so that 16-byte accesses of
// neighbouring threads fall into different banks.
template <int kPad, int kChunkBits>
__device__ __forceinline__ int place(int e) {
  return e + (e >> kChunkBits) * kPad;
}
// 16-bit inputs arrive in a buffer of their own; float32 is transformed where it lands.
template <class T>
constexpr int pad() {
  return sizeof(T) == 2 ? 4 : 0;
}

// One stage over a register array: partners differ in index bit `bit`.
template <int kCount>
__device__ __forceinline__ void butterflies(float (&f)[kCount], int bit) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    if ((i & bit) == 0) {
      const float a = f[i], b = f[i | bit];
      f[i] = __fadd_rn(a, b);
      f[i | bit] = __fsub_rn(a, b);
    }
  }
}
// The same where registers i and i | bit hold the lower and upper partner (s = 1) or the upper and
// lower one (s = -1). Multiplying by +-1 is exact, so each FMA is one addition.
template <int kCount>
__device__ __forceinline__ void swapped_butterflies(float (&f)[kCount], int bit, float s) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    if ((i & bit) == 0) {
      const float a = f[i], b = f[i | bit];
      f[i] = __fmaf_rn(s, a, b);
      f[i | bit] = __fmaf_rn(-s, b, a);
    }
  }
}

// The largest magnitude that the last stage would make of numbers and their partners: max(|a + b|,
// |a - b|) = |a| + |b|, but for Inf and NaN.
template <int kCount>
__device__ __forceinline__ float largest_after(const float (&f)[kCount]) {
  constexpr int kHalf = kCount / 2;
  std::uint32_t most = 0;
#pragma unroll
  for (int k = 0; k < kHalf; ++k) {
    most = max(most, __float_as_uint(__fadd_rn(fabsf(f[k]), fabsf(f[k + kHalf]))));
  }
  if (most >= 0x7F800000u) {
#pragma unroll
    for (int k = 0; k < kHalf; ++k) {
      most = max(most, __float_as_uint(__fadd_rn(f[k], f[k + kHalf])) & 0x7FFFFFFFu);
      most = max(most, __float_as_uint(__fsub_rn(f[k], f[k + kHalf])) & 0x7FFFFFFFu);
    }
  }
  return __uint_as_float(most);
}

__device__ __forceinline__ float flip(float x, bool negative) {
  return __uint_as_float(__float_as_uint(x) ^ (negative ? 0x80000000u : 0u));
}

// Stages 1 ... 2^(bits-1), bits <= kChunkBits, on one chunk. The thread reads its 16-byte vectors
// in the order q = r ^ s, which spreads eight threads over all banks; registers keep that order,
// and the stages above the vector use swapped_butterflies. Input order and output order in memory
// are plain. `signs` is the word of Diag(r) whose low bits belong to the chunk, or nullptr.
template <int kChunkBits, class T>
__device__ __forceinline__ void first_stages(const T* in, float* tile, int chunk, int bits,
                                             const std::uint64_t* signs, int sign_shift) {
  constexpr int kChunk = 1 << kChunkBits;
  constexpr int kVector = 16 / sizeof(T);  // elements of a vector
  constexpr int kVectors = kChunk / kVector;
  constexpr int kVectorBits = sizeof(T) == 2 ? 3 : 2;
  const int s = chunk & (kVectors < 8 ? kVectors - 1 : 7);
  const uint4* source = reinterpret_cast<const uint4*>(in) + chunk * kVectors;
  float f[kChunk];
#pragma unroll
  for (int r = 0; r < kVectors; ++r) {
    const uint4 v = source[r ^ s];
    if constexpr (sizeof(T) == 2) {
      const std::uint32_t w[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float2 p = widen(w[i], static_cast<const T*>(nullptr));
        f[r * 8 + 2 * i] = p.x;
        f[r * 8 + 2 * i + 1] = p.y;
      }
    } else {
      f[r * 4] = __uint_as_float(v.x);
      f[r * 4 + 1] = __uint_as_float(v.y);
      f[r * 4 + 2] = __uint_as_float(v.z);
      f[r * 4 + 3] = __uint_as_float(v.w);
    }
  }
  if (signs != nullptr) {
    const std::uint64_t word = *signs >> sign_shift;
#pragma unroll
    for (int r = 0; r < kVectors; ++r) {
      const auto mask = static_cast<std::uint32_t>(word >> ((r ^ s) * kVector));
#pragma unroll
      for (int i = 0; i < kVector; ++i) {
        f[r * kVector + i] = flip(f[r * kVector + i], (mask >> i & 1u) != 0);
      }
    }
  }
#pragma unroll
  for (int b = 0; b < kChunkBits; ++b) {
    if (b < bits) {
      // Vector bits 0 ... 2 are the swapped ones; bit 3 of sixteen vectors is not.
      if (b < kVectorBits || b - kVectorBits > 2) {
        butterflies(f, 1 << b);
      } else {
        swapped_butterflies(f, 1 << b, (s >> (b - kVectorBits) & 1) != 0 ? -1.0f : 1.0f);
      }
    }
  }
  float4* target = reinterpret_cast<float4*>(tile + chunk * (kChunk + pad<T>()));
#pragma unroll
  for (int r = 0; r < kVectors; ++r) {
    const int q = (r ^ s) * (kVector / 4);
#pragma unroll
    for (int h = 0; h < kVector / 4; ++h) {
      const int i = r * kVector + 4 * h;
      target[q + h] = make_float4(f[i], f[i + 1], f[i + 2], f[i + 3]);
    }
  }
}

template <int kWidth>
__device__ __forceinline__ void load_floats(const float* from, float* to) {
  if constexpr (kWidth == 4) {
    const float4 v = *reinterpret_cast<const float4*>(from);
    to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
  } else if constexpr (kWidth == 2) {
    const float2 v = *reinterpret_cast<const float2*>(from);
    to[0] = v.x, to[1] = v.y;
  } else {
    to[0] = *from;
  }
}
// The same from a shared address.
template <int kWidth>
__device__ __forceinline__ void load_shared(std::uint32_t from, float* to) {
  if constexpr (kWidth == 4) {
    asm volatile("ld.shared.v4.f32 {%0, %1, %2, %3}, [%4];"
                 : "=f"(to[0]), "=f"(to[1]), "=f"(to[2]), "=f"(to[3])
                 : "r"(from));
  } else if constexpr (kWidth == 2) {
    asm volatile("ld.shared.v2.f32 {%0, %1}, [%2];" : "=f"(to[0]), "=f"(to[1]) : "r"(from));
  } else {
    asm volatile("ld.shared.f32 %0, [%1];" : "=f"(*to) : "r"(from));
  }
}
template <int kWidth>
__device__ __forceinline__ void store_floats(float* to, const float* from) {
  if constexpr (kWidth == 4) {
    *reinterpret_cast<float4*>(to) = make_float4(from[0], from[1], from[2], from[3]);
  } else if constexpr (kWidth == 2) {
    *reinterpret_cast<float2*>(to) = make_float2(from[0], from[1]);
  } else {
    *to = *from;
  }
}

// An item of a later pass: kWidth consecutive elements at each of 2^kStages places 2^low apart
// (low >= kChunkBits). Items count along the low index first.
template <int kStages, int kWidth, int kPad, int kChunkBits>
struct LaterItem {
  static constexpr int kCount = kWidth << kStages;
  float f[kCount];

  // First element of item i.
  static __device__ __forceinline__ int element(int item, int low) {
    constexpr int kWidthBits = kWidth == 4 ? 2 : kWidth == 2 ? 1 : 0;
    const int per_group = low - kWidthBits;
    const int l = item & ((1 << per_group) - 1), u = item >> per_group;
    return (l << kWidthBits) | (u << (low + kStages));
  }
  static __device__ __forceinline__ int step(int low) {
    return (1 << low) + (1 << (low - kChunkBits)) * kPad;
  }
  __device__ __forceinline__ void load(const float* tile, int e, int low) {
    const float* p = tile + place<kPad, kChunkBits>(e);
#pragma unroll
    for (int r = 0; r < (1 << kStages); ++r) {
      load_floats<kWidth>(p + r * step(low), f + r * kWidth);
    }
  }
  __device__ __forceinline__ void store(float* tile, int e, int low) const {
    float* p = tile + place<kPad, kChunkBits>(e);
#pragma unroll
    for (int r = 0; r < (1 << kStages); ++r) {
      store_floats<kWidth>(p + r * step(low), f + r * kWidth);
    }
  }
  __device__ __forceinline__ void stages() {
#pragma unroll
    for (int b = 0; b < kStages; ++b) butterflies(f, kWidth << b);
  }
};

}  // namespace sylvester::cuda::detail
