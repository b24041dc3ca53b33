// Small text helpers for messages.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sylvester {

// The candidate with the least edit distance to `text`, or "" when none is near (more than a third
// of the longer one would have to change, and more than two characters).
std::string nearest_name(std::string_view text, std::span<const std::string> candidates);
std::string nearest_name(std::string_view text, std::span<const std::string_view> candidates);

// "; did you mean 'x'?" or "".
std::string did_you_mean(std::string_view text, std::span<const std::string> candidates);
std::string did_you_mean(std::string_view text, std::span<const std::string_view> candidates);

}  // namespace sylvester
