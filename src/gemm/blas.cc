// The fast path. Which engine, in this order:
//   integers (int2 ... int8, FP4, float6_e2m3fn: small multiples of a power of two)  int8 dot
//   products values exact in bfloat16, on a CPU with a bfloat16 dot product bfloat16 dots anything
//   dequantized float32, library sgemm
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <map>
#include <mutex>
#include <optional>

#include "gemm/kernels.h"
#include "gemm/panel_product.h"
#include "sylvester/core/buffer.h"
#include "sylvester/core/parallel.h"
#include "sylvester/core/target.h"
#include "sylvester/formats/convert.h"

namespace sylvester::detail {
namespace {

// int32 sums of K products of int8 codes cannot wrap up to here: 2^31 / 2^14 - 1.
constexpr std::int64_t kMostExactK = 131071;

// ------------------------------------------------------------------------------------ integers

// code -> int8 with value = int8 * 2^-point, for formats all of whose values are such.
struct IntegerCodes {
  int point = 0;
  std::array<std::uint8_t, 256> table{};
};

std::optional<IntegerCodes> make_integer_codes(DType dtype) {
  const Format& f = format(dtype);
  if (is_integer(dtype) || f.bits > 6 || f.specials != Specials::kFiniteOnly) return {};
  IntegerCodes out;
  out.point = -static_cast<int>(std::lround(std::log2(f.min_subnormal)));
  if (std::ldexp(f.max, out.point) > 127) return {};
  const ValueTable& values = value_table(dtype, false);
  for (std::size_t code = 0; code < 256; ++code) {
    const double scaled = std::ldexp(values[code], out.point);
    out.table[code] = static_cast<std::uint8_t>(static_cast<std::int8_t>(scaled));
  }
  return out;
}

const std::optional<IntegerCodes>& integer_codes(DType dtype) {
  static std::mutex mutex;
  static std::map<DType, std::optional<IntegerCodes>> known;  // nodes never move
  const std::lock_guard<std::mutex> lock(mutex);
  const auto [entry, fresh] = known.try_emplace(dtype);
  if (fresh) entry->second = make_integer_codes(dtype);
  return entry->second;
}

}  // namespace

IntegerView integer_view(const OperandView& x) {
  IntegerView out;
  if (integer_operand(x)) {
    out.ok = true;
    out.view = x;
    return out;
  }
  if (x.codes == nullptr || x.format == DType::kUInt8) return out;
  const std::optional<IntegerCodes>& codes = integer_codes(x.format);
  if (!codes) return out;
  // Storage order is kept: lines of `width` contiguous codes.
  const bool along_k = x.k_stride == 1;
  const std::int64_t lines = along_k ? x.rows : x.K, width = along_k ? x.K : x.rows;
  const std::int64_t pitch = along_k ? x.row_stride : x.k_stride;
  out.ok = true;
  out.point = codes->point;
  out.codes.resize(lines * width);
  parallel_for(lines, 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      translate_codes(x.codes + i * pitch, codes->table.data(), out.codes.data() + i * width,
                      width);
    }
  });
  out.view = x;
  out.view.format = DType::kInt8;
  out.view.codes = out.codes.data();
  (along_k ? out.view.row_stride : out.view.k_stride) = width;
  return out;
}

namespace {

bool integer_blas(const OperandView& A, const OperandView& B, float alpha, MatrixView<float> D) {
  if (A.K > kMostExactK || !A.scale_outside_sum() || !B.scale_outside_sum()) return false;
  const IntegerView a = integer_view(A);
  if (!a.ok) return false;
  const IntegerView b = integer_view(B);
  if (!b.ok) return false;
  OuterScales scales = outer_scales(A, B, alpha);
  const float unit = std::ldexp(1.0f, -a.point - b.point);
  if (unit != 1.0f) {
    if (scales.a.empty()) {
      scales.a.resize(A.rows);
      scales.a.fill(1.0f);
    }
    for (float& s : scales.a) s *= unit;
  }
  integer_product(a.view, b.view, scales, D);
  return true;
}

// ------------------------------------------------------------------------------------ bfloat16

bool exact_in_bfloat16(const OperandView& x) {
  if (x.scaling.zeros != nullptr || x.codes16 != nullptr) return false;
  if (x.values != nullptr) return x.format == DType::kBFloat16;
  return true;  // at most 8 bits of significand
}

const std::array<std::uint16_t, 256>& bfloat16_table(DType dtype, bool unsigned_codes) {
  static std::mutex mutex;
  static std::map<std::pair<DType, bool>, std::array<std::uint16_t, 256>> tables;
  const std::lock_guard<std::mutex> lock(mutex);
  const auto [entry, fresh] = tables.try_emplace({dtype, unsigned_codes});
  if (fresh) {
    const ValueTable& values = value_table(dtype, unsigned_codes);
    for (std::size_t i = 0; i < 256; ++i) {
      entry->second[i] = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(values[i]) >> 16);
    }
  }
  return entry->second;
}

PackJob bfloat16_job(const OperandView& x) {
  PackJob job;
  job.src = x.codes;
  job.values = x.values;
  job.row_stride = x.row_stride;
  job.k_stride = x.k_stride;
  job.rows = x.rows;
  job.K = x.K;
  if (x.codes != nullptr) job.table = bfloat16_table(x.format, x.unsigned_codes).data();
  return job;
}

bool bfloat16_blas(const OperandView& A, const OperandView& B, float alpha, MatrixView<float> D) {
  const PanelKernel* kernel = bfloat16_kernel();
  if (kernel == nullptr || !exact_in_bfloat16(A) || !exact_in_bfloat16(B)) return false;
  if (!A.scale_outside_sum() || !B.scale_outside_sum()) return false;
  const OuterScales scales = outer_scales(A, B, alpha);
  panel_product(*kernel, bfloat16_job(A), bfloat16_job(B), [&](const PanelBlock& block) {
    for (std::int64_t i = 0; i < block.rows; ++i) {
      const std::int64_t m = block.m0 + i;
      scale_float_row(static_cast<const float*>(block.data) + i * block.stride, scales.row(m),
                      scales.cols(block.n0), D.row(m) + block.n0, block.cols);
    }
  });
  return true;
}

// ------------------------------------------------------------------------------------- float32

// The operand as float32 in its own storage order: what sgemm takes, transposed or not.
struct Dequantized {
  Buffer<float> storage;
  MatrixView<const float> view;
  bool along_k = true;
};

void dequantize_line(const OperandView& x, bool along_k, std::int64_t line, std::int64_t width,
                     float* out) {
  const std::int64_t pitch = along_k ? x.row_stride : x.k_stride;
  if (x.codes != nullptr && !x.unsigned_codes) {
    decode({x.codes + line * pitch, static_cast<std::size_t>(width)}, x.format,
           {out, static_cast<std::size_t>(width)});
  } else if (x.codes != nullptr) {
    const ValueTable& table = value_table(x.format, true);
    for (std::int64_t i = 0; i < width; ++i) out[i] = table[x.codes[line * pitch + i]];
  } else if (x.codes16 != nullptr) {
    decode16({x.codes16 + line * pitch, static_cast<std::size_t>(width)}, x.format,
             {out, static_cast<std::size_t>(width)});
  } else {
    std::copy_n(x.values + line * pitch, width, out);
  }
  if (x.scaling.scales == nullptr) return;
  const std::int64_t block = along_k ? x.scaling.k_block : x.scaling.row_block;
  const std::int64_t first = along_k ? x.k_first : 0;
  for (std::int64_t i = 0; i < width;) {
    const std::int64_t end = std::min(width, ((first + i) / block + 1) * block - first);
    const float scale = along_k ? x.scale(line, i) : x.scale(i, line);
    const float zero = along_k ? x.zero(line, i) : x.zero(i, line);
    if (x.scaling.zeros == nullptr) {
      for (; i < end; ++i) out[i] *= scale;
    } else {
      for (; i < end; ++i) out[i] = (out[i] - zero) * scale;
    }
  }
}

Dequantized dequantize_operand(const OperandView& x) {
  Dequantized out;
  out.along_k = x.k_stride == 1;
  const std::int64_t lines = out.along_k ? x.rows : x.K, width = out.along_k ? x.K : x.rows;
  if (x.values != nullptr && x.scaling.scales == nullptr) {
    out.view = {x.values, lines, width, out.along_k ? x.row_stride : x.k_stride};
    return out;
  }
  out.storage.resize(lines * width);
  parallel_for(lines, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      dequantize_line(x, out.along_k, i, width, out.storage.data() + i * width);
    }
  });
  out.view = {out.storage.data(), lines, width};
  return out;
}

}  // namespace

void blas_product(const OperandView& A, const OperandView& B, float alpha, MatrixView<float> D) {
  if (!scalar_target() && (integer_blas(A, B, alpha, D) || bfloat16_blas(A, B, alpha, D))) return;
  const Dequantized a = dequantize_operand(A);
  const Dequantized b = dequantize_operand(B);
  product(a.view, !a.along_k, b.view, b.along_k, D, alpha);
}

}  // namespace sylvester::detail
