// Absmax, scales and results of a row of blocks in one walk over it.
#include <algorithm>

#include "quant/simd_rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/quant_blocks.cc"
// Beside AVX3 for its permutations of bytes.
#define HWY_WANT_AVX3_DL
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#include <hwy/foreach_target.h>
// After foreach_target.
#include <hwy/highway.h>

#include "simd/quant_elements-inl.h"
#include "simd/quant_scales-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sylvester::detail {
namespace HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

// Elements that are read for their absmax, then encoded from the nearest cache: one page. Measured
// on Zen 4, reading and encoding overlap best then, and worse when the next page is read in
// between.
constexpr std::int64_t kPanel = 1024;
// The same of numbers that are in cache: long enough to make little of finding the scales.
constexpr std::int64_t kNearPanel = 4096;
constexpr std::int64_t kBlocks = 128;  // of a panel, at most

// Any quotients.
inline void results(const BlocksOfRow& row, MatrixView<const float> X, const RowScales& scales,
                    MatrixView<std::uint8_t> out) {
  encode_rows(row.map, X, row.segment, scales, {}, out);
}
inline void results(const BlocksOfRow& row, MatrixView<const float> X, const RowScales& scales,
                    MatrixView<float> out) {
  values_rows(row.map, X, row.segment, scales, {}, out);
}

// The scales of one panel.
struct Panel {
  alignas(64) float scale[kBlocks], factor[kBlocks], inverse[kBlocks];
  alignas(64) std::uint8_t code[kBlocks];
  ScaleFlags flags;
};

// Scales of the blocks of x[begin .. begin + n).
void find_scales(const BlocksOfRow& row, const Scales& scales_of, std::int64_t begin,
                 std::int64_t n, Panel& panel) {
  alignas(64) std::uint32_t magnitude[kBlocks];
  const std::int64_t blocks = (n + row.segment - 1) / row.segment, first = begin / row.segment;
  const std::uint32_t* known = row.magnitude != nullptr ? row.magnitude + first : magnitude;
  if (row.magnitude == nullptr) {
    std::fill_n(magnitude, (blocks + kScalePadding - 1) / kScalePadding * kScalePadding, 0u);
    absmax_segments<1>(row.x + begin, 0, n, row.segment, magnitude,
                       n > kPanel && !row.near ? kPanel : 0);
  }
  panel.flags = scales_of(known, blocks, {panel.scale, panel.factor, panel.inverse, panel.code});
  if (row.scale != nullptr) std::copy_n(panel.scale, blocks, row.scale + first);
  if (row.code != nullptr) std::copy_n(panel.code, blocks, row.code + first);
}

template <class Out, class E>
void walk_blocks(const BlocksOfRow& row, const Scales& scales_of, const E& elements, Out* out) {
  const std::int64_t segment = row.segment;
  const std::int64_t panel_size = row.near ? kNearPanel : kPanel;
  const std::int64_t width = std::clamp<std::int64_t>(panel_size / segment, 1, kBlocks) * segment;
  Panel panels[2];
  const auto find = [&](std::int64_t begin, Panel& panel) HWY_ATTR {
    if (begin < row.n) find_scales(row, scales_of, begin, std::min(width, row.n - begin), panel);
  };
  // Scales that need no numbers are found a panel early: then nothing waits for them.
  const bool early = row.magnitude != nullptr;
  if (early) find(0, panels[0]);
  int at = 0;
  for (std::int64_t begin = 0; begin < row.n; begin += width, at = 1 - at) {
    const Panel& panel = panels[at];
    if (early) {
      find(begin + width, panels[1 - at]);
    } else {
      find(begin, panels[at]);
    }
    const std::int64_t n = std::min(width, row.n - begin);
    const MatrixView<const float> X(row.x + begin, 1, n);
    const MatrixView<Out> to(out + begin, 1, n);
    RowScales scales{.scale = panel.scale, .factor = panel.factor};
    if (panel.flags.regular) {
      scales.inverse = panel.flags.moderate ? panel.inverse : nullptr;
      scales.tame = true;
      run_elements(elements, row.map.multiplies, X, segment, scales, to,
                   {.ahead = row.near ? 0 : width, .streams = row.streams});
    } else {
      results(row, X, scales, to);
    }
    if (panel.flags.poisoned) poison_rows(panel.scale, segment, to);
  }
}

template <class Out>
void Blocks(const BlocksOfRow& row, Out* out) {
  with_scales(row.kind, row.plan, [&](const Scales& scales) HWY_ATTR {
    with_elements(row.map,
                  [&](const auto& elements) HWY_ATTR { walk_blocks(row, scales, elements, out); });
  });
  if (row.streams) hwy::FlushStream();
}

void EncodeBlocks(const BlocksOfRow& row, std::uint8_t* codes) { Blocks(row, codes); }
void FakeBlocks(const BlocksOfRow& row, float* values) { Blocks(row, values); }

#else  // a CPU without any of the instruction sets above

template <class Out>
void Blocks(const BlocksOfRow& row, Out* out) {
  for (std::int64_t begin = 0, k = 0; begin < row.n; begin += row.segment, ++k) {
    const std::int64_t n = std::min(row.segment, row.n - begin);
    std::uint32_t magnitude = row.magnitude != nullptr ? row.magnitude[k] : 0;
    scalar::absmax_segments(row.x + begin, n, row.segment, &magnitude);
    float scale, factor, inverse;
    std::uint8_t code;
    with_scales(row.kind, row.plan, [&](const Scales& scales) {
      scales(&magnitude, 1, {&scale, &factor, &inverse, &code});
    });
    if (row.scale != nullptr) row.scale[k] = scale;
    if (row.code != nullptr) row.code[k] = code;
    const RowScales scales{&scale, &factor};
    if constexpr (sizeof(Out) == 1) {
      scalar::encode_row(row.map, row.x + begin, n, row.segment, scales, 0, out + begin);
    } else {
      scalar::values_row(row.map, row.x + begin, n, row.segment, scales, 0, out + begin);
    }
    poison_rows(&scale, row.segment, MatrixView<Out>(out + begin, 1, n));
  }
}

void EncodeBlocks(const BlocksOfRow& row, std::uint8_t* codes) { Blocks(row, codes); }
void FakeBlocks(const BlocksOfRow& row, float* values) { Blocks(row, values); }

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace HWY_NAMESPACE
}  // namespace sylvester::detail
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sylvester::detail {

HWY_EXPORT(EncodeBlocks);
HWY_EXPORT(FakeBlocks);

void encode_blocks_simd(const BlocksOfRow& row, std::uint8_t* codes) noexcept {
  HWY_DYNAMIC_DISPATCH(EncodeBlocks)(row, codes);
}
void fake_blocks_simd(const BlocksOfRow& row, float* values) noexcept {
  HWY_DYNAMIC_DISPATCH(FakeBlocks)(row, values);
}

}  // namespace sylvester::detail
#endif  // HWY_ONCE
