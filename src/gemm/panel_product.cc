#include "gemm/panel_product.h"

#include <algorithm>
#include <cstddef>

#include "sylvester/core/buffer.h"
#include "sylvester/core/parallel.h"

namespace sylvester::detail {
namespace {

// Packed operands outlive a call, so that a training step does not fault in fresh pages for every
// product; more than this is given back.
constexpr std::int64_t kKeptWords = std::int64_t{1} << 24;

struct Workspace {
  Buffer<std::uint32_t> a, b;
  Buffer<std::int32_t> start;
};

// A window of C is one task: its rows of A and columns of B stay in the L2 cache.
constexpr std::int64_t kBlockRows = 96;
constexpr std::int64_t kBlockBytes = 256 << 10;  // of packed B

struct Packed {
  std::int64_t groups = 0, panels = 0, width = 0;
  std::uint32_t* words = nullptr;
  std::uint32_t* panel(std::int64_t p) const { return words + p * groups * width; }
};

Packed plan(const PackJob& x, WordKind word, int width, Buffer<std::uint32_t>& storage) {
  Packed out;
  out.width = width;
  out.groups = (x.K + group_of(word) - 1) / group_of(word);
  out.panels = (x.rows + width - 1) / width;
  storage.resize(out.panels * out.groups * width);
  out.words = storage.data();
  return out;
}

void pack_one(const PackJob& x, WordKind word, const Packed& packed, std::int64_t p) {
  PackJob job = x;
  const std::int64_t first = p * packed.width;
  job.word = word;
  job.width = packed.width;
  job.rows = std::min(packed.width, x.rows - first);
  if (job.src != nullptr) job.src += first * x.row_stride;
  if (job.values != nullptr) job.values += first * x.row_stride;
  pack_panel(job, packed.panel(p));
}

}  // namespace

void panel_product(const PanelKernel& kernel, const PackJob& A, const PackJob& B,
                   const PanelSink& sink) {
  static thread_local Workspace workspace;
  Workspace& w = workspace;
  const Packed a = plan(A, kernel.word_a, kernel.a_width, w.a);
  const Packed b = plan(B, kernel.word_b, kernel.b_width, w.b);
  const bool offset = kernel.word_b == WordKind::kUint8;
  w.start.resize(a.panels * a.width);
  std::int32_t* start = w.start.data();
  const bool small = static_cast<double>(A.rows) * static_cast<double>(B.rows) * A.K < 1 << 19;

  const std::int64_t panels = a.panels + b.panels;
  parallel_blocks(panels, small ? panels : 8, [&](std::int64_t, std::int64_t p, std::int64_t end) {
    for (; p < end; ++p) {
      if (p >= a.panels) {
        pack_one(B, kernel.word_b, b, p - a.panels);
        continue;
      }
      pack_one(A, kernel.word_a, a, p);
      std::int32_t* sums = start + p * a.width;
      if (offset) {
        panel_row_sums(a.panel(p), a.groups, a.width, sums);
        for (std::int64_t i = 0; i < a.width; ++i) {  // B is 128 too large
          sums[i] = static_cast<std::int32_t>(static_cast<std::uint32_t>(sums[i]) * 0xFFFFFF80u);
        }
      } else {
        std::fill_n(sums, a.width, 0);
      }
    }
  });

  const std::int64_t panel_bytes = std::max<std::int64_t>(1, b.groups * b.width * 4);
  const std::int64_t block_panels = std::clamp<std::int64_t>(
      kBlockBytes / panel_bytes, 1, std::max<std::int64_t>(1, 512 / b.width));
  const std::int64_t row_panels = std::max<std::int64_t>(1, kBlockRows / a.width);
  const std::int64_t row_blocks = (a.panels + row_panels - 1) / row_panels;
  const std::int64_t col_blocks = (b.panels + block_panels - 1) / block_panels;
  const std::int64_t tasks = row_blocks * col_blocks;
  parallel_blocks(tasks, small ? tasks : 1, [&](std::int64_t, std::int64_t t, std::int64_t end) {
    static thread_local Buffer<std::int32_t> window;
    const std::int64_t stride = block_panels * b.width;
    window.resize(row_panels * a.width * stride);
    for (; t < end; ++t) {
      const std::int64_t pa0 = t % row_blocks * row_panels, pb0 = t / row_blocks * block_panels;
      const std::int64_t pa1 = std::min(a.panels, pa0 + row_panels);
      const std::int64_t pb1 = std::min(b.panels, pb0 + block_panels);
      for (std::int64_t pb = pb0; pb < pb1; ++pb) {
        const auto cols = static_cast<int>(std::min<std::int64_t>(b.width, B.rows - pb * b.width));
        for (std::int64_t pa = pa0; pa < pa1; ++pa) {
          const auto rows =
              static_cast<int>(std::min<std::int64_t>(a.width, A.rows - pa * a.width));
          kernel.tile(a.panel(pa), b.panel(pb), a.groups, rows, cols, start + pa * a.width,
                      window.data() + (pa - pa0) * a.width * stride + (pb - pb0) * b.width, stride);
        }
      }
      const std::int64_t m0 = pa0 * a.width, n0 = pb0 * b.width;
      sink({window.data(), stride, m0, std::min(A.rows, pa1 * a.width) - m0, n0,
            std::min(B.rows, pb1 * b.width) - n0});
    }
  });
  if (w.a.size() + w.b.size() > kKeptWords) w = Workspace();
}

}  // namespace sylvester::detail
