#include "sylvester/train/optimizer.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include "sylvester/core/error.h"
#include "sylvester/io/tensor_file.h"

namespace sylvester {
namespace {

constexpr const char* kFirst = "exp_avg.";
constexpr const char* kSecond = "exp_avg_sq.";

std::vector<float> download(Ops& ops, const Tensor& tensor) {
  std::vector<float> out(static_cast<std::size_t>(tensor.size()));
  ops.download(tensor, out);
  return out;
}

void load_moment(const io::TensorFile& file, const std::string& name, Ops& ops, Tensor& to) {
  if (!file.contains(name)) {
    throw FormatError(file.path().string(), 0, name, "missing; this model has that parameter");
  }
  const io::TensorInfo& info = file.info(name);
  if (info.dtype != "F32" || info.shape != to.shape()) {
    throw FormatError(file.path().string(), static_cast<std::int64_t>(info.offset), name,
                      "not a float32 tensor of the parameter's shape");
  }
  std::vector<float> values(static_cast<std::size_t>(to.size()));
  file.read_float32(info, values);
  ops.upload(std::span<const float>(values), to);
}

}  // namespace

AdamW::AdamW(std::vector<Parameter*> parameters, Ops& ops, const AdamWOptions& options)
    : parameters_(std::move(parameters)), ops_(ops), options_(options) {
  for (const Parameter* p : parameters_) {
    exp_avg_.push_back(ops_.allocate(p->value.shape()));
    exp_avg_sq_.push_back(ops_.allocate(p->value.shape()));
    ops_.fill(exp_avg_.back(), 0.0);
    ops_.fill(exp_avg_sq_.back(), 0.0);
  }
}

double AdamW::step(double learning_rate) {
  double squared = 0;
  for (const Parameter* p : parameters_) {
    if (!p->grad.empty()) squared += ops_.squared_norm(p->grad);
  }
  const double norm = std::sqrt(squared);
  if (!std::isfinite(norm)) {
    throw NumericsError("gradient norm", steps_ + 1, std::isnan(norm) ? "NaN" : "Infinity");
  }
  AdamWArgs args;
  args.learning_rate = learning_rate;
  args.beta1 = options_.beta1;
  args.beta2 = options_.beta2;
  args.epsilon = options_.epsilon;
  args.step = steps_ + 1;
  if (options_.max_grad_norm > 0) {
    args.grad_scale = std::min(1.0, options_.max_grad_norm / (norm + 1e-6));
  }
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    Parameter& p = *parameters_[i];
    if (p.grad.empty()) continue;
    args.weight_decay = p.decay ? options_.weight_decay : 0.0;
    ops_.adamw_step(p.value, p.grad, exp_avg_[i], exp_avg_sq_[i], args);
  }
  ++steps_;
  return norm;
}

void AdamW::save(const std::filesystem::path& file) const {
  std::vector<std::vector<float>> data;
  std::vector<io::NamedBytes> tensors;
  const auto add = [&](const char* prefix, const std::vector<Tensor>& moments) {
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      std::span<const std::byte> bytes;
      if (moments[i].device() == Device::kCpu) {
        bytes = std::as_bytes(
            std::span(moments[i].data<float>(), static_cast<std::size_t>(moments[i].size())));
      } else {
        data.push_back(download(ops_, moments[i]));
        bytes = std::as_bytes(std::span(data.back()));
      }
      tensors.push_back({prefix + parameters_[i]->name, "F32", moments[i].shape(), bytes});
    }
  };
  add(kFirst, exp_avg_);
  add(kSecond, exp_avg_sq_);
  io::write_safetensors(file, tensors, {{"step", std::to_string(steps_)}});
}

void AdamW::load(const std::filesystem::path& path) {
  const auto file = io::open_safetensors(path);
  if (file->tensors().size() != 2 * parameters_.size()) {
    throw FormatError(path.string(), 0, "tensors",
                      std::to_string(file->tensors().size()) +
                          " tensors; this model's optimizer has " +
                          std::to_string(2 * parameters_.size()));
  }
  const auto metadata = file->metadata();
  const auto step = metadata.find("step");
  std::int64_t steps = -1;
  if (step != metadata.end()) {
    try {
      steps = std::stoll(step->second);
    } catch (const std::exception&) {
      steps = -1;
    }
  }
  if (steps < 0) throw FormatError(path.string(), 0, "__metadata__.step", "want a step number");
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    load_moment(*file, kFirst + parameters_[i]->name, ops_, exp_avg_[i]);
    load_moment(*file, kSecond + parameters_[i]->name, ops_, exp_avg_sq_[i]);
  }
  steps_ = steps;
}

}  // namespace sylvester
