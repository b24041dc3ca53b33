// Conversations as text. Jinja templates are looked at, never executed.
#include "sylvester/io/tokenizer.h"

namespace sylvester::io {
namespace {

// The system message that a ChatML template starts with when the conversation has none: the first
// literal between "<|im_start|>system\n" and "<|im_end|>" that holds no Jinja.
std::string default_system(const std::string& text) {
  constexpr std::string_view kBegin = "<|im_start|>system", kEnd = "<|im_end|>";
  for (std::size_t at = text.find(kBegin); at != std::string::npos;
       at = text.find(kBegin, at + 1)) {
    std::size_t from = at + kBegin.size();
    if (text.compare(from, 2, "\\n") == 0) {
      from += 2;
    } else if (text.compare(from, 1, "\n") == 0) {
      from += 1;
    } else {
      continue;
    }
    const std::size_t end = text.find(kEnd, from);
    if (end == std::string::npos) return "";
    const std::string literal = text.substr(from, end - from);
    if (literal.find_first_of("{}'\"\\+") == std::string::npos) return literal;
  }
  return "";
}

}  // namespace

std::string apply_chat_template(const Tokenizer& tokenizer, std::span<const Message> messages,
                                bool add_generation_prompt) {
  std::string out;
  if (!tokenizer.id_of("<|im_start|>") || !tokenizer.id_of("<|im_end|>")) {
    for (const Message& message : messages) out += message.content + "\n";
    return out;
  }
  const auto turn = [&](const std::string& role, const std::string& content) {
    out += "<|im_start|>" + role + "\n" + content + "<|im_end|>\n";
  };
  if (!messages.empty() && messages.front().role != "system") {
    const std::string system = default_system(tokenizer.chat_template());
    if (!system.empty()) turn("system", system);
  }
  for (const Message& message : messages) turn(message.role, message.content);
  if (add_generation_prompt) out += "<|im_start|>assistant\n";
  return out;
}

}  // namespace sylvester::io
