#include "sylvester/io/json.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>

#include "io/json_events.h"
#include "io/utf8.h"
#include "sylvester/core/error.h"
#include "sylvester/core/text.h"
#include "sylvester/io/file_system.h"

namespace sylvester::io {

namespace {
constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

struct Node {
  JsonKind kind = JsonKind::kNull;
  bool negative = false;  // an integer below zero: its bits are an int64
  std::uint32_t parent = kNone;
  std::uint32_t next = kNone;   // sibling
  std::uint32_t first = kNone;  // child
  std::uint32_t count = 0;      // children
  std::uint32_t index = 0;      // among its siblings
  std::int64_t offset = 0;
  std::uint64_t bits = 0;  // bool, integer or double
  std::string key;
  std::string text;
};
}  // namespace

struct JsonValue::Document {
  detail::JsonSource source;
  std::vector<Node> nodes;
  // Node and line of JSONL: the errors of the latter carry the line.
  [[noreturn]] void fail(std::uint32_t node, const std::string& rule) const {
    throw source.error(nodes[node].offset, path(node), rule);
  }
  std::string path(std::uint32_t node) const {
    std::vector<std::uint32_t> chain;
    for (; nodes[node].parent != kNone; node = nodes[node].parent) chain.push_back(node);
    std::string out;
    for (auto it = chain.rbegin(); it != chain.rend(); ++it) {
      const Node& n = nodes[*it];
      if (nodes[n.parent].kind == JsonKind::kArray) {
        out += '[';
        out += std::to_string(n.index);
        out += ']';
      } else {
        if (!out.empty()) out += '.';
        out += printable(n.key);
      }
    }
    return out;
  }
};

namespace {

class TreeBuilder : public detail::JsonEvents {
 public:
  explicit TreeBuilder(std::vector<Node>& nodes) : nodes_(nodes) {}

  void on_null() override { add(JsonKind::kNull); }
  void on_bool(bool flag) override { add(JsonKind::kBool).bits = flag; }
  void on_int(std::int64_t number) override {
    Node& node = add(JsonKind::kInteger);
    node.bits = static_cast<std::uint64_t>(number);
    node.negative = number < 0;
  }
  void on_uint(std::uint64_t number) override { add(JsonKind::kInteger).bits = number; }
  void on_real(double number) override {
    add(JsonKind::kReal).bits = std::bit_cast<std::uint64_t>(number);
  }
  void on_string(std::string& text) override { add(JsonKind::kString).text = std::move(text); }
  void on_key(std::string& text) override { key_ = std::move(text); }
  void on_begin_object() override { open(JsonKind::kObject); }
  void on_begin_array() override { open(JsonKind::kArray); }
  void on_end_object() override { close(); }
  void on_end_array() override { close(); }

 private:
  Node& add(JsonKind kind) {
    const auto id = static_cast<std::uint32_t>(nodes_.size());
    Node node;
    node.kind = kind;
    node.offset = position;
    if (!open_.empty()) {
      Node& parent = nodes_[open_.back()];
      node.parent = open_.back();
      node.index = parent.count++;
      if (last_.back() == kNone) {
        parent.first = id;
      } else {
        nodes_[last_.back()].next = id;
      }
      last_.back() = id;
      if (parent.kind == JsonKind::kObject) node.key = std::move(key_);
    }
    key_.clear();
    nodes_.push_back(std::move(node));
    return nodes_.back();
  }
  void open(JsonKind kind) {
    add(kind);
    open_.push_back(static_cast<std::uint32_t>(nodes_.size() - 1));
    last_.push_back(kNone);
  }
  void close() {
    open_.pop_back();
    last_.pop_back();
  }
  std::vector<Node>& nodes_;
  std::vector<std::uint32_t> open_, last_;
  std::string key_;
};

std::string_view article(JsonKind kind) {
  switch (kind) {
    case JsonKind::kNull:
      return "null";
    case JsonKind::kBool:
      return "true or false";
    case JsonKind::kInteger:
      return "an integer";
    case JsonKind::kReal:
      return "a number";
    case JsonKind::kString:
      return "a string";
    case JsonKind::kArray:
      return "an array";
    case JsonKind::kObject:
      return "an object";
  }
  return "";
}

std::string wrong_kind(JsonKind got, JsonKind want) {
  return "is " + std::string(article(got)) + "; want " + std::string(article(want));
}

}  // namespace

std::string_view to_string(JsonKind kind) noexcept {
  constexpr std::array<std::string_view, 7> kNames = {"null",   "bool",  "integer", "real",
                                                      "string", "array", "object"};
  return kNames[static_cast<std::size_t>(kind)];
}

JsonKind JsonValue::kind() const noexcept { return document_->nodes[node_].kind; }

bool JsonValue::as_bool() const {
  if (kind() != JsonKind::kBool) fail(wrong_kind(kind(), JsonKind::kBool));
  return document_->nodes[node_].bits != 0;
}

std::int64_t JsonValue::as_int() const {
  const Node& node = document_->nodes[node_];
  if (node.kind != JsonKind::kInteger) fail(wrong_kind(node.kind, JsonKind::kInteger));
  if (!node.negative && node.bits > static_cast<std::uint64_t>(INT64_MAX)) {
    fail("is " + std::to_string(node.bits) + "; want an integer < 2^63");
  }
  return static_cast<std::int64_t>(node.bits);
}

std::uint64_t JsonValue::as_uint() const {
  const Node& node = document_->nodes[node_];
  if (node.kind != JsonKind::kInteger) fail(wrong_kind(node.kind, JsonKind::kInteger));
  if (node.negative) {
    fail("is " + std::to_string(static_cast<std::int64_t>(node.bits)) + "; want an integer >= 0");
  }
  return node.bits;
}

double JsonValue::as_double() const {
  const Node& node = document_->nodes[node_];
  if (node.kind == JsonKind::kReal) return std::bit_cast<double>(node.bits);
  if (node.kind != JsonKind::kInteger) fail(wrong_kind(node.kind, JsonKind::kReal));
  const std::uint64_t magnitude = node.negative ? std::uint64_t{0} - node.bits : node.bits;
  const auto number = static_cast<double>(magnitude);
  // 2^64 as a double would not convert back.
  if (number >= 0x1p64 || static_cast<std::uint64_t>(number) != magnitude) {
    fail("integer is not exact in float64; write it with a decimal point to have it rounded");
  }
  return node.negative ? -number : number;
}

const std::string& JsonValue::as_string() const {
  if (kind() != JsonKind::kString) fail(wrong_kind(kind(), JsonKind::kString));
  return document_->nodes[node_].text;
}

std::int64_t JsonValue::size() const {
  const Node& node = document_->nodes[node_];
  if (node.kind != JsonKind::kArray && node.kind != JsonKind::kObject) {
    fail(wrong_kind(node.kind, JsonKind::kArray) + " or an object");
  }
  return node.count;
}

std::vector<JsonValue> JsonValue::items() const {
  const auto& nodes = document_->nodes;
  if (kind() != JsonKind::kArray) fail(wrong_kind(kind(), JsonKind::kArray));
  std::vector<JsonValue> out;
  out.reserve(nodes[node_].count);
  for (auto i = nodes[node_].first; i != kNone; i = nodes[i].next) {
    out.push_back(JsonValue(document_, i));
  }
  return out;
}

std::vector<std::pair<std::string_view, JsonValue>> JsonValue::members() const {
  const auto& nodes = document_->nodes;
  if (kind() != JsonKind::kObject) fail(wrong_kind(kind(), JsonKind::kObject));
  std::vector<std::pair<std::string_view, JsonValue>> out;
  out.reserve(nodes[node_].count);
  for (auto i = nodes[node_].first; i != kNone; i = nodes[i].next) {
    out.emplace_back(nodes[i].key, JsonValue(document_, i));
  }
  return out;
}

std::optional<JsonValue> JsonValue::find(std::string_view key) const {
  const auto& nodes = document_->nodes;
  if (kind() != JsonKind::kObject) fail(wrong_kind(kind(), JsonKind::kObject));
  for (auto i = nodes[node_].first; i != kNone; i = nodes[i].next) {
    if (nodes[i].key == key) return JsonValue(document_, i);
  }
  return std::nullopt;
}

JsonValue JsonValue::at(std::string_view key) const {
  if (auto found = find(key)) return *found;
  std::vector<std::string_view> present;
  for (const auto& [name, value] : members()) present.push_back(name);
  const std::string place = path();
  throw document_->source.error(offset(), (place.empty() ? "" : place + ".") + printable(key),
                                "missing" + did_you_mean(key, present));
}

bool JsonValue::get_bool(std::string_view key, bool fallback) const {
  const auto found = find(key);
  return found && !found->is_null() ? found->as_bool() : fallback;
}
std::int64_t JsonValue::get_int(std::string_view key, std::int64_t fallback) const {
  const auto found = find(key);
  return found && !found->is_null() ? found->as_int() : fallback;
}
double JsonValue::get_double(std::string_view key, double fallback) const {
  const auto found = find(key);
  return found && !found->is_null() ? found->as_double() : fallback;
}
std::string JsonValue::get_string(std::string_view key, std::string_view fallback) const {
  const auto found = find(key);
  return found && !found->is_null() ? found->as_string() : std::string(fallback);
}

void JsonValue::refuse_unknown_keys(std::span<const std::string_view> known) const {
  for (const auto& [name, value] : members()) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    value.fail("unknown key" + did_you_mean(name, known));
  }
}

void JsonValue::fail(const std::string& rule) const { document_->fail(node_, rule); }
std::string JsonValue::path() const { return document_->path(node_); }
std::int64_t JsonValue::offset() const noexcept {
  return document_->source.base + document_->nodes[node_].offset;
}
const std::string& JsonValue::file() const noexcept { return document_->source.file; }

std::string JsonValue::integer_text() const {
  const Node& node = document_->nodes[node_];
  return node.negative ? std::to_string(as_int()) : std::to_string(as_uint());
}

std::string JsonValue::dump() const {
  JsonWriter writer;
  writer.value(*this);
  return writer.text();
}

JsonValue parse_json(std::string_view text, const std::string& file, int max_depth) {
  return detail::parse_json_at(text, {.file = file}, max_depth);
}

JsonValue detail::parse_json_at(std::string_view text, const JsonSource& source, int max_depth) {
  auto document = std::make_shared<JsonValue::Document>();
  document->source = source;
  TreeBuilder builder(document->nodes);
  parse_json_events(text, document->source, max_depth, builder);
  return JsonValue(std::move(document), 0);
}

JsonValue read_json(const std::filesystem::path& path) {
  const std::vector<std::byte> bytes = read_file(path, kMaxJsonBytes);
  return parse_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path.string());
}

std::string printable(std::string_view text, std::size_t max_bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    if (out.size() >= max_bytes) return out + "...";
    const std::size_t n = detail::utf8_sequence(text, i);
    const auto c = static_cast<unsigned char>(text[i]);
    if (n == 0 || c < 0x20 || c == 0x7F || (n == 2 && c == 0xC2 && (text[i + 1] & 0x60) == 0)) {
      // Not UTF-8, or a C0/C1 control character: its bytes in hexadecimal.
      for (std::size_t k = 0; k < std::max<std::size_t>(n, 1); ++k) {
        const auto b = static_cast<unsigned char>(text[i + k]);
        out += "\\x";
        out += kHex[b >> 4];
        out += kHex[b & 15];
      }
      i += std::max<std::size_t>(n, 1);
      continue;
    }
    out.append(text, i, n);
    i += n;
  }
  return out;
}

}  // namespace sylvester::io
