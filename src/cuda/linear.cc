#include "sylvester/cuda/linear.h"

#include <string>

namespace sylvester::cuda {

HaloLinear::HaloLinear(std::int64_t tokens, std::int64_t in, std::int64_t out,
                       const HaloLinearOptions& options)
    : tokens_(tokens), in_(in), out_(out), options_(options) {
  require_device();
  if (options.level < 0 || options.level > 2) {
    throw ValueError("HALO linear: level " + std::to_string(options.level) + "; want 0, 1 or 2");
  }
  if (tokens < 0 || in < 0 || out < 0) {
    throw ShapeError("HALO linear: tokens " + std::to_string(tokens) + ", in " +
                     std::to_string(in) + ", out " + std::to_string(out) + "; want >= 0");
  }
  if (options.level >= 1) hadamard_base(in);
  if (options.level == 2) hadamard_base(tokens);
}

void HaloLinear::check(const DeviceMatrix& m, std::int64_t rows, std::int64_t cols,
                       const char* name) const {
  if (m.rows == rows && m.cols == cols && m.dtype == DType::kBFloat16) return;
  throw ShapeError(std::string("HALO linear: ") + name + " is " + std::to_string(m.rows) + " x " +
                   std::to_string(m.cols) + " " + std::string(to_string(m.dtype)) + "; want " +
                   std::to_string(rows) + " x " + std::to_string(cols) + " bfloat16");
}

void HaloLinear::forward(const DeviceMatrix& X, const DeviceMatrix& W, const DeviceMatrix& Y,
                         StreamHandle queue) {
  check(X, tokens_, in_, "X");
  check(W, out_, in_, "W");
  check(Y, tokens_, out_, "Y");
  const RotateQuantizeOptions middle{.rows = options_.level >= 1, .transposed = true};
  rotate_quantize(X, middle, options_.spec, x_, work_, {}, queue);
  rotate_quantize(W, middle, options_.spec, w_, work_, {}, queue);
  matmul(x_, w_, options_.accumulation, Y, queue);
}

void HaloLinear::backward(const DeviceMatrix& E_Y, const DeviceMatrix& dX, const DeviceMatrix& dW,
                          StreamHandle queue) {
  check(E_Y, tokens_, out_, "E_Y");
  check(dX, tokens_, in_, "dX");
  check(dW, out_, in_, "dW");
  const HadamardOptions inverse{.inverse = true};
  const bool left = options_.level == 2;
  rotate_quantize(E_Y, {.transposed = true}, options_.spec, e_, work_, {}, queue);
  if (left) rotate_quantize(E_Y, {.cols = true}, options_.spec, e_left_, work_, {}, queue);
  matmul(left ? e_left_ : e_, {w_, true}, options_.accumulation, dX, queue);
  if (options_.level >= 1) hadamard_rows(dX, dX, inverse, queue);
  if (left) hadamard_cols(dX, dX, inverse, queue);
  matmul({e_, true}, {x_, true}, options_.accumulation, dW, queue);
  if (options_.level >= 1) hadamard_rows(dW, dW, inverse, queue);
}

void HaloLinear::products_only(const DeviceMatrix& Y, const DeviceMatrix& dX,
                               const DeviceMatrix& dW, StreamHandle queue) {
  matmul(x_, w_, options_.accumulation, Y, queue);
  matmul(options_.level == 2 ? e_left_ : e_, {w_, true}, options_.accumulation, dX, queue);
  matmul({e_, true}, {x_, true}, options_.accumulation, dW, queue);
}

}  // namespace sylvester::cuda
