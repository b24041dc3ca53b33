#include "sylvester/train/option_table.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "sylvester/core/error.h"
#include "sylvester/core/text.h"
#include "sylvester/io/json.h"

namespace sylvester {
namespace {

std::string dashed(std::string_view name) {
  std::string out(name);
  std::replace(out.begin(), out.end(), '_', '-');
  return out;
}
std::string underscored(std::string_view name) {
  std::string out(name);
  std::replace(out.begin(), out.end(), '-', '_');
  return out;
}

template <class T>
std::string range_text(const Bounds<T>& b, const std::function<std::string(T)>& print) {
  const bool has_min = b.min != std::numeric_limits<T>::lowest();
  const bool has_max = b.max != std::numeric_limits<T>::max();
  std::string out;
  if (has_min) out = (b.exclusive_min ? "> " : ">= ") + print(b.min);
  if (has_max) out += (has_min ? " and <= " : "<= ") + print(b.max);
  return out;
}

template <class T>
void check_bounds(T value, const Bounds<T>& b, const std::function<std::string(T)>& print) {
  const bool low = b.exclusive_min ? !(value > b.min) : value < b.min;
  if (low || value > b.max) throw ValueError("want a number " + range_text(b, print));
}

}  // namespace

std::int64_t parse_int64(std::string_view text) {
  std::int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [last, status] = std::from_chars(text.data(), end, value);
  if (status == std::errc::result_out_of_range) throw ValueError("the integer exceeds 64 bits");
  if (status != std::errc() || last != end) throw ValueError("want an integer");
  return value;
}

std::uint64_t parse_uint64(std::string_view text) {
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [last, status] = std::from_chars(text.data(), end, value);
  if (status == std::errc::result_out_of_range) throw ValueError("the integer exceeds 64 bits");
  if (status != std::errc() || last != end) throw ValueError("want an integer >= 0");
  return value;
}

double parse_double(std::string_view text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [last, status] = std::from_chars(text.data(), end, value);
  if (status == std::errc::result_out_of_range) throw ValueError("the number exceeds float64");
  if (status != std::errc() || last != end || !std::isfinite(value)) {
    throw ValueError("want a finite number");
  }
  return value;
}

std::string to_text(double value) {
  char buffer[32];
  const auto [end, status] = std::to_chars(buffer, buffer + sizeof buffer, value);
  (void)status;  // 32 characters hold every float64
  return std::string(buffer, end);
}

void OptionTable::add(std::string name, std::string placeholder, std::string help,
                      std::int64_t& field, Bounds<std::int64_t> bounds) {
  entries_.push_back({std::move(name), OptionKind::kInteger, std::move(placeholder),
                      std::move(help), "default",
                      [&field, bounds](std::string_view text) {
                        const std::int64_t value = parse_int64(text);
                        check_bounds<std::int64_t>(
                            value, bounds, [](std::int64_t v) { return std::to_string(v); });
                        field = value;
                      },
                      [&field] { return std::to_string(field); }});
}

void OptionTable::add(std::string name, std::string placeholder, std::string help,
                      std::uint64_t& field) {
  entries_.push_back({std::move(name), OptionKind::kInteger, std::move(placeholder),
                      std::move(help), "default",
                      [&field](std::string_view text) { field = parse_uint64(text); },
                      [&field] { return std::to_string(field); }});
}

void OptionTable::add(std::string name, std::string placeholder, std::string help, double& field,
                      Bounds<double> bounds) {
  entries_.push_back({std::move(name), OptionKind::kReal, std::move(placeholder), std::move(help),
                      "default",
                      [&field, bounds](std::string_view text) {
                        const double value = parse_double(text);
                        check_bounds<double>(value, bounds, to_text);
                        field = value;
                      },
                      [&field] { return to_text(field); }});
}

void OptionTable::add(std::string name, std::string placeholder, std::string help,
                      std::string& field, std::function<void(const std::string&)> check) {
  entries_.push_back({std::move(name), OptionKind::kText, std::move(placeholder), std::move(help),
                      "default",
                      [&field, check = std::move(check)](std::string_view text) {
                        std::string value(text);
                        if (check) check(value);
                        field = std::move(value);
                      },
                      [&field] { return field; }});
}

void OptionTable::add_choice(std::string name, std::string help, std::string& field,
                             std::vector<std::string> allowed) {
  std::string list;
  for (const std::string& word : allowed) list += (list.empty() ? "" : "|") + word;
  add(std::move(name), list, std::move(help), field,
      [allowed = std::move(allowed), list](const std::string& value) {
        if (std::find(allowed.begin(), allowed.end(), value) != allowed.end()) return;
        throw ValueError("want one of " + list + did_you_mean(value, allowed));
      });
}

void OptionTable::add_flag(std::string name, std::string help, bool& field) {
  entries_.push_back({std::move(name), OptionKind::kFlag, "", std::move(help), "default",
                      [&field](std::string_view text) {
                        if (text != "true" && text != "false") {
                          throw ValueError("want true or false");
                        }
                        field = text == "true";
                      },
                      [&field] { return std::string(field ? "true" : "false"); }});
}

const OptionEntry* OptionTable::find(std::string_view name) const {
  const std::string wanted = dashed(name);
  for (const OptionEntry& e : entries_) {
    if (e.name == wanted) return &e;
  }
  return nullptr;
}

bool OptionTable::is_set(std::string_view name) const {
  const OptionEntry* e = find(name);
  return e != nullptr && e->origin != "default";
}

void OptionTable::unknown(std::string_view name, const std::string& where) const {
  std::vector<std::string_view> known;
  known.reserve(entries_.size());
  for (const OptionEntry& e : entries_) known.push_back(e.name);
  throw ValueError(where + "unknown option '" + io::printable(name) + "'" +
                   did_you_mean(dashed(name), known));
}

OptionEntry& OptionTable::entry(std::string_view name, const std::string& where) {
  const OptionEntry* found = find(name);
  if (found == nullptr) unknown(name, where);
  return const_cast<OptionEntry&>(*found);
}

void OptionTable::set(std::string_view name, std::string_view text, const std::string& origin) {
  const std::string where = origin == "command line" || origin.empty() ? "" : origin + ": ";
  OptionEntry& e = entry(name, where);
  try {
    e.set(text);
  } catch (const ValueError& error) {
    throw ValueError(where + "option " + e.name + " '" + io::printable(text) +
                     "': " + error.what());
  }
  e.origin = origin;
}

void OptionTable::set_pair(std::string_view pair, const std::string& origin) {
  const std::size_t equals = pair.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    throw ValueError(origin + " '" + io::printable(pair) + "': want KEY=VALUE");
  }
  set(pair.substr(0, equals), pair.substr(equals + 1), origin);
}

void OptionTable::set_from_file(const std::string& path) {
  const io::JsonValue json = io::read_json(path);
  if (!json.is_object()) json.fail("want an object of options");
  for (const auto& [key, value] : json.members()) {
    switch (value.kind()) {
      case io::JsonKind::kString:
        set(key, value.as_string(), path);
        break;
      case io::JsonKind::kInteger:
        set(key, std::to_string(value.as_int()), path);
        break;
      case io::JsonKind::kReal:
        set(key, to_text(value.as_double()), path);
        break;
      case io::JsonKind::kBool:
        set(key, value.as_bool() ? "true" : "false", path);
        break;
      default:
        value.fail("want a number, a string, true or false");
    }
  }
}

std::string OptionTable::to_json(int indent) const {
  io::JsonWriter json(indent);
  json.begin_object();
  for (const OptionEntry& e : entries_) {
    json.key(underscored(e.name));
    const std::string text = e.get();
    switch (e.kind) {
      case OptionKind::kInteger:
        json.value(parse_int64(text));
        break;
      case OptionKind::kReal:
        json.value(parse_double(text));
        break;
      case OptionKind::kFlag:
        json.value(text == "true");
        break;
      case OptionKind::kText:
        json.value(text);
        break;
    }
  }
  json.end_object();
  return json.text();
}

std::string OptionTable::describe() const {
  std::size_t name_width = 0, value_width = 0;
  for (const OptionEntry& e : entries_) {
    name_width = std::max(name_width, e.name.size());
    value_width = std::max(value_width, std::min<std::size_t>(e.get().size(), 40));
  }
  std::string out;
  for (const OptionEntry& e : entries_) {
    std::string value = e.get();
    if (value.empty()) value = "-";
    out += e.name + std::string(name_width - e.name.size() + 2, ' ') + value;
    out += std::string(value_width > value.size() ? value_width - value.size() + 2 : 2, ' ');
    out += e.origin + "\n";
  }
  return out;
}

}  // namespace sylvester
