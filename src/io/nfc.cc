#include "io/nfc.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

#include "io/utf8.h"

namespace sylvester::io::detail {
namespace {

struct Range {
  std::uint32_t first, last;
};
constexpr Range kCertain[] = {
    {0x0, 0x2FF},     {0x370, 0x373},   {0x375, 0x37D},   {0x37F, 0x386},     {0x388, 0x482},
    {0x48A, 0x590},   {0x5BE, 0x5BE},   {0x5D0, 0x60F},   {0x61B, 0x64A},     {0xE00, 0xE37},
    {0x1E00, 0x1F70}, {0x2002, 0x20CF}, {0x2100, 0x2125}, {0x2127, 0x2129},   {0x212C, 0x2328},
    {0x232B, 0x2ADB}, {0x2ADD, 0x2BFF}, {0x3000, 0x3029}, {0x3030, 0x3098},   {0x309B, 0x9FFF},
    {0xAC00, 0xD7A3}, {0xFE00, 0xFE0F}, {0xFF00, 0xFFEF}, {0x1F000, 0x1FAFF}, {0x20000, 0x2A6DF},
};

}  // namespace

std::size_t nfc_uncertain(std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size();) {
    if (static_cast<unsigned char>(text[i]) < 0x80) {
      ++i;
      continue;
    }
    const std::size_t n = utf8_sequence(text, i);
    if (n == 0) return i;
    const std::uint32_t c = utf8_code_point(text, i, n);
    const auto* range =
        std::lower_bound(std::begin(kCertain), std::end(kCertain), c,
                         [](const Range& r, std::uint32_t x) { return r.last < x; });
    if (range == std::end(kCertain) || c < range->first) return i;
    i += n;
  }
  return std::string_view::npos;
}

}  // namespace sylvester::io::detail
