#include "sylvester/eval/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "sylvester/core/error.h"
#include "sylvester/formats/convert.h"
#include "sylvester/train/option_table.h"

namespace sylvester {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// How the codes of a dtype are read.
struct Reader {
  DType dtype;
  int bits;           // of one code
  std::size_t width;  // bytes of one element
  bool integer;       // two's complement (or unsigned): the code is its own order
  bool sign_magnitude;

  std::uint64_t code(const std::byte* at) const {
    std::uint64_t raw = 0;
    std::memcpy(&raw, at, width);  // little-endian hosts only, as every file of the library
    if (bits < 64) raw &= (std::uint64_t{1} << bits) - 1;
    return raw;
  }
  double value(std::uint64_t code) const {
    switch (dtype) {
      case DType::kFloat64:
        return std::bit_cast<double>(code);
      case DType::kFloat32:
        return std::bit_cast<float>(static_cast<std::uint32_t>(code));
      case DType::kInt32:
        return static_cast<std::int32_t>(static_cast<std::uint32_t>(code));
      case DType::kUInt8:
        return static_cast<double>(code);
      default:
        return decode_one(static_cast<std::uint32_t>(code), dtype);
    }
  }
  // Consecutive for consecutive representable values.
  __int128 order(std::uint64_t code) const {
    if (integer) return dtype == DType::kUInt8 ? static_cast<__int128>(code) : signed_code(code);
    if (!sign_magnitude) return static_cast<__int128>(code);
    const std::uint64_t sign = std::uint64_t{1} << (bits - 1);
    const auto magnitude = static_cast<__int128>(code & (sign - 1));
    return (code & sign) != 0 ? -magnitude : magnitude;
  }
  std::int64_t signed_code(std::uint64_t code) const {
    const int shift = 64 - bits;
    return static_cast<std::int64_t>(code << shift) >> shift;
  }
};

Reader reader_of(DType dtype) {
  switch (dtype) {
    case DType::kFloat64:
      return {dtype, 64, 8, false, true};
    case DType::kFloat32:
      return {dtype, 32, 4, false, true};
    case DType::kInt32:
      return {dtype, 32, 4, true, false};
    case DType::kUInt8:
      return {dtype, 8, 1, true, false};
    default:
      break;
  }
  const Format& f = format(dtype);
  return {dtype, f.bits, static_cast<std::size_t>(storage_bytes(dtype)), is_integer(dtype),
          f.specials != Specials::kE8m0};
}

std::size_t bucket_of(std::uint64_t ulps) {
  if (ulps == 0) return 1;
  if (ulps <= 2) return 1 + static_cast<std::size_t>(ulps);
  if (ulps <= 4) return 4;
  if (ulps <= 8) return 5;
  if (ulps <= 16) return 6;
  return ulps <= 256 ? 7 : 8;
}

struct Pair {
  std::uint64_t a_code, b_code;
  double a, b;
  bool one_nan;
  std::uint64_t ulps;
};

Pair pair_at(const Reader& reader, const std::byte* a, const std::byte* b) {
  Pair p{};
  p.a_code = reader.code(a);
  p.b_code = reader.code(b);
  p.a = reader.value(p.a_code);
  p.b = reader.value(p.b_code);
  p.one_nan = std::isnan(p.a) != std::isnan(p.b);
  if (!std::isnan(p.a) && !std::isnan(p.b)) {
    const __int128 d = reader.order(p.a_code) - reader.order(p.b_code);
    const __int128 far = d < 0 ? -d : d;
    constexpr auto kMax = std::numeric_limits<std::uint64_t>::max();
    p.ulps = far > static_cast<__int128>(kMax) ? kMax : static_cast<std::uint64_t>(far);
  }
  return p;
}

bool within(const Pair& p, const Tolerance& tolerance) {
  if (tolerance.kind == Tolerance::Kind::kExact) return p.a_code == p.b_code;
  if (p.one_nan) return false;
  if (std::isnan(p.a) || p.a == p.b) return true;
  switch (tolerance.kind) {
    case Tolerance::Kind::kUlp:
      return static_cast<double>(p.ulps) <= tolerance.value;
    case Tolerance::Kind::kAbs:
      return std::abs(p.a - p.b) <= tolerance.value;
    default:
      return std::isfinite(p.a) && std::isfinite(p.b) &&
             std::abs(p.a - p.b) <= tolerance.value * std::abs(p.b);
  }
}

// The nearest representable value on one side of b, found among the codes around it.
double neighbour(const Reader& reader, std::uint64_t code, double value, int side) {
  if (std::isnan(value)) return kNan;
  const std::uint64_t mask =
      reader.bits < 64 ? (std::uint64_t{1} << reader.bits) - 1 : ~std::uint64_t{0};
  const std::uint64_t sign = std::uint64_t{1} << (reader.bits - 1);
  double best = kNan;
  for (const std::uint64_t next : {code + 1, code - 1, std::uint64_t{1}, sign | 1}) {
    const double candidate = reader.value(next & mask);
    const bool beyond = side > 0 ? candidate > value : candidate < value;
    const bool nearer = std::isnan(best) || (side > 0 ? candidate < best : candidate > best);
    if (beyond && nearer) best = candidate;
  }
  return best;
}

Mismatch describe_pair(const Reader& reader, const Pair& p, std::int64_t flat,
                       const std::vector<std::int64_t>& shape) {
  Mismatch m;
  m.flat = flat;
  m.index.resize(shape.size());
  std::int64_t rest = flat;
  for (std::size_t d = shape.size(); d-- > 0;) {
    m.index[d] = rest % shape[d];
    rest /= shape[d];
  }
  m.a = p.a;
  m.b = p.b;
  m.a_code = p.a_code;
  m.b_code = p.b_code;
  m.below = neighbour(reader, p.b_code, p.b, -1);
  m.above = neighbour(reader, p.b_code, p.b, +1);
  if (!std::isnan(p.a) && !std::isnan(p.b)) m.ulps = p.ulps;
  return m;
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

std::int64_t checked_count(const ArrayRef& array, const Reader& reader, const char* which) {
  std::int64_t count = 1;
  for (const std::int64_t n : array.shape) {
    if (n < 0 || __builtin_mul_overflow(count, n, &count)) {
      throw ShapeError(fmt::format("compare: {} has shape {}", which, shape_text(array.shape)));
    }
  }
  if (array.bytes.size() / reader.width != static_cast<std::size_t>(count) ||
      array.bytes.size() % reader.width != 0) {
    throw ValueError(fmt::format("compare: {} has {} bytes; shape {} of {} needs {}", which,
                                 array.bytes.size(), shape_text(array.shape),
                                 to_string(array.dtype),
                                 static_cast<std::size_t>(count) * reader.width));
  }
  return count;
}

}  // namespace

Tolerance parse_tolerance(std::string_view text) {
  if (text == "exact") return {};
  const std::size_t colon = text.find(':');
  const std::string_view kind = text.substr(0, colon);
  Tolerance t;
  if (kind == "ulp") t.kind = Tolerance::Kind::kUlp;
  if (kind == "abs") t.kind = Tolerance::Kind::kAbs;
  if (kind == "rel") t.kind = Tolerance::Kind::kRel;
  bool good = t.kind != Tolerance::Kind::kExact && colon != std::string_view::npos;
  try {
    if (good) t.value = parse_double(text.substr(colon + 1));
  } catch (const ValueError&) {
    good = false;
  }
  good =
      good && t.value >= 0 && (t.kind != Tolerance::Kind::kUlp || t.value == std::floor(t.value));
  if (!good) {
    throw ValueError(fmt::format(
        "tolerance '{}': want exact, ulp:N, abs:X or rel:X with N a whole number, X >= 0", text));
  }
  return t;
}

std::string to_string(const Tolerance& t) {
  switch (t.kind) {
    case Tolerance::Kind::kExact:
      return "exact";
    case Tolerance::Kind::kUlp:
      return fmt::format("ulp:{}", static_cast<std::uint64_t>(t.value));
    case Tolerance::Kind::kAbs:
      return fmt::format("abs:{}", t.value);
    default:
      return fmt::format("rel:{}", t.value);
  }
}

Comparison compare(const ArrayRef& a, const ArrayRef& b, const Tolerance& tolerance) {
  if (a.dtype != b.dtype) {
    throw ValueError(fmt::format("compare: {} against {}; both must have one dtype",
                                 to_string(a.dtype), to_string(b.dtype)));
  }
  if (a.shape != b.shape) {
    throw ShapeError(
        fmt::format("compare: shape {} against {}", shape_text(a.shape), shape_text(b.shape)));
  }
  const Reader reader = reader_of(a.dtype);
  Comparison result;
  result.tolerance = tolerance;
  result.count = checked_count(a, reader, "a");
  checked_count(b, reader, "b");
  for (std::int64_t i = 0; i < result.count; ++i) {
    const std::size_t at = static_cast<std::size_t>(i) * reader.width;
    const Pair p = pair_at(reader, a.bytes.data() + at, b.bytes.data() + at);
    const std::size_t bucket = p.a_code == p.b_code ? 0 : p.one_nan ? 9 : bucket_of(p.ulps);
    ++result.histogram[bucket];
    if (std::isfinite(p.a) && std::isfinite(p.b)) {
      const double d = std::abs(p.a - p.b);
      result.max_abs = std::max(result.max_abs, d);
      if (p.b != 0) result.max_rel = std::max(result.max_rel, d / std::abs(p.b));
    }
    if (!within(p, tolerance)) {
      if (++result.mismatches == 1) result.first = describe_pair(reader, p, i, a.shape);
    }
  }
  return result;
}

std::string report(const Comparison& c, DType dtype) {
  std::string out =
      fmt::format("{}: {} of {} elements of {} differ ({})\n", c.ok() ? "equal" : "DIFFERENT",
                  c.mismatches, c.count, to_string(dtype), to_string(c.tolerance));
  if (c.first) {
    const Mismatch& m = *c.first;
    const int digits = (reader_of(dtype).bits + 3) / 4;
    out += fmt::format("first at {} (element {})\n", shape_text(m.index), m.flat);
    out += fmt::format("  a  {:.9g}  code 0x{:0{}x}\n", m.a, m.a_code, digits);
    out += fmt::format("  b  {:.9g}  code 0x{:0{}x}\n", m.b, m.b_code, digits);
    out += fmt::format("  next to b: {:.9g} below, {:.9g} above\n", m.below, m.above);
    if (m.ulps) out += fmt::format("  {} representable values apart\n", *m.ulps);
  }
  out += fmt::format("largest difference {:.6g}, relative {:.6g}\n", c.max_abs, c.max_rel);
  out += "values apart:\n";
  for (std::size_t i = 0; i < kUlpBuckets.size(); ++i) {
    if (c.histogram[i] == 0) continue;
    out += fmt::format("  {:<10}  {}\n", kUlpBuckets[i], c.histogram[i]);
  }
  return out;
}

}  // namespace sylvester
