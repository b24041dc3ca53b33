// Unicode normalization form C, as far as it changes nothing.
#pragma once

#include <cstddef>
#include <string_view>

namespace sylvester::io::detail {

// Byte index of the first character of UTF-8 text that NFC might change or join with its
// neighbour; npos when NFC certainly leaves the text as it is. Certain are the blocks in which
// every character is its own NFC, has combining class 0 and is no second half of a composition
// (checked with Unicode 14's data): Latin, most Greek, Cyrillic, Armenian, Hebrew and Arabic
// letters, Thai consonants, punctuation, symbols, kana, CJK ideographs, Hangul syllables, emoji.
std::size_t nfc_uncertain(std::string_view text) noexcept;

}  // namespace sylvester::io::detail
