// Every exact column of tests/golden/{int,mx,nvfp4,quartet,te}: no mismatch allowed, on every
// target.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "sylvester/formats/convert.h"
#include "sylvester/quant/quantize.h"
#include "test_util.h"

namespace sylvester {
namespace {

using test::read_golden;

// Compares and prints the first mismatch. Zeros of either sign are equal floats.
template <class A, class B>
void expect_equal(const A& got, const B& want, std::int64_t n, const std::string& what) {
  std::int64_t wrong = 0, first = -1;
  for (std::int64_t i = 0; i < n; ++i) {
    const bool same = got[i] == want[i] || (got[i] != got[i] && want[i] != want[i]);
    if (!same && wrong++ == 0) first = i;
  }
  if (wrong == 0) return;
  ADD_FAILURE() << what << ": " << wrong << " of " << n << " differ, first at " << first << ": got "
                << +got[first] << ", want " << +want[first];
}

MatrixView<const float> as_matrix(const std::vector<float>& x, std::int64_t cols,
                                  std::int64_t first = 0, std::int64_t rows = -1) {
  if (rows < 0) rows = static_cast<std::int64_t>(x.size()) / cols - first;
  return {x.data() + first * cols, rows, cols};
}

// ---- int: RoSTE equations (2)-(4) ---------------------------------------------------------------

struct IntCase {
  int bits;
  std::string group, clip, kind;  // kind: sym, asym_zfloor, asym_znear
};

void check_int(const IntCase& c, const std::vector<float>& input) {
  const std::string base = "int/int" + std::to_string(c.bits) + ".";
  const std::string tail = c.group + ".c" + c.clip;
  const std::string what = base + c.kind + "." + tail;
  const std::string granularity = c.group == "group32" ? "group=32" : c.group;
  const std::string clip = c.clip == "100" ? "1" : c.clip == "095" ? "0.95" : "0.9";
  std::string text = "int" + std::to_string(c.bits) + ":" + granularity + ":clip=" + clip;
  if (c.kind != "sym") text += c.kind == "asym_znear" ? ":asym:zero=nearest" : ":asym";
  const auto scales =
      read_golden<float>(base + (c.kind == "sym" ? "sym." : "asym.") + tail + ".scale.f32");
  const auto codes =
      read_golden<std::uint8_t>(base + c.kind + "." + tail + (c.kind == "sym" ? ".q.i8" : ".q.u8"));
  std::vector<float> zeros, values;
  if (c.kind != "sym") zeros = read_golden<float>(base + c.kind + "." + tail + ".zero.f32");
  if (c.group == "row" && c.clip != "095") {
    values = read_golden<float>(base + c.kind + "." + tail + ".deq.f32");
  }
  for (std::int64_t m = 0; m < 4; ++m) {  // four matrices of 16 x 128
    const auto X = as_matrix(input, 128, m * 16, 16);
    const QuantizedMatrix q = quantize(X, parse_quant_spec(text));
    const std::int64_t per = q.scales.size();
    expect_equal(q.scales, scales.data() + m * per, per, what + " scale " + text);
    expect_equal(q.codes, codes.data() + m * 2048, 2048, what + " codes " + text);
    if (!zeros.empty()) expect_equal(q.zeros, zeros.data() + m * per, per, what + " zero");
    std::vector<float> got(2048), fake(2048);
    dequantize(q, {got.data(), 16, 128});
    fake_quantize(X, parse_quant_spec(text), {fake.data(), 16, 128});
    expect_equal(fake, got, 2048, what + " fake");
    if (!values.empty()) expect_equal(got, values.data() + m * 2048, 2048, what + " deq");
  }
}

TEST(QuantGolden, Int) {
  const auto input = read_golden<float>("int/input.f32");
  ASSERT_EQ(input.size(), 4u * 16 * 128);
  test::for_each_target([&](Target) {
    for (const int bits : {4, 8}) {
      for (const char* group : {"tensor", "row", "group32"}) {
        for (const char* clip : {"100", "095", "090"}) {
          for (const char* kind : {"sym", "asym_zfloor", "asym_znear"}) {
            check_int({bits, group, clip, kind}, input);
          }
        }
      }
    }
  });
}

// ---- mx -----------------------------------------------------------------------------------------

const std::vector<std::string> kElements{"e4m3", "e5m2", "e3m2", "e2m3", "e2m1"};
const std::vector<std::string> kRules{"floor", "ceil", "even", "rceil"};

bool has_nan(std::uint8_t klass) { return klass == 7 || klass == 8; }

TEST(QuantGolden, MxExact) {
  const auto input = read_golden<float>("mx/input.f32");
  const std::int64_t blocks = static_cast<std::int64_t>(input.size()) / 32;
  test::for_each_target([&](Target) {
    for (const std::string& e : kElements) {
      for (const std::string& rule : kRules) {
        const std::string name = "mx/" + e + "." + rule;
        const auto scales = read_golden<std::uint8_t>(name + ".scale.u8");
        const auto codes = read_golden<std::uint8_t>(name + ".code.u8");
        // As 2048 rows of one block, and as 64 rows of 32 blocks.
        for (const std::int64_t cols : {32, 1024}) {
          const QuantizedMatrix q =
              quantize(as_matrix(input, cols), parse_quant_spec(e + ":mx:rule=" + rule));
          expect_equal(q.scale_codes, scales, blocks, name + " scales");
          expect_equal(q.codes, codes, blocks * 32, name + " codes");
        }
      }
    }
  });
}

TEST(QuantGolden, MxScalesOfTransformerEngineAndCublas) {
  const auto input = read_golden<float>("mx/input.f32");
  const std::int64_t blocks = static_cast<std::int64_t>(input.size()) / 32;
  for (const std::string& e : kElements) {
    for (const auto& [convention, file] :
         {std::pair{"te", "te_rcp"}, std::pair{"cublas", "cublas_div"}}) {
      const auto want = read_golden<std::uint8_t>("mx/" + e + "." + file + ".scale.u8");
      const QuantizedMatrix q =
          quantize(as_matrix(input, 32), parse_quant_spec(e + ":mx:as=" + convention));
      expect_equal(q.scale_codes, want, blocks, e + " " + file);
    }
  }
}

TEST(QuantGolden, MxTorchao) {
  const auto input = read_golden<float>("mx/input.f32");
  const auto klass = read_golden<std::uint8_t>("mx/class.u8");
  test::for_each_target([&](Target) {
    for (const std::string& e : kElements) {
      for (const std::string& rule : kRules) {
        const std::string name = "mx/" + e + ".torchao_" + rule;
        const auto scales = read_golden<std::uint8_t>(name + ".scale.u8");
        const auto codes = read_golden<std::uint8_t>(name + ".code.u8");
        const auto blocks = static_cast<std::int64_t>(scales.size());
        ASSERT_EQ(blocks, 512);
        const QuantizedMatrix q =
            quantize(as_matrix(input, 32, 0, blocks),
                     parse_quant_spec(e + ":mx:rule=" + rule + ":as=torchao"));
        expect_equal(q.scale_codes, scales, blocks, name + " scales");
        for (std::int64_t b = 0; b < blocks; ++b) {
          // FP6 and FP4 codes beside a NaN depend on its payload in torchao.
          const bool fp8 = e == "e4m3" || e == "e5m2";
          if (has_nan(klass[static_cast<std::size_t>(b)]) && !fp8) continue;
          for (std::int64_t i = b * 32; i < b * 32 + 32; ++i) {
            // A NaN made from two numbers has the sign that the processor gives it.
            const bool nan = fp8 && has_nan(klass[static_cast<std::size_t>(b)]);
            const int mask = nan && (codes[i] & 0x7F) > 0x7C ? 0x7F : 0xFF;
            ASSERT_EQ(q.codes[i] & mask, codes[i] & mask)
                << name << " block " << b << " class " << +klass[static_cast<std::size_t>(b)]
                << " element " << i % 32 << " x " << input[static_cast<std::size_t>(i)];
          }
        }
      }
    }
  });
}

TEST(QuantGolden, MxMicroxcaling) {
  const auto input = read_golden<float>("mx/input.f32");
  for (const std::string& e : kElements) {
    for (const auto& [rounding, file] :
         {std::pair{"nearest_away", "microx_nearest"}, std::pair{"nearest_even", "microx_even"}}) {
      const auto want = read_golden<float>("mx/" + e + "." + file + ".deq.f32");
      const auto blocks = static_cast<std::int64_t>(want.size()) / 32;
      const QuantSpec spec =
          parse_quant_spec(e + ":mx:as=microxcaling:rounding=" + std::string(rounding));
      std::vector<float> got(want.size());
      fake_quantize(as_matrix(input, 32, 0, blocks), spec, {got.data(), blocks, 32});
      expect_equal(got, want, blocks * 32, e + " " + file);
    }
  }
}

// ---- nvfp4 --------------------------------------------------------------------------------------

TEST(QuantGolden, Nvfp4) {
  const auto input = read_golden<float>("nvfp4/input.f32");
  const auto tensor_scales = read_golden<float>("nvfp4/torchao_two_level.tensor_scale.f32");
  test::for_each_target([&](Target) {
    for (const auto& [text, name] :
         {std::pair{"nvfp4", "torchao_two_level"},
          std::pair{"nvfp4:as=torchao", "torchao_two_level"},
          std::pair{"nvfp4:levels=1", "torchao_one_level"}, std::pair{"nvfp4:as=te", "te_style"}}) {
      const auto scales = read_golden<std::uint8_t>(std::string("nvfp4/") + name + ".scale.u8");
      const auto codes = read_golden<std::uint8_t>(std::string("nvfp4/") + name + ".code.u8");
      for (std::int64_t t = 0; t < 8; ++t) {
        const QuantizedMatrix q =
            quantize(as_matrix(input, 64, t * 16, 16), parse_quant_spec(text));
        const std::string what = std::string(text) + " tensor " + std::to_string(t);
        expect_equal(q.scale_codes, scales.data() + t * 64, 64, what + " scales");
        expect_equal(q.codes, codes.data() + t * 1024, 1024, what + " codes");
        if (std::string(name) == "torchao_two_level") {
          EXPECT_EQ(q.tensor_scale, tensor_scales[static_cast<std::size_t>(t)]) << what;
        }
      }
    }
  });
}

// ---- Quartet, Quartet II, TransformerEngine: their own kernels and reference class
// -----------------

constexpr std::uint64_t kQuartetSeed = 20260220;

TEST(QuantGolden, Quartet) {
  const auto input = read_golden<float>("quartet/input.f32");
  ASSERT_EQ(input.size(), 64u * 128);
  const auto X = as_matrix(input, 128);
  test::for_each_target([&](Target) {
    for (const auto& [text, name] :
         {std::pair{"nvfp4:as=quartet2:rounding=nearest_away", "quartet2.nearest"},
          std::pair{"quartet2-forward", "quartet2.four_over_six"},
          std::pair{"nvfp4:block=16x16:four_over_six=mse:as=quartet2:rounding=nearest_away",
                    "quartet2.four_over_six_16x16"},
          std::pair{"quartet-forward", "quartet.quest"},
          std::pair{"quartet-backward", "quartet.backward"}}) {
      const auto want = read_golden<float>(std::string("quartet/") + name + ".f32");
      std::vector<float> got(input.size());
      fake_quantize(X, parse_quant_spec(text), {got.data(), 64, 128}, nullptr,
                    {kQuartetSeed, 0, 0});
      expect_equal(got, want, std::ssize(want), text);
    }
  });
}

// The kernel multiplies (code * scale) * tensor scale, the first product being exact.
TEST(QuantGolden, QuartetEden) {
  const auto input = read_golden<float>("quartet/input.f32");
  const auto want = read_golden<float>("quartet/quartet2.eden.f32");
  test::for_each_target([&](Target) {
    const QuantizedMatrix q = quantize(as_matrix(input, 128), parse_quant_spec("quartet2-backward"),
                                       nullptr, {kQuartetSeed, 0, 0});
    std::vector<float> got(input.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      const auto at = static_cast<std::int64_t>(i);
      got[i] = decode_one(q.codes[at], DType::kFloat4E2M1FN) *
               decode_one(q.scale_codes[at / 16], DType::kFloat8E4M3FN) * q.tensor_scale;
    }
    expect_equal(got, want, std::ssize(want), "MS-EDEN");
  });
}

TEST(QuantGolden, TransformerEngine) {
  const auto input = read_golden<float>("quartet/input.f32");
  test::for_each_target([&](Target) {
    for (const auto& [text, name] :
         {std::pair{"te-nvfp4-folded", "folded"},
          std::pair{"nvfp4:block=16x16:as=te_folded", "folded_16x16"},
          std::pair{"te-nvfp4-4over6", "mae"}, std::pair{"nvfp4:four_over_six=mse:as=te", "mse"},
          std::pair{"nvfp4:block=16x16:four_over_six=mae:as=te", "mae_16x16"}}) {
      const std::string base = std::string("te/") + name;
      const auto codes = read_golden<std::uint8_t>(base + ".code.u8");
      const auto scales = read_golden<std::uint8_t>(base + ".scale.u8");
      const QuantizedMatrix q = quantize(as_matrix(input, 128), parse_quant_spec(text));
      expect_equal(q.codes, codes, std::ssize(codes), base + " codes");
      ASSERT_EQ(q.scale_codes.size(), std::ssize(scales)) << base;
      expect_equal(q.scale_codes, scales, std::ssize(scales), base + " scales");
    }
  });
}

}  // namespace
}  // namespace sylvester
