// sylvester generate --model M --prompt TEXT
#include "sylvester/eval/generate.h"

#include <fmt/format.h>

#include <chrono>

#include "arguments.h"
#include "program.h"
#include "progress.h"
#include "sylvester/core/error.h"
#include "sylvester/io/json.h"
#include "sylvester/ops/ops.h"
#include "sylvester/train/model_path.h"

namespace sylvester::sim {
namespace {

struct Options {
  std::string model, prompt, recipe = "fp32", accumulate = "blas";
  GenerateOptions generation;
  CommonOptions common;
};

OptionTable bind_options(Options& o) {
  OptionTable t;
  t.add("model", "M", "model: a folder, a GGUF file, or a shipped model's name", o.model);
  t.add("prompt", "TEXT", "what to continue", o.prompt);
  t.add("recipe", "R", "low-precision scheme of the linears", o.recipe,
        [](const std::string& text) { parse_recipe(text); });
  t.add("accumulate", "POLICY", "how quantized products are added", o.accumulate,
        [](const std::string& text) { parse_accumulation(text); });
  t.add("max-new-tokens", "N", "most new tokens", o.generation.max_new_tokens, {0, 1'000'000});
  t.add("temperature", "X", "0: greedy", o.generation.temperature, {0.0, 1e6});
  t.add("top-k", "N", "sample among the N likeliest; 0: all", o.generation.top_k, {0, 1 << 30});
  t.add("top-p", "X", "smallest set of this probability", o.generation.top_p, {0.0, 1.0, true});
  add_compute_options(t, o.common);
  return t;
}

// The longest prefix of the text that does not end inside a UTF-8 character.
std::size_t complete_utf8(const std::string& text) {
  std::size_t start = text.size();
  while (start > 0 && text.size() - start < 4) {
    const auto c = static_cast<unsigned char>(text[start - 1]);
    --start;
    if ((c & 0xC0) == 0x80) continue;  // inside a character
    const std::size_t need = c < 0x80 ? 1 : c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
    return text.size() - start >= need ? text.size() : start;
  }
  return text.size();
}

}  // namespace

int run_generate(Words words) {
  Arguments arguments("generate", "Continue a prompt, greedily or by sampling.");
  Options o;
  arguments.options = bind_options(o);
  if (!arguments.parse(words)) return kOk;
  if (arguments.dry_run) return arguments.show_plan();
  if (o.model.empty()) throw ValueError("option model is required");
  if (o.prompt.empty()) throw ValueError("option prompt is required");
  apply(o.common);
  o.generation.seed = o.common.seed;
  const auto path = resolve_model(o.model);
  const auto tokenizer = io::load_tokenizer(path);
  DecoderOptions decoder;
  decoder.recipe = parse_recipe(o.recipe);
  decoder.accumulation = parse_accumulation(o.accumulate);
  decoder.seed = o.common.seed;
  Decoder model = Decoder::load(path, cpu_ops(), decoder);
  const std::vector<std::int32_t> prompt = tokenizer->encode(o.prompt);
  std::vector<std::int32_t> ids;
  std::size_t shown = 0;
  const auto start = std::chrono::steady_clock::now();
  const Generation g = generate(model, prompt, *tokenizer, o.generation, [&](std::int32_t id) {
    ids.push_back(id);
    if (arguments.json) return true;
    const std::string text = tokenizer->decode(ids);
    const std::size_t end = complete_utf8(text);
    if (end > shown) print(text.substr(shown, end - shown));
    shown = std::max(shown, end);
    return true;
  });
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const std::string text = tokenizer->decode(g.ids);
  if (arguments.json) {
    io::JsonWriter json(2);
    json.begin_object().key("prompt").value(o.prompt).key("text").value(
        io::printable(text, 1 << 24));
    json.key("ids").begin_array();
    for (const std::int32_t id : g.ids) json.value(std::int64_t{id});
    json.end_array().key("stop").value(to_string(g.reason)).end_object();
    print(json.text() + "\n");
  } else {
    print(text.substr(std::min(shown, text.size())) + "\n");
  }
  if (arguments.verbose) {
    Progress(arguments.quiet)
        .line(fmt::format("{} tokens, {:.1f} tokens/s with the prompt, stopped by {}", g.ids.size(),
                          static_cast<double>(g.ids.size()) / seconds, to_string(g.reason)));
  }
  return kOk;
}

}  // namespace sylvester::sim
