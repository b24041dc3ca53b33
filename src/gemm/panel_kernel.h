// The innermost pieces of the integer and bfloat16 products, one set for each instruction set.
//
// Operands are packed in panels of `width` rows. Word (g, r) of a panel, at out[g * width + r],
// holds codes k = g * group ... of row r: four int8, two int16 or two bfloat16. A tile is one panel
// of A against one of B.
#pragma once

#include <cstdint>

namespace sylvester::detail {

enum class WordKind : std::uint8_t {
  kInt8,      // four signed bytes
  kUint8,     // four bytes code + 128
  kInt16,     // two signed bytes, widened
  kBFloat16,  // two values from a table of 256 bfloat16 patterns, or two float32's upper halves
};

struct PanelKernel {
  const char* name;
  WordKind word_a, word_b;
  int a_width, b_width;  // rows of a panel
  // out[i][j] = start[i] + sum_g dot(A(g, i), B(g, j)), i < rows, j < cols (rounded up to vectors);
  // int32 that wraps, or float32 in k order (start is null there).
  void (*tile)(const std::uint32_t* a, const std::uint32_t* b, std::int64_t groups, int rows,
               int cols, const std::int32_t* start, void* out, std::int64_t stride);
};

constexpr int group_of(WordKind kind) {
  return kind == WordKind::kInt8 || kind == WordKind::kUint8 ? 4 : 2;
}

// Rows [0, rows) of codes at src[r * row_stride + k * k_stride], zeros up to `width` and to whole
// words. `flip` is xored to each code first (0x80: unsigned codes become signed).
struct PackJob {
  const std::uint8_t* src = nullptr;
  const float* values = nullptr;  // kBFloat16 only: instead of src
  std::int64_t row_stride = 0, k_stride = 0;
  std::int64_t rows = 0, width = 0, K = 0;
  std::uint8_t flip = 0;
  WordKind word = WordKind::kInt8;
  const std::uint16_t* table = nullptr;  // kBFloat16 from codes
};
void pack_panel(const PackJob& job, std::uint32_t* out) noexcept;
// sums[r] = sum of the signed codes of row r over all words of a kInt8 panel.
void panel_row_sums(const std::uint32_t* panel, std::int64_t groups, std::int64_t width,
                    std::int32_t* sums) noexcept;

// out[i] = table[codes[i] & 63]: codes of at most 6 bits, whose table repeats above.
void translate_codes(const std::uint8_t* codes, const std::uint8_t* table, std::uint8_t* out,
                     std::int64_t n) noexcept;

// out[j] = float(in[j]) * (a * b[j]); b null: factor a alone; for float32 sums the same.
void scale_int_row(const std::int32_t* in, float a, const float* b, float* out,
                   std::int64_t n) noexcept;
void scale_float_row(const float* in, float a, const float* b, float* out, std::int64_t n) noexcept;
// out[j] = int32 in[j] - za * sum_b[j] + zero_b[j] * row_term, wrapping; the zero points' part.
void add_zero_terms(const std::int32_t* in, std::int32_t za, const std::int32_t* sum_b,
                    const std::int32_t* zero_b, std::int32_t row_term, std::int32_t* out,
                    std::int64_t n) noexcept;

// The kernel of the current target: best int8 one; the bfloat16 one or null where the CPU has no
// bfloat16 dot product.
const PanelKernel& int_kernel() noexcept;
const PanelKernel* bfloat16_kernel() noexcept;
// The widened int16 kernel of the current target, for CPUs without an int8 dot product (tests).
const PanelKernel& int16_kernel() noexcept;

// x86 kernels in src/simd/gemm_vnni.cc; null where the CPU (or build) lacks the instruction.
const PanelKernel* vnni_kernel() noexcept;
const PanelKernel* avx512_bf16_kernel() noexcept;

}  // namespace sylvester::detail
