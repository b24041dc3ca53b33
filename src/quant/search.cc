#include "quant/search.h"

#include <algorithm>
#include <cmath>

namespace sylvester::detail {
namespace {

constexpr std::int64_t kNvfp4Block = 16;

// Error of one row of 16 under a candidate scale, terms added left to right.
float row_error(const ScalePlan& plan, const ElementMap& map, const float* x, std::int64_t n,
                const BlockScale& s) noexcept {
  const bool te = plan.spec.convention != Convention::kQuartet2;
  const float code_scale = decode_float(s.code, layout(DType::kFloat8E4M3FN));
  float sum = 0.0f;
  for (std::int64_t i = 0; i < n; ++i) {
    const std::uint8_t code = encode_element(map, quotient(map, x[i], s.factor), 0.0f, 0);
    // TransformerEngine computes the value from the tensor's absmax, 6 * 256 being its bound.
    const float value = te ? map.value[code] * code_scale * plan.tensor_absmax / (6.0f * 256.0f)
                           : map.value[code] * s.scale;
    const float error = value - x[i];
    sum += plan.spec.four_over_six == FourOverSix::kMae ? std::fabs(error) : error * error;
  }
  return sum;
}

// Rows are added as TransformerEngine's kernel does: a tree of 8, 4, 2, 1.
float block_error(const ScalePlan& plan, const ElementMap& map, MatrixView<const float> block,
                  const BlockScale& s) noexcept {
  float rows[kNvfp4Block] = {};
  for (std::int64_t i = 0; i < block.rows; ++i) {
    rows[i] = row_error(plan, map, block.row(i), block.cols, s);
  }
  if (plan.spec.block_rows == 1) return rows[0];
  for (int width = 8; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) rows[i] += rows[i + width];
  }
  return rows[0];
}

}  // namespace

BlockScale four_over_six_scale(const ScalePlan& plan, const ElementMap& map,
                               MatrixView<const float> block, std::uint32_t magnitude) {
  const BlockScale six = nvfp4_scale(plan, magnitude);
  if (std::isnan(six.scale)) return six;
  const BlockScale four = nvfp4_scale(plan, magnitude, 1.5f);
  return block_error(plan, map, block, four) < block_error(plan, map, block, six) ? four : six;
}

BlockScale quest_scale(const ScalePlan& plan, const float* x, std::int64_t n,
                       std::uint32_t magnitude) noexcept {
  if (magnitude >= kInfBits) return poisoned_scale(plan);
  double sum = 0, squares = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    sum += x[i];
    squares += static_cast<double>(x[i]) * x[i];
  }
  const double count = static_cast<double>(std::max<std::int64_t>(n, 1));
  const double mean = sum / count;
  const double deviation = std::sqrt(std::max(squares / count - mean * mean, 0.0));
  // 2.92247856 bounds the clipped range of a unit Gaussian whose 4-bit error is least.
  const auto scale = static_cast<float>(2.92247856 / 6.0 * deviation + 1e-8);
  const auto bits = std::bit_cast<std::uint32_t>(scale);  // >= 1e-8: a normal number, maybe Inf
  return power_of_two_scale(plan, std::min(static_cast<int>(bits >> 23) - 127, 127));
}

void correct_eden_scales(const ScalePlan& plan, const ElementMap& map, const float* x,
                         std::int64_t n, std::uint64_t first, const RandomStream& stream,
                         BlockScale* scales) {
  constexpr Layout kE4m3 = layout(DType::kFloat8E4M3FN);
  double squares = 0, products = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const float v = quotient(map, x[i], scales[i / kNvfp4Block].factor);
    const float q = map.value[encode_element(map, v, 0.0f, 0)];
    squares += static_cast<double>(v) * v;
    products += static_cast<double>(v) * q;
  }
  const auto correction = static_cast<float>(products == 0 ? 1.0 : squares / products);
  for (std::int64_t k = 0; k * kNvfp4Block < n; ++k) {
    const float corrected = decode_float(scales[k].code, kE4m3) * correction;
    const std::uint64_t element = first + static_cast<std::uint64_t>(k * kNvfp4Block);
    const auto code = encode_float(corrected, kE4m3, {.rounding = Rounding::kStochastic},
                                   random_word(stream, element));
    const float s = decode_float(code, kE4m3);
    // The codes stay those of the uncorrected scale: only what they are multiplied with moves.
    scales[k].code = static_cast<std::uint8_t>(code);
    scales[k].scale = s * plan.tensor_scale;
  }
}

}  // namespace sylvester::detail
