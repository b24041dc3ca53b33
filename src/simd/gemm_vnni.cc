// Tiles of int8 and bfloat16 dot products by AVX-512 instructions that Highway 1.0.3 does not have:
// VPDPBUSD (unsigned x signed bytes, int32 sums that wrap) and VDPBF16PS.
#include "gemm/panel_kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <utility>

namespace sylvester::detail {
namespace {

#define SYLVESTER_VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))
#define SYLVESTER_BF16 __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16")))

constexpr int kRows = 12, kCols = 32;  // 24 accumulators, 2 vectors of B, 1 broadcast of A

// R rows and C vectors of 16 columns.
template <int R, int C>
SYLVESTER_VNNI void vnni_tile(const std::uint32_t* a, const std::uint32_t* b, std::int64_t groups,
                              const std::int32_t* start, void* out, std::int64_t stride) {
  __m512i sum[R][C];
#pragma GCC unroll 12
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < C; ++j) sum[i][j] = _mm512_set1_epi32(start[i]);
  }
  for (std::int64_t g = 0; g < groups; ++g) {
    __m512i column[C];
#pragma GCC unroll 2
    for (int j = 0; j < C; ++j) column[j] = _mm512_loadu_si512(b + g * kCols + 16 * j);
#pragma GCC unroll 12
    for (int i = 0; i < R; ++i) {
      const __m512i row = _mm512_set1_epi32(static_cast<int>(a[g * kRows + i]));
#pragma GCC unroll 2
      for (int j = 0; j < C; ++j) sum[i][j] = _mm512_dpbusd_epi32(sum[i][j], column[j], row);
    }
  }
  auto* to = static_cast<std::int32_t*>(out);
#pragma GCC unroll 12
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < C; ++j) _mm512_storeu_si512(to + i * stride + 16 * j, sum[i][j]);
  }
}

template <int R, int C>
SYLVESTER_BF16 void bf16_tile(const std::uint32_t* a, const std::uint32_t* b, std::int64_t groups,
                              const std::int32_t*, void* out, std::int64_t stride) {
  __m512 sum[R][C];
#pragma GCC unroll 12
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < C; ++j) sum[i][j] = _mm512_setzero_ps();
  }
  for (std::int64_t g = 0; g < groups; ++g) {
    __m512bh column[C];
#pragma GCC unroll 2
    for (int j = 0; j < C; ++j) column[j] = (__m512bh)_mm512_loadu_si512(b + g * kCols + 16 * j);
#pragma GCC unroll 12
    for (int i = 0; i < R; ++i) {
      const auto row = (__m512bh)_mm512_set1_epi32(static_cast<int>(a[g * kRows + i]));
#pragma GCC unroll 2
      for (int j = 0; j < C; ++j) sum[i][j] = _mm512_dpbf16_ps(sum[i][j], row, column[j]);
    }
  }
  auto* to = static_cast<float*>(out);
#pragma GCC unroll 12
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < C; ++j) _mm512_storeu_ps(to + i * stride + 16 * j, sum[i][j]);
  }
}

using Tile = void (*)(const std::uint32_t*, const std::uint32_t*, std::int64_t, const std::int32_t*,
                      void*, std::int64_t);

template <int... R>
void run_vnni(int rows, int cols, const std::uint32_t* a, const std::uint32_t* b,
              std::int64_t groups, const std::int32_t* start, void* out, std::int64_t stride,
              std::integer_sequence<int, R...>) {
  static constexpr Tile kTiles[2][kRows] = {{vnni_tile<R + 1, 1>...}, {vnni_tile<R + 1, 2>...}};
  kTiles[cols > 16 ? 1 : 0][rows - 1](a, b, groups, start, out, stride);
}
void vnni_panel(const std::uint32_t* a, const std::uint32_t* b, std::int64_t groups, int rows,
                int cols, const std::int32_t* start, void* out, std::int64_t stride) {
  run_vnni(rows, cols, a, b, groups, start, out, stride, std::make_integer_sequence<int, kRows>());
}

template <int... R>
void run_bf16(int rows, int cols, const std::uint32_t* a, const std::uint32_t* b,
              std::int64_t groups, void* out, std::int64_t stride,
              std::integer_sequence<int, R...>) {
  static constexpr Tile kTiles[2][kRows] = {{bf16_tile<R + 1, 1>...}, {bf16_tile<R + 1, 2>...}};
  kTiles[cols > 16 ? 1 : 0][rows - 1](a, b, groups, nullptr, out, stride);
}
void bf16_panel(const std::uint32_t* a, const std::uint32_t* b, std::int64_t groups, int rows,
                int cols, const std::int32_t*, void* out, std::int64_t stride) {
  run_bf16(rows, cols, a, b, groups, out, stride, std::make_integer_sequence<int, kRows>());
}

bool has_avx512() {
  return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
         __builtin_cpu_supports("avx512vl") != 0;
}

}  // namespace

const PanelKernel* vnni_kernel() noexcept {
  static constexpr PanelKernel kKernel{
      "int8 avx512vnni", WordKind::kInt8, WordKind::kUint8, kRows, kCols, vnni_panel};
  static const bool present = has_avx512() && __builtin_cpu_supports("avx512vnni") != 0;
  return present ? &kKernel : nullptr;
}

const PanelKernel* avx512_bf16_kernel() noexcept {
  static constexpr PanelKernel kKernel{
      "bfloat16 avx512bf16", WordKind::kBFloat16, WordKind::kBFloat16, kRows, kCols, bf16_panel};
  static const bool present = has_avx512() && __builtin_cpu_supports("avx512bf16") != 0;
  return present ? &kKernel : nullptr;
}

}  // namespace sylvester::detail

#else  // not x86-64

namespace sylvester::detail {
const PanelKernel* vnni_kernel() noexcept { return nullptr; }
const PanelKernel* avx512_bf16_kernel() noexcept { return nullptr; }
}  // namespace sylvester::detail

#endif
