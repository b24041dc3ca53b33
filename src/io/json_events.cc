#include "io/json_events.h"

#include <iterator>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <vector>

#include "sylvester/io/json.h"

namespace sylvester::io::detail {
namespace {

// Counts what the lexer has read, because nlohmann's events carry no position.
class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* at, const char** last) : at_(at), last_(last) {}
  reference operator*() const { return *at_; }
  CountingIterator& operator++() {
    *last_ = ++at_;
    return *this;
  }
  CountingIterator operator++(int) {
    CountingIterator old = *this;
    ++*this;
    return old;
  }
  bool operator==(const CountingIterator& other) const { return at_ == other.at_; }
  bool operator!=(const CountingIterator& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  const char** last_;
};

class Sax : public nlohmann::json_sax<nlohmann::json> {
 public:
  Sax(std::string_view text, const JsonSource& source, int max_depth, JsonEvents& events)
      : text_(text), source_(source), max_depth_(max_depth), events_(events) {}

  const char* last = nullptr;

  bool null() override {
    mark();
    events_.on_null();
    return true;
  }
  bool boolean(bool flag) override {
    mark();
    events_.on_bool(flag);
    return true;
  }
  bool number_integer(number_integer_t number) override {
    mark_number();
    events_.on_int(number);
    return true;
  }
  bool number_unsigned(number_unsigned_t number) override {
    mark_number();
    events_.on_uint(number);
    return true;
  }
  bool number_float(number_float_t number, const string_t& token) override {
    mark_number();
    // nlohmann turns an integer that does not fit 64 bits into a double; we refuse it.
    if (token.find_first_of(".eE") == std::string::npos) {
      throw source_.error(events_.position, last_key_,
                          "integer " + printable(token, 40) + " does not fit 64 bits");
    }
    events_.on_real(number);
    return true;
  }
  bool string(string_t& text) override {
    mark();
    events_.on_string(text);
    return true;
  }
  bool binary(binary_t&) override { return false; }  // not JSON; never called
  bool start_object(std::size_t) override {
    enter();
    keys_.emplace_back();
    events_.on_begin_object();
    return true;
  }
  bool key(string_t& text) override {
    mark();
    last_key_.assign(text, 0, 200);
    const auto [place, fresh] = keys_.back().emplace(text, events_.position);
    if (!fresh) {
      throw source_.error(
          events_.position, printable(text),
          "duplicate key, first at " + std::to_string(source_.base + place->second));
    }
    events_.on_key(text);
    return true;
  }
  bool end_object() override {
    mark();
    --depth_;
    keys_.pop_back();
    events_.on_end_object();
    return true;
  }
  bool start_array(std::size_t) override {
    enter();
    events_.on_begin_array();
    return true;
  }
  bool end_array() override {
    mark();
    --depth_;
    events_.on_end_array();
    return true;
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::json::exception& error) override {
    // "[json.exception.x.N] parse error at line L, column C: text": we keep the text.
    std::string what = error.what();
    std::size_t from = what.find(": ");
    if (from == std::string::npos || what.find("column") > from) {
      from = what.find("] ");
    }
    if (from != std::string::npos) what.erase(0, from + 2);
    if (what.rfind("syntax error", 0) == 0) what.replace(0, 12, "not valid JSON: error");
    const std::int64_t at =
        std::min<std::int64_t>(position == 0 ? 0 : static_cast<std::int64_t>(position) - 1,
                               static_cast<std::int64_t>(text_.size()));
    throw source_.error(at, "", printable(what, 200));
  }

 private:
  void mark() { events_.position = last - text_.data(); }
  void mark_number() {
    mark();
    // The lexer has read one character beyond a number, unless the text ended there.
    const bool at_end = events_.position == static_cast<std::int64_t>(text_.size()) &&
                        text_.back() >= '0' && text_.back() <= '9';
    if (!at_end) --events_.position;
  }
  void enter() {
    mark();
    if (++depth_ > max_depth_) {
      throw source_.error(events_.position - 1, printable(last_key_),
                          "nesting depth > " + std::to_string(max_depth_));
    }
  }

  std::string_view text_;
  const JsonSource& source_;
  int max_depth_;
  JsonEvents& events_;
  int depth_ = 0;
  std::string last_key_;
  std::vector<std::unordered_map<std::string, std::int64_t>> keys_;
};

}  // namespace

void parse_json_events(std::string_view text, const JsonSource& source, int max_depth,
                       JsonEvents& events) {
  // nlohmann's lexer skips a byte-order mark; RFC 8259 section 8.1 lets a parser refuse it.
  if (text.substr(0, 3) == "\xEF\xBB\xBF") {
    throw source.error(0, "", "starts with a byte-order mark; want plain UTF-8");
  }
  Sax sax(text, source, max_depth, events);
  sax.last = text.data();
  nlohmann::json::sax_parse(CountingIterator(text.data(), &sax.last),
                            CountingIterator(text.data() + text.size(), &sax.last), &sax);
}

}  // namespace sylvester::io::detail
