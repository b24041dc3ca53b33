#include "sylvester/models/fidelity.h"

#include <cmath>
#include <map>
#include <utility>

#include "sylvester/core/error.h"
#include "sylvester/nn/linear_plan.h"
#include "sylvester/ops/ops.h"

namespace sylvester {
namespace {

double crest(Ops& ops, const Tensor& x) {
  const double rms = std::sqrt(ops.squared_norm(x) / static_cast<double>(x.size()));
  return rms > 0 ? ops.absmax(x) / rms : 0.0;
}

double sqnr_db(Ops& ops, const Tensor& x, const OperandPlan& plan) {
  if (is_identity(plan.spec)) return INFINITY;
  QuantizedTensor codes;
  QuantStats stats;
  ops.quantize(x, plan.rotation, plan.spec, codes, {}, &stats);
  return stats.sqnr_db;
}

// Fills one LinearFidelity a site while the recipe runs.
class Watcher final : public DecoderObserver {
 public:
  Watcher(Ops& ops, const LinearRecipe& recipe) : ops_(ops), plan_(plan(recipe)) {}

  void linear_forward(const LinearSite& site, const Tensor& X, const Tensor& W) override {
    LinearFidelity& out = at(site);
    out.x_crest = crest(ops_, X);
    out.w_crest = crest(ops_, W);
    out.x_sqnr_db = sqnr_db(ops_, X, plan_.x_F);
    out.w_sqnr_db = sqnr_db(ops_, W, plan_.w_F);
  }
  void linear_backward(const LinearSite& site, const Tensor& E, const Tensor&) override {
    LinearFidelity& out = at(site);
    out.e_crest = crest(ops_, E);
    out.e_sqnr_db = sqnr_db(ops_, E, plan_.e_E);
  }
  LinearFidelity& at(const LinearSite& site) {
    LinearFidelity& out = sites_[site.name];
    out.name = site.name;
    return out;
  }
  LinearFidelity take(const std::string& name) { return sites_[name]; }

 private:
  Ops& ops_;
  LinearPlan plan_;
  std::map<std::string, LinearFidelity> sites_;
};

// Names of the blocks' linears end in "_proj.weight"; the rest stays in high precision.
bool is_block_linear(const Parameter& parameter) {
  return parameter.name.ends_with("_proj.weight") && parameter.value.shape().size() == 2;
}

constexpr std::size_t kSuffix = sizeof(".weight") - 1;

}  // namespace

FidelityMeter::FidelityMeter(Decoder& model, Batch batch)
    : model_(model), batch_(std::move(batch)), saved_(model.options()) {
  model_.set_recipe(parse_recipe("fp32"), {});
  model_.zero_grad();
  reference_loss_ = model_.evaluate(batch_);
  if (reference_loss_.tokens == 0) throw ValueError("fidelity: the batch has no counted token");
  grad_scale_ = 1.0 / static_cast<double>(reference_loss_.tokens);
  model_.forward_backward(batch_, grad_scale_);
  for (const Parameter* parameter : model_.parameters()) {
    if (!is_block_linear(*parameter)) continue;
    Tensor copy = model_.ops().allocate(parameter->grad.shape(), parameter->grad.dtype());
    model_.ops().copy(parameter->grad, copy);
    reference_.emplace_back(parameter->name, std::move(copy));
  }
}

FidelityMeter::~FidelityMeter() {
  model_.set_observer(nullptr);
  model_.set_recipe(saved_.recipe, saved_.accumulation);
  model_.zero_grad();
}

GradientFidelity FidelityMeter::measure(const LinearRecipe& recipe,
                                        const Accumulation& accumulation) {
  Ops& ops = model_.ops();
  GradientFidelity out{.recipe = recipe,
                       .loss = {},
                       .reference_loss = reference_loss_,
                       .gradient_cosine = 0,
                       .relative_error = 0,
                       .layers = {}};
  model_.set_recipe(recipe, accumulation);
  model_.zero_grad();
  Watcher watcher(ops, recipe);
  model_.set_observer(&watcher);
  out.loss = model_.forward_backward(batch_, grad_scale_);
  model_.set_observer(nullptr);
  std::map<std::string, const Parameter*> by_name;
  for (const Parameter* parameter : model_.parameters()) by_name[parameter->name] = parameter;
  double dot = 0, ours = 0, theirs = 0;
  for (const auto& [name, reference] : reference_) {
    const Tensor& grad = by_name.at(name)->grad;
    const double d = ops.dot(grad, reference), a = ops.squared_norm(grad);
    const double b = ops.squared_norm(reference);
    LinearFidelity layer = watcher.take(name.substr(0, name.size() - kSuffix));
    layer.gradient_cosine = d / std::sqrt(a * b);
    out.layers.push_back(std::move(layer));
    dot += d;
    ours += a;
    theirs += b;
  }
  out.gradient_cosine = dot / std::sqrt(ours * theirs);
  out.relative_error = std::sqrt((ours - 2 * dot + theirs) / theirs);
  return out;
}

GradientFidelity measure_gradient_fidelity(Decoder& model, const Batch& batch,
                                           const LinearRecipe& recipe,
                                           const Accumulation& accumulation) {
  return FidelityMeter(model, batch).measure(recipe, accumulation);
}

}  // namespace sylvester
