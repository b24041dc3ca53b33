#include "sylvester/formats/options.h"

#include <algorithm>
#include <array>
#include <string>

#include "sylvester/core/error.h"
#include "sylvester/formats/scalar.h"

namespace sylvester {
namespace {

template <class T>
struct Name {
  T value;
  std::string_view text;
};

constexpr std::array<Name<Rounding>, 8> kRoundings{
    {{Rounding::kNearestEven, "nearest_even"},
     {Rounding::kNearestAway, "nearest_away"},
     {Rounding::kTowardZero, "toward_zero"},
     {Rounding::kNearestTowardNegative, "nearest_toward_negative"},
     {Rounding::kStochastic, "stochastic"},
     {Rounding::kDown, "down"},
     {Rounding::kUp, "up"},
     {Rounding::kNearestTowardZero, "nearest_toward_zero"}}};
constexpr std::array<Name<Overflow>, 2> kOverflows{
    {{Overflow::kSaturate, "saturate"}, {Overflow::kNonfinite, "nonfinite"}}};
constexpr std::array<Name<NanMode>, 7> kNanModes{{{NanMode::kCanonical, "canonical"},
                                                  {NanMode::kKeepSign, "keep_sign"},
                                                  {NanMode::kMaxFinite, "max_finite"},
                                                  {NanMode::kSignedZero, "signed_zero"},
                                                  {NanMode::kQuiet, "quiet"},
                                                  {NanMode::kQuietKeepSign, "quiet_keep_sign"},
                                                  {NanMode::kNegative, "negative"}}};

template <class T, std::size_t N>
T parse(const std::array<Name<T>, N>& names, std::string_view option, std::string_view text) {
  std::string allowed;
  for (const Name<T>& name : names) {
    if (name.text == text) return name.value;
    if (!allowed.empty()) allowed += ", ";
    allowed += name.text;
  }
  throw ValueError(std::string(option) + ": '" + std::string(text) + "'; want " + allowed);
}
template <class T, std::size_t N>
std::string_view print(const std::array<Name<T>, N>& names, T value) noexcept {
  for (const Name<T>& name : names) {
    if (name.value == value) return name.text;
  }
  return "?";
}

// Which formats a reference converts to.
enum Group : unsigned {
  kE4m3 = 1,    // float8_e4m3fn
  kE5m2 = 256,  // float8_e5m2
  kOcp8 = kE4m3 | kE5m2,
  kFnuz8 = 2,      // the fnuz pair
  kOcp64 = 4,      // FP6 and FP4 of OCP MX
  kScale = 8,      // float8_e8m0fnu
  kBrain = 16,     // bfloat16
  kHalf = 32,      // float16
  kCodebook = 64,  // float4_e3m0fn, float4_e1m2fn
  kInt = 128,
};

constexpr unsigned group(DType dtype) {
  switch (dtype) {
    case DType::kFloat8E4M3FN:
      return kE4m3;
    case DType::kFloat8E5M2:
      return kE5m2;
    case DType::kFloat8E4M3FNUZ:
    case DType::kFloat8E5M2FNUZ:
      return kFnuz8;
    case DType::kFloat6E3M2FN:
    case DType::kFloat6E2M3FN:
    case DType::kFloat4E2M1FN:
      return kOcp64;
    case DType::kFloat4E3M0FN:
    case DType::kFloat4E1M2FN:
      return kCodebook;
    case DType::kFloat8E8M0FNU:
      return kScale;
    case DType::kBFloat16:
      return kBrain;
    case DType::kFloat16:
      return kHalf;
    default:
      return layout(dtype).specials == Specials::kInteger && dtype != DType::kInt32 &&
                     dtype != DType::kUInt8
                 ? static_cast<unsigned>(kInt)
                 : 0u;
  }
}

// One convention: the groups it covers and what it does there. The first row that fits wins.
struct Preset {
  std::string_view name;
  unsigned groups;
  Rounding rounding;
  Overflow overflow;
  NanMode nan;
  NonPositive non_positive = NonPositive::kMagnitude;
};
constexpr Rounding kEven = Rounding::kNearestEven;
constexpr Rounding kZero = Rounding::kTowardZero;
constexpr Overflow kSat = Overflow::kSaturate;
constexpr Overflow kNon = Overflow::kNonfinite;

constexpr std::array kPresets{
    // cuda_fp8.h, cuda_fp6.h, cuda_fp4.h: __NV_SATFINITE; E8M0 as its constructors, upwards.
    Preset{"cuda", kOcp8, kEven, kSat, NanMode::kCanonical},
    Preset{"cuda", kOcp64, kEven, kSat, NanMode::kMaxFinite},
    Preset{"cuda", kScale, Rounding::kUp, kSat, NanMode::kCanonical},
    Preset{"cuda", kBrain | kHalf, kEven, kNon, NanMode::kCanonical},
    Preset{"cuda_nosat", kOcp8, kEven, kNon, NanMode::kCanonical},
    Preset{"cuda_nosat", kScale, Rounding::kUp, kNon, NanMode::kCanonical},
    Preset{"cuda_rz", kOcp64, kZero, kSat, NanMode::kMaxFinite},
    Preset{"cuda_rz", kScale, Rounding::kDown, kSat, NanMode::kCanonical},
    Preset{"cuda_nosat_rz", kScale, Rounding::kDown, kNon, NanMode::kCanonical},
    Preset{"ml_dtypes", kOcp8 | kFnuz8 | kBrain | kHalf, kEven, kNon, NanMode::kQuietKeepSign},
    Preset{"ml_dtypes", kOcp64, kEven, kSat, NanMode::kSignedZero},
    Preset{"ml_dtypes", kScale, kEven, kNon, NanMode::kCanonical, NonPositive::kNan},
    Preset{"torch", kE4m3, kEven, kSat, NanMode::kKeepSign},
    Preset{"torch", kE5m2 | kFnuz8, kEven, kNon, NanMode::kKeepSign},
    Preset{"torch", kScale, kEven, kNon, NanMode::kCanonical},
    Preset{"torch", kBrain, kEven, kNon, NanMode::kNegative},
    Preset{"torch", kHalf, kEven, kNon, NanMode::kQuietKeepSign},
    Preset{"ocp", kOcp8, kEven, kSat, NanMode::kKeepSign},
    Preset{"ocp", kOcp64, kEven, kSat, NanMode::kMaxFinite},
    Preset{"ocp", kScale, Rounding::kDown, kSat, NanMode::kCanonical},
    Preset{"ocp_nosat", kOcp8, kEven, kNon, NanMode::kKeepSign},
    Preset{"gfloat", kOcp8 | kOcp64 | kBrain | kHalf, kEven, kSat, NanMode::kNegative},
    Preset{"gfloat_rz", kOcp8 | kOcp64 | kBrain | kHalf, kZero, kSat, NanMode::kNegative},
    Preset{"gfloat_rna", kOcp8 | kOcp64 | kBrain | kHalf, Rounding::kNearestAway, kSat,
           NanMode::kNegative},
    // RoSTE eq. (2), torch.quantize_per_tensor: round half to even, clamp.
    Preset{"torch", kInt, kEven, kSat, NanMode::kCanonical},
};

constexpr std::array<std::string_view, 11> kPresetNames{
    "cuda", "cuda_nosat", "cuda_rz", "cuda_nosat_rz", "ml_dtypes", "torch",
    "ocp",  "ocp_nosat",  "gfloat",  "gfloat_rz",     "gfloat_rna"};

const Preset* find_preset(std::string_view name, DType to) {
  const unsigned wanted = group(to);
  const auto* row = std::find_if(kPresets.begin(), kPresets.end(), [&](const Preset& p) {
    return p.name == name && (p.groups & wanted) != 0;
  });
  return row == kPresets.end() ? nullptr : row;
}

}  // namespace

Rounding parse_rounding(std::string_view name) { return parse(kRoundings, "rounding", name); }
Overflow parse_overflow(std::string_view name) { return parse(kOverflows, "overflow", name); }
NanMode parse_nan_mode(std::string_view name) { return parse(kNanModes, "nan", name); }
std::string_view to_string(Rounding rounding) noexcept { return print(kRoundings, rounding); }
std::string_view to_string(Overflow overflow) noexcept { return print(kOverflows, overflow); }
std::string_view to_string(NanMode nan) noexcept { return print(kNanModes, nan); }

std::span<const std::string_view> encode_preset_names() noexcept { return kPresetNames; }

bool has_encode_preset(std::string_view name, DType to) noexcept {
  return find_preset(name, to) != nullptr;
}

EncodeOptions encode_preset(std::string_view name, DType to) {
  const Preset* preset = find_preset(name, to);
  if (preset != nullptr) {
    return {.rounding = preset->rounding,
            .overflow = preset->overflow,
            .nan = preset->nan,
            .non_positive = preset->non_positive};
  }
  const bool known =
      std::find(kPresetNames.begin(), kPresetNames.end(), name) != kPresetNames.end();
  std::string allowed;
  for (const std::string_view candidate : kPresetNames) {
    if (known && !has_encode_preset(candidate, to)) continue;
    if (!allowed.empty()) allowed += ", ";
    allowed += candidate;
  }
  throw ValueError("preset: '" + std::string(name) + "'" +
                   (known ? " has no conversion to " + std::string(to_string(to))
                          : std::string(" is not known")) +
                   "; want " + (allowed.empty() ? std::string("another format") : allowed));
}

}  // namespace sylvester
