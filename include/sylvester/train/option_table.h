// OptionTable: the named options of one command, bound to the fields of a plain struct. The command
// line, --config files, --set and Python all set options through it, so they accept the same text.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace sylvester {

enum class OptionKind : std::uint8_t { kInteger, kReal, kText, kFlag };

// One option. Names are spelled with '-' ("learning-rate"); '_' is accepted wherever a name is
// read.
struct OptionEntry {
  std::string name;
  OptionKind kind = OptionKind::kText;
  std::string placeholder;  // "N", "FLOAT", "FILE" ... for the help text
  std::string help;
  std::string origin = "default";  // "default", a config file's name, "--set", "command line"
  std::function<void(std::string_view)> set;  // ValueError without the option's name
  std::function<std::string()> get;           // text that `set` accepts
};

// Where an integer or real option may lie. `exclusive_min` forbids min itself.
template <class T>
struct Bounds {
  T min = std::numeric_limits<T>::lowest();
  T max = std::numeric_limits<T>::max();
  bool exclusive_min = false;
};

class OptionTable {
 public:
  // Binds a field; the field's present value is the default. The table must not outlive the field.
  void add(std::string name, std::string placeholder, std::string help, std::int64_t& field,
           Bounds<std::int64_t> bounds = {});
  void add(std::string name, std::string placeholder, std::string help, std::uint64_t& field);
  // NaN and infinities are refused.
  void add(std::string name, std::string placeholder, std::string help, double& field,
           Bounds<double> bounds = {});
  // `check` throws ValueError for text the field must not hold.
  void add(std::string name, std::string placeholder, std::string help, std::string& field,
           std::function<void(const std::string&)> check = {});
  // One of a few words.
  void add_choice(std::string name, std::string help, std::string& field,
                  std::vector<std::string> allowed);
  // Text form: true or false.
  void add_flag(std::string name, std::string help, bool& field);

  const std::vector<OptionEntry>& entries() const noexcept { return entries_; }
  // Null when there is no such option.
  const OptionEntry* find(std::string_view name) const;
  bool is_set(std::string_view name) const;  // origin is not "default"

  // Parses the whole text strictly. Errors: ValueError naming the option, the text and what is
  // allowed; for an unknown name, the nearest known one.
  void set(std::string_view name, std::string_view text, const std::string& origin);
  // "key=value".
  void set_pair(std::string_view pair, const std::string& origin);
  // A JSON object whose keys are option names and whose values are numbers, strings or booleans.
  // FormatError (damaged JSON), IoError, ValueError (unknown key, bad value).
  void set_from_file(const std::string& path);
  // {"learning_rate": 0.0002, ...}: every option, keys spelled with '_' as Hugging Face spells
  // them.
  std::string to_json(int indent = 2) const;
  // One line an option: name, value, origin.
  std::string describe() const;

  // ValueError that names the nearest known option.
  [[noreturn]] void unknown(std::string_view name, const std::string& where) const;

 private:
  OptionEntry& entry(std::string_view name, const std::string& where);
  std::vector<OptionEntry> entries_;
};

// Whole text to a number, base 10, no white space. ValueError says what was expected.
std::int64_t parse_int64(std::string_view text);
std::uint64_t parse_uint64(std::string_view text);
double parse_double(std::string_view text);
// Shortest text that reads back to the same number.
std::string to_text(double value);

}  // namespace sylvester
