#include "sylvester/formats/packing.h"

#include <gtest/gtest.h>
// After gtest.
#include <rapidcheck/gtest.h>

#include "sylvester/core/error.h"
#include "sylvester/core/parallel.h"
#include "test_util.h"

namespace sylvester {
namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes packed(const Bytes& codes, DType dtype, Packing packing) {
  Bytes out(packed_bytes(std::ssize(codes), packing));
  pack(codes, dtype, packing, out);
  return out;
}
Bytes unpacked(const Bytes& bytes, std::size_t n, DType dtype, Packing packing) {
  Bytes out(n);
  unpack(bytes, dtype, packing, out);
  return out;
}

TEST(PackingTest, LayoutsAreThePublishedOnes) {
  EXPECT_EQ(packed({1, 2, 3}, DType::kFloat4E2M1FN, Packing::kPairs), (Bytes{0x21, 0x03}));
  // 4 codes, bit stream from the low end: 0b000001, 0b111111, 0b100000, 0b101010.
  EXPECT_EQ(packed({0x01, 0x3F, 0x20, 0x2A}, DType::kFloat6E3M2FN, Packing::kSixes),
            (Bytes{0xC1, 0x0F, 0xAA}));
  EXPECT_EQ(packed({0x3F}, DType::kFloat6E3M2FN, Packing::kSixes), (Bytes{0x3F}));
  Bytes codes(64);
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::uint8_t>(i % 16);
  codes[16] = 9;
  const Bytes ggml = packed(codes, DType::kInt4, Packing::kGgml);
  ASSERT_EQ(ggml.size(), 32u);
  EXPECT_EQ(ggml[0], 0x90);  // element 0 low, element 16 high
  EXPECT_EQ(ggml[1], 0x11);
  EXPECT_EQ(ggml[16 + 15], 0xFF);
}

TEST(PackingTest, IntegersComeBackSignExtended) {
  const Bytes codes{0xF8, 0x07, 0xFF, 0x00, 0x01};  // int4: -8 7 -1 0 1
  EXPECT_EQ(
      unpacked(packed(codes, DType::kInt4, Packing::kPairs), 5, DType::kInt4, Packing::kPairs),
      codes);
  const Bytes six{0xE0, 0x1F, 0xFF};  // int6: -32 31 -1
  EXPECT_EQ(unpacked(packed(six, DType::kInt6, Packing::kSixes), 3, DType::kInt6, Packing::kSixes),
            six);
}

RC_GTEST_PROP(PackingProperty, UnpackIsTheInverseOfPack, ()) {
  const auto& f = formats()[*rc::gen::inRange<std::size_t>(0, formats().size())];
  RC_PRE(f.bits <= 8);
  const auto packing = static_cast<Packing>(*rc::gen::inRange(0, 4));
  const int room = packing == Packing::kBytes ? 8 : packing == Packing::kSixes ? 6 : 4;
  RC_PRE(f.bits <= room);
  auto codes = *rc::gen::container<Bytes>(rc::gen::arbitrary<std::uint8_t>());
  if (packing == Packing::kGgml) codes.resize(codes.size() / 32 * 32);
  for (auto& code : codes) {
    code &= static_cast<std::uint8_t>((1 << f.bits) - 1);
    const bool negative = is_integer(f.dtype) && (code >> (f.bits - 1)) != 0;
    if (negative) code |= static_cast<std::uint8_t>(0xFF << f.bits);
  }
  RC_ASSERT(unpacked(packed(codes, f.dtype, packing), codes.size(), f.dtype, packing) == codes);
}

TEST(PackingTest, LargeArraysAndThreadsAgree) {
  Bytes codes(500003);
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::uint8_t>(i * 37 % 61);
  set_num_threads(1);
  const Bytes one = packed(codes, DType::kFloat6E2M3FN, Packing::kSixes);
  set_num_threads(3);
  EXPECT_EQ(packed(codes, DType::kFloat6E2M3FN, Packing::kSixes), one);
  EXPECT_EQ(unpacked(one, codes.size(), DType::kFloat6E2M3FN, Packing::kSixes), codes);
  set_num_threads(2);
}

TEST(PackingTest, BadInputIsRefused) {
  Bytes codes(33), out(17);
  EXPECT_THROW(pack(codes, DType::kFloat4E2M1FN, Packing::kGgml, out), ShapeError);
  EXPECT_THROW(pack(codes, DType::kFloat6E3M2FN, Packing::kPairs, out), ValueError);
  EXPECT_THROW(pack(codes, DType::kInt8, Packing::kSixes, out), ValueError);
  EXPECT_THROW(pack(codes, DType::kInt4, Packing::kSixes, out), ShapeError);
  EXPECT_THROW(packed_bytes(-1, Packing::kPairs), ShapeError);
  EXPECT_THROW(parse_packing("nibbles"), ValueError);
  EXPECT_NO_THROW(pack(codes, DType::kInt4, Packing::kPairs, out));
  for (const auto p : {Packing::kBytes, Packing::kPairs, Packing::kGgml, Packing::kSixes}) {
    EXPECT_EQ(parse_packing(to_string(p)), p);
  }
  EXPECT_EQ(natural_packing(DType::kFloat6E3M2FN), Packing::kSixes);
  EXPECT_EQ(natural_packing(DType::kInt2), Packing::kPairs);
  EXPECT_EQ(natural_packing(DType::kInt8), Packing::kBytes);
}

}  // namespace
}  // namespace sylvester
