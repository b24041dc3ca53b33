#include "sylvester/formats/dtype.h"

#include <array>
#include <string>
#include <vector>

#include "sylvester/core/error.h"
#include "sylvester/core/text.h"
#include "sylvester/formats/scalar.h"

namespace sylvester {
namespace {

constexpr double power_of_two(int exponent) {
  double value = 1;
  for (; exponent > 0; --exponent) value *= 2;
  for (; exponent < 0; ++exponent) value /= 2;
  return value;
}

constexpr double value_of(std::uint64_t code, const Layout& f) {
  const Unpacked x = unpack(code, f);
  if (x.kind != Unpacked::Kind::kFinite) return 0;
  return static_cast<double>(x.significand >> 11) * power_of_two(x.exponent - 52);
}

constexpr Format describe(DType dtype, std::string_view name, std::string_view alias) {
  const Layout f = layout(dtype);
  const bool e8m0 = f.specials == Specials::kE8m0;
  const bool integer = f.specials == Specials::kInteger;
  return {.dtype = dtype,
          .name = name,
          .alias = alias,
          .bits = code_bits(f),
          .exponent_bits = f.exponent_bits,
          .mantissa_bits = f.mantissa_bits,
          .bias = f.bias,
          .specials = f.specials,
          .max = value_of(max_code(f), f),
          .min_normal = integer ? 1 : power_of_two(min_exponent(f)),
          .min_subnormal = value_of(e8m0 ? 0 : 1, f),
          .emax = unpack(max_code(f), f).exponent};
}

constexpr std::array kFormats{
    describe(DType::kFloat8E4M3FN, "float8_e4m3fn", "e4m3"),
    describe(DType::kFloat8E5M2, "float8_e5m2", "e5m2"),
    describe(DType::kFloat8E4M3FNUZ, "float8_e4m3fnuz", "e4m3fnuz"),
    describe(DType::kFloat8E5M2FNUZ, "float8_e5m2fnuz", "e5m2fnuz"),
    describe(DType::kFloat6E3M2FN, "float6_e3m2fn", "e3m2"),
    describe(DType::kFloat6E2M3FN, "float6_e2m3fn", "e2m3"),
    describe(DType::kFloat4E2M1FN, "float4_e2m1fn", "e2m1"),
    describe(DType::kFloat4E3M0FN, "float4_e3m0fn", "e3m0"),
    describe(DType::kFloat4E1M2FN, "float4_e1m2fn", "e1m2"),
    describe(DType::kFloat8E8M0FNU, "float8_e8m0fnu", "e8m0"),
    describe(DType::kBFloat16, "bfloat16", "bf16"),
    describe(DType::kFloat16, "float16", "fp16"),
    describe(DType::kInt8, "int8", ""),
    describe(DType::kInt7, "int7", ""),
    describe(DType::kInt6, "int6", ""),
    describe(DType::kInt5, "int5", ""),
    describe(DType::kInt4, "int4", ""),
    describe(DType::kInt3, "int3", ""),
    describe(DType::kInt2, "int2", ""),
};

// Element types that are stored or computed in, but are not quantization formats.
struct Storage {
  DType dtype;
  std::string_view name, alias;
  std::int64_t bytes;
};
constexpr std::array<Storage, 4> kStorage{{{DType::kFloat64, "float64", "fp64", 8},
                                           {DType::kFloat32, "float32", "fp32", 4},
                                           {DType::kInt32, "int32", "", 4},
                                           {DType::kUInt8, "uint8", "", 1}}};

constexpr const Format* find(DType dtype) {
  for (const Format& f : kFormats) {
    if (f.dtype == dtype) return &f;
  }
  return nullptr;
}
constexpr bool limits(DType dtype, double max, double min_normal, double min_subnormal, int emax) {
  const Format& f = *find(dtype);
  return f.max == max && f.min_normal == min_normal && f.min_subnormal == min_subnormal &&
         f.emax == emax;
}
// The limits that OCP 8-bit FP (OFP8 1.0, table 1) and OCP MX 1.0 (tables 1, 2 and 6) print, and
// ml_dtypes' finfo for the rest, against what the layouts give.
static_assert(limits(DType::kFloat8E4M3FN, 448, 0x1p-6, 0x1p-9, 8));
static_assert(limits(DType::kFloat8E5M2, 57344, 0x1p-14, 0x1p-16, 15));
static_assert(limits(DType::kFloat8E4M3FNUZ, 240, 0x1p-7, 0x1p-10, 7));
static_assert(limits(DType::kFloat8E5M2FNUZ, 57344, 0x1p-15, 0x1p-17, 15));
static_assert(limits(DType::kFloat6E3M2FN, 28, 0.25, 0.0625, 4));
static_assert(limits(DType::kFloat6E2M3FN, 7.5, 1, 0.125, 2));
static_assert(limits(DType::kFloat4E2M1FN, 6, 1, 0.5, 2));
static_assert(limits(DType::kFloat4E3M0FN, 16, 0.25, 0.25, 4));
static_assert(limits(DType::kFloat4E1M2FN, 3.5, 2, 0.5, 1));
static_assert(limits(DType::kFloat8E8M0FNU, 0x1p127, 0x1p-127, 0x1p-127, 127));
static_assert(limits(DType::kBFloat16, 0x1.FEp127, 0x1p-126, 0x1p-133, 127));
static_assert(limits(DType::kFloat16, 65504, 0x1p-14, 0x1p-24, 15));
static_assert(limits(DType::kInt8, 127, 1, 1, 6));
static_assert(limits(DType::kInt4, 7, 1, 1, 2));
static_assert(limits(DType::kInt2, 1, 1, 1, 0));

}  // namespace

std::span<const Format> formats() noexcept { return kFormats; }

const Format& format(DType dtype) {
  const Format* found = find(dtype);
  if (found == nullptr) {
    throw ValueError("dtype: " + std::string(to_string(dtype)) +
                     " is no quantization format; want one of formats()");
  }
  return *found;
}

DType parse_dtype(std::string_view name) {
  std::vector<std::string_view> known;
  for (const Format& f : kFormats) {
    known.push_back(f.name);
    if (!f.alias.empty()) known.push_back(f.alias);
    if (!name.empty() && (name == f.name || name == f.alias)) return f.dtype;
  }
  for (const Storage& s : kStorage) {
    known.push_back(s.name);
    if (!name.empty() && (name == s.name || name == s.alias)) return s.dtype;
  }
  std::string hint = did_you_mean(name, known);
  if (hint.empty()) {
    hint = "; want one of";
    for (const Format& f : kFormats) hint.append(" ").append(f.name);
  }
  throw ValueError("format: '" + std::string(name) + "' is not known" + hint);
}

std::string_view to_string(DType dtype) noexcept {
  if (const Format* f = find(dtype)) return f->name;
  for (const Storage& s : kStorage) {
    if (s.dtype == dtype) return s.name;
  }
  return "?";
}

std::int64_t storage_bytes(DType dtype) noexcept {
  if (const Format* f = find(dtype)) return f->bits > 8 ? 2 : 1;
  for (const Storage& s : kStorage) {
    if (s.dtype == dtype) return s.bytes;
  }
  return 0;
}

bool is_integer(DType dtype) noexcept { return layout(dtype).specials == Specials::kInteger; }

}  // namespace sylvester
