// The second witness: the formats once more, written from the specifications' tables in plain
// doubles, with nothing of the library in it. Slow and obvious: a sorted list of all values.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace sylvester::test {

// One row per format, as OCP OFP8 1.0, OCP MX 1.0, the fnuz paper (arXiv 2206.02915) and IEEE 754
// print them. `nan_codes` and `inf_code` are codes without the sign bit.
struct SlowFormat {
  const char* name;
  int exponent_bits, mantissa_bits, bias;
  bool ieee;       // exponent all ones: Inf and NaN
  bool nan_at_7f;  // magnitude all ones is NaN
  bool fnuz;       // 0x80 is NaN, no -0
};

inline constexpr SlowFormat kSlowFormats[] = {
    {"float8_e4m3fn", 4, 3, 7, false, true, false},
    {"float8_e5m2", 5, 2, 15, true, false, false},
    {"float8_e4m3fnuz", 4, 3, 8, false, false, true},
    {"float8_e5m2fnuz", 5, 2, 16, false, false, true},
    {"float6_e3m2fn", 3, 2, 3, false, false, false},
    {"float6_e2m3fn", 2, 3, 1, false, false, false},
    {"float4_e2m1fn", 2, 1, 1, false, false, false},
    {"float4_e3m0fn", 3, 0, 3, false, false, false},
    {"float4_e1m2fn", 1, 2, 0, false, false, false},
    {"bfloat16", 8, 7, 127, true, false, false},
    {"float16", 5, 10, 15, true, false, false},
};

inline double slow_magnitude(const SlowFormat& f, int code) {
  const int mantissas = 1 << f.mantissa_bits;
  const int exponent = code / mantissas, mantissa = code % mantissas;
  const double fraction = static_cast<double>(mantissa) / mantissas;
  return exponent == 0 ? std::ldexp(fraction, 1 - f.bias)
                       : std::ldexp(1 + fraction, exponent - f.bias);
}

// Value of a code; NaN as NaN.
inline double slow_decode(const SlowFormat& f, int code) {
  const int sign = 1 << (f.exponent_bits + f.mantissa_bits);
  const bool negative = (code & sign) != 0;
  const int magnitude = code & (sign - 1);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  double value = slow_magnitude(f, magnitude);
  if (f.fnuz && code == sign) return nan;
  if (f.nan_at_7f && magnitude == sign - 1) return nan;
  if (f.ieee && magnitude >> f.mantissa_bits == (1 << f.exponent_bits) - 1) {
    if (magnitude % (1 << f.mantissa_bits) != 0) return nan;
    value = std::numeric_limits<double>::infinity();
  }
  return negative ? -value : value;
}

// Positive finite values by code, and one more: the next value if the exponent had no end.
inline std::vector<double> slow_values(const SlowFormat& f) {
  const int sign = 1 << (f.exponent_bits + f.mantissa_bits);
  std::vector<double> values;
  for (int code = 0; code < sign; ++code) {
    if (!std::isfinite(slow_decode(f, code))) break;
    values.push_back(slow_magnitude(f, code));
  }
  values.push_back(slow_magnitude(f, static_cast<int>(values.size())));
  return values;
}

// Rounded magnitude of a finite |x| as an index into values; the last index means overflow.
// `rule`: e = ties to even code, a = ties away, z = ties to zero, d = down, u = up.
inline std::size_t slow_round(const std::vector<double>& values, double magnitude, char rule) {
  const auto next = std::upper_bound(values.begin(), values.end(), magnitude);
  if (next == values.end()) return values.size() - 1;
  const auto high = static_cast<std::size_t>(next - values.begin()), low = high - 1;
  if (values[low] == magnitude) return low;
  if (rule == 'd') return low;
  if (rule == 'u') return high;
  const double middle = (values[low] + values[high]) / 2;
  if (magnitude != middle) return magnitude < middle ? low : high;
  if (rule == 'z') return low;
  if (rule == 'a') return high;
  return low % 2 == 0 ? low : high;
}

}  // namespace sylvester::test
