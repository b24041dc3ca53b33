#include "gemm/policy.h"

#include <array>
#include <string>

#include "sylvester/core/error.h"

namespace sylvester::detail {
namespace {

// Sources and counts of compared results: docs/tensor_cores.md.
constexpr std::string_view kMeasured = "rows measured on the GPU: 0 mismatches";
constexpr std::string_view kH100 = "own H100 run: 0 mismatches";
constexpr std::string_view kModel = "public model only; not confirmed on hardware";

using enum CoreInput;
constexpr StepOutput kF32 = StepOutput::kFloat32;
constexpr StepOutput kE8M13 = StepOutput::kE8M13;
constexpr ScaleInput kPlain = ScaleInput::kNone;

constexpr FusedStep kVolta{4, 23, kF32, kNoFloor};
constexpr FusedStep kTuring{8, 24, kF32, kNoFloor};
constexpr FusedStep kAmpere16{8, 24, kF32, -132};
constexpr FusedStep kAmpereTf32{4, 24, kF32, -132};
constexpr FusedStep kAdaFp8{16, 13, kE8M13, -132};
constexpr FusedStep kHopper16{16, 25, kF32, -133};
constexpr FusedStep kHopperTf32{8, 25, kF32, -133};
constexpr FusedStep kHopperFp8{32, 13, kE8M13, -133};
constexpr FusedStep kBlackwell8{32, 25, kF32, -133};
constexpr FusedStep kBlackwell4{64, 35, kF32, kNoFloor};

constexpr std::array<HardwareRow, 40> kRows{{
    {"sm70-mma", kFloat16, kVolta, 0, 0, 64, kPlain, kMeasured},
    {"sm75-mma", kFloat16, kTuring, 0, 0, 64, kPlain, kModel},
    {"sm75-mma", kInt8, {}, 0, 0, 128, kPlain, "PTX ISA: exact"},
    {"sm80-mma", kFloat16, kAmpere16, 0, 0, 64, kPlain, kMeasured},
    {"sm80-mma", kBFloat16, kAmpere16, 0, 0, 64, kPlain, kMeasured},
    {"sm80-mma", kTf32, kAmpereTf32, 0, 0, 64, kPlain, kMeasured},
    {"sm80-mma", kInt8, {}, 0, 0, 128, kPlain, "PTX ISA: exact"},
    {"sm89-mma", kFloat16, kAmpere16, 0, 0, 64, kPlain, kMeasured},
    {"sm89-mma", kBFloat16, kAmpere16, 0, 0, 64, kPlain, kMeasured},
    {"sm89-mma", kTf32, kAmpereTf32, 0, 0, 64, kPlain, kMeasured},
    {"sm89-mma", kFp8, kAdaFp8, 0, 0, 128, kPlain, kMeasured},
    {"sm89-mma", kInt8, {}, 0, 0, 128, kPlain, "PTX ISA: exact"},
    {"sm90-mma", kFloat16, kHopper16, 0, 0, 64, kPlain, kH100},
    {"sm90-mma", kBFloat16, kHopper16, 0, 0, 64, kPlain, kH100},
    {"sm90-mma", kTf32, kHopperTf32, 0, 0, 64, kPlain, kMeasured},
    {"sm90-mma", kFp8, kHopper16, 32, 4, 128, kPlain, kH100},
    {"sm90-mma", kInt8, {}, 0, 0, 128, kPlain, kH100},
    {"sm90-wgmma", kFloat16, kHopper16, 0, 0, 64, kPlain, kH100},
    {"sm90-wgmma", kBFloat16, kHopper16, 0, 0, 64, kPlain, kH100},
    {"sm90-wgmma", kTf32, kHopperTf32, 0, 0, 64, kPlain, kMeasured},
    {"sm90-wgmma", kFp8, kHopperFp8, 0, 0, 128, kPlain, kH100},
    {"sm90-wgmma", kInt8, {}, 0, 0, 128, kPlain, kH100},
    {"sm90-cublaslt", kFloat16, kHopper16, 0, 0, 64, kPlain, kH100},
    {"sm90-cublaslt", kBFloat16, kHopper16, 0, 0, 64, kPlain, kH100},
    {"sm90-cublaslt", kFp8, kHopperFp8, 128, 0, 128, kPlain, kH100},
    {"sm90-cublaslt", kInt8, {}, 0, 0, 128, kPlain, kH100},
    {"sm90-cublaslt-fast", kFp8, kHopperFp8, 0, 0, 128, kPlain, kH100},
    {"sm100-mma", kFloat16, kHopper16, 0, 0, 64, kPlain, kMeasured},
    {"sm100-mma", kBFloat16, kHopper16, 0, 0, 64, kPlain, kMeasured},
    {"sm100-mma", kTf32, kHopperTf32, 0, 0, 64, kPlain, kMeasured},
    {"sm100-mma", kFp8, kHopper16, 32, 4, 128, kPlain, kMeasured},
    {"sm100-tcgen05", kFloat16, kHopper16, 0, 0, 64, kPlain, kModel},
    {"sm100-tcgen05", kBFloat16, kHopper16, 0, 0, 64, kPlain, kModel},
    {"sm100-tcgen05", kTf32, kHopperTf32, 0, 0, 64, kPlain, kModel},
    {"sm100-tcgen05", kF8F6F4, kBlackwell8, 0, 0, 128, kPlain, kModel},
    {"sm100-tcgen05", kF8F6F4, kBlackwell8, 0, 0, 128, ScaleInput::kBlock32, kModel},
    {"sm100-tcgen05", kFp4, kBlackwell4, 0, 0, 128, ScaleInput::kGroups16, kModel},
    {"sm120-mma", kF8F6F4, kBlackwell8, 0, 0, 128, kPlain, kModel},
    {"sm120-mma", kF8F6F4, kBlackwell8, 0, 0, 128, ScaleInput::kBlock32, kModel},
    {"sm120-mma", kFp4, kBlackwell4, 0, 0, 128, ScaleInput::kGroups16, kModel},
}};

std::string_view name(CoreInput input) {
  switch (input) {
    case kFloat16:
      return "float16";
    case kBFloat16:
      return "bfloat16";
    case kTf32:
      return "float32 (as tf32)";
    case kFp8:
      return "float8_e4m3fn, float8_e5m2";
    case kF8F6F4:
      return "float8_e4m3fn, float8_e5m2, float6_e3m2fn, float6_e2m3fn, float4_e2m1fn";
    case kFp4:
      return "float4_e2m1fn";
    case kInt8:
      return "int8";
  }
  return "?";
}

}  // namespace

std::span<const HardwareRow> hardware_rows() { return kRows; }

bool takes(CoreInput input, DType format) {
  switch (input) {
    case kFloat16:
      return format == DType::kFloat16;
    case kBFloat16:
      return format == DType::kBFloat16;
    case kTf32:
      return format == DType::kFloat32;
    case kFp8:
      return format == DType::kFloat8E4M3FN || format == DType::kFloat8E5M2;
    case kF8F6F4:
      return takes(kFp8, format) || takes(kFp4, format) || format == DType::kFloat6E3M2FN ||
             format == DType::kFloat6E2M3FN;
    case kFp4:
      return format == DType::kFloat4E2M1FN;
    case kInt8:
      return format == DType::kInt8;
  }
  return false;
}

const HardwareRow* find_hardware_row(const Accumulation& accumulation, DType a, DType b,
                                     ScaleInput scales) {
  for (const HardwareRow& row : kRows) {
    if (row.policy == accumulation.name && row.scales == scales && takes(row.input, a) &&
        takes(row.input, b)) {
      return &row;
    }
  }
  return nullptr;
}

const HardwareRow& hardware_row(const Accumulation& accumulation, DType a, DType b,
                                ScaleInput scales) {
  const HardwareRow* found = find_hardware_row(accumulation, a, b, scales);
  if (found != nullptr) return *found;
  std::string known;
  for (const HardwareRow& row : kRows) {
    if (row.policy != accumulation.name || row.scales != scales) continue;
    known += (known.empty() ? "" : "; ") + std::string(name(row.input));
  }
  throw UnsupportedError("accumulate '" + accumulation.name + "': no " + std::string(to_string(a)) +
                         " x " + std::string(to_string(b)) + " product; it takes pairs of: " +
                         known + ". Try 'exact', which takes every format");
}

}  // namespace sylvester::detail
