#include "sylvester/models/decoder.h"

#include <array>
#include <string>
#include <utility>

#include "models/llama.h"
#include "sylvester/core/error.h"

namespace sylvester {

Decoder::Impl::Impl(const ModelConfig& config_in, Ops& ops_in, DecoderOptions options_in)
    : config(config_in), ops(ops_in), options(std::move(options_in)) {
  validate(config);
  if (options.dtype != DType::kFloat32 && options.dtype != DType::kFloat64) {
    throw ValueError("decoder: dtype " + std::string(to_string(options.dtype)) +
                     "; want float32 or float64");
  }
  build();
  apply_recipe();
}

Parameter* Decoder::Impl::add_parameter(std::string name, const Shape& shape) {
  auto parameter = std::make_unique<Parameter>();
  parameter->name = std::move(name);
  parameter->decay = shape.size() > 1;
  parameter->value = ops.allocate(shape, options.dtype);
  parameters.push_back(std::move(parameter));
  return parameters.back().get();
}

// Parameters in the order of Hugging Face's Llama modules.
void Decoder::Impl::build() {
  const std::int64_t C = config.hidden_size, F = config.intermediate_size;
  const std::int64_t Q = config.num_attention_heads * config.head_dim;
  const std::int64_t K = config.num_key_value_heads * config.head_dim;
  embedding = add_parameter("model.embed_tokens.weight", {config.vocab_size, C});
  std::uint32_t id = 0;
  const auto group = [&](std::vector<Tensor> weights) {
    const std::uint32_t first = id;
    id += LinearGroup::ids(weights.size());
    return LinearGroup(std::move(weights), first);
  };
  layers.reserve(static_cast<std::size_t>(config.num_hidden_layers));
  for (std::int64_t l = 0; l < config.num_hidden_layers; ++l) {
    const std::string prefix = "model.layers." + std::to_string(l) + ".";
    Layer layer;
    constexpr std::array<const char*, 7> kNames{
        "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
        "mlp.gate_proj",    "mlp.up_proj",      "mlp.down_proj"};
    for (std::size_t i = 0; i < kNames.size(); ++i) layer.sites[i] = {l, prefix + kNames[i]};
    const auto add = [&](std::size_t site, const Shape& shape) {
      return add_parameter(layer.sites[site].name + ".weight", shape);
    };
    layer.q = add(0, {Q, C});
    layer.k = add(1, {K, C});
    layer.v = add(2, {K, C});
    layer.o = add(3, {C, Q});
    layer.gate = add(4, {F, C});
    layer.up = add(5, {F, C});
    layer.down = add(6, {C, F});
    layer.norm1 = add_parameter(prefix + "input_layernorm.weight", {C});
    layer.norm2 = add_parameter(prefix + "post_attention_layernorm.weight", {C});
    layer.qkv = group({layer.q->value, layer.k->value, layer.v->value});
    layer.out = group({layer.o->value});
    layer.gate_up = group({layer.gate->value, layer.up->value});
    layer.down_group = group({layer.down->value});
    layers.push_back(std::move(layer));
  }
  final_norm = add_parameter("model.norm.weight", {C});
  head = config.tie_word_embeddings ? embedding
                                    : add_parameter("lm_head.weight", {config.vocab_size, C});
}

void Decoder::Impl::apply_recipe() {
  for (Layer& layer : layers) {
    for (LinearGroup* group : {&layer.qkv, &layer.out, &layer.gate_up, &layer.down_group}) {
      group->set_recipe(options.recipe, options.accumulation);
    }
  }
}

void Decoder::Impl::allocate_gradients() {
  if (!parameters.front()->grad.empty()) return;
  for (auto& parameter : parameters) {
    parameter->grad = ops.allocate(parameter->value.shape(), options.dtype);
    ops.fill(parameter->grad, 0);
  }
  gradients_clear = true;
}

Decoder::Decoder(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Decoder::~Decoder() = default;
Decoder::Decoder(Decoder&&) noexcept = default;
Decoder& Decoder::operator=(Decoder&&) noexcept = default;

Decoder::Decoder(const ModelConfig& config, Ops& ops, DecoderOptions options,
                 std::uint64_t init_seed)
    : impl_(std::make_unique<Impl>(config, ops, std::move(options))) {
  std::uint32_t tensor = 0;
  for (auto& parameter : impl_->parameters) {
    if (parameter->decay) {
      ops.normal(parameter->value, 0.0, config.initializer_range,
                 {.seed = init_seed, .step = 0, .tensor = tensor});
    } else {
      ops.fill(parameter->value, 1.0);
    }
    ++tensor;
  }
}

const ModelConfig& Decoder::config() const { return impl_->config; }
const DecoderOptions& Decoder::options() const { return impl_->options; }
Ops& Decoder::ops() const { return impl_->ops; }

void Decoder::set_recipe(const LinearRecipe& recipe, const Accumulation& accumulation) {
  impl_->options.recipe = recipe;
  impl_->options.accumulation = accumulation;
  impl_->apply_recipe();
}

void Decoder::set_observer(DecoderObserver* observer) { impl_->observer = observer; }

std::vector<Parameter*> Decoder::parameters() {
  std::vector<Parameter*> out;
  for (auto& parameter : impl_->parameters) out.push_back(parameter.get());
  return out;
}

void Decoder::zero_grad() {
  for (auto& parameter : impl_->parameters) {
    if (!parameter->grad.empty()) impl_->ops.fill(parameter->grad, 0);
  }
  impl_->gradients_clear = !impl_->parameters.front()->grad.empty();
}

void Decoder::parameters_changed() {
  for (Layer& layer : impl_->layers) {
    for (LinearGroup* group : {&layer.qkv, &layer.out, &layer.gate_up, &layer.down_group}) {
      group->weights_changed();
    }
  }
}

Tensor Decoder::logits(std::span<const std::int32_t> ids, std::int64_t B, std::int64_t T) {
  Impl& m = *impl_;
  const Tensor hidden = m.forward(ids, B, T, false, 0);
  const std::int64_t V = m.config.vocab_size;
  Tensor out = m.ops.allocate({B * T, V}, m.options.dtype);
  m.ops.product(hidden, false, m.head->value, true, out);
  m.settle(out);
  if (m.options.dtype == DType::kFloat32) return out.reshape({B, T, V});
  Tensor single = m.ops.allocate({B, T, V}, DType::kFloat32);
  m.ops.copy(out, single);
  return single;
}

// --- generation
// -------------------------------------------------------------------------------------

namespace {
class LlamaState final : public DecodeState {
 public:
  std::int64_t length() const override { return past; }
  std::vector<CacheLayer> cache;
  std::int64_t past = 0;
};
}  // namespace

std::unique_ptr<DecodeState> Decoder::start_decoding(std::int64_t max_length) {
  const Impl& m = *impl_;
  if (max_length < 1 || max_length > m.config.max_position_embeddings) {
    throw ValueError("decoder: max_length " + std::to_string(max_length) + "; want 1 ... " +
                     std::to_string(m.config.max_position_embeddings));
  }
  auto state = std::make_unique<LlamaState>();
  const Shape shape{max_length, m.config.num_key_value_heads * m.config.head_dim};
  for (std::size_t l = 0; l < m.layers.size(); ++l) {
    state->cache.push_back(
        {m.ops.allocate(shape, m.options.dtype), m.ops.allocate(shape, m.options.dtype)});
  }
  return state;
}

Tensor Decoder::decode(DecodeState& base, std::span<const std::int32_t> ids) {
  Impl& m = *impl_;
  auto* state = dynamic_cast<LlamaState*>(&base);
  if (state == nullptr || state->cache.size() != m.layers.size()) {
    throw ValueError("decoder: this decode state belongs to another model");
  }
  const auto T = static_cast<std::int64_t>(ids.size());
  if (state->past + T > state->cache.front().k.dim(0)) {
    throw ValueError("decoder: " + std::to_string(state->past + T) +
                     " tokens in a decode state made for " +
                     std::to_string(state->cache.front().k.dim(0)));
  }
  const Tensor hidden = m.forward(ids, 1, T, false, 0, &state->cache, state->past);
  state->past += T;
  Tensor out = m.ops.allocate({1, m.config.vocab_size}, m.options.dtype);
  m.ops.product(hidden.slice(T - 1, T), false, m.head->value, true, out);
  m.settle(out);
  if (m.options.dtype == DType::kFloat32) return out.reshape({m.config.vocab_size});
  Tensor single = m.ops.allocate({m.config.vocab_size}, DType::kFloat32);
  m.ops.copy(out, single);
  return single;
}

}  // namespace sylvester
