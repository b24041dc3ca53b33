#include "sylvester/core/buffer.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <utility>

namespace sylvester {
namespace {

std::uintptr_t address(const void* p) { return reinterpret_cast<std::uintptr_t>(p); }

TEST(Buffer, IsAlignedAtEverySize) {
  for (const std::int64_t size : {0, 1, 63, 1000, (4 << 20) - 1, 4 << 20, (9 << 20) + 5}) {
    Buffer<std::uint8_t> b(size);
    EXPECT_EQ(address(b.data()) % kBufferAlignment, 0u) << size;
    if (size >= 4 << 20) {
      EXPECT_EQ(address(b.data()) % (2 << 20), 0u) << size;
    }
    b.fill(7);
    for (const std::uint8_t x : b) ASSERT_EQ(x, 7);
  }
}

TEST(Buffer, KeepsItsStorageWhileItFits) {
  Buffer<float> b(5 << 20);
  const float* before = b.data();
  b.resize(10);
  b.resize(5 << 20);
  EXPECT_EQ(b.data(), before);
  b[0] = 3.0f;
  Buffer<float> copy = b;
  Buffer<float> moved = std::move(b);
  EXPECT_EQ(moved.data(), before);
  EXPECT_NE(copy.data(), before);
  EXPECT_EQ(copy[0], 3.0f);
  moved.resize(6 << 20);  // grows: another piece, the old one released under its own size
  EXPECT_EQ(moved.size(), 6 << 20);
}

}  // namespace
}  // namespace sylvester
