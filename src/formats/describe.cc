#include "sylvester/formats/describe.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "formats/describe_notes.h"
#include "sylvester/formats/scalar.h"

namespace sylvester {
namespace {

// The shortest decimal that reads back; "2^-9" beside it where the number is a power of two.
std::string number(double x) {
  if (std::isnan(x)) return "NaN";
  if (std::isinf(x)) return x < 0 ? "-Inf" : "Inf";
  return fmt::format("{}", x);
}

std::string with_power(double x) {
  int exponent = 0;
  const bool power = std::frexp(std::fabs(x), &exponent) == 0.5;
  return power && std::fabs(x) != 1 ? fmt::format("{} = 2^{}", number(x), exponent - 1) : number(x);
}

std::string hex(std::uint64_t code, const Layout& f) {
  return fmt::format("0x{:0{}X}", code, code_bits(f) > 8 ? 4 : 2);
}

// "0 1111 110": sign, exponent and mantissa apart; integers in one piece.
std::string bits(std::uint64_t code, const Layout& f) {
  std::string out;
  const int width = code_bits(f);
  for (int i = width - 1; i >= 0; --i) {
    out += (code >> i & 1) != 0 ? '1' : '0';
    const bool after_sign = sign_code(f) != 0 && i == width - 1;
    if (f.specials != Specials::kInteger && i > 0 &&
        (after_sign || (i == f.mantissa_bits && i != width - 1))) {
      out += ' ';
    }
  }
  return out;
}

std::string drawn(const Layout& f) {
  const int width = code_bits(f);
  std::string top = "    bit", bottom = "       ";
  for (int i = width - 1; i >= 0; --i) {
    const bool integer = f.specials == Specials::kInteger;
    const bool sign = i == width - 1 && sign_code(f) != 0;
    const char letter = sign ? 's' : integer ? 'v' : i >= f.mantissa_bits ? 'e' : 'm';
    top += fmt::format("{:>3}", i);
    bottom += fmt::format("{:>3}", letter);
    if (i > 0 && (sign || (!integer && i == f.mantissa_bits))) {
      top += " |";
      bottom += " |";
    }
  }
  return top + "\n" + bottom + "\n";
}

std::string infinity_text(const Layout& f) {
  if (f.specials != Specials::kIeee) return "none";
  return hex(max_code(f) + 1, f) + ", " + hex((max_code(f) + 1) | sign_code(f), f);
}

std::string nan_text(const Layout& f) {
  const std::uint64_t sign = sign_code(f);
  switch (f.specials) {
    case Specials::kIeee:
      return fmt::format("{}-{}, {}-{}", hex(max_code(f) + 2, f), hex(sign - 1, f),
                         hex(sign + max_code(f) + 2, f), hex(2 * sign - 1, f));
    case Specials::kFn:
      return hex(sign - 1, f) + ", " + hex(2 * sign - 1, f);
    case Specials::kFnuz:
      return hex(sign, f);
    case Specials::kE8m0:
      return "0xFF";
    default:
      return "none";
  }
}

std::string kind_name(std::uint64_t code, const Layout& f) {
  const Unpacked x = unpack(code, f);
  switch (x.kind) {
    case Unpacked::Kind::kZero:
      return "zero";
    case Unpacked::Kind::kInfinity:
      return "infinity";
    case Unpacked::Kind::kNan:
      return "NaN";
    case Unpacked::Kind::kFinite:
      break;
  }
  if (f.specials == Specials::kInteger) return "integer";
  return x.exponent < min_exponent(f) ? "subnormal" : "normal";
}

std::string code_row(std::uint64_t code, DType dtype) {
  const Layout f = layout(dtype);
  const float value = decode_one(static_cast<std::uint32_t>(code), dtype);
  const bool negative_zero = value == 0 && std::signbit(value);
  return fmt::format("| {} | {} | {} | {} |\n", hex(code, f), bits(code, f), kind_name(code, f),
                     negative_zero ? "-0" : with_power(value));
}

// The numbers on which the references disagree, for the table of conventions.
std::vector<std::pair<std::string, double>> probes(const Format& f) {
  const double infinity = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  std::vector<std::pair<std::string, double>> out;
  if (f.specials == Specials::kE8m0) {
    out = {{"1.25", 1.25}, {"1.5", 1.5}, {"1.25 * 2^-127", 0x1.4p-127}, {"1.75 * 2^127", 0x1.Cp127},
           {"0", 0.0},     {"-2", -2.0}};
  } else {
    // The last place at the largest value, and the tie just below it.
    const bool integer = f.specials == Specials::kInteger;
    const double place = integer ? 1 : std::ldexp(1.0, f.emax - f.mantissa_bits);
    if (f.mantissa_bits > 0)
      out.push_back({fmt::format("tie {}", f.max - place / 2), f.max - place / 2});
    out.push_back({fmt::format("tie {}", f.max + place / 2), f.max + place / 2});
    out.push_back({number(f.max + place), f.max + place});
    out.push_back({"-0.0", -0.0});
  }
  out.push_back({"Inf", infinity});
  out.push_back({"NaN", nan});
  out.push_back({"-NaN", -nan});
  return out;
}

std::string conventions(const Format& f) {
  const Layout l = layout(f.dtype);
  const auto columns = probes(f);
  std::string head = "| preset |", rule = "|---|", rows;
  for (const auto& [label, value] : columns) {
    head += fmt::format(" {} |", label);
    rule += "---|";
  }
  for (const std::string_view name : encode_preset_names()) {
    if (!has_encode_preset(name, f.dtype)) continue;
    const EncodeOptions options = encode_preset(name, f.dtype);
    rows += fmt::format("| `{}` |", name);
    for (const auto& [label, value] : columns) {
      rows += fmt::format(" {} |", hex(encode_one(value, f.dtype, options), l));
    }
    rows += "\n";
  }
  if (rows.empty()) return "No reference library converts to this format.\n";
  return head + "\n" + rule + "\n" + rows;
}

void limit_row(std::string& out, const char* what, double value, std::uint64_t code,
               const Layout& f) {
  out +=
      fmt::format("| {} | {} | {} | {} |\n", what, with_power(value), hex(code, f), bits(code, f));
}

}  // namespace

std::string format_table() {
  std::string out =
      "| format | alias | bits | s e m | bias | largest | smallest normal | smallest | Inf | NaN "
      "|\n|---|---|---|---|---|---|---|---|---|---|\n";
  for (const Format& f : formats()) {
    const Layout l = layout(f.dtype);
    const bool integer = f.specials == Specials::kInteger;
    out += fmt::format("| {} | {} | {} | {} {} {} | {} | {:.6g} | {:.6g} | {:.6g} | {} | {} |\n",
                       f.name, f.alias.empty() ? "-" : f.alias, f.bits, sign_code(l) != 0 ? 1 : 0,
                       f.exponent_bits, f.mantissa_bits, integer ? "-" : std::to_string(f.bias),
                       f.max, f.min_normal, f.min_subnormal, infinity_text(l), nan_text(l));
  }
  return out;
}

std::string describe_format(DType dtype) {
  const Format& f = format(dtype);
  const Layout l = layout(dtype);
  const bool integer = f.specials == Specials::kInteger;
  const bool e8m0 = f.specials == Specials::kE8m0;
  std::string out = fmt::format("## {}\n\n", f.name);
  out += drawn(l) + "\n";
  if (!f.alias.empty()) out += fmt::format("Alias `{}`. ", f.alias);
  if (integer) {
    out += fmt::format("Two's complement, sign-extended to a byte: {} ... {}. ", -f.max - 1, f.max);
  } else if (e8m0) {
    out += "value = 2^(code - 127), unsigned; there is no zero. ";
  } else if (f.mantissa_bits == 0) {
    out += fmt::format("value = (-1)^s 2^(e - {}); where e = 0: zero. ", f.bias);
  } else {
    out += fmt::format("value = (-1)^s 2^(e - {0}) (1 + m/{1}); where e = 0: (-1)^s 2^{2} m/{1}. ",
                       f.bias, 1 << f.mantissa_bits, 1 - f.bias);
  }
  out += notes(dtype);
  out += "\n\n| limit | value | code | bits |\n|---|---|---|---|\n";
  limit_row(out, "largest", f.max, max_code(l), l);
  if (integer) {
    limit_row(out, "least", -f.max - 1, max_code(l) + 1, l);
  } else if (e8m0) {
    limit_row(out, "smallest", f.min_normal, 0, l);
  } else {
    limit_row(out, "smallest normal", f.min_normal, std::uint64_t{1} << f.mantissa_bits, l);
    limit_row(out, "smallest", f.min_subnormal, 1, l);
  }
  out += fmt::format("\nInf: {}. NaN: {}. ", infinity_text(l), nan_text(l));
  const bool negative_zero = !integer && !e8m0 && f.specials != Specials::kFnuz;
  out += negative_zero ? fmt::format("Negative zero: {}.\n", hex(sign_code(l), l))
                       : std::string("No negative zero.\n");
  out += "\nCodes that the named conventions give:\n\n" + conventions(f);
  return out;
}

std::string code_bits_text(std::uint32_t code, DType dtype) {
  return bits(code, layout(format(dtype).dtype));
}

std::string code_class(std::uint32_t code, DType dtype) {
  return kind_name(code, layout(format(dtype).dtype));
}

std::string code_table(DType dtype) {
  const Format& f = format(dtype);
  const Layout l = layout(dtype);
  std::string out = "| code | bits | class | value |\n|---|---|---|---|\n";
  const std::uint64_t count = std::uint64_t{1} << f.bits;
  for (std::uint64_t code = 0; code < count; ++code) {
    // 16 bits: only where the class changes.
    const bool inside = f.bits > 8 && code != 0 && code + 1 != count &&
                        kind_name(code, l) == kind_name(code - 1, l) &&
                        kind_name(code, l) == kind_name(code + 1, l);
    if (!inside) out += code_row(code, dtype);
  }
  return out;
}

namespace {

std::string decision(const Unpacked& x, const Layout& f, const EncodeOptions& options,
                     std::uint64_t low_code, std::uint32_t random, double fraction) {
  const double half = 0.5;
  const char* side = fraction > half ? "above" : fraction < half ? "below" : "at";
  switch (options.rounding) {
    case Rounding::kNearestEven:
      if (fraction != half) break;
      if (f.specials == Specials::kE8m0) return "a tie, which goes up";
      return fmt::format("a tie; the lower code is {}",
                         (low_code & 1) != 0 ? "odd, so up" : "even, so down");
    case Rounding::kNearestAway:
      if (fraction == half) return "a tie, away from zero";
      break;
    case Rounding::kNearestTowardZero:
      if (fraction == half) return "a tie, toward zero";
      break;
    case Rounding::kNearestTowardNegative:
      if (fraction == half) {
        return fmt::format("a tie, to the lower value: magnitude {}", x.negative ? "up" : "down");
      }
      break;
    case Rounding::kStochastic:
      return fmt::format("up with probability {}; the random word 0x{:08X} stands for {:.6f}",
                         fraction, random, static_cast<double>(random >> 8) * 0x1p-24);
    case Rounding::kUp:
      return "magnitude up unless exact";
    case Rounding::kTowardZero:
    case Rounding::kDown:
      return "magnitude down";
  }
  return fmt::format("{} the middle", side);
}

}  // namespace

std::string explain_rounding(double value, DType to, const EncodeOptions& options,
                             std::uint32_t random) {
  const Format& f = format(to);
  const Layout l = layout(to);
  const Unpacked x = unpack(std::bit_cast<std::uint64_t>(value), layout(DType::kFloat64));
  const std::uint32_t code = encode_one(value, to, options, random);
  const std::uint32_t shown = code & static_cast<std::uint32_t>((std::uint64_t{1} << f.bits) - 1);
  const float result = decode_one(code, to);
  std::string out =
      fmt::format("{} to {}, rounding {}, overflow {}, nan {}\n", number(value), f.name,
                  to_string(options.rounding), to_string(options.overflow), to_string(options.nan));
  if (x.kind == Unpacked::Kind::kFinite) {
    const int least = min_exponent(l);
    const int exponent = std::max(x.exponent, least);
    const int place = exponent - f.mantissa_bits;
    const double significand = std::ldexp(std::fabs(value), -x.exponent);
    out += fmt::format("1. |x| = {} * 2^{}\n", significand, x.exponent);
    const bool integer = f.specials == Specials::kInteger;
    out += fmt::format("2. the last place there is 2^{}{}\n", place,
                       integer              ? " (integers)"
                       : x.exponent < least ? fmt::format(" (subnormal: below 2^{})", least)
                                            : "");
    const double scaled = std::ldexp(std::fabs(value), -place);
    const double low = std::floor(scaled), fraction = scaled - low;
    const EncodeOptions down{.rounding = Rounding::kTowardZero};
    const std::uint32_t low_code = encode_one(std::ldexp(low, place), to, down);
    out += fmt::format("3. |x| / 2^{} = {}: between {} and {}, fraction {}\n", place, scaled,
                       std::ldexp(low, place), std::ldexp(low + 1, place), fraction);
    out += fraction == 0
               ? "4. exact, nothing to round\n"
               : fmt::format("4. {}\n", decision(x, l, options, low_code, random, fraction));
    if (std::isnan(result) || std::isinf(result) ||
        (std::fabs(result) == f.max && std::fabs(value) > f.max)) {
      out += fmt::format("5. beyond the largest finite value {}: {}\n", number(f.max),
                         options.overflow == Overflow::kSaturate || std::isfinite(result)
                             ? "saturates"
                             : fmt::format("becomes {}", number(result)));
    }
  } else if (x.kind == Unpacked::Kind::kNan) {
    out += fmt::format("1. NaN, sign {}\n", x.negative ? "-" : "+");
  } else {
    out += fmt::format("1. {}\n", x.kind == Unpacked::Kind::kZero ? "zero" : "infinity overflows");
  }
  out += fmt::format("result {} = {} ({}) = {}", hex(shown, l), bits(shown, l), kind_name(shown, l),
                     result == 0 && std::signbit(result) ? "-0" : number(result));
  if (std::isfinite(value) && std::isfinite(result)) {
    out += fmt::format(", error {}", number(static_cast<double>(result) - value));
  }
  return out + "\n";
}

std::string formats_page() {
  std::string out =
      std::string(page_introduction()) + "\n" + format_table() + "\n" + std::string(page_options());
  for (const Format& f : formats()) out.append("\n").append(describe_format(f.dtype));
  return out;
}

}  // namespace sylvester
