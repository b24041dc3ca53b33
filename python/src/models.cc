// The linear layer under a recipe, and decoders with their tokenizers.
#include "sylvester/eval/generate.h"
#include "sylvester/io/tokenizer.h"
#include "sylvester/models/decoder.h"
#include "sylvester/nn/linear.h"
#include "sylvester/ops/ops.h"
#include "sylvester/train/model_path.h"

#include "bind.h"

namespace sylvester::python {
namespace {

Out<float> copy_tensor(const Tensor& tensor) {
  Buffer<float> out(tensor.size());
  cpu_ops().download(tensor, out.span());
  std::vector<std::size_t> shape;
  for (const std::int64_t d : tensor.shape()) shape.push_back(static_cast<std::size_t>(d));
  return give(std::move(out), std::move(shape));
}

// What one forward pass left for its backward; holds the arrays that the context refers to.
class LinearPass {
 public:
  LinearPass(In<float> x, In<float> w) : x_(std::move(x)), w_(std::move(w)) {}

  Out<float> forward(const std::string& recipe, const std::string& accumulate, std::uint64_t seed,
                     std::uint32_t step) {
    const LinearRecipe parsed = parse_recipe(recipe);
    const Accumulation policy = parse_accumulation(accumulate);
    const auto X = matrix(x_), W = matrix(w_);
    Buffer<float> y(X.rows * W.rows);
    {
      nb::gil_scoped_release release;
      linear_forward(X, W, parsed, policy, MatrixView<float>(y.data(), X.rows, W.rows), &context_,
                     {seed, step, 0});
    }
    return give(std::move(y), {x_.shape(0), w_.shape(0)});
  }

  nb::tuple backward(const In<float>& dy) {
    if (used_) throw ValueError("context: backward was already called");
    const auto E = matrix(dy), X = matrix(x_), W = matrix(w_);
    Buffer<float> dx(X.size()), dw(W.size());
    {
      nb::gil_scoped_release release;
      linear_backward(context_, E, MatrixView<float>(dx.data(), X.rows, X.cols),
                      MatrixView<float>(dw.data(), W.rows, W.cols));
    }
    used_ = true;
    return nb::make_tuple(give(std::move(dx), {x_.shape(0), x_.shape(1)}),
                          give(std::move(dw), {w_.shape(0), w_.shape(1)}));
  }

 private:
  In<float> x_, w_;
  LinearContext context_;
  bool used_ = false;
};

// A decoder, and its tokenizer when its files have one.
class Model {
 public:
  Model(const std::string& name, const std::string& recipe, const std::string& accumulate,
        std::uint64_t seed)
      : path_(resolve_model(name)),
        decoder_(Decoder::load(path_, cpu_ops(), options(recipe, accumulate, seed))) {}

  nb::dict config() const {
    const ModelConfig& c = decoder_.config();
    nb::dict out;
    out["model_type"] = c.model_type;
    out["vocab_size"] = c.vocab_size;
    out["hidden_size"] = c.hidden_size;
    out["intermediate_size"] = c.intermediate_size;
    out["num_hidden_layers"] = c.num_hidden_layers;
    out["num_attention_heads"] = c.num_attention_heads;
    out["num_key_value_heads"] = c.num_key_value_heads;
    out["head_dim"] = c.head_dim;
    out["max_position_embeddings"] = c.max_position_embeddings;
    out["rms_norm_eps"] = c.rms_norm_eps;
    out["rope_theta"] = c.rope_theta;
    out["tie_word_embeddings"] = c.tie_word_embeddings;
    return out;
  }

  std::vector<std::string> parameter_names() {
    std::vector<std::string> names;
    for (const Parameter* p : decoder_.parameters()) names.push_back(p->name);
    return names;
  }

  Out<float> parameter(const std::string& name) {
    for (const Parameter* p : decoder_.parameters()) {
      if (p->name == name) return copy_tensor(p->value);
    }
    throw ValueError("parameter: the model has no '" + name + "'");
  }

  void set_recipe(const std::string& recipe, const std::string& accumulate) {
    decoder_.set_recipe(parse_recipe(recipe), parse_accumulation(accumulate));
  }

  Out<float> logits(const In<std::int32_t>& ids) {
    const auto view = matrix(ids);
    Tensor out;
    {
      nb::gil_scoped_release release;
      out =
          decoder_.logits({view.data, static_cast<std::size_t>(view.size())}, view.rows, view.cols);
    }
    return copy_tensor(out);
  }

  nb::tuple loss_and_grads(const In<std::int32_t>& ids, const In<std::int32_t>& labels,
                           const std::optional<std::string>& recipe,
                           const std::optional<std::string>& accumulate) {
    const auto view = matrix(ids);
    const auto label_view = matrix(labels);
    if (view.rows != label_view.rows || view.cols != label_view.cols) {
      throw ShapeError("labels: want the shape of ids");
    }
    Batch batch{view.rows,
                view.cols,
                {view.data, view.data + view.size()},
                {label_view.data, label_view.data + label_view.size()}};
    std::int64_t counted = 0;
    for (std::int64_t b = 0; b < batch.B; ++b) {
      for (std::int64_t t = 1; t < batch.T; ++t) counted += label_view(b, t) != -100 ? 1 : 0;
    }
    const DecoderOptions before = decoder_.options();
    if (recipe || accumulate) {
      decoder_.set_recipe(recipe ? parse_recipe(*recipe) : before.recipe,
                          accumulate ? parse_accumulation(*accumulate) : before.accumulation);
    }
    Loss loss;
    {
      nb::gil_scoped_release release;
      decoder_.zero_grad();
      loss = decoder_.forward_backward(batch, counted > 0 ? 1.0 / static_cast<double>(counted) : 0);
    }
    decoder_.set_recipe(before.recipe, before.accumulation);
    nb::dict grads;
    for (const Parameter* p : decoder_.parameters()) {
      grads[p->name.c_str()] =
          copy_tensor(p->grad.empty() ? Tensor::zeros(p->value.shape()) : p->grad);
    }
    return nb::make_tuple(loss.mean(), grads);
  }

  std::vector<std::int32_t> encode(const std::string& text) { return tokenizer().encode(text); }
  nb::bytes decode(const std::vector<std::int32_t>& ids) { return bytes(tokenizer().decode(ids)); }

  nb::bytes generate(const std::string& prompt, std::int64_t max_new_tokens) {
    const io::Tokenizer& t = tokenizer();
    std::string text;
    {
      nb::gil_scoped_release release;
      GenerateOptions options;
      options.max_new_tokens = max_new_tokens;
      text = t.decode(sylvester::generate(decoder_, t.encode(prompt), t, options).ids);
    }
    return bytes(text);
  }

  void save(const std::string& folder, const std::string& dtype) const {
    decoder_.save(folder, parse_dtype(dtype));
  }

 private:
  // Token ids may cut a character: the Python side decodes with replacement.
  static nb::bytes bytes(const std::string& text) { return nb::bytes(text.data(), text.size()); }
  static DecoderOptions options(const std::string& recipe, const std::string& accumulate,
                                std::uint64_t seed) {
    DecoderOptions out;
    out.recipe = parse_recipe(recipe);
    out.accumulation = parse_accumulation(accumulate);
    out.seed = seed;
    return out;
  }
  const io::Tokenizer& tokenizer() {
    if (!tokenizer_) tokenizer_ = io::load_tokenizer(path_);
    return *tokenizer_;
  }

  std::filesystem::path path_;
  Decoder decoder_;
  std::unique_ptr<io::Tokenizer> tokenizer_;
};

}  // namespace

void bind_models(nb::module_& m) {
  nb::class_<LinearPass>(m, "LinearPass").def("backward", &LinearPass::backward);
  m.def("linear_forward",
        [](In<float> x, In<float> w, const std::string& recipe, const std::string& accumulate,
           std::uint64_t seed, std::uint32_t step) {
          auto pass = std::make_unique<LinearPass>(std::move(x), std::move(w));
          Out<float> y = pass->forward(recipe, accumulate, seed, step);
          return nb::make_tuple(y, nb::cast(pass.release(), nb::rv_policy::take_ownership));
        });
  nb::class_<Model>(m, "Model")
      .def(nb::init<const std::string&, const std::string&, const std::string&, std::uint64_t>())
      .def("config", &Model::config)
      .def("parameter_names", &Model::parameter_names)
      .def("parameter", &Model::parameter)
      .def("set_recipe", &Model::set_recipe)
      .def("logits", &Model::logits)
      .def("loss_and_grads", &Model::loss_and_grads, nb::arg("ids"), nb::arg("labels"),
           nb::arg("recipe").none(), nb::arg("accumulate").none())
      .def("encode", &Model::encode)
      .def("decode", &Model::decode)
      .def("generate", &Model::generate)
      .def("save", &Model::save);
}

}  // namespace sylvester::python
