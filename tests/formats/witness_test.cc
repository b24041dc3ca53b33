// Scalar body and every SIMD target against the slow decoder and encoder of slow_format.h.
#include <bit>
#include <cmath>
#include <set>

#include "formats/slow_format.h"
#include "sylvester/core/error.h"
#include "sylvester/formats/convert.h"
#include "sylvester/formats/scalar.h"
#include "test_util.h"

namespace sylvester {
namespace {

using test::SlowFormat;

std::vector<float> golden_inputs() {
  const auto bits = test::read_golden<std::uint32_t>("elem/input.u32");
  std::vector<float> x(bits.size());
  for (std::size_t i = 0; i < bits.size(); ++i) x[i] = std::bit_cast<float>(bits[i]);
  return x;
}

std::vector<std::uint16_t> all16() {
  std::vector<std::uint16_t> codes(65536);
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::uint16_t>(i);
  return codes;
}

TEST(WitnessTest, EveryCodeOfEveryFloatFormatDecodes) {
  for (const SlowFormat& slow : test::kSlowFormats) {
    SCOPED_TRACE(slow.name);
    const DType dtype = parse_dtype(slow.name);
    const int count = 1 << format(dtype).bits;
    std::set<double> values;
    int nans = 0;
    for (int code = 0; code < count; ++code) {
      const double expected = test::slow_decode(slow, code);
      const float got = decode_one(static_cast<std::uint32_t>(code), dtype);
      if (std::isnan(expected)) {
        ++nans;
        EXPECT_EQ(std::bit_cast<std::uint32_t>(got), 0x7FC00000u) << "code " << code;
        continue;
      }
      EXPECT_EQ(static_cast<double>(got), expected) << "code " << code;
      EXPECT_EQ(std::signbit(got), std::signbit(expected)) << "code " << code;
      values.insert(expected);
    }
    // All values but +-0 differ.
    EXPECT_EQ(static_cast<int>(values.size()), count - nans - (slow.fnuz ? 0 : 1));
  }
}

TEST(WitnessTest, ScaleAndIntegerCodesDecode) {
  for (int code = 0; code < 255; ++code) {
    EXPECT_EQ(decode_one(static_cast<std::uint32_t>(code), DType::kFloat8E8M0FNU),
              std::ldexp(1.0f, code - 127));
  }
  EXPECT_TRUE(std::isnan(decode_one(255, DType::kFloat8E8M0FNU)));
  for (const Format& f : formats()) {
    if (f.specials != Specials::kInteger) continue;
    for (int v = -(1 << (f.bits - 1)); v < 1 << (f.bits - 1); ++v) {
      const auto sign_extended = static_cast<std::uint8_t>(v);
      const auto masked = static_cast<std::uint32_t>(v) & ((1u << f.bits) - 1);
      EXPECT_EQ(decode_one(sign_extended, f.dtype), static_cast<float>(v)) << f.name;
      EXPECT_EQ(decode_one(masked, f.dtype), static_cast<float>(v)) << f.name;
    }
  }
}

TEST(WitnessTest, BulkDecodeEqualsOneByOneOnEveryTarget) {
  const auto codes16 = all16();
  for (const Format& f : formats()) {
    SCOPED_TRACE(f.name);
    test::for_each_target([&](Target) {
      std::vector<float> x(65536);
      if (f.bits > 8) {
        decode16(codes16, f.dtype, x);
      } else {
        std::vector<std::uint8_t> codes(65536);
        for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::uint8_t>(i);
        decode(codes, f.dtype, x);  // also codes with bits above the format's width
      }
      for (std::size_t i = 0; i < x.size(); ++i) {
        const auto code = static_cast<std::uint32_t>(f.bits > 8 ? i : i & 255);
        ASSERT_EQ(std::bit_cast<std::uint32_t>(x[i]),
                  std::bit_cast<std::uint32_t>(decode_one(code, f.dtype)))
            << "code " << i;
      }
    });
  }
}

// What the slow witness says encode gives; NaN is left to the golden columns and to modes_test.
std::uint32_t slow_encode(const SlowFormat& slow, const std::vector<double>& values, double x,
                          Rounding rounding, Overflow overflow) {
  const std::uint32_t sign = 1u << (slow.exponent_bits + slow.mantissa_bits);
  const bool negative = std::signbit(x);
  char rule = 'e';
  if (rounding == Rounding::kNearestAway) rule = 'a';
  if (rounding == Rounding::kNearestTowardZero) rule = 'z';
  if (rounding == Rounding::kNearestTowardNegative) rule = negative ? 'a' : 'z';
  if (rounding == Rounding::kTowardZero || rounding == Rounding::kDown) rule = 'd';
  if (rounding == Rounding::kUp) rule = 'u';
  const std::size_t index =
      std::isinf(x) ? values.size() - 1 : test::slow_round(values, std::fabs(x), rule);
  auto code = static_cast<std::uint32_t>(index);
  if (index == values.size() - 1) {
    const bool has_nonfinite = slow.ieee || slow.nan_at_7f || slow.fnuz;
    if (overflow == Overflow::kSaturate || !has_nonfinite) {
      --code;
    } else if (slow.fnuz) {
      return sign;
    }
  }
  if (slow.fnuz && code == 0) return 0;
  return negative ? code | sign : code;
}

constexpr Rounding kDeterministic[] = {Rounding::kNearestEven,
                                       Rounding::kNearestAway,
                                       Rounding::kNearestTowardNegative,
                                       Rounding::kNearestTowardZero,
                                       Rounding::kTowardZero,
                                       Rounding::kDown,
                                       Rounding::kUp};

template <class Source, class Encode>
void compare_with_slow(const SlowFormat& slow, const std::vector<Source>& x,
                       const std::vector<double>& exact, Encode&& encode_all) {
  const auto values = test::slow_values(slow);
  for (const Rounding rounding : kDeterministic) {
    for (const Overflow overflow : {Overflow::kSaturate, Overflow::kNonfinite}) {
      const auto codes = encode_all(x, EncodeOptions{.rounding = rounding, .overflow = overflow});
      for (std::size_t i = 0; i < x.size(); ++i) {
        if (std::isnan(exact[i])) continue;
        const std::uint32_t expected = slow_encode(slow, values, exact[i], rounding, overflow);
        ASSERT_EQ(std::uint32_t{codes[i]}, expected)
            << slow.name << " " << to_string(rounding) << " " << to_string(overflow) << " input "
            << i << " value " << exact[i];
      }
    }
  }
}

TEST(WitnessTest, EncodeFromFloatEqualsTheSlowEncoder) {
  const auto x = golden_inputs();
  const std::vector<double> exact(x.begin(), x.end());
  set_target(Target::kScalar);
  for (const SlowFormat& slow : test::kSlowFormats) {
    const DType to = parse_dtype(slow.name);
    compare_with_slow(slow, x, exact, [&](const auto& in, const EncodeOptions& options) {
      std::vector<std::uint16_t> wide(in.size());
      if (format(to).bits > 8) {
        encode16(in, to, wide, options);
        return wide;
      }
      std::vector<std::uint8_t> codes(in.size());
      encode(in, to, codes, options);
      wide.assign(codes.begin(), codes.end());
      return wide;
    });
  }
  set_target(Target::kAuto);
}

TEST(WitnessTest, EveryHalfAndBFloat16InputEqualsTheSlowEncoder) {
  const auto patterns = all16();
  for (const DType from : {DType::kBFloat16, DType::kFloat16}) {
    std::vector<double> exact(patterns.size());
    for (std::size_t i = 0; i < exact.size(); ++i) {
      exact[i] = test::slow_decode(test::kSlowFormats[from == DType::kBFloat16 ? 9 : 10],
                                   static_cast<int>(i));
    }
    for (const SlowFormat& slow : test::kSlowFormats) {
      const DType to = parse_dtype(slow.name);
      compare_with_slow(slow, patterns, exact, [&](const auto& in, const EncodeOptions& options) {
        std::vector<std::uint16_t> wide(in.size());
        if (format(to).bits > 8) {
          encode16(in, from, to, wide, options);
          return wide;
        }
        std::vector<std::uint8_t> codes(in.size());
        encode(in, from, to, codes, options);
        wide.assign(codes.begin(), codes.end());
        return wide;
      });
    }
  }
}

TEST(WitnessTest, NanKeepsItsSignBetweenSixteenBitFormats) {
  const std::uint16_t brain[] = {0x7FC1, 0xFFC1, 0x7F81}, half[] = {0x7E01, 0xFE01, 0x7C01};
  std::uint16_t codes[3];
  encode16(brain, DType::kBFloat16, DType::kFloat16, codes);
  EXPECT_EQ(std::vector<std::uint16_t>(codes, codes + 3),
            (std::vector<std::uint16_t>{0x7E00, 0xFE00, 0x7E00}));
  encode16(half, DType::kFloat16, DType::kBFloat16, codes, {.nan = NanMode::kKeepSign});
  EXPECT_EQ(std::vector<std::uint16_t>(codes, codes + 3),
            (std::vector<std::uint16_t>{0x7FFF, 0xFFFF, 0x7FFF}));
  EXPECT_THROW(encode16(half, DType::kFloat32, DType::kBFloat16, codes), ValueError);
}

// A value just above a midpoint of the format whose float32 rounding is the midpoint: rounding
// twice gives the wrong neighbour.
TEST(WitnessTest, DoubleSourcesAreRoundedOnce) {
  for (const SlowFormat& slow : test::kSlowFormats) {
    const DType to = parse_dtype(slow.name);
    const auto values = test::slow_values(slow);
    std::vector<double> x;
    std::vector<std::size_t> low;
    for (std::size_t i = 0; i + 2 < values.size(); ++i) {
      const double middle = (values[i] + values[i + 1]) / 2;
      x.push_back(std::nextafter(middle, values[i + 1]));
      low.push_back(i + 1);
      x.push_back(std::nextafter(middle, values[i]));
      low.push_back(i);
    }
    int caught = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      EXPECT_EQ(encode_one(x[i], to), low[i]) << slow.name << " " << x[i];
      EXPECT_EQ(encode_one(-x[i], to) ^ sign_code(layout(to)),
                slow.fnuz && low[i] == 0 ? sign_code(layout(to)) : low[i]);
      const auto twice = encode_one(static_cast<double>(static_cast<float>(x[i])), to);
      caught += twice != low[i] ? 1 : 0;
    }
    // The inputs do tell the two apart.
    EXPECT_GE(caught, static_cast<int>(x.size()) / 2 - 1) << slow.name;
    const std::span<const double> all(x);
    if (format(to).bits <= 8) {
      std::vector<std::uint8_t> codes(x.size());
      encode(all, to, codes);
      for (std::size_t i = 0; i < x.size(); ++i) EXPECT_EQ(codes[i], low[i]) << slow.name;
    } else {
      std::vector<std::uint16_t> codes(x.size());
      encode16(all, to, codes);
      for (std::size_t i = 0; i < x.size(); ++i) EXPECT_EQ(codes[i], low[i]) << slow.name;
    }
  }
}

TEST(WitnessTest, IntegersRoundAndClamp) {
  const auto x = golden_inputs();
  for (const Format& f : formats()) {
    if (f.specials != Specials::kInteger) continue;
    SCOPED_TRACE(f.name);
    const double most = std::ldexp(1.0, f.bits - 1) - 1, least = -most - 1;
    std::vector<std::uint8_t> codes(x.size());
    for (const Rounding rounding :
         {Rounding::kNearestEven, Rounding::kNearestAway, Rounding::kTowardZero, Rounding::kUp}) {
      encode(x, f.dtype, codes, {.rounding = rounding, .overflow = Overflow::kNonfinite});
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double v = x[i];
        double rounded = std::nearbyint(v);
        if (rounding == Rounding::kNearestAway) rounded = std::round(v);
        if (rounding == Rounding::kTowardZero) rounded = std::trunc(v);
        if (rounding == Rounding::kUp) rounded = std::copysign(std::ceil(std::fabs(v)), v);
        const int expected = std::isnan(v) ? 0 : static_cast<int>(std::clamp(rounded, least, most));
        ASSERT_EQ(int{static_cast<std::int8_t>(codes[i])}, expected)
            << to_string(rounding) << " input " << i << " value " << v;
      }
    }
  }
}

}  // namespace
}  // namespace sylvester
