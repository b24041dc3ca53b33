#include "sylvester/nn/linear.h"

#include <algorithm>
#include <functional>
#include <string>
#include <utility>

#include "sylvester/core/error.h"

namespace sylvester {

const QuantizedTensor& CodedTensor::codes(Numerics& ops, const Tensor& source,
                                          const OperandPlan& plan, const RandomStream& stream,
                                          bool transposed) {
  for (std::size_t i = 0; i < used_; ++i) {
    if (entries_[i]->plan.same_codes(plan)) return entries_[i]->value;
  }
  if (source.empty()) throw ValueError("linear: backward without a forward in training mode");
  if (entries_.size() == used_) entries_.push_back(std::make_unique<Entry>());
  Entry& entry = *entries_[used_];
  ops.quantize(source, plan.rotation, plan.spec, entry.value, stream, nullptr, transposed);
  entry.plan = plan;
  ++used_;
  return entry.value;
}

void CodedTensor::release() noexcept {
  entries_.clear();
  used_ = 0;
}

std::int64_t CodedTensor::bytes() const {
  std::int64_t sum = 0;
  for (const auto& entry : entries_) sum += entry->value.bytes();
  return sum;
}

LinearGroup::LinearGroup(std::vector<Tensor> weights, std::uint32_t id)
    : weights_(std::move(weights)), id_(id), weight_codes_(weights_.size()) {}

void LinearGroup::set_recipe(const LinearRecipe& recipe, const Accumulation& accumulation) {
  recipe_ = recipe;
  accumulation_ = accumulation;
  plan_ = plan(recipe);
  for (CodedTensor& codes : weight_codes_) codes.release();
  input_codes_.release();
  error_codes_.release();
  input_ = Tensor();
}

void LinearGroup::weights_changed() noexcept {
  for (CodedTensor& codes : weight_codes_) codes.reset();
}

RandomStream LinearGroup::stream(std::uint32_t offset) const {
  return {.seed = seed_, .step = step_, .tensor = id_ + offset};
}

void LinearGroup::round(Numerics& ops, Tensor& x) const {
  if (recipe_.bfloat16_values) ops.round_to_bfloat16(x);
}

// `result` is the product in rotated coordinates; `out` may be the same memory when the left
// rotation pads nothing.
void LinearGroup::unrotate(Numerics& ops, Tensor& result, const Product& product, Tensor& out) {
  round(ops, result);
  if (!product.left && !product.right) return;
  if (!recipe_.bfloat16_values || !product.left || !product.right) {
    ops.rotate(result, {.rows = product.right, .cols = product.left}, true, out);
  } else {  // bfloat16 tensors: what leaves each transform is rounded
    ops.rotate(result, {.rows = true}, true, result);
    round(ops, result);
    ops.rotate(result, {.cols = true}, true, out);
  }
  round(ops, out);
}

namespace {

// True when the product needs no more room than its result.
bool fits(const Product& product, std::int64_t rows) {
  return !product.left || hadamard_length(rows) == rows;
}

// [.., C] as [rows, C].
Tensor matrix_of(const Tensor& x) {
  const std::int64_t cols = x.shape().back();
  return x.reshape({cols == 0 ? 0 : x.size() / cols, cols});
}

}  // namespace

void LinearGroup::forward(Numerics& ops, const Tensor& X, std::span<Tensor* const> Y, bool training,
                          std::uint64_t seed, std::uint32_t step) {
  const Tensor x = matrix_of(X);
  tokens_ = x.dim(0);
  seed_ = seed;
  step_ = step;
  input_codes_.reset();
  input_ = training && keeps_input() ? x : Tensor();
  const bool plain = plan_.x_F.plain() && plan_.w_F.plain();
  const auto x_F = [&]() -> const QuantizedTensor& {
    return input_codes_.codes(ops, x, plan_.x_F, stream(0), false);
  };
  const auto w_F = [&](std::size_t i) -> const QuantizedTensor& {
    const bool again = training && plan_.w_E.transposed && plan_.w_E.same_codes(plan_.w_F);
    return weight_codes_[i].codes(ops, weights_[i], plan_.w_F,
                                  stream(static_cast<std::uint32_t>(3 * i + 1)), again);
  };
  std::vector<std::function<void()>> tasks;
  if (training && !keeps_input()) {
    tasks.emplace_back(
        [&] { input_codes_.codes(ops, x, plan_.x_G, stream(0), plan_.x_G.transposed); });
  }
  if (!plain) {
    tasks.emplace_back(x_F);
    for (std::size_t i = 0; i < weights_.size(); ++i) tasks.emplace_back([&, i] { w_F(i); });
  }
  ops.together(tasks);
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    Tensor y = matrix_of(*Y[i]);
    if (plain) {
      ops.product(x, false, weights_[i], true, y);
      round(ops, y);
      continue;
    }
    Tensor result = fits(recipe_.F, tokens_)
                        ? y
                        : ops.allocate({hadamard_length(tokens_), y.dim(1)}, y.dtype());
    ops.matmul(x_F(), false, w_F(i), false, accumulation_, result);
    unrotate(ops, result, recipe_.F, y);
  }
}

void LinearGroup::backward(Numerics& ops, std::span<const Tensor* const> E, Tensor& dX,
                           std::span<Tensor* const> dW, bool overwrite) {
  const bool plain_E = plan_.e_E.plain() && plan_.w_E.plain();
  const bool plain_G = plan_.e_G.plain() && plan_.x_G.plain();
  const bool need_dx = !dX.empty();
  Tensor dx = need_dx ? matrix_of(dX) : Tensor();
  Tensor result = dx;
  if (need_dx && !plain_E && !fits(recipe_.E, tokens_)) {
    result = ops.allocate({hadamard_length(tokens_), dx.dim(1)}, dx.dtype());
  }
  std::vector<std::function<void()>> last;  // un-rotations that wait for nothing else
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    const Tensor e = matrix_of(*E[i]);
    const BackwardCodes codes = backward_codes(ops, e, i, need_dx && !plain_E, !plain_G);
    if (need_dx && plain_E) {
      ops.product(e, false, weights_[i], false, dx, 1.0, i == 0 ? 0.0 : 1.0);
    } else if (need_dx) {
      ops.matmul(*codes.e_E, plan_.e_E.transposed, *codes.w_E, plan_.w_E.transposed, accumulation_,
                 result, i != 0);
    }
    Tensor dw = matrix_of(*dW[i]);
    if (plain_G) {
      ops.product(e, true, input_, false, dw, 1.0, overwrite ? 0.0 : 1.0);
      if (recipe_.bfloat16_values) ops.round_to_bfloat16(dw);
    } else if (weight_gradient(ops, *codes.e_G, *codes.x_G, dw, overwrite)) {
      last.emplace_back([&ops, this, dw]() mutable { unrotate(ops, dw, recipe_.G, dw); });
    }
  }
  if (need_dx && plain_E) {
    round(ops, dx);
  } else if (need_dx) {
    last.emplace_back([&] { unrotate(ops, result, recipe_.E, dx); });
  }
  ops.together(last);
}

// What the backward products of weight i read; the codes of E replace those of the weight before.
LinearGroup::BackwardCodes LinearGroup::backward_codes(Numerics& ops, const Tensor& e,
                                                       std::size_t i, bool for_dx, bool for_dw) {
  BackwardCodes out;
  const auto at = static_cast<std::uint32_t>(3 * i);
  const bool again = plan_.e_G.transposed && plan_.e_G.same_codes(plan_.e_E);
  error_codes_.reset();
  std::vector<std::function<void()>> tasks;
  if (for_dx) {
    tasks.emplace_back(
        [&] { out.e_E = &error_codes_.codes(ops, e, plan_.e_E, stream(at + 2), again); });
    tasks.emplace_back([&] {
      out.w_E = &weight_codes_[i].codes(ops, weights_[i], plan_.w_E, stream(at + 1),
                                        plan_.w_E.transposed);
    });
  }
  if (for_dw) {
    tasks.emplace_back([&] {
      out.e_G = &error_codes_.codes(ops, e, plan_.e_G, stream(at + 3), plan_.e_G.transposed);
    });
    tasks.emplace_back([&] {
      out.x_G = &input_codes_.codes(ops, input_, plan_.x_G, stream(0), plan_.x_G.transposed);
    });
  }
  ops.together(tasks);
  return out;
}

// dW (+)= the un-rotated product; without rotation it is added in place. True: dw holds the product
// in rotated coordinates.
bool LinearGroup::weight_gradient(Numerics& ops, const QuantizedTensor& a, const QuantizedTensor& b,
                                  Tensor& dw, bool overwrite) {
  const bool turned = recipe_.G.left || recipe_.G.right;
  if (!turned && !recipe_.bfloat16_values) {
    ops.matmul(a, plan_.e_G.transposed, b, plan_.x_G.transposed, accumulation_, dw, !overwrite);
    return false;
  }
  if (overwrite && fits(recipe_.G, dw.dim(0))) {
    ops.matmul(a, plan_.e_G.transposed, b, plan_.x_G.transposed, accumulation_, dw);
    return true;
  }
  Tensor work = ops.allocate({recipe_.G.left ? hadamard_length(dw.dim(0)) : dw.dim(0), dw.dim(1)},
                             dw.dtype());
  ops.matmul(a, plan_.e_G.transposed, b, plan_.x_G.transposed, accumulation_, work);
  Tensor added = work.prefix(dw.shape());
  unrotate(ops, work, recipe_.G, added);
  ops.add(dw, added, dw);
  return false;
}

// --- one layer ---------------------------------------------------------------------------------

struct LinearContext::State {
  Tensor X, W;
  LinearGroup group;
};
LinearContext::LinearContext() = default;
LinearContext::~LinearContext() = default;
LinearContext::LinearContext(LinearContext&&) noexcept = default;
LinearContext& LinearContext::operator=(LinearContext&&) noexcept = default;

namespace {

void require(bool ok, const char* what, std::int64_t rows, std::int64_t cols, const char* want) {
  if (!ok) {
    throw ShapeError(std::string("linear: ") + what + " is [" + std::to_string(rows) + ", " +
                     std::to_string(cols) + "]; want " + want);
  }
}
void require(bool ok, const char* what, const Tensor& x, const char* want) {
  const Tensor m = matrix_of(x);
  require(ok, what, m.dim(0), m.dim(1), want);
}

}  // namespace

void linear_forward(const Tensor& X_in, const Tensor& W, const LinearRecipe& recipe,
                    const Accumulation& accumulation, Tensor& Y, LinearContext* context,
                    const RandomStream& stream) {
  const Tensor X = matrix_of(X_in), y = matrix_of(Y);
  require(W.dim(-1) == X.dim(1), "W", W, "[out, in] with the columns of X");
  require(y.dim(0) == X.dim(0) && y.dim(1) == matrix_of(W).dim(0), "Y", Y, "[T, out]");
  auto state = std::make_unique<LinearContext::State>();
  state->X = X;
  state->W = matrix_of(W);
  state->group = LinearGroup({state->W}, stream.tensor);
  state->group.set_recipe(recipe, accumulation);
  Tensor* const out[] = {&Y};
  state->group.forward(numerics_of(X), X, out, context != nullptr, stream.seed, stream.step);
  if (context != nullptr) context->state = std::move(state);
}

void linear_backward(LinearContext& context, const Tensor& E_in, Tensor& dX, Tensor& dW) {
  if (!context.state) throw ValueError("linear_backward: the context has no forward");
  LinearContext::State& s = *context.state;
  const Tensor E = matrix_of(E_in);
  require(E.dim(0) == s.X.dim(0) && E.dim(1) == s.W.dim(0), "E", E, "[T, out]");
  if (!dX.empty()) require(matrix_of(dX).shape() == s.X.shape(), "dX", dX, "[T, in] or empty");
  require(matrix_of(dW).shape() == s.W.shape(), "dW", dW, "[out, in]");
  const Tensor* const errors[] = {&E};
  Tensor* const gradients[] = {&dW};
  s.group.backward(numerics_of(s.X), errors, dX, gradients, true);
}

// --- on plain memory ---------------------------------------------------------------------------

namespace {

// A contiguous view is borrowed, another one copied.
template <class T>
Tensor tensor_of(MatrixView<const T> view) {
  if (view.contiguous()) return Tensor::borrow(const_cast<T*>(view.data), {view.rows, view.cols});
  Tensor out({view.rows, view.cols}, std::is_same_v<T, double> ? DType::kFloat64 : DType::kFloat32);
  for (std::int64_t i = 0; i < view.rows; ++i) {
    std::copy_n(view.row(i), view.cols, out.data<T>() + i * view.cols);
  }
  return out;
}

template <class T>
void copy_back(const Tensor& from, MatrixView<T> to) {
  if (from.raw() == reinterpret_cast<const std::byte*>(to.data)) return;
  for (std::int64_t i = 0; i < to.rows; ++i) {
    std::copy_n(from.data<T>() + i * to.cols, to.cols, to.row(i));
  }
}

template <class T>
void forward_views(MatrixView<const T> X, MatrixView<const T> W, const LinearRecipe& recipe,
                   const Accumulation& accumulation, MatrixView<T> Y, LinearContext* context,
                   const RandomStream& stream) {
  Tensor y = tensor_of(MatrixView<const T>(Y));
  linear_forward(tensor_of(X), tensor_of(W), recipe, accumulation, y, context, stream);
  copy_back(y, Y);
}

template <class T>
void backward_views(LinearContext& context, MatrixView<const T> E, MatrixView<T> dX,
                    MatrixView<T> dW) {
  if (!context.state) throw ValueError("linear_backward: the context has no forward");
  const Tensor& W = context.state->W;
  require(dX.size() == 0 || dX.cols == W.dim(1), "dX", dX.rows, dX.cols, "[T, in] or empty");
  require(dW.size() == 0 || (dW.rows == W.dim(0) && dW.cols == W.dim(1)), "dW", dW.rows, dW.cols,
          "[out, in] or empty");
  Tensor dx = dX.size() == 0 ? Tensor() : tensor_of(MatrixView<const T>(dX));
  Tensor dw = dW.size() == 0 ? Tensor(W.shape(), W.dtype()) : tensor_of(MatrixView<const T>(dW));
  linear_backward(context, tensor_of(E), dx, dw);
  if (dX.size() != 0) copy_back(dx, dX);
  if (dW.size() != 0) copy_back(dw, dW);
}

}  // namespace

void linear_forward(MatrixView<const float> X, MatrixView<const float> W,
                    const LinearRecipe& recipe, const Accumulation& accumulation,
                    MatrixView<float> Y, LinearContext* context, const RandomStream& stream) {
  forward_views(X, W, recipe, accumulation, Y, context, stream);
}
void linear_forward(MatrixView<const double> X, MatrixView<const double> W,
                    const LinearRecipe& recipe, const Accumulation& accumulation,
                    MatrixView<double> Y, LinearContext* context, const RandomStream& stream) {
  forward_views(X, W, recipe, accumulation, Y, context, stream);
}
void linear_backward(LinearContext& context, MatrixView<const float> E, MatrixView<float> dX,
                     MatrixView<float> dW) {
  backward_views(context, E, dX, dW);
}
void linear_backward(LinearContext& context, MatrixView<const double> E, MatrixView<double> dX,
                     MatrixView<double> dW) {
  backward_views(context, E, dX, dW);
}

}  // namespace sylvester
