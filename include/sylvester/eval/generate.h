// Text from a model: greedy or sampled, with a key/value cache.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "sylvester/io/tokenizer.h"
#include "sylvester/models/decoder.h"

namespace sylvester {

struct GenerateOptions {
  std::int64_t max_new_tokens = 64;
  double temperature = 0;  // 0: greedy
  std::int64_t top_k = 0;  // 0: all tokens
  double top_p = 1.0;      // smallest set of tokens whose probability reaches it
  std::uint64_t seed = 42;
  bool stop_at_eos = true;
};

enum class StopReason : std::uint8_t { kEos, kMaxNewTokens, kContext, kCallback };
std::string to_string(StopReason reason);

struct Generation {
  std::vector<std::int32_t> ids;  // new tokens, without EOS
  StopReason reason = StopReason::kMaxNewTokens;
};

// Greedy: the token with the largest logit, the smallest id among equals. Sampled: softmax of
// logits / temperature in float64 over the kept tokens; draw i comes from Philox (seed, i).
// `on_token` sees every new token; false ends the generation.
// Errors: ValueError for an empty prompt, one that fills the context, or options out of range.
// Determinism: same ids on one machine for any thread count where the model's logits are.
Generation generate(Decoder& model, std::span<const std::int32_t> prompt,
                    const io::Tokenizer& tokenizer, const GenerateOptions& options = {},
                    const std::function<bool(std::int32_t)>& on_token = {});

// The choice of one token from its logits; `draw` numbers the random number.
std::int32_t choose_token(std::span<const float> logits, const GenerateOptions& options,
                          std::uint64_t draw);

}  // namespace sylvester
