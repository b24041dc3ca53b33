#include "gemm/operand.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "gemm/kernels.h"
#include "sylvester/formats/convert.h"

namespace sylvester::detail {

OperandView OperandView::slice(std::int64_t begin, std::int64_t count) const {
  OperandView part = *this;
  const std::int64_t offset = begin * k_stride;
  part.K = count;
  part.k_first += begin;
  if (codes != nullptr) part.codes += offset;
  if (codes16 != nullptr) part.codes16 += offset;
  if (values != nullptr) part.values += offset;
  return part;
}

namespace {

ScaleView scale_view(const QuantizedMatrix& m, bool transposed) {
  ScaleView view;
  if (m.scales.empty() || m.rows == 0 || m.cols == 0) return view;
  if (m.block_rows < 1 || m.block_cols < 1 || m.scale_cols * m.block_cols < m.cols ||
      m.scale_rows * m.block_rows < m.rows || m.scales.size() != m.scale_rows * m.scale_cols ||
      (!m.zeros.empty() && m.zeros.size() != m.scales.size())) {
    throw ShapeError("matmul: " + std::to_string(m.scale_rows) + " x " +
                     std::to_string(m.scale_cols) + " scales (" + std::to_string(m.scales.size()) +
                     " stored) of blocks " + std::to_string(m.block_rows) + " x " +
                     std::to_string(m.block_cols) + " do not cover " + std::to_string(m.rows) +
                     " x " + std::to_string(m.cols));
  }
  view.scales = m.scales.data();
  view.zeros = m.zeros.empty() ? nullptr : m.zeros.data();
  view.codes = m.scale_codes.empty() ? nullptr : m.scale_codes.data();
  view.format = m.spec.scale_format;
  view.tensor_scale = m.tensor_scale;
  view.row_block = transposed ? m.block_cols : m.block_rows;
  view.k_block = transposed ? m.block_rows : m.block_cols;
  view.row_stride = transposed ? 1 : m.scale_cols;
  view.k_stride = transposed ? m.scale_cols : 1;
  return view;
}

}  // namespace

OperandView operand_view(const Operand& operand) {
  const QuantizedMatrix& m = *operand.matrix;
  const std::int64_t size = m.rows * m.cols;
  const bool by_value = m.codes.empty() && size > 0;
  if (by_value ? m.values.size() != size : m.codes.size() != size) {
    throw ShapeError("matmul: a " + std::to_string(m.rows) + " x " + std::to_string(m.cols) +
                     " operand of format " + std::string(to_string(m.spec.format)) + " holds " +
                     std::to_string(m.codes.size()) + " codes and " +
                     std::to_string(m.values.size()) + " values; want " + std::to_string(size) +
                     " of one of them");
  }
  OperandView view;
  view.format = m.spec.format;
  view.unsigned_codes = m.spec.asymmetric || m.spec.format == DType::kUInt8;
  view.rows = operand.rows();
  view.K = operand.cols();
  view.row_stride = operand.transposed ? 1 : m.cols;
  view.k_stride = operand.transposed ? m.cols : 1;
  view.codes = by_value ? nullptr : m.codes.data();
  view.values = by_value ? m.values.data() : nullptr;
  view.scaling = scale_view(m, operand.transposed);
  return view;
}

const ValueTable& value_table(DType dtype, bool unsigned_codes) {
  static std::mutex mutex;
  static std::map<std::pair<DType, bool>, ValueTable> tables;  // nodes never move
  const std::lock_guard<std::mutex> lock(mutex);
  const auto [entry, fresh] = tables.try_emplace({dtype, unsigned_codes});
  if (fresh) {
    const int bits = dtype == DType::kUInt8 ? 8 : format(dtype).bits;
    for (unsigned code = 0; code < 256; ++code) {
      const unsigned low = code & ((1u << bits) - 1u);
      entry->second[code] = unsigned_codes ? static_cast<float>(low) : decode_one(low, dtype);
    }
  }
  return entry->second;
}

namespace {

// f(value, r, k) for every element of the rows, rows outermost.
template <class F>
void for_each_value(const OperandView& x, std::int64_t first, std::int64_t count, F&& f) {
  if (x.codes != nullptr) {
    const ValueTable& table = value_table(x.format, x.unsigned_codes);
    for (std::int64_t r = 0; r < count; ++r) {
      const std::uint8_t* row = x.codes + (first + r) * x.row_stride;
      for (std::int64_t k = 0; k < x.K; ++k) f(table[row[k * x.k_stride]], r, k);
    }
  } else if (x.codes16 != nullptr) {
    for (std::int64_t r = 0; r < count; ++r) {
      const std::uint16_t* row = x.codes16 + (first + r) * x.row_stride;
      for (std::int64_t k = 0; k < x.K; ++k) f(decode_one(row[k * x.k_stride], x.format), r, k);
    }
  } else {
    for (std::int64_t r = 0; r < count; ++r) {
      const float* row = x.values + (first + r) * x.row_stride;
      for (std::int64_t k = 0; k < x.K; ++k) f(row[k * x.k_stride], r, k);
    }
  }
}

}  // namespace

void decode_rows(const OperandView& x, std::int64_t first, std::int64_t count, float* out) {
  if (x.k_stride == 1 && x.scaling.zeros == nullptr && !x.unsigned_codes) {
    const auto K = static_cast<std::size_t>(x.K);
    for (std::int64_t r = 0; r < count; ++r) {
      const std::int64_t at = (first + r) * x.row_stride;
      const std::span<float> to(out + r * x.K, K);
      if (x.codes != nullptr) {
        decode({x.codes + at, K}, x.format, to);
      } else if (x.codes16 != nullptr) {
        decode16({x.codes16 + at, K}, x.format, to);
      } else {
        std::copy_n(x.values + at, x.K, to.begin());
      }
    }
    return;
  }
  for_each_value(x, first, count, [&](float v, std::int64_t r, std::int64_t k) {
    out[r * x.K + k] = v - x.zero(first + r, k);
  });
}

void dequantize_rows(const OperandView& x, std::int64_t first, std::int64_t count, float* out) {
  for_each_value(x, first, count, [&](float v, std::int64_t r, std::int64_t k) {
    out[r * x.K + k] = (v - x.zero(first + r, k)) * x.scale(first + r, k);
  });
}

OuterScales outer_scales(const OperandView& A, const OperandView& B, float alpha) {
  const auto rows = [](const OperandView& x, float factor) {
    Buffer<float> out;
    if (x.scaling.scales == nullptr && factor == 1.0f) return out;
    out.resize(x.rows);
    for (std::int64_t r = 0; r < x.rows; ++r) out[r] = factor * x.scale(r, 0);
    return out;
  };
  return {rows(A, alpha), rows(B, 1.0f)};
}

bool integer_operand(const OperandView& x) {
  const bool integer =
      x.format == DType::kUInt8 || (x.format >= DType::kInt2 && x.format <= DType::kInt8);
  return integer && x.values == nullptr && x.codes16 == nullptr;
}

}  // namespace sylvester::detail
