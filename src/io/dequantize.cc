#include "io/dequantize.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <utility>

#include "sylvester/formats/convert.h"

namespace sylvester::io::detail {
namespace {

constexpr std::size_t kGroup = 64;  // blocks whose scales are decoded together

std::uint8_t u8(const std::byte* p) { return std::to_integer<std::uint8_t>(*p); }
std::int8_t i8(const std::byte* p) { return static_cast<std::int8_t>(u8(p)); }

// Calls body(block bytes, scales, out) for each block; scales[k] is the float16 at kAt[k].
template <std::size_t kBytes, std::size_t kElements, std::size_t... kAt, class Body>
void for_each_block(const std::byte* bytes, std::span<float> out, Body body) {
  constexpr std::array<std::size_t, sizeof...(kAt)> at = {kAt...};
  std::array<std::uint16_t, kGroup * sizeof...(kAt)> codes;
  std::array<float, kGroup * sizeof...(kAt)> scales;
  const std::size_t blocks = out.size() / kElements;
  for (std::size_t first = 0; first < blocks; first += kGroup) {
    const std::size_t n = std::min(kGroup, blocks - first);
    for (std::size_t b = 0; b < n; ++b) {
      for (std::size_t k = 0; k < at.size(); ++k) {
        std::memcpy(&codes[b * at.size() + k], bytes + (first + b) * kBytes + at[k], 2);
      }
    }
    decode16({codes.data(), n * at.size()}, DType::kFloat16, {scales.data(), n * at.size()});
    for (std::size_t b = 0; b < n; ++b) {
      body(bytes + (first + b) * kBytes, &scales[b * at.size()],
           out.data() + (first + b) * kElements);
    }
  }
}

void q4_0(const std::byte* bytes, std::span<float> out) {
  for_each_block<18, 32, 0>(bytes, out, [](const std::byte* p, const float* d, float* x) {
    for (int i = 0; i < 16; ++i) {
      x[i] = static_cast<float>((u8(p + 2 + i) & 15) - 8) * d[0];
      x[i + 16] = static_cast<float>((u8(p + 2 + i) >> 4) - 8) * d[0];
    }
  });
}

void q4_1(const std::byte* bytes, std::span<float> out) {
  for_each_block<20, 32, 0, 2>(bytes, out, [](const std::byte* p, const float* d, float* x) {
    for (int i = 0; i < 16; ++i) {
      x[i] = static_cast<float>(u8(p + 4 + i) & 15) * d[0] + d[1];
      x[i + 16] = static_cast<float>(u8(p + 4 + i) >> 4) * d[0] + d[1];
    }
  });
}

// The fifth bits of a Q5 block: bit i belongs to element i.
std::uint32_t high_bits(const std::byte* p) {
  std::uint32_t bits;
  std::memcpy(&bits, p, 4);
  return bits;
}

void q5_0(const std::byte* bytes, std::span<float> out) {
  for_each_block<22, 32, 0>(bytes, out, [](const std::byte* p, const float* d, float* x) {
    const std::uint32_t high = high_bits(p + 2);
    for (int i = 0; i < 16; ++i) {
      const int low = (u8(p + 6 + i) & 15) | static_cast<int>((high >> i & 1) << 4);
      const int up = (u8(p + 6 + i) >> 4) | static_cast<int>((high >> (i + 16) & 1) << 4);
      x[i] = static_cast<float>(low - 16) * d[0];
      x[i + 16] = static_cast<float>(up - 16) * d[0];
    }
  });
}

void q5_1(const std::byte* bytes, std::span<float> out) {
  for_each_block<24, 32, 0, 2>(bytes, out, [](const std::byte* p, const float* d, float* x) {
    const std::uint32_t high = high_bits(p + 4);
    for (int i = 0; i < 16; ++i) {
      const int low = (u8(p + 8 + i) & 15) | static_cast<int>((high >> i & 1) << 4);
      const int up = (u8(p + 8 + i) >> 4) | static_cast<int>((high >> (i + 16) & 1) << 4);
      x[i] = static_cast<float>(low) * d[0] + d[1];
      x[i + 16] = static_cast<float>(up) * d[0] + d[1];
    }
  });
}

void q8_0(const std::byte* bytes, std::span<float> out) {
  for_each_block<34, 32, 0>(bytes, out, [](const std::byte* p, const float* d, float* x) {
    for (int i = 0; i < 32; ++i) x[i] = static_cast<float>(i8(p + 2 + i)) * d[0];
  });
}

// Scale and minimum (6 bits each) of sub-block j of a Q4_K or Q5_K block; 12 bytes hold 8 pairs.
std::pair<int, int> scale_and_min(int j, const std::byte* q) {
  if (j < 4) return {u8(q + j) & 63, u8(q + j + 4) & 63};
  return {(u8(q + j + 4) & 15) | (u8(q + j - 4) >> 6) << 4, (u8(q + j + 4) >> 4) | (u8(q + j) >> 6)
                                                                                       << 4};
}

void q4_k(const std::byte* bytes, std::span<float> out) {
  for_each_block<144, 256, 0, 2>(bytes, out, [](const std::byte* p, const float* d, float* x) {
    for (int j = 0; j < 8; ++j) {
      const auto [scale, minimum] = scale_and_min(j, p + 4);
      const float step = d[0] * static_cast<float>(scale);
      const float low = d[1] * static_cast<float>(minimum);
      const std::byte* q = p + 16 + 32 * (j / 2);
      for (int i = 0; i < 32; ++i) {
        const int code = j % 2 == 0 ? u8(q + i) & 15 : u8(q + i) >> 4;
        x[32 * j + i] = step * static_cast<float>(code) - low;
      }
    }
  });
}

void q5_k(const std::byte* bytes, std::span<float> out) {
  for_each_block<176, 256, 0, 2>(bytes, out, [](const std::byte* p, const float* d, float* x) {
    for (int j = 0; j < 8; ++j) {
      const auto [scale, minimum] = scale_and_min(j, p + 4);
      const float step = d[0] * static_cast<float>(scale);
      const float low = d[1] * static_cast<float>(minimum);
      const std::byte* q = p + 48 + 32 * (j / 2);
      for (int i = 0; i < 32; ++i) {
        const int code = (j % 2 == 0 ? u8(q + i) & 15 : u8(q + i) >> 4) | (u8(p + 16 + i) >> j & 1)
                                                                              << 4;
        x[32 * j + i] = step * static_cast<float>(code) - low;
      }
    }
  });
}

void q6_k(const std::byte* bytes, std::span<float> out) {
  for_each_block<210, 256, 208>(bytes, out, [](const std::byte* p, const float* d, float* x) {
    for (int half = 0; half < 2; ++half) {
      for (int part = 0; part < 4; ++part) {
        for (int i = 0; i < 32; ++i) {
          const int low_byte = u8(p + 64 * half + 32 * (part % 2) + i);
          const int low = part < 2 ? low_byte & 15 : low_byte >> 4;
          const int high = u8(p + 128 + 32 * half + i) >> (2 * part) & 3;
          const int at = 128 * half + 32 * part + i;
          const float scale = d[0] * static_cast<float>(i8(p + 192 + at / 16));
          x[at] = scale * static_cast<float>((low | high << 4) - 32);
        }
      }
    }
  });
}

template <class T>
void plain(const std::byte* bytes, std::span<float> out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    T value;
    std::memcpy(&value, bytes + i * sizeof(T), sizeof(T));
    out[i] = static_cast<float>(value);
  }
}

template <DType kFormat>
void sixteen(const std::byte* bytes, std::span<float> out) {
  std::array<std::uint16_t, 1024> codes;
  for (std::size_t i = 0; i < out.size(); i += codes.size()) {
    const std::size_t n = std::min(codes.size(), out.size() - i);
    std::memcpy(codes.data(), bytes + 2 * i, 2 * n);
    decode16({codes.data(), n}, kFormat, out.subspan(i, n));
  }
}

template <DType kFormat>
void eight(const std::byte* bytes, std::span<float> out) {
  decode({reinterpret_cast<const std::uint8_t*>(bytes), out.size()}, kFormat, out);
}

// Codes of kBits bits, least significant first, across byte boundaries.
template <DType kFormat, int kBits>
void packed(const std::byte* bytes, std::span<float> out) {
  constexpr int kUnit = kBits == 4 ? 2 : 4;  // codes that fill whole bytes
  std::array<std::uint8_t, 1024> codes;
  for (std::size_t i = 0; i < out.size(); i += codes.size()) {
    const std::size_t n = std::min(codes.size(), out.size() - i);
    for (std::size_t k = 0; k < n; k += kUnit) {
      std::uint32_t word = 0;
      const std::byte* p = bytes + (i + k) * kBits / 8;
      for (int b = 0; b < kUnit * kBits / 8; ++b) word |= std::uint32_t{u8(p + b)} << (8 * b);
      for (int c = 0; c < kUnit; ++c) {
        codes[k + c] = static_cast<std::uint8_t>(word >> (kBits * c) & ((1u << kBits) - 1));
      }
    }
    decode({codes.data(), n}, kFormat, out.subspan(i, n));
  }
}

constexpr std::pair<std::string_view, Decoder> kDecoders[] = {
    {"F32", plain<float>},
    {"F64", plain<double>},
    {"BOOL", plain<std::uint8_t>},
    {"U8", plain<std::uint8_t>},
    {"I8", plain<std::int8_t>},
    {"U16", plain<std::uint16_t>},
    {"I16", plain<std::int16_t>},
    {"F16", sixteen<DType::kFloat16>},
    {"BF16", sixteen<DType::kBFloat16>},
    {"F8_E4M3", eight<DType::kFloat8E4M3FN>},
    {"F8_E5M2", eight<DType::kFloat8E5M2>},
    {"F8_E4M3FNUZ", eight<DType::kFloat8E4M3FNUZ>},
    {"F8_E5M2FNUZ", eight<DType::kFloat8E5M2FNUZ>},
    {"F8_E8M0", eight<DType::kFloat8E8M0FNU>},
    {"F6_E3M2", packed<DType::kFloat6E3M2FN, 6>},
    {"F6_E2M3", packed<DType::kFloat6E2M3FN, 6>},
    {"F4", packed<DType::kFloat4E2M1FN, 4>},
    {"Q4_0", q4_0},
    {"Q4_1", q4_1},
    {"Q5_0", q5_0},
    {"Q5_1", q5_1},
    {"Q8_0", q8_0},
    {"Q4_K", q4_k},
    {"Q5_K", q5_k},
    {"Q6_K", q6_k},
};

}  // namespace

Decoder find_decoder(std::string_view dtype) noexcept {
  for (const auto& [name, decoder] : kDecoders) {
    if (name == dtype) return decoder;
  }
  return nullptr;
}

}  // namespace sylvester::io::detail
