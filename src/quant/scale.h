// Scales: what a block's numbers make of its spec. The scalar definitions of docs/quantizers.md.
#pragma once

#include <bit>
#include <cstdint>

#include "sylvester/formats/scalar.h"
#include "sylvester/quant/kernels.h"
#include "sylvester/quant/spec.h"

namespace sylvester::detail {

// Magnitudes travel as float32 bits without the sign: they order as integers, NaN above Inf above
// every finite number.
inline constexpr std::uint32_t kInfBits = 0x7F800000u;
inline constexpr std::uint32_t kMagnitudeMask = 0x7FFFFFFFu;

// Signed float32 bits as integers that order as the numbers do (-0 below +0, NaN at the ends).
constexpr std::int32_t order_key(float x) noexcept {
  const auto bits = std::bit_cast<std::int32_t>(x);
  return bits ^ static_cast<std::int32_t>(static_cast<std::uint32_t>(bits >> 31) & kMagnitudeMask);
}
constexpr float from_order_key(std::int32_t key) noexcept {
  return std::bit_cast<float>(
      key ^ static_cast<std::int32_t>(static_cast<std::uint32_t>(key >> 31) & kMagnitudeMask));
}
inline constexpr std::int32_t kLowestKey = std::bit_cast<std::int32_t>(0x80000000u);
inline constexpr std::int32_t kHighestKey = 0x7FFFFFFF;

// What is known about a block before its scale: absmax, or the range for asymmetric specs.
struct BlockBounds {
  std::uint32_t absmax = 0;  // magnitude bits
  std::int32_t low = kHighestKey;
  std::int32_t high = kLowestKey;
};

// A resolved spec with the constants its scales need.
struct ScalePlan {
  QuantSpec spec;
  float max = 1;          // largest finite element (127 for int8)
  int emax = 0;           // its exponent
  int mantissa_bits = 0;  // of the element format, for the "even" rule
  float levels = 1;       // 2^b - 1, asymmetric
  int value_shift = 0;    // mx integers are 1.(b-2) fixed point: values are codes * 2^-value_shift
  bool multiplies = false;  // elements times factor, else divided by it
  // NVFP4
  float tensor_scale = 1;   // g, decode scale of the tensor
  float tensor_encode = 1;  // its inverse, as the convention computes it
  float tensor_absmax = 0;
  bool tensor_poisoned = false;

  explicit ScalePlan(const QuantSpec& resolved);
  void set_tensor_absmax(std::uint32_t magnitude_bits);
};

// Unbiased E8M0 exponent, exact, clamped to [-127, 127]. `magnitude` is finite and not zero.
int power_of_two_exponent(const ScalePlan& plan, std::uint32_t magnitude) noexcept;

// rules absmax, floor, ceil, even, rceil, unit (kGrid: as absmax, the start of the search).
BlockScale scale_of(const ScalePlan& plan, const BlockBounds& bounds) noexcept;
// NVFP4 scale of a block; `stretch` is 1.5 for the map-to-4 candidate of four-over-six.
BlockScale nvfp4_scale(const ScalePlan& plan, std::uint32_t magnitude, float stretch = 1.0f);
// NVFP4 scale from its E4M3 code.
BlockScale nvfp4_from_code(const ScalePlan& plan, std::uint8_t code) noexcept;
// E8M0 scale 2^exponent (times margin).
BlockScale power_of_two_scale(const ScalePlan& plan, int exponent) noexcept;
// Scale NaN: the block decodes to NaN.
BlockScale poisoned_scale(const ScalePlan& plan) noexcept;

// Powers of two from -149 to 127, exact.
constexpr float power_of_two(int exponent) noexcept {
  return exponent >= -126 ? std::bit_cast<float>(static_cast<std::uint32_t>(exponent + 127) << 23)
                          : std::bit_cast<float>(std::uint32_t{1} << (exponent + 149));
}

inline float round_to_bf16(float x) noexcept {
  constexpr Layout kBf16 = layout(DType::kBFloat16);
  return decode_float(encode_float(x, kBf16, kIeeeEncode), kBf16);
}

}  // namespace sylvester::detail
