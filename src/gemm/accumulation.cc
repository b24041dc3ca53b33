#include "sylvester/gemm/accumulation.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

#include "gemm/policy.h"
#include "sylvester/core/error.h"
#include "sylvester/core/text.h"

namespace sylvester {
namespace {

constexpr struct {
  std::string_view name;
  AccumulationKind kind;
} kSoftware[] = {{"blas", AccumulationKind::kBlas},
                 {"ordered", AccumulationKind::kOrdered},
                 {"exact", AccumulationKind::kExact},
                 {"int32", AccumulationKind::kInt32}};

AccumulationKind parse_kind(std::string_view name, std::string_view text) {
  for (const auto& row : kSoftware) {
    if (row.name == name) return row.kind;
  }
  const std::vector<std::string> known = known_accumulations();
  if (std::find(known.begin(), known.end(), name) != known.end()) {
    return AccumulationKind::kHardware;
  }
  std::string all;
  for (const std::string& k : known) all += (all.empty() ? "" : ", ") + k;
  throw ValueError("accumulate '" + std::string(text) + "': unknown policy '" + std::string(name) +
                   "'" + did_you_mean(name, known) + "; known: " + all);
}

int parse_count(std::string_view value, std::string_view option, int least, std::string_view text) {
  int number = 0;
  const auto [end, code] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (code != std::errc() || end != value.data() + value.size() || number < least) {
    throw ValueError("accumulate '" + std::string(text) + "': " + std::string(option) + "=" +
                     std::string(value) + "; want an integer >= " + std::to_string(least));
  }
  return number;
}

void parse_option(std::string_view option, std::string_view text, Accumulation& out) {
  const std::size_t equals = option.find('=');
  const std::string_view key = option.substr(0, equals);
  const std::string_view value =
      equals == std::string_view::npos ? std::string_view() : option.substr(equals + 1);
  if (key != "splitk" && key != "promote") {
    constexpr std::string_view kKnown[] = {"splitk", "promote"};
    throw ValueError("accumulate '" + std::string(text) + "': unknown option '" + std::string(key) +
                     "'" + did_you_mean(key, kKnown) + "; want splitk=N or promote=N");
  }
  if (out.kind != AccumulationKind::kHardware) {
    throw ValueError("accumulate '" + std::string(text) + "': " + std::string(key) +
                     " belongs to the hardware policies (sm...), not to '" + out.name + "'");
  }
  int& field = key == "splitk" ? out.split_k : out.promote;
  if (field != (key == "splitk" ? 1 : 0)) {
    throw ValueError("accumulate '" + std::string(text) + "': " + std::string(key) +
                     " given twice; want it once");
  }
  field = parse_count(value, key, 1, text);
}

}  // namespace

std::vector<std::string> known_accumulations() {
  std::vector<std::string> names;
  for (const auto& row : kSoftware) names.emplace_back(row.name);
  for (const detail::HardwareRow& row : detail::hardware_rows()) {
    if (names.back() != row.policy) names.emplace_back(row.policy);
  }
  return names;
}

Accumulation parse_accumulation(std::string_view text) {
  Accumulation out;
  std::string_view rest = text;
  const auto next = [&rest] {
    const std::size_t colon = rest.find(':');
    const std::string_view part = rest.substr(0, colon);
    rest = colon == std::string_view::npos ? std::string_view() : rest.substr(colon + 1);
    return part;
  };
  const std::string_view name = next();
  out.kind = parse_kind(name, text);
  out.name = name;
  if (!text.empty() && text.back() == ':') parse_option("", text, out);
  while (!rest.empty()) parse_option(next(), text, out);
  return out;
}

std::string to_string(const Accumulation& accumulation) {
  std::string text = accumulation.name;
  if (accumulation.split_k > 1) text += ":splitk=" + std::to_string(accumulation.split_k);
  if (accumulation.promote > 0) text += ":promote=" + std::to_string(accumulation.promote);
  return text;
}

}  // namespace sylvester
