#include "io/added_tokens.h"

#include <algorithm>

#include "io/utf8.h"

namespace sylvester::io::detail {
namespace {

bool white_space(std::uint32_t c) {
  return (c >= 0x9 && c <= 0xD) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

std::size_t strip_left(std::string_view text, std::size_t from, std::size_t at) {
  while (at > from) {
    std::size_t start = at - 1;
    while (start > from && (static_cast<unsigned char>(text[start]) & 0xC0) == 0x80) --start;
    if (!white_space(utf8_code_point(text, start, at - start))) break;
    at = start;
  }
  return at;
}

std::size_t strip_right(std::string_view text, std::size_t at) {
  while (at < text.size()) {
    const std::size_t n = utf8_sequence(text, at);
    if (n == 0 || !white_space(utf8_code_point(text, at, n))) break;
    at += n;
  }
  return at;
}

}  // namespace

AddedTokens::AddedTokens(const std::vector<AddedToken>& tokens) {
  for (const AddedToken& token : tokens) {
    tokens_.emplace(token.text, &token);
    auto& lengths = lengths_[static_cast<unsigned char>(token.text[0])];
    if (std::find(lengths.begin(), lengths.end(), token.text.size()) == lengths.end()) {
      lengths.push_back(token.text.size());
    }
  }
  for (auto& lengths : lengths_) std::sort(lengths.rbegin(), lengths.rend());
}

AddedTokens::Match AddedTokens::find(std::string_view text, std::size_t from) const {
  for (std::size_t i = from; i < text.size(); ++i) {
    for (const std::size_t n : lengths_[static_cast<unsigned char>(text[i])]) {
      if (n > text.size() - i) continue;
      const auto found = tokens_.find(text.substr(i, n));
      if (found == tokens_.end()) continue;
      const AddedToken* token = found->second;
      return {.begin = token->lstrip ? strip_left(text, from, i) : i,
              .end = token->rstrip ? strip_right(text, i + n) : i + n,
              .token = token};
    }
  }
  return {text.size(), text.size(), nullptr};
}

}  // namespace sylvester::io::detail
