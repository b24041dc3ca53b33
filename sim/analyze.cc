// sylvester analyze --model M --data D.jsonl [--recipe R,R,...]
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "arguments.h"
#include "program.h"
#include "progress.h"
#include "sylvester/core/error.h"
#include "sylvester/io/file_system.h"
#include "sylvester/io/json.h"
#include "sylvester/io/jsonl.h"
#include "sylvester/models/fidelity.h"
#include "sylvester/ops/ops.h"
#include "sylvester/train/data.h"
#include "sylvester/train/model_path.h"
#include "sylvester/train/run_folder.h"

namespace sylvester::sim {
namespace {

constexpr std::int64_t kAnalyzeVersion = 1;

struct Options {
  std::string model, data, accumulate = "blas";
  std::string recipe =
      "bf16,halo0-int8,halo1-int8,halo2-int8,halo0-fp8,halo1-fp8,halo2-fp8,halo0-fp6,halo1-fp6,"
      "halo2-fp6";
  std::int64_t tokens = 512;
  std::int64_t limit = -1;
  std::int64_t layers = 10;
  CommonOptions common;
};

std::vector<std::string> parse_list(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    out.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

OptionTable bind_options(Options& o) {
  OptionTable t;
  t.add("model", "M", "model: a folder, a GGUF file, or a shipped model's name", o.model);
  t.add("data", "FILE", "examples, JSONL", o.data);
  t.add("recipe", "R,R,...", "recipes to measure", o.recipe, [](const std::string& text) {
    for (const std::string& recipe : parse_list(text)) parse_recipe(recipe);
  });
  t.add("accumulate", "POLICY", "how quantized products are added", o.accumulate,
        [](const std::string& text) { parse_accumulation(text); });
  t.add("tokens", "N", "tokens of the measured batch", o.tokens, {2, 1 << 20});
  t.add("limit", "N", "examples read; -1: all", o.limit, {-1, 1'000'000'000});
  t.add("layers", "N", "worst layers listed for each recipe", o.layers, {0, 1 << 20});
  add_compute_options(t, o.common);
  add_out_options(t, o.common);
  return t;
}

// The examples' tokens one after the other, cut into windows of equal length without padding:
// rotations over tokens would spread quantization noise over padded rows, which is another effect
// than the one measured here. All tokens count.
Batch measured_batch(const Options& o, const io::Tokenizer& tokenizer, std::int64_t context) {
  io::JsonlOptions jsonl;
  jsonl.limit = o.limit;
  EncodeTextOptions encode;
  encode.file = o.data;
  encode.all_tokens = true;
  std::vector<std::int32_t> stream;
  for (const io::Example& example : io::read_jsonl(o.data, jsonl)) {
    const TokenSequence all = encode_example(example, tokenizer, encode);
    stream.insert(stream.end(), all.ids.begin(), all.ids.end());
    if (static_cast<std::int64_t>(stream.size()) >= o.tokens) break;
  }
  const std::int64_t have = std::min(o.tokens, static_cast<std::int64_t>(stream.size()));
  Batch batch;
  batch.T = std::min(context, have);
  batch.B = have / batch.T;
  stream.resize(static_cast<std::size_t>(batch.B * batch.T));
  batch.ids = stream;
  batch.labels = std::move(stream);
  return batch;
}

void put(io::JsonWriter& json, const char* key, double value) {
  if (std::isfinite(value)) json.key(key).value(value);
}

std::string analysis_json(const Options& o, const Loss& reference,
                          const std::vector<GradientFidelity>& all) {
  io::JsonWriter json(1);
  json.begin_object().key("version").value(kAnalyzeVersion);
  json.key("model").value(o.model).key("data").value(o.data).key("tokens").value(reference.tokens);
  json.key("fp32").begin_object().key("loss").value(reference.mean());
  json.key("perplexity").value(std::exp(reference.mean())).end_object();
  json.key("recipes").begin_array();
  for (const GradientFidelity& g : all) {
    json.begin_object().key("recipe").value(g.recipe.name).key("loss").value(g.loss.mean());
    json.key("perplexity").value(std::exp(g.loss.mean()));
    put(json, "gradient_cosine", g.gradient_cosine);
    put(json, "relative_error", g.relative_error);
    json.key("layers").begin_array();
    for (const LinearFidelity& l : g.layers) {
      json.begin_object().key("name").value(l.name);
      put(json, "x_crest", l.x_crest);
      put(json, "w_crest", l.w_crest);
      put(json, "e_crest", l.e_crest);
      put(json, "x_sqnr_db", l.x_sqnr_db);
      put(json, "w_sqnr_db", l.w_sqnr_db);
      put(json, "e_sqnr_db", l.e_sqnr_db);
      put(json, "gradient_cosine", l.gradient_cosine);
      json.end_object();
    }
    json.end_array().end_object();
  }
  json.end_array().end_object();
  return json.text() + "\n";
}

std::string summary(const Loss& reference, const std::vector<GradientFidelity>& all) {
  TextTable table({"recipe", "loss", "perplexity", "gradient cosine", "relative error"});
  table.add({"fp32", fmt::format("{:.4f}", reference.mean()),
             short_number(std::exp(reference.mean())), "1.0000", "0"});
  for (const GradientFidelity& g : all) {
    table.add({g.recipe.name, fmt::format("{:.4f}", g.loss.mean()),
               short_number(std::exp(g.loss.mean())), fmt::format("{:.4f}", g.gradient_cosine),
               short_number(g.relative_error)});
  }
  return table.text();
}

// The linears whose gradient suffers most.
std::string worst_layers(const GradientFidelity& g, std::int64_t count) {
  std::vector<LinearFidelity> layers = g.layers;
  std::stable_sort(layers.begin(), layers.end(), [](const auto& a, const auto& b) {
    return a.gradient_cosine < b.gradient_cosine;
  });
  if (static_cast<std::int64_t>(layers.size()) > count) {
    layers.resize(static_cast<std::size_t>(count));
  }
  TextTable table(
      {g.recipe.name, "cosine", "X crest", "W crest", "E crest", "X dB", "W dB", "E dB"});
  for (const LinearFidelity& l : layers) {
    table.add({l.name, fmt::format("{:.4f}", l.gradient_cosine), short_number(l.x_crest),
               short_number(l.w_crest), short_number(l.e_crest), short_number(l.x_sqnr_db),
               short_number(l.w_sqnr_db), short_number(l.e_sqnr_db)});
  }
  return "\n" + table.text();
}

}  // namespace

int run_analyze(Words words) {
  Arguments arguments("analyze",
                      "Loss, gradient cosine to FP32 and per-layer errors under recipes.");
  Options o;
  arguments.options = bind_options(o);
  if (!arguments.parse(words)) return kOk;
  if (arguments.dry_run) return arguments.show_plan();
  if (o.model.empty()) throw ValueError("option model is required");
  if (o.data.empty()) throw ValueError("option data is required");
  apply(o.common);
  Progress progress(arguments.quiet);
  const auto path = resolve_model(o.model);
  const auto tokenizer = io::load_tokenizer(path);
  Batch batch = measured_batch(o, *tokenizer, load_config(path).max_position_embeddings);
  DecoderOptions decoder;
  decoder.seed = o.common.seed;
  Decoder model = Decoder::load(path, cpu_ops(), decoder);
  if (!o.common.out.empty()) {
    const auto policy = o.common.force ? OutputPolicy::kOverwrite : OutputPolicy::kRefuse;
    prepare_run_folder(o.common.out, policy);
  }
  std::optional<FidelityMeter> meter;
  meter.emplace(model, std::move(batch));
  std::vector<GradientFidelity> all;
  for (const std::string& recipe : parse_list(o.recipe)) {
    progress.redraw("measuring " + recipe);
    all.push_back(meter->measure(parse_recipe(recipe), parse_accumulation(o.accumulate)));
  }
  const Loss reference = meter->reference_loss();
  const std::string json = analysis_json(o, reference, all);
  if (!o.common.out.empty()) {
    io::write_file_atomic(std::filesystem::path(o.common.out) / "analyze.json", json);
  }
  if (arguments.json) {
    print(json);
    return kOk;
  }
  std::string text = fmt::format("{} tokens of {}\n\n", reference.tokens, o.data);
  text += summary(reference, all);
  for (const GradientFidelity& g : all) {
    if (o.layers > 0) text += worst_layers(g, o.layers);
  }
  print(text);
  return kOk;
}

}  // namespace sylvester::sim
