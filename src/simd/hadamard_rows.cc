// The right transform in vectors: each row in the first-level cache as far as it fits.
#include "hadamard/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/hadamard_rows.cc"
// Arrays of vectors: SVE has no such; its CPUs take NEON.
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#include <hwy/foreach_target.h>
// After foreach_target.
#include "simd/hadamard-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sylvester::detail {
namespace HWY_NAMESPACE {

inline constexpr int kVectors = 1 << kMaxBits;
inline constexpr std::int64_t kBlock = std::int64_t{kVectors} * kLanes;

// Orders shorter than a vector: `count` elements of contiguous blocks of kOrder.
template <int kOrder>
HWY_NOINLINE void ShortBlocks(const float* x, float* y, std::int64_t count, float scale) {
  const V factor = hn::Set(D(), scale);
  const LaneSigns signs;
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    V v = Load(x + i);
    LaneStages<1, kOrder>(signs, &v);
    Store(hn::Mul(v, factor), y + i);
  }
  if (i == count) return;
  float tail[kLanes] = {};
  std::memcpy(tail, x + i, static_cast<std::size_t>(count - i) * sizeof(float));
  V v = Load(tail);
  LaneStages<1, kOrder>(signs, &v);
  Store(hn::Mul(v, factor), tail);
  std::memcpy(y + i, tail, static_cast<std::size_t>(count - i) * sizeof(float));
}

// Distance of prefetches in elements: past the page that the hardware's prefetcher stops at.
inline constexpr std::int64_t kAhead = 1024;

// Contiguous blocks of kCount vectors, all stages in registers.
template <int kCount, bool kScale>
HWY_NOINLINE void RegisterBlocks(const float* x, float* y, std::int64_t blocks, float scale) {
  const V factor = hn::Set(D(), scale);
  const LaneSigns signs;
  for (std::int64_t b = 0; b < blocks; ++b, x += kCount * kLanes, y += kCount * kLanes) {
    V v[kCount];
    SYLVESTER_UNROLL
    for (int i = 0; i < kCount; ++i) {
      v[i] = Load(x + i * kLanes);
      // The only pass of short transforms; longer ones go on computing for a while.
      __builtin_prefetch(x + i * kLanes + (kScale ? 1536 : 4096), 0, 2);
    }
    LaneStages<kCount, kLanes>(signs, v);
    CrossStages<kCount>(One(), v);
    SYLVESTER_UNROLL
    for (int i = 0; i < kCount; ++i) {
      if constexpr (kScale) v[i] = hn::Mul(v[i], factor);
      Store(v[i], y + i * kLanes);
    }
  }
}

using DI = hn::RebindToSigned<D>;

// Stages stride, 2 stride, ... (2^kBits / 2) stride, in place over n elements. kMost: the largest
// magnitude of each group of stride 2^kBits goes to `most`, as bits.
template <int kBits, bool kScale, bool kMost>
HWY_NOINLINE void StridePass(float* z, std::int64_t n, std::int64_t stride, float scale,
                             std::uint32_t* HWY_RESTRICT most) {
  const V factor = hn::Set(D(), scale);
  constexpr int kCount = 1 << kBits;
  for (float* group = z; group < z + n; group += stride << kBits) {
    hn::Vec<DI> most0 = hn::Zero(DI()), most1 = most0;
    for (float* at = group; at < group + stride; at += kLanes) {
      V v[kCount];
      SYLVESTER_UNROLL
      for (int i = 0; i < kCount; ++i) v[i] = Load(at + i * stride);
      CrossStages<kCount>(One(), v);
      SYLVESTER_UNROLL
      for (int i = 0; i < kCount; ++i) {
        if constexpr (kScale) v[i] = hn::Mul(v[i], factor);
        if constexpr (kMost) {
          auto& m = i % 2 == 0 ? most0 : most1;
          m = hn::Max(m, hn::BitCast(DI(), hn::Abs(v[i])));
        }
        Store(v[i], at + i * stride);
      }
    }
    if constexpr (kMost) {
      const auto all = hn::MaxOfLanes(DI(), hn::Max(most0, most1));
      *most++ = static_cast<std::uint32_t>(hn::GetLane(all));
    }
  }
}

template <bool kScale>
void StridePassOf(int bits, float* z, std::int64_t n, std::int64_t stride, float scale,
                  std::uint32_t* most = nullptr) {
  const auto run = [&](auto plain, auto with_most) {
    kScale&& most != nullptr ? with_most(z, n, stride, scale, most)
                             : plain(z, n, stride, scale, nullptr);
  };
  switch (bits) {
    case 1:
      return run(StridePass<1, kScale, false>, StridePass<1, kScale, kScale>);
    case 2:
      return run(StridePass<2, kScale, false>, StridePass<2, kScale, kScale>);
    case 3:
      return run(StridePass<3, kScale, false>, StridePass<3, kScale, kScale>);
    default:
      if constexpr (kMaxBits >= 4) {
        run(StridePass<4, kScale, false>, StridePass<4, kScale, kScale>);
      }
  }
}

// The first pass of longer transforms: blocks of 2^bits vectors.
void FirstPass(int bits, const float* x, float* y, std::int64_t count) {
  const std::int64_t blocks = count / (std::int64_t{kLanes} << bits);
  switch (bits) {
    case 2:
      return RegisterBlocks<4, false>(x, y, blocks, 1.0f);
    case 3:
      return RegisterBlocks<8, false>(x, y, blocks, 1.0f);
    default:
      if constexpr (kMaxBits >= 4) RegisterBlocks<16, false>(x, y, blocks, 1.0f);
  }
}

// count / n contiguous transforms of n = kBlock 2^r elements, r > 0, count <= kLeaf: all of them
// through one pass, then through the next. Passes share the stages evenly: where one has few, it
// waits for its stores.
template <bool kScale>
void Leaf(const float* x, float* y, std::int64_t n, std::int64_t count, float scale,
          std::uint32_t* most = nullptr) {
  int left = 0;
  while ((std::int64_t{kLanes} << left) < n) ++left;
  int passes = (left + kMaxBits - 1) / kMaxBits;
  const int first = (left + passes - 1) / passes;
  FirstPass(first, x, y, count);
  left -= first;
  std::int64_t stride = std::int64_t{kLanes} << first;
  for (--passes; passes > 0; --passes) {
    const int bits = (left + passes - 1) / passes;
    if (passes == 1) {
      StridePassOf<kScale>(bits, y, count, stride, scale, most);
    } else {
      StridePassOf<false>(bits, y, count, stride, scale);
    }
    stride <<= bits;
    left -= bits;
  }
}

// The leaves of longer transforms: half as long, so that the last passes combine 8 parts.
constexpr std::int64_t kPart = kLeaf / 2;

// n = kPart 2^left. Leaves first, depth first: each part is complete, and still in the cache that
// has room for it, when the stages above read it.
template <bool kScale>
void Long(const float* x, float* y, std::int64_t n, int left, float scale,
          std::uint32_t* most = nullptr) {
  if (left == 0) return Leaf<kScale>(x, y, n, n, scale, most);
  const int bits = TopBits(left);
  const std::int64_t part = n >> bits;
  for (std::int64_t i = 0; i < n; i += part) Long<false>(x + i, y + i, part, left - bits, scale);
  StridePassOf<kScale>(bits, y, n, part, scale, most);
}

void LongRow(const float* x, float* y, std::int64_t n, float scale, std::uint32_t* most) {
  int left = 0;
  while ((kPart << left) < n) ++left;
  Long<true>(x, y, n, left, scale, most);
}

// Where the largest magnitude of row i goes.
HWY_INLINE std::uint32_t* MostAt(std::uint32_t* most, std::int64_t i) {
  return most != nullptr ? most + i : nullptr;
}

// `blocks` contiguous transforms of order n, a power of two. The largest magnitudes go to `most`
// where it is given and n > kBlock.
void PowerBlocks(const float* x, float* y, std::int64_t blocks, std::int64_t n, float scale,
                 std::uint32_t* most = nullptr) {
  if (n > kLeaf) {
    for (std::int64_t b = 0; b < blocks; ++b)
      LongRow(x + b * n, y + b * n, n, scale, MostAt(most, b));
    return;
  }
  if (n > kBlock) {
    for (std::int64_t i = 0; i < blocks * n; i += kLeaf) {
      Leaf<true>(x + i, y + i, n, std::min(kLeaf, blocks * n - i), scale, MostAt(most, i / n));
    }
    return;
  }
  if (n < kLanes) {
    const std::int64_t count = blocks * n;
    if (n == 1) return ShortBlocks<1>(x, y, count, scale);
    if (n == 2) return ShortBlocks<2>(x, y, count, scale);
    if (n == 4) return ShortBlocks<4>(x, y, count, scale);
    return ShortBlocks<8>(x, y, count, scale);
  }
  switch (n / kLanes) {
    case 1:
      return RegisterBlocks<1, true>(x, y, blocks, scale);
    case 2:
      return RegisterBlocks<2, true>(x, y, blocks, scale);
    case 4:
      return RegisterBlocks<4, true>(x, y, blocks, scale);
    case 8:
      return RegisterBlocks<8, true>(x, y, blocks, scale);
    default:
      if constexpr (kVectors >= 16) RegisterBlocks<16, true>(x, y, blocks, scale);
  }
}

// One transform of order K 2^m with 2^m at least a tile: segments into the work space, then along K
// back into y. Segments longer than a tile are padded, else the K of them share cache sets.
void BaseRow(const Axis& axis, const float* x, float* y, float scale, float* work) {
  std::int64_t pitch = axis.power;
  if (axis.power <= kShortPanel) {
    PowerBlocks(x, work, axis.base, axis.power, 1.0f);
  } else {
    pitch += kLanes;
    for (std::int64_t k = 0; k < axis.base; ++k) {
      PowerBlocks(x + k * axis.power, work + k * pitch, 1, axis.power, 1.0f);
    }
  }
  BaseStage(static_cast<const float*>(work), pitch, y, axis.power, axis.power, axis.terms,
            axis.base, &scale, 0);
}

// n floats, a power of two; no call for sizes known to the compiler.
HWY_INLINE void CopyPiece(const float* from, float* to, std::int64_t n) {
  if (n >= kLanes) {
    for (std::int64_t i = 0; i < n; i += kLanes) Store(Load(from + i), to + i);
    return;
  }
  for (std::int64_t i = 0; i < n; ++i) to[i] = from[i];
}

// Several transforms with a short 2^m: their columns lie side by side in a panel of `width`.
void ShortRows(const Axis& axis, const float* x, std::int64_t x_stride, float* y,
               std::int64_t y_stride, std::int64_t rows, float scale, float* work) {
  const std::int64_t power = axis.power, width = kTileCols * kLanes;
  float* in = work;
  float* out = in + axis.base * width;
  float* row = out + axis.base * width;
  for (std::int64_t first = 0; first < rows; first += width / power) {
    const std::int64_t count = std::min(rows - first, width / power);
    if (count * power < width) {
      std::memset(in, 0, static_cast<std::size_t>(axis.base * width) * sizeof(float));
    }
    for (std::int64_t r = 0; r < count; ++r) {
      PowerBlocks(x + (first + r) * x_stride, row, axis.base, power, 1.0f);
      for (std::int64_t k = 0; k < axis.base; ++k) {
        CopyPiece(row + k * power, in + k * width + r * power, power);
      }
    }
    // The stage along K computes long enough to hide the reading of the next rows.
    for (std::int64_t r = first + count; r < std::min(rows, first + 2 * count); ++r) {
      const float* next = x + r * x_stride;
      for (std::int64_t j = 0; j < axis.order; j += kMaxLanes) hwy::Prefetch(next + j);
    }
    BaseStage(static_cast<const float*>(in), width, out, width, width, axis.terms, axis.base,
              &scale, 0);
    for (std::int64_t r = 0; r < count; ++r) {
      for (std::int64_t k = 0; k < axis.base; ++k) {
        CopyPiece(out + k * width + r * power, y + (first + r) * y_stride + k * power, power);
      }
    }
  }
}

// True where the transform finds the largest magnitudes of rows on its way.
bool FindsMost(const Axis& axis) {
  return axis.base == 1 && axis.order == axis.length && axis.order > kBlock &&
         (axis.signs.empty() || !axis.inverse);
}

// All rows, without signs. most: see PowerBlocks.
void PlainRows(const Axis& axis, const float* x, std::int64_t x_stride, float* y,
               std::int64_t y_stride, std::int64_t rows, float* work,
               std::uint32_t* most = nullptr) {
  const float scale = axis.scale32;
  const std::int64_t blocks = axis.length / axis.order;
  if (axis.base == 1) {
    if (x_stride == axis.length && y_stride == axis.length) {
      return PowerBlocks(x, y, rows * blocks, axis.order, scale, most);
    }
    for (std::int64_t i = 0; i < rows; ++i) {
      PowerBlocks(x + i * x_stride, y + i * y_stride, blocks, axis.order, scale, MostAt(most, i));
    }
    return;
  }
  for (std::int64_t b = 0; b < blocks; ++b) {
    const std::int64_t at = b * axis.order;
    if (axis.power < kTileCols * kLanes) {
      ShortRows(axis, x + at, x_stride, y + at, y_stride, rows, scale, work);
      continue;
    }
    for (std::int64_t i = 0; i < rows; ++i) {
      BaseRow(axis, x + i * x_stride + at, y + i * y_stride + at, scale, work);
    }
  }
}

// y = x * r (or a plain copy), converting; n elements.
template <class In, class Out>
void ConvertRow(const In* x, Out* y, const float* r, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    V v = Load(x + i);
    if (r != nullptr) v = hn::Mul(v, Load(r + i));
    Store(v, y + i);
  }
  if (i == n) return;
  const auto rest = static_cast<std::size_t>(n - i);
  In in[kLanes] = {};
  Out out[kLanes];
  float signs[kLanes] = {};
  std::memcpy(in, x + i, rest * sizeof(In));
  V v = Load(in);
  if (r != nullptr) {
    std::memcpy(signs, r + i, rest * sizeof(float));
    v = hn::Mul(v, Load(signs));
  }
  Store(v, out);
  std::memcpy(y + i, out, rest * sizeof(Out));
}

bool RowsF32(const Axis& axis, const float* x, std::int64_t x_stride, float* y,
             std::int64_t y_stride, std::int64_t rows, float* work, std::uint32_t* most) {
  if (!FindsMost(axis)) most = nullptr;
  if (axis.signs.empty()) {
    PlainRows(axis, x, x_stride, y, y_stride, rows, work, most);
    return most != nullptr;
  }
  const float* r = axis.signs.data();
  for (std::int64_t i = 0; i < rows; ++i, x += x_stride, y += y_stride) {
    if (!axis.inverse) ConvertRow(x, y, r, axis.length);
    PlainRows(axis, axis.inverse ? x : y, axis.length, y, axis.length, 1, work, MostAt(most, i));
    if (axis.inverse) ConvertRow(static_cast<const float*>(y), y, r, axis.length);
  }
  return most != nullptr;
}

void RowsBf16(const Axis& axis, const std::uint16_t* x, std::int64_t x_stride, std::uint16_t* y,
              std::int64_t y_stride, std::int64_t rows, float* work) {
  const float* r = axis.signs.empty() ? nullptr : axis.signs.data();
  float* row = work;
  work += (axis.length + kLanes - 1) / kLanes * kLanes;
  for (std::int64_t i = 0; i < rows; ++i, x += x_stride, y += y_stride) {
    ConvertRow(x, row, axis.inverse ? nullptr : r, axis.length);
    PlainRows(axis, row, axis.length, row, axis.length, 1, work);
    ConvertRow(static_cast<const float*>(row), y, axis.inverse ? r : nullptr, axis.length);
  }
}

void StreamF32(const float* from, std::int64_t n, float* to) {
  std::int64_t i = 0;
  if (reinterpret_cast<std::uintptr_t>(to) % (kLanes * sizeof(float)) == 0) {
    for (; i + kLanes <= n; i += kLanes) hn::Stream(Load(from + i), D(), to + i);
  }
  std::memcpy(to + i, from + i, static_cast<std::size_t>(n - i) * sizeof(float));
}

}  // namespace HWY_NAMESPACE
}  // namespace sylvester::detail
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sylvester::detail {

HWY_EXPORT(RowsF32);
HWY_EXPORT(RowsBf16);
HWY_EXPORT(StreamF32);

bool simd_rows(const Axis& axis, const float* x, std::int64_t x_stride, float* y,
               std::int64_t y_stride, std::int64_t rows, float* work,
               std::uint32_t* most) noexcept {
  return HWY_DYNAMIC_DISPATCH(RowsF32)(axis, x, x_stride, y, y_stride, rows, work, most);
}
void simd_rows(const Axis& axis, const std::uint16_t* x, std::int64_t x_stride, std::uint16_t* y,
               std::int64_t y_stride, std::int64_t rows, float* work) noexcept {
  HWY_DYNAMIC_DISPATCH(RowsBf16)(axis, x, x_stride, y, y_stride, rows, work);
}
void simd_stream(const float* from, std::int64_t n, float* to) noexcept {
  HWY_DYNAMIC_DISPATCH(StreamF32)(from, n, to);
}
void simd_stream_end() noexcept { hwy::FlushStream(); }

}  // namespace sylvester::detail
#endif  // HWY_ONCE
