// Every mode of every format: SIMD targets and thread counts against the scalar body, NaN rules,
// stochastic rounding.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "sylvester/core/parallel.h"
#include "sylvester/formats/convert.h"
#include "sylvester/formats/scalar.h"
#include "test_util.h"

namespace sylvester {
namespace {

constexpr Rounding kRoundings[] = {Rounding::kNearestEven,
                                   Rounding::kNearestAway,
                                   Rounding::kNearestTowardNegative,
                                   Rounding::kNearestTowardZero,
                                   Rounding::kTowardZero,
                                   Rounding::kStochastic,
                                   Rounding::kDown,
                                   Rounding::kUp};
constexpr NanMode kNanModes[] = {NanMode::kCanonical,  NanMode::kKeepSign, NanMode::kMaxFinite,
                                 NanMode::kSignedZero, NanMode::kQuiet,    NanMode::kQuietKeepSign,
                                 NanMode::kNegative};

std::vector<EncodeOptions> all_options() {
  std::vector<EncodeOptions> out;
  const RandomStream stream{.seed = 0x123456789ABCDEFu, .step = 7, .tensor = 11};
  for (const Rounding rounding : kRoundings) {
    for (const Overflow overflow : {Overflow::kSaturate, Overflow::kNonfinite}) {
      out.push_back({.rounding = rounding, .overflow = overflow, .stream = stream});
    }
  }
  for (const NanMode nan : kNanModes) {
    out.push_back({.nan = nan, .non_positive = NonPositive::kNan});
    out.push_back({.rounding = Rounding::kTowardZero,
                   .overflow = Overflow::kNonfinite,
                   .nan = nan,
                   .non_positive = NonPositive::kNan});
  }
  return out;
}

std::string name(const EncodeOptions& o) {
  return std::string(to_string(o.rounding)) + " " + std::string(to_string(o.overflow)) + " " +
         std::string(to_string(o.nan));
}

// Equality of whole arrays; on failure the first index, got and expected.
template <class A, class B, class Describe>
void expect_same(const A& got, const B& expected, Describe&& describe) {
  ASSERT_EQ(got.size(), expected.size());
  if (std::equal(got.begin(), got.end(), expected.begin())) return;
  const auto at = std::mismatch(got.begin(), got.end(), expected.begin()).first - got.begin();
  FAIL() << describe() << ": index " << at << " got " << std::hex << +got[at] << " expected "
         << +expected[at];
}

// Codes of <= 16 bits in one call.
std::vector<std::uint16_t> encode_any(const std::vector<float>& x, DType to,
                                      const EncodeOptions& options) {
  std::vector<std::uint16_t> wide(x.size());
  if (format(to).bits > 8) {
    encode16(x, to, wide, options);
    return wide;
  }
  std::vector<std::uint8_t> codes(x.size());
  encode(x, to, codes, options);
  wide.assign(codes.begin(), codes.end());
  return wide;
}

TEST(ModesTest, EveryTargetEqualsTheScalarBody) {
  const auto bits = test::read_golden<std::uint32_t>("elem/input.u32");
  std::vector<float> x(bits.size());
  std::memcpy(x.data(), bits.data(), bits.size() * sizeof(float));
  for (const Format& f : formats()) {
    for (const EncodeOptions& options : all_options()) {
      set_target(Target::kScalar);
      const auto expected = encode_any(x, f.dtype, options);
      test::for_each_target([&](Target target) {
        if (target == Target::kScalar) return;
        expect_same(encode_any(x, f.dtype, options), expected, [&] {
          return std::string(f.name) + " " + name(options) + " seed " +
                 std::to_string(options.stream.seed) + " golden input";
        });
      });
    }
  }
}

// What the golden inputs mix with NaN and overflow, by itself: every value of a format, every tie
// between two, their neighbours, and numbers between; whole vectors of them take shorter ways.
std::vector<float> finite_numbers(const Format& f) {
  std::vector<float> out{0.0f};
  const int codes = 1 << (f.bits - (f.specials == Specials::kE8m0 ? 0 : 1));
  float below = 0.0f;
  for (int code = 1; code < codes; ++code) {
    const float value = decode_one(static_cast<std::uint32_t>(code), f.dtype);
    if (!std::isfinite(value) || value <= below) continue;
    const float tie = below + (value - below) / 2;
    for (const float x : {tie, value}) {
      out.insert(out.end(), {std::nextafter(x, 0.0f), x, std::nextafter(x, 2 * x)});
    }
    for (std::uint64_t k = 0; k < 4; ++k) {
      const auto word = random_word({.seed = 31}, static_cast<std::uint64_t>(code) * 4 + k);
      out.push_back(below + (value - below) * static_cast<float>(word >> 8) * 0x1p-24f);
    }
    below = value;
  }
  const auto end = std::remove_if(out.begin(), out.end(), [&](float x) { return x > below; });
  out.erase(end, out.end());
  const std::size_t half = out.size();
  for (std::size_t i = 0; i < half; ++i) out.push_back(-out[i]);
  return out;
}

TEST(ModesTest, FiniteNumbersEqualTheScalarBody) {
  for (const Format& f : formats()) {
    if (f.bits > 8) continue;
    const std::vector<float> x = finite_numbers(f);
    for (const EncodeOptions& options : all_options()) {
      set_target(Target::kScalar);
      const auto expected = encode_any(x, f.dtype, options);
      test::for_each_target([&](Target) {
        expect_same(encode_any(x, f.dtype, options), expected,
                    [&] { return std::string(f.name) + " " + name(options); });
      });
    }
  }
}

// All 2^16 patterns of both 16-bit sources, every format; a few options suffice because the pattern
// is widened before the same kernels run.
TEST(ModesTest, SixteenBitSourcesEqualTheirFloats) {
  std::vector<std::uint16_t> patterns(65536);
  for (std::size_t i = 0; i < patterns.size(); ++i) patterns[i] = static_cast<std::uint16_t>(i);
  const EncodeOptions kSome[] = {
      {},
      {.overflow = Overflow::kNonfinite, .nan = NanMode::kKeepSign},
      {.rounding = Rounding::kStochastic, .nan = NanMode::kSignedZero, .stream = {.seed = 8}},
      {.rounding = Rounding::kUp, .nan = NanMode::kQuietKeepSign}};
  for (const DType from : {DType::kBFloat16, DType::kFloat16}) {
    std::vector<float> x(patterns.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      x[i] = decode_one(static_cast<std::uint32_t>(i), from);
      // decode drops the sign of NaN, which the NaN modes see.
      if (std::isnan(x[i]) && i >= 0x8000) x[i] = -x[i];
    }
    for (const Format& f : formats()) {
      if (f.bits > 8) continue;
      for (const EncodeOptions& options : kSome) {
        std::vector<std::uint8_t> expected(x.size()), got(x.size());
        encode(x, f.dtype, expected, options);
        test::for_each_target([&](Target) {
          encode(patterns, from, f.dtype, got, options);
          expect_same(got, expected, [&] {
            return std::string(to_string(from)) + " -> " + std::string(f.name) + " " +
                   name(options) + " pattern";
          });
        });
      }
    }
  }
}

// Lengths around the vector sizes, odd offsets, and pieces of several threads.
TEST(ModesTest, AnyLengthOffsetAndThreadCountGiveTheSameCodes) {
  const std::int64_t most = 300007;
  std::vector<float> x(most);
  for (std::int64_t i = 0; i < most; ++i) {
    x[i] = std::ldexp(static_cast<float>(random_word({.seed = 5}, i) >> 8) - 0x800000, -20);
  }
  const EncodeOptions options{.rounding = Rounding::kStochastic,
                              .stream = {.seed = 3, .step = 1, .tensor = 2},
                              .first_element = 5};
  const auto whole = encode_any(x, DType::kFloat8E4M3FN, options);
  test::for_each_target([&](Target) {
    for (const int threads : {1, 2, 3}) {
      set_num_threads(threads);
      EXPECT_EQ(encode_any(x, DType::kFloat8E4M3FN, options), whole) << threads << " threads";
    }
    set_num_threads(1);
    const auto whole16 = encode_any(x, DType::kBFloat16, options);
    for (std::int64_t begin : {0, 1, 2, 3, 5, 17}) {
      for (std::int64_t n : {0, 1, 2, 15, 16, 17, 63, 64, 65, 255, 1023, 1024, 1025, 4099}) {
        const std::vector<float> part(x.begin() + begin, x.begin() + begin + n);
        EncodeOptions shifted = options;
        shifted.first_element += static_cast<std::uint64_t>(begin);
        for (const DType to : {DType::kFloat8E4M3FN, DType::kBFloat16}) {
          const auto got = encode_any(part, to, shifted);
          const auto& expected = to == DType::kBFloat16 ? whole16 : whole;
          expect_same(got, std::span(expected).subspan(begin, n), [&] {
            return "from " + std::to_string(begin) + " length " + std::to_string(n);
          });
          if (n >= 4099) continue;
          std::vector<float> back(n + 1, -1.0f);
          if (to == DType::kBFloat16) {
            decode16(got, to, std::span<float>(back).first(n));
          } else {
            const std::vector<std::uint8_t> bytes(got.begin(), got.end());
            decode(bytes, to, std::span<float>(back).first(n));
          }
          for (std::int64_t i = 0; i < n; ++i) ASSERT_EQ(back[i], decode_one(got[i], to));
          EXPECT_EQ(back[n], -1.0f) << "wrote past the end, n " << n;
        }
      }
    }
  });
  set_num_threads(2);
}

// Outputs that are written past the caches, from odd addresses.
TEST(ModesTest, LargeUnalignedOutputs) {
  const std::int64_t n = (16 << 20) + 77;
  std::vector<std::uint8_t> codes(n + 3), again(n + 3);
  for (std::int64_t i = 0; i < n; ++i) codes[i] = static_cast<std::uint8_t>(i * 7 + i / 256);
  std::vector<float> x(n + 3);
  const std::span<const std::uint8_t> from(codes.data() + 1, static_cast<std::size_t>(n));
  const std::span<float> values(x.data() + 3, static_cast<std::size_t>(n));
  test::for_each_target([&](Target target) {
    if (target == Target::kScalar) return;
    decode(from, DType::kFloat8E5M2, values);
    encode(values, DType::kFloat8E5M2,
           std::span<std::uint8_t>(again.data() + 3, static_cast<std::size_t>(n)),
           {.overflow = Overflow::kNonfinite});
    std::int64_t wrong = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      const std::uint8_t code = codes[i + 1];
      const bool nan = (code & 0x7F) > 0x7C;
      if (again[i + 3] != (nan ? 0x7F : code) && wrong++ == 0) {
        ADD_FAILURE() << "index " << i << " got " << int{again[i + 3]} << " expected " << int{code};
      }
    }
    EXPECT_EQ(wrong, 0);
  });
}

TEST(ModesTest, RoundToBFloat16IsEncodeThenDecode) {
  const auto bits = test::read_golden<std::uint32_t>("elem/input.u32");
  std::vector<float> x(bits.size()), out(bits.size());
  std::memcpy(x.data(), bits.data(), bits.size() * sizeof(float));
  test::for_each_target([&](Target) {
    round_to_bfloat16(x, out);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const auto expected = encode_float(x[i], layout(DType::kBFloat16), kIeeeEncode) << 16;
      ASSERT_EQ(std::bit_cast<std::uint32_t>(out[i]), expected) << std::hex << bits[i];
    }
  });
}

TEST(ModesTest, NanModes) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto both = [&](DType to, NanMode mode) {
    return std::pair{encode_one(nan, to, {.nan = mode}), encode_one(-nan, to, {.nan = mode})};
  };
  using P = std::pair<std::uint32_t, std::uint32_t>;
  const DType e5m2 = DType::kFloat8E5M2, e2m1 = DType::kFloat4E2M1FN;
  EXPECT_EQ(both(e5m2, NanMode::kCanonical), (P{0x7F, 0x7F}));
  EXPECT_EQ(both(e5m2, NanMode::kKeepSign), (P{0x7F, 0xFF}));
  EXPECT_EQ(both(e5m2, NanMode::kMaxFinite), (P{0x7B, 0x7B}));
  EXPECT_EQ(both(e5m2, NanMode::kSignedZero), (P{0x80, 0x00}));
  EXPECT_EQ(both(e5m2, NanMode::kQuiet), (P{0x7E, 0x7E}));
  EXPECT_EQ(both(e5m2, NanMode::kQuietKeepSign), (P{0x7E, 0xFE}));
  EXPECT_EQ(both(e5m2, NanMode::kNegative), (P{0xFF, 0xFF}));
  EXPECT_EQ(both(e2m1, NanMode::kCanonical), (P{0x7, 0x7}));
  EXPECT_EQ(both(e2m1, NanMode::kSignedZero), (P{0x8, 0x0}));
  EXPECT_EQ(both(DType::kFloat8E4M3FNUZ, NanMode::kKeepSign), (P{0x80, 0x80}));
  EXPECT_EQ(both(DType::kFloat8E4M3FNUZ, NanMode::kSignedZero), (P{0x00, 0x00}));
  EXPECT_EQ(both(DType::kFloat8E8M0FNU, NanMode::kMaxFinite), (P{0xFF, 0xFF}));
  EXPECT_EQ(both(DType::kInt4, NanMode::kCanonical), (P{0, 0}));
  EXPECT_EQ(both(DType::kInt4, NanMode::kMaxFinite), (P{7, 7}));
  EXPECT_EQ(both(DType::kBFloat16, NanMode::kQuiet), (P{0x7FC0, 0x7FC0}));
  EXPECT_EQ(both(DType::kFloat16, NanMode::kCanonical), (P{0x7FFF, 0x7FFF}));
}

TEST(ModesTest, RandomWordsEqualTheScalarGenerator) {
  test::for_each_target([&](Target) {
    // The second start makes the low counter word wrap inside a vector.
    for (const std::uint64_t first : {std::uint64_t{0}, (std::uint64_t{1} << 34) - 35}) {
      const RandomStream stream{.seed = 0xFEDCBA9876543210u, .step = 9, .tensor = 4};
      std::vector<std::uint32_t> words(333);
      random_words(stream, first, words);
      for (std::size_t i = 0; i < words.size(); ++i) {
        ASSERT_EQ(words[i], random_word(stream, first + i)) << first << " + " << i;
      }
    }
  });
}

// 10^6 draws a format: the mean of (rounded - x) lies within 4 standard errors of zero, for normal
// and for subnormal results.
TEST(StochasticTest, MeanErrorIsZero) {
  const std::int64_t n = 1000000;
  std::vector<float> x(n);
  for (const Format& f : formats()) {
    SCOPED_TRACE(f.name);
    for (const bool small : {false, true}) {
      if (small && (f.specials == Specials::kInteger || f.specials == Specials::kE8m0)) continue;
      const RandomStream draws{.seed = 17, .tensor = static_cast<std::uint32_t>(f.dtype)};
      const double scale = small ? f.min_normal : f.max / 2;
      for (std::int64_t i = 0; i < n; ++i) {
        const double u = static_cast<double>(random_word(draws, i) >> 8) * 0x1p-24;
        x[i] = static_cast<float>(f.specials == Specials::kE8m0 ? 1 + 7 * u : scale * (2 * u - 1));
      }
      const auto codes = encode_any(
          x, f.dtype,
          {.rounding = Rounding::kStochastic, .stream = {.seed = 29, .step = small ? 1u : 0u}});
      double sum = 0, squares = 0;
      for (std::int64_t i = 0; i < n; ++i) {
        const double error = (decode_one(codes[i], f.dtype) - static_cast<double>(x[i])) / scale;
        sum += error;
        squares += error * error;
      }
      const double mean = sum / n;
      const double standard_error = std::sqrt((squares / n - mean * mean) / n);
      EXPECT_GT(standard_error, 0) << "nothing was rounded";
      EXPECT_LE(std::fabs(mean), 4 * standard_error) << (small ? "subnormal" : "normal");
    }
  }
}

// The probability itself, at a few known distances.
TEST(StochasticTest, ProbabilityIsTheDistance) {
  const int n = 1 << 16;
  for (const double distance : {0.125, 0.5, 0.9375}) {
    const std::vector<float> x(n, static_cast<float>(1 + distance / 8));
    const auto codes = encode_any(x, DType::kFloat8E4M3FN,
                                  {.rounding = Rounding::kStochastic, .stream = {.seed = 1}});
    int up = 0;
    for (const auto code : codes) up += code == 0x39 ? 1 : 0;
    const double sigma = std::sqrt(distance * (1 - distance) / n);
    EXPECT_NEAR(static_cast<double>(up) / n, distance, 4 * sigma);
  }
}

}  // namespace
}  // namespace sylvester
