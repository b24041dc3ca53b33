#include "sylvester/eval/generate.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "sylvester/core/error.h"
#include "sylvester/core/philox.h"

namespace sylvester {
namespace {

// Number of the sampler's random stream; quantizers use small numbers.
constexpr std::uint32_t kGenerateTensor = 0xFFFFFF02u;

void check(const GenerateOptions& o) {
  if (o.max_new_tokens < 0 || o.top_k < 0 || !(o.temperature >= 0) || !(o.top_p > 0) ||
      o.top_p > 1) {
    throw ValueError(
        "generate: want max_new_tokens, top_k and temperature >= 0 and 0 < top_p <= 1");
  }
}

std::int32_t largest(std::span<const float> logits) {
  return static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

// 53 random bits as a number in [0, 1).
double uniform(std::uint64_t seed, std::uint64_t draw) {
  const RandomStream stream{seed, 0, kGenerateTensor};
  const std::uint64_t bits =
      std::uint64_t{random_word(stream, 2 * draw)} << 32 | random_word(stream, 2 * draw + 1);
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

}  // namespace

std::string to_string(StopReason reason) {
  switch (reason) {
    case StopReason::kEos:
      return "eos";
    case StopReason::kMaxNewTokens:
      return "max_new_tokens";
    case StopReason::kContext:
      return "context";
    default:
      return "callback";
  }
}

std::int32_t choose_token(std::span<const float> logits, const GenerateOptions& options,
                          std::uint64_t draw) {
  if (logits.empty()) throw ValueError("choose_token: no logits");
  const float top = *std::max_element(logits.begin(), logits.end());
  if (options.temperature == 0 || !std::isfinite(top)) return largest(logits);
  // Descending by logit, equal ones ascending by id.
  std::vector<std::int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    const float x = logits[static_cast<std::size_t>(a)], y = logits[static_cast<std::size_t>(b)];
    return x != y ? x > y : a < b;
  });
  std::size_t kept = order.size();
  if (options.top_k > 0) kept = std::min(kept, static_cast<std::size_t>(options.top_k));
  std::vector<double> weights(kept);
  double total = 0;
  for (std::size_t i = 0; i < kept; ++i) {
    const double x = logits[static_cast<std::size_t>(order[i])];
    weights[i] = std::exp((x - static_cast<double>(top)) / options.temperature);
    total += weights[i];
  }
  if (options.top_p < 1) {
    double sum = 0;
    for (std::size_t i = 0; i < kept; ++i) {
      sum += weights[i];
      if (sum >= options.top_p * total) {
        kept = i + 1;
        break;
      }
    }
    total = sum;
  }
  double left = uniform(options.seed, draw) * total;
  for (std::size_t i = 0; i + 1 < kept; ++i) {
    left -= weights[i];
    if (left < 0) return order[i];
  }
  return order[kept - 1];
}

Generation generate(Decoder& model, std::span<const std::int32_t> prompt,
                    const io::Tokenizer& tokenizer, const GenerateOptions& options,
                    const std::function<bool(std::int32_t)>& on_token) {
  check(options);
  const std::int64_t context = model.config().max_position_embeddings;
  const auto length = static_cast<std::int64_t>(prompt.size());
  if (length == 0) throw ValueError("generate: the prompt has no tokens");
  if (length >= context) {
    throw ValueError("generate: the prompt has " + std::to_string(length) +
                     " tokens and the model's context holds " + std::to_string(context));
  }
  Generation out;
  const std::int64_t room = std::min(context, length + options.max_new_tokens);
  const auto state = model.start_decoding(room);
  Tensor logits = model.decode(*state, prompt);
  const std::optional<std::int32_t> eos = tokenizer.eos();
  for (std::int64_t i = 0; i < options.max_new_tokens; ++i) {
    const std::span<const float> row(logits.data<float>(), static_cast<std::size_t>(logits.size()));
    const std::int32_t id = choose_token(row, options, static_cast<std::uint64_t>(i));
    if (options.stop_at_eos && eos && id == *eos) {
      out.reason = StopReason::kEos;
      return out;
    }
    out.ids.push_back(id);
    if (on_token && !on_token(id)) {
      out.reason = StopReason::kCallback;
      return out;
    }
    if (i + 1 == options.max_new_tokens) break;
    if (length + i + 1 >= context) {
      out.reason = StopReason::kContext;
      return out;
    }
    logits = model.decode(*state, std::span<const std::int32_t>(&id, 1));
  }
  return out;
}

}  // namespace sylvester
