// Two arrays, element by element: the check of a kernel's dump against a golden reference.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sylvester/formats/dtype.h"

namespace sylvester {

struct Tolerance {
  enum class Kind : std::uint8_t { kExact, kUlp, kAbs, kRel };
  Kind kind = Kind::kExact;
  double value = 0;
};
// "exact" | "ulp:N" | "abs:X" | "rel:X". ValueError otherwise.
//   exact  the same bits (-0 differs from 0; NaN codes must be the same code)
//   ulp:N  at most N representable values apart; -0 = 0 and any NaN = any NaN
//   abs:X  |a - b| <= X;  NaN = NaN, Inf = Inf of the same sign
//   rel:X  |a - b| <= X |b|, b being the reference
Tolerance parse_tolerance(std::string_view text);
std::string to_string(const Tolerance& tolerance);

// Row-major, one element after the other in its storage width: 8 bytes for float64, 4 for float32
// and int32, 2 for bfloat16 and float16, one byte a code for everything narrower.
struct ArrayRef {
  DType dtype = DType::kFloat32;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;
};

struct Mismatch {
  std::int64_t flat = 0;            // position in row-major order
  std::vector<std::int64_t> index;  // the same as an index
  double a = 0, b = 0;              // values
  std::uint64_t a_code = 0, b_code = 0;
  double below = 0, above = 0;        // the representable values next to b (NaN at the ends)
  std::optional<std::uint64_t> ulps;  // absent when one of them is NaN
};

// Counts by distance: 0 (same bits), 0 in value only (-0 and 0, NaN and NaN), 1, 2, 3-4, 5-8, 9-16,
// 17-256, more, and pairs with one NaN.
inline constexpr std::array<std::string_view, 10> kUlpBuckets = {
    "same bits", "same value", "1", "2", "3-4", "5-8", "9-16", "17-256", "> 256", "one NaN"};

struct Comparison {
  Tolerance tolerance;
  std::int64_t count = 0;
  std::int64_t mismatches = 0;  // elements outside the tolerance
  std::optional<Mismatch> first;
  std::array<std::int64_t, kUlpBuckets.size()> histogram{};
  double max_abs = 0;  // over pairs of finite values
  double max_rel = 0;  // |a - b| / |b| where b != 0
  bool ok() const noexcept { return mismatches == 0; }
};

// Errors: ShapeError for different shapes, ValueError for different dtypes or a byte count that
// does not fit the shape.
Comparison compare(const ArrayRef& a, const ArrayRef& b, const Tolerance& tolerance = {});
// What a reader wants to see: verdict, first mismatch with neighbours, histogram.
std::string report(const Comparison& comparison, DType dtype);

}  // namespace sylvester
