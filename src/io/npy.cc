#include "io/npy.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>

#include "io/atomic_write.h"
#include "io/dequantize.h"
#include "sylvester/core/error.h"
#include "sylvester/io/json.h"

namespace sylvester::io {
namespace detail {
namespace {

constexpr std::string_view kMagic("\x93NUMPY", 6);
constexpr std::array<std::string_view, 12> kDtypes = {"b1", "i1", "u1", "i2", "u2", "f2",
                                                      "i4", "u4", "f4", "i8", "u8", "f8"};

// The header is the text of a Python dictionary of three keys. This grammar reads just that:
//   { 'descr': STRING, 'fortran_order': True|False, 'shape': ( INT, ... ), } spaces newline
class HeaderGrammar {
 public:
  HeaderGrammar(std::string_view text, std::uint64_t base, const std::string& name,
                Findings& findings)
      : text_(text), base_(base), name_(name), findings_(findings) {}

  void parse(NpyHeader& header) {
    expect('{');
    bool seen[3] = {false, false, false};
    while (!take('}')) {
      const std::size_t at = at_;
      const std::string key = string("a quoted key");
      const int which = key == "descr" ? 0 : key == "fortran_order" ? 1 : key == "shape" ? 2 : -1;
      if (which < 0) fail(at, printable(key), "unknown key");
      if (seen[which]) fail(at, printable(key), "duplicate key");
      seen[which] = true;
      expect(':');
      if (which == 0) descr(header);
      if (which == 1) header.fortran = boolean();
      if (which == 2) shape(header);
      if (!take(',')) {
        expect('}');
        break;
      }
    }
    constexpr const char* kNames[] = {"descr", "fortran_order", "shape"};
    for (int i = 0; i < 3; ++i) {
      if (!seen[i]) fail(at_, kNames[i], "missing");
    }
    skip();
    if (at_ != text_.size()) fail(at_, "header", "text after the dictionary");
  }

 private:
  [[noreturn]] void fail(std::size_t at, const std::string& field, const std::string& rule) {
    findings_.fatal(static_cast<std::int64_t>(base_ + at), name_ + field, rule);
  }
  void skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) {
      ++at_;
    }
  }
  bool take(char c) {
    skip();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!take(c)) fail(at_, "header", std::string("want '") + c + "'");
  }
  std::string string(const std::string& what) {
    skip();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '\'' && quote != '"') fail(at_, "header", "want " + what);
    const std::size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) fail(at_, "header", "string without end");
    const std::string out(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return out;
  }
  bool boolean() {
    skip();
    for (const std::string_view word : {std::string_view("True"), std::string_view("False")}) {
      if (text_.substr(at_).starts_with(word)) {
        at_ += word.size();
        return word == "True";
      }
    }
    fail(at_, "fortran_order", "want True or False");
  }
  void descr(NpyHeader& header) {
    skip();
    const std::size_t at = at_;
    if (at_ < text_.size() && text_[at_] == '[') {
      fail(at, "descr", "a struct dtype; want one number type");
    }
    const std::string text = string("a quoted dtype");
    const char order = text.empty() ? '\0' : text[0];
    const std::string kind = text.empty() ? "" : text.substr(1);
    const std::int64_t bytes = dtype_bytes(kind);
    const bool known = std::find(kDtypes.begin(), kDtypes.end(), kind) != kDtypes.end();
    const bool ordered = order == '<' || order == '>' || order == '=';
    if (!known || !(ordered || (order == '|' && bytes == 1))) {
      fail(at, "descr",
           "dtype \"" + printable(text) + "\"; want '<', '>' or '|' and one of b1 i1 " +
               "u1 i2 u2 f2 i4 u4 f4 i8 u8 f8");
    }
    header.dtype = kind;
    header.big_endian = order == '>' && bytes > 1;
  }
  void shape(NpyHeader& header) {
    expect('(');
    while (!take(')')) {
      skip();
      const std::size_t at = at_;
      std::uint64_t dim = 0;
      while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
        if (!checked_mul(dim, 10) ||
            __builtin_add_overflow(dim, static_cast<std::uint64_t>(text_[at_] - '0'), &dim) ||
            dim > INT64_MAX) {
          fail(at, "shape", "a dimension does not fit 64 bits");
        }
        ++at_;
      }
      if (at_ == at) fail(at, "shape", "want integers >= 0");
      header.shape.push_back(static_cast<std::int64_t>(dim));
      if (header.shape.size() > kMaxDims) {
        fail(at, "shape", "more than " + std::to_string(kMaxDims) + " dimensions");
      }
      if (!take(',')) {
        if (!take(')')) fail(at_, "shape", "want integers >= 0, separated by ','");
        // "(3)" is a number in Python, not a tuple.
        if (header.shape.size() == 1) fail(at_, "shape", "want ',' after the only dimension");
        return;
      }
    }
  }

  std::string_view text_;
  std::uint64_t base_;
  std::string name_;
  Findings& findings_;
  std::size_t at_ = 0;
};

void reverse_bytes(std::vector<std::byte>& bytes, std::size_t element) {
  for (std::size_t i = 0; i + element <= bytes.size(); i += element) {
    std::reverse(bytes.begin() + static_cast<std::ptrdiff_t>(i),
                 bytes.begin() + static_cast<std::ptrdiff_t>(i + element));
  }
}

// Column-major to row-major.
std::vector<std::byte> to_row_major(const std::vector<std::byte>& in,
                                    const std::vector<std::int64_t>& shape, std::size_t element) {
  std::vector<std::byte> out(in.size());
  std::vector<std::size_t> stride(shape.size()), index(shape.size());
  std::size_t step = 1;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    stride[d] = step;
    step *= static_cast<std::size_t>(shape[d]);
  }
  std::size_t from = 0;
  for (std::size_t to = 0; to < out.size(); to += element) {
    std::memcpy(out.data() + to, in.data() + from * element, element);
    for (std::size_t d = shape.size(); d-- > 0;) {
      from += stride[d];
      if (++index[d] < static_cast<std::size_t>(shape[d])) break;
      from -= stride[d] * index[d];
      index[d] = 0;
    }
  }
  return out;
}

}  // namespace

std::int64_t dtype_bytes(std::string_view dtype) noexcept {
  return dtype.size() == 2 && dtype[1] >= '1' && dtype[1] <= '8' ? dtype[1] - '0' : 0;
}

NpyHeader read_npy_header(const ReadForward& read, std::uint64_t total, std::uint64_t base,
                          const std::string& name, Findings& findings) {
  const auto at = [&](std::uint64_t offset) { return static_cast<std::int64_t>(base + offset); };
  std::array<std::byte, 12> fixed{};
  if (total < 10) {
    findings.fatal(at(0), name + "magic", std::to_string(total) + " bytes; want at least 10");
  }
  read(std::span(fixed).first(10));
  if (std::memcmp(fixed.data(), kMagic.data(), kMagic.size()) != 0) {
    findings.fatal(at(0), name + "magic", "not \"\\x93NUMPY\"");
  }
  const int major = std::to_integer<int>(fixed[6]), minor = std::to_integer<int>(fixed[7]);
  if (major < 1 || major > 3 || minor != 0) {
    findings.fatal(at(6), name + "version",
                   std::to_string(major) + "." + std::to_string(minor) + "; want 1.0, 2.0 or 3.0");
  }
  std::uint64_t length =
      std::to_integer<std::uint64_t>(fixed[8]) | std::to_integer<std::uint64_t>(fixed[9]) << 8;
  std::uint64_t start = 10;
  if (major > 1) {
    if (total < 12) findings.fatal(at(8), name + "header length", "the file ends in it");
    read(std::span(fixed).subspan(10, 2));
    length |= std::to_integer<std::uint64_t>(fixed[10]) << 16 |
              std::to_integer<std::uint64_t>(fixed[11]) << 24;
    start = 12;
  }
  if (length > total - start || length > kMaxNpyHeaderBytes) {
    findings.fatal(at(8), name + "header length",
                   std::to_string(length) + "; want at most " +
                       std::to_string(std::min(total - start, kMaxNpyHeaderBytes)));
  }
  std::string text(length, '\0');
  read(std::as_writable_bytes(std::span(text)));
  NpyHeader header;
  HeaderGrammar(text, base + start, name, findings).parse(header);
  header.header_bytes = start + length;
  header.data_bytes = static_cast<std::uint64_t>(dtype_bytes(header.dtype));
  bool fits = true;
  for (const std::int64_t dim : header.shape) {
    fits = fits && checked_mul(header.data_bytes, static_cast<std::uint64_t>(dim));
  }
  if (!fits) findings.fatal(at(start), name + "shape", "the size does not fit 64 bits");
  const std::uint64_t have = total - header.header_bytes;
  if (have != header.data_bytes) {
    findings.fatal(
        at(header.header_bytes), name + "data",
        std::to_string(have) + " bytes; shape and dtype need " + std::to_string(header.data_bytes));
  }
  return header;
}

NpyArray read_npy_data(const NpyHeader& header, const ReadForward& read) {
  NpyArray out{.dtype = header.dtype, .shape = header.shape, .bytes = {}};
  // Grows with what was really there: a compressed member may promise more than it holds.
  constexpr std::uint64_t kStep = std::uint64_t{16} << 20;
  while (out.bytes.size() < header.data_bytes) {
    const std::size_t have = out.bytes.size();
    const std::uint64_t n =
        std::min(header.data_bytes - have, std::max<std::uint64_t>(kStep, have));
    out.bytes.resize(have + n);
    read(std::span(out.bytes).subspan(have));
  }
  const auto element = static_cast<std::size_t>(dtype_bytes(header.dtype));
  if (header.big_endian) reverse_bytes(out.bytes, element);
  if (header.fortran && header.shape.size() > 1) {
    out.bytes = to_row_major(out.bytes, header.shape, element);
  }
  return out;
}

std::string npy_header_text(const NpyArray& array) {
  if (std::find(kDtypes.begin(), kDtypes.end(), array.dtype) == kDtypes.end()) {
    throw ValueError("npy: unknown dtype \"" + printable(array.dtype) + "\"");
  }
  if (static_cast<std::size_t>(array.size() * dtype_bytes(array.dtype)) != array.bytes.size()) {
    throw ShapeError("npy: " + std::to_string(array.bytes.size()) + " bytes do not hold " +
                     std::to_string(array.size()) + " elements of " + array.dtype);
  }
  std::string dictionary = "{'descr': '";
  dictionary += dtype_bytes(array.dtype) == 1 ? '|' : '<';
  dictionary += array.dtype + "', 'fortran_order': False, 'shape': (";
  for (std::size_t i = 0; i < array.shape.size(); ++i) {
    dictionary += std::to_string(array.shape[i]);
    if (i + 1 < array.shape.size() || array.shape.size() == 1) dictionary += ",";
    if (i + 1 < array.shape.size()) dictionary += " ";
  }
  dictionary += "), }";
  // The data starts at a multiple of 64, as numpy has it.
  dictionary.append(63 - (10 + dictionary.size()) % 64, ' ');
  dictionary += '\n';
  std::string out(kMagic);
  out += {'\1', '\0', static_cast<char>(dictionary.size() & 0xFF),
          static_cast<char>(dictionary.size() >> 8)};
  return out + dictionary;
}

void check_view(const NpyArray& array, std::string_view want, std::size_t element_bytes) {
  const bool bits = (want == "u1" && array.dtype == "b1") || (want == "u2" && array.dtype == "f2");
  if ((array.dtype != want && !bits) || array.bytes.size() % element_bytes != 0) {
    throw ValueError("array of " + array.dtype + " asked for as " + std::string(want));
  }
}

NpyArray make_bytes(std::string dtype, std::vector<std::int64_t> shape,
                    std::span<const std::byte> bytes) {
  NpyArray out{std::move(dtype), std::move(shape), {bytes.begin(), bytes.end()}};
  if (out.size() * dtype_bytes(out.dtype) != static_cast<std::int64_t>(bytes.size())) {
    throw ShapeError("the shape has " + std::to_string(out.size()) + " elements, the values " +
                     std::to_string(static_cast<std::int64_t>(bytes.size()) /
                                    std::max<std::int64_t>(1, dtype_bytes(out.dtype))));
  }
  return out;
}

namespace {

// Integers of 4 and 8 bytes, only where float32 has the value.
template <class T>
std::vector<float> exact_floats(const NpyArray& array) {
  const auto values = array.as<T>();
  std::vector<float> out(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    out[i] = static_cast<float>(values[i]);
    // 2^63 and 2^64 as floats lie outside T.
    const bool inside =
        static_cast<double>(out[i]) < static_cast<double>(std::numeric_limits<T>::max());
    if (!inside || static_cast<T>(out[i]) != values[i]) {
      throw ValueError("element " + std::to_string(i) + " (" + std::to_string(values[i]) +
                       ") is not exact in float32");
    }
  }
  return out;
}

}  // namespace
}  // namespace detail

std::int64_t NpyArray::size() const noexcept {
  std::int64_t out = 1;
  for (const std::int64_t dim : shape) out *= dim;
  return out;
}

std::vector<float> NpyArray::to_float32() const {
  if (dtype == "i4") return detail::exact_floats<std::int32_t>(*this);
  if (dtype == "u4") return detail::exact_floats<std::uint32_t>(*this);
  if (dtype == "i8") return detail::exact_floats<std::int64_t>(*this);
  if (dtype == "u8") return detail::exact_floats<std::uint64_t>(*this);
  constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"f2", "F16"}, {"f4", "F32"}, {"f8", "F64"}, {"b1", "BOOL"},
      {"i1", "I8"},  {"u1", "U8"},  {"i2", "I16"}, {"u2", "U16"}};
  for (const auto& [numpy, storage] : kNames) {
    if (dtype != numpy) continue;
    std::vector<float> out(static_cast<std::size_t>(size()));
    detail::find_decoder(storage)(bytes.data(), out);
    return out;
  }
  throw ValueError("array of unknown dtype \"" + printable(dtype) + "\"");
}

NpyArray make_float16_array(std::span<const std::uint16_t> values,
                            std::vector<std::int64_t> shape) {
  return detail::make_bytes("f2", std::move(shape), std::as_bytes(values));
}

NpyArray read_npy(const std::filesystem::path& path) {
  const ReadableFile file(path);
  detail::Findings findings(path.string());
  std::uint64_t at = 0;
  const detail::ReadForward read = [&](std::span<std::byte> out) {
    file.read(at, out);
    at += out.size();
  };
  const detail::NpyHeader header = detail::read_npy_header(read, file.size(), 0, "", findings);
  return detail::read_npy_data(header, read);
}

void write_npy(const std::filesystem::path& path, const NpyArray& array, FileSystem& files) {
  const std::string header = detail::npy_header_text(array);
  detail::write_atomic(path, files, [&](FileSystem::Writer& writer) {
    writer.write(std::as_bytes(std::span(header)));
    writer.write(array.bytes);
  });
}

}  // namespace sylvester::io
