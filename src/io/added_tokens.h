// Finds tokens that are written out in the text ("<|im_start|>").
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "io/tokenizer_spec.h"

namespace sylvester::io::detail {

class AddedTokens {
 public:
  // Keeps views of the texts in `tokens`, which must outlive it.
  explicit AddedTokens(const std::vector<AddedToken>& tokens);

  struct Match {
    std::size_t begin = 0, end = 0;  // with the white space it takes along
    const AddedToken* token = nullptr;
  };
  // The leftmost match at or after `from`, the longest of those; token is null when there is none.
  Match find(std::string_view text, std::size_t from) const;

 private:
  std::unordered_map<std::string_view, const AddedToken*> tokens_;
  std::array<std::vector<std::size_t>, 256> lengths_;  // by first byte, longest first
};

}  // namespace sylvester::io::detail
