// The HALO linear on the device: Y = X W', dX = E_Y W, dW = E_Y' X in low precision.
#pragma once

#include "sylvester/cuda/matmul.h"
#include "sylvester/cuda/rotate_quantize.h"

namespace sylvester::cuda {

struct HaloLinearOptions {
  int level = 1;                                      // 0, 1 or 2: HALO's Table 3
  QuantSpec spec = {.format = DType::kFloat8E4M3FN};  // FP8 or int8, one scale a tensor
  // FP8: sm90-cublaslt or sm90-cublaslt-fast; int8: int32.
  Accumulation accumulation = {AccumulationKind::kHardware, "sm90-cublaslt-fast"};
};

// level | F = X W'        | E = E_Y W                    | G = E_Y' X            (HALO, Table 3)
//   0   | Q(X) Q(W)'      | Q(E_Y) Q(W)                  | Q(E_Y)' Q(X)
//   1   | Q(X H) Q(W H)'  | [Q(E_Y) Q(W H)] H'           | [Q(E_Y)' Q(X H)] H'
//   2   | Q(X H) Q(W H)'  | H_T' [Q(H_T E_Y) Q(W H)] H'  | [Q(E_Y)' Q(X H)] H'
// Results of the products are bfloat16; the inverse transforms run on them.
// All work goes to one stream; after the first call of each direction nothing is allocated and
// nothing waits, so that forward and backward fit in one CUDA graph.
class HaloLinear {
 public:
  // Errors: ValueError for another level; ShapeError where a rotated axis has no Hadamard matrix.
  HaloLinear(std::int64_t tokens, std::int64_t in, std::int64_t out,
             const HaloLinearOptions& options);

  // Shapes: X [T, in], W [out, in], Y [T, out], bfloat16. Keeps the codes of X and W for backward.
  void forward(const DeviceMatrix& X, const DeviceMatrix& W, const DeviceMatrix& Y,
               StreamHandle queue = nullptr);
  // Shapes: E_Y [T, out], dX [T, in], dW [out, in], bfloat16.
  void backward(const DeviceMatrix& E_Y, const DeviceMatrix& dX, const DeviceMatrix& dW,
                StreamHandle queue = nullptr);
  // The same products on the codes that forward and backward left behind: what is the least time.
  void products_only(const DeviceMatrix& Y, const DeviceMatrix& dX, const DeviceMatrix& dW,
                     StreamHandle queue = nullptr);

 private:
  void check(const DeviceMatrix& m, std::int64_t rows, std::int64_t cols, const char* name) const;

  std::int64_t tokens_, in_, out_;
  HaloLinearOptions options_;
  DeviceQuantized x_, w_, e_, e_left_;
  RotateWork work_;
};

}  // namespace sylvester::cuda
