// One product under a hardware policy, for the scalar body and its fast forms.
#pragma once

#include <cstdint>

#include "gemm/fused_step.h"
#include "gemm/operand.h"
#include "gemm/policy.h"
#include "sylvester/core/view.h"

namespace sylvester::detail {

struct CoreFormat {
  int point, emin;
};
CoreFormat core_format(DType dtype);

struct HardwareJob {
  const OperandView& A;
  const OperandView& B;
  const HardwareRow& row;
  ChainPlan plan;
  MatrixView<const float> C0;
  MatrixView<float> D;
  int point = core_format(A.format).point + core_format(B.format).point;

  float start(std::int64_t m, std::int64_t n) const { return C0.data == nullptr ? 0.0f : C0(m, n); }
};

// Where the instruction's k-th product lies in the operand.
inline std::int64_t source_k(const HardwareJob& job, std::int64_t k) {
  if (job.row.interleave != 4) return k;
  const std::int64_t i = k % 32;  // those with k mod 4 in {0, 1} first, then {2, 3}
  return k - i + (i % 16) / 2 * 4 + i % 2 + (i < 16 ? 0 : 2);
}

// The exponent of a ue8m0 scale that enters the sum, or kNanScale for its NaN.
inline constexpr int kNanScale = 1 << 20;
inline int scale_exponent(const HardwareJob& job, const OperandView& x, std::int64_t r,
                          std::int64_t k) {
  if (job.row.scales != ScaleInput::kBlock32) return 0;
  const std::uint8_t code = x.scaling.codes[x.scaling.index(r, x.k_first + k)];
  return code == 0xFF ? kNanScale : static_cast<int>(code) - 127;
}

// Output (m, n) by the scalar body.
void scalar_element(const HardwareJob& job, std::int64_t m, std::int64_t n);

// The whole product in vectors of columns; false where no fast form takes it.
bool vector_product(const HardwareJob& job);

}  // namespace sylvester::detail
