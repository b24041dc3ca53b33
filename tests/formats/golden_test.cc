// Every column of tests/golden/elem, by the preset or the options that its README describes.
#include <bit>
#include <cstdio>
#include <string>

#include "sylvester/formats/convert.h"
#include "test_util.h"

namespace sylvester {
namespace {

struct Column {
  const char* file;
  DType dtype;
  const char* preset;
  bool nan_means_nothing = false;  // the reference raises an error for NaN
};

constexpr DType kE4m3 = DType::kFloat8E4M3FN, kE5m2 = DType::kFloat8E5M2,
                kE3m2 = DType::kFloat6E3M2FN, kE2m3 = DType::kFloat6E2M3FN,
                kE2m1 = DType::kFloat4E2M1FN, kE8m0 = DType::kFloat8E8M0FNU;

constexpr Column kColumns[] = {
    {"e4m3.cuda_sat", kE4m3, "cuda"},
    {"e4m3.cuda_nosat", kE4m3, "cuda_nosat"},
    {"e4m3.mldtypes", kE4m3, "ml_dtypes"},
    {"e4m3.torch", kE4m3, "torch"},
    {"e4m3.gfloat_rz_sat", kE4m3, "gfloat_rz"},
    {"e4m3.gfloat_rna_sat", kE4m3, "gfloat_rna"},
    {"e5m2.cuda_sat", kE5m2, "cuda"},
    {"e5m2.cuda_nosat", kE5m2, "cuda_nosat"},
    {"e5m2.mldtypes", kE5m2, "ml_dtypes"},
    {"e5m2.torch", kE5m2, "torch"},
    {"e5m2.gfloat_rz_sat", kE5m2, "gfloat_rz"},
    {"e5m2.gfloat_rna_sat", kE5m2, "gfloat_rna"},
    {"e3m2.cuda_rn", kE3m2, "cuda"},
    {"e3m2.cuda_rz", kE3m2, "cuda_rz"},
    {"e3m2.mldtypes", kE3m2, "ml_dtypes"},
    {"e3m2.gfloat_rna_sat", kE3m2, "gfloat_rna", true},
    {"e2m3.cuda_rn", kE2m3, "cuda"},
    {"e2m3.cuda_rz", kE2m3, "cuda_rz"},
    {"e2m3.mldtypes", kE2m3, "ml_dtypes"},
    {"e2m3.gfloat_rna_sat", kE2m3, "gfloat_rna", true},
    {"e2m1.cuda_rn", kE2m1, "cuda"},
    {"e2m1.cuda_rz", kE2m1, "cuda_rz"},
    {"e2m1.mldtypes", kE2m1, "ml_dtypes"},
    {"e2m1.gfloat_rna_sat", kE2m1, "gfloat_rna", true},
    {"e8m0.cuda_sat_rp", kE8m0, "cuda"},
    {"e8m0.cuda_sat_rz", kE8m0, "cuda_rz"},
    {"e8m0.cuda_nosat_rp", kE8m0, "cuda_nosat"},
    {"e8m0.cuda_nosat_rz", kE8m0, "cuda_nosat_rz"},
    {"e8m0.torch", kE8m0, "torch"},
    {"e8m0.mldtypes", kE8m0, "ml_dtypes"},
};

TEST(GoldenElemTest, EveryEncodeColumnOnEveryTarget) {
  const auto bits = test::read_golden<std::uint32_t>("elem/input.u32");
  std::vector<float> x(bits.size());
  for (std::size_t i = 0; i < bits.size(); ++i) x[i] = std::bit_cast<float>(bits[i]);
  ASSERT_EQ(x.size(), 83568u);
  std::vector<std::uint8_t> codes(x.size());
  for (const Column& column : kColumns) {
    const auto expected =
        test::read_golden<std::uint8_t>(std::string("elem/") + column.file + ".u8");
    ASSERT_EQ(expected.size(), x.size());
    test::for_each_target([&](Target) {
      encode(x, column.dtype, codes, encode_preset(column.preset, column.dtype));
      std::int64_t wrong = 0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        if (codes[i] == expected[i] || (column.nan_means_nothing && x[i] != x[i])) continue;
        if (wrong++ == 0) {
          ADD_FAILURE() << column.file << ": input " << i << " bits " << std::hex << bits[i]
                        << " got " << int{codes[i]} << " expected " << int{expected[i]};
        }
      }
      EXPECT_EQ(wrong, 0) << column.file;
    });
  }
}

TEST(GoldenElemTest, EveryCodeDecodes) {
  for (const auto& [name, dtype] :
       {std::pair{"e4m3", kE4m3}, std::pair{"e5m2", kE5m2}, std::pair{"e3m2", kE3m2},
        std::pair{"e2m3", kE2m3}, std::pair{"e2m1", kE2m1}, std::pair{"e8m0", kE8m0}}) {
    const auto expected =
        test::read_golden<std::uint32_t>("elem/decode." + std::string(name) + ".f32");
    ASSERT_EQ(expected.size(), std::size_t{1} << format(dtype).bits) << name;
    std::vector<std::uint8_t> codes(expected.size());
    for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::uint8_t>(i);
    std::vector<float> x(codes.size());
    test::for_each_target([&, dtype = dtype, name = name](Target) {
      decode(codes, dtype, x);
      for (std::size_t i = 0; i < codes.size(); ++i) {
        EXPECT_EQ(std::bit_cast<std::uint32_t>(x[i]), expected[i]) << name << " code " << i;
      }
    });
  }
}

// tests/golden/formats: from number 65536 of the same input on.
TEST(GoldenFormatsTest, FnuzAndSixteenBitColumnsOnEveryTarget) {
  const auto bits = test::read_golden<std::uint32_t>("elem/input.u32");
  std::vector<float> x;
  for (std::size_t i = 65536; i < bits.size(); ++i) x.push_back(std::bit_cast<float>(bits[i]));
  const auto compare = [&](const std::string& file, const auto& got, const auto& expected,
                           bool any_nan) {
    ASSERT_EQ(expected.size(), x.size()) << file;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const bool same_nan = any_nan && x[i] != x[i] && (got[i] ^ expected[i]) < 0x0400;
      ASSERT_TRUE(got[i] == expected[i] || same_nan)
          << file << ": input " << i << " bits " << std::hex << bits[65536 + i] << " got "
          << +got[i] << " expected " << +expected[i];
    }
  };
  test::for_each_target([&](Target) {
    for (const DType to : {DType::kFloat8E4M3FNUZ, DType::kFloat8E5M2FNUZ}) {
      for (const char* preset : {"ml_dtypes", "torch"}) {
        const std::string file = "formats/" + std::string(to_string(to)) + "." + preset + ".u8";
        std::vector<std::uint8_t> codes(x.size());
        encode(x, to, codes, encode_preset(preset, to));
        compare(file, codes, test::read_golden<std::uint8_t>(file), false);
      }
    }
    std::vector<std::uint16_t> codes(x.size());
    const DType bf16 = DType::kBFloat16, f16 = DType::kFloat16;
    encode16(x, bf16, codes, encode_preset("ml_dtypes", bf16));
    const std::string bfloat16 = "formats/bfloat16.";
    compare("bfloat16.ml_dtypes", codes,
            test::read_golden<std::uint16_t>(bfloat16 + "ml_dtypes.u16"), false);
    encode16(x, bf16, codes, encode_preset("torch", bf16));
    compare("bfloat16.torch", codes, test::read_golden<std::uint16_t>(bfloat16 + "torch.u16"),
            false);
    encode16(x, f16, codes);
    compare("float16.numpy", codes, test::read_golden<std::uint16_t>("formats/float16.numpy.u16"),
            true);
  });
}

}  // namespace
}  // namespace sylvester
