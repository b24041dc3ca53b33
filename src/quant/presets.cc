// Quantizers of published systems as rows of text; docs/quantizers.md explains each.
#include "sylvester/quant/spec.h"

namespace sylvester {
namespace {

constexpr QuantPreset kPresets[] = {
    {"halo-int8", "int8", "HALO (arXiv 2501.02625), with a float32 scale and quotient"},
    {"halo-int8-as-coded", "int8:scale=bf16:quotient=bf16:codes=wrap",
     "HALO's public code in pure bfloat16: the absmax element becomes 126, 127 or -128"},
    {"halo-int8-simulated", "int8:least=1e-05:codes=narrow", "HALO's simulated int8, per tensor"},
    {"halo-fp8", "float8_e4m3fn", "HALO, with a float32 scale and quotient"},
    {"halo-fp8-as-coded", "float8_e4m3fn:scale=bf16:quotient=bf16",
     "HALO's public code in pure bfloat16"},
    {"halo-fp6", "float6_e3m2fn:margin=0.75:rounding=nearest_toward_negative",
     "HALO's FP6 codebook"},
    {"halo-fp6-e2m3", "float6_e2m3fn:margin=0.75:rounding=nearest_toward_negative",
     "HALO's FP6 codebook"},
    {"halo-fp4", "float4_e2m1fn:margin=0.75:rounding=nearest_toward_negative",
     "HALO's FP4 codebook"},
    {"halo-fp4-grid", "float4_e2m1fn:rule=grid:rounding=nearest_toward_negative",
     "HALO's FP4 codebook, scale='gs'"},
    {"halo-fp6-grid", "float6_e3m2fn:rule=grid:rounding=nearest_toward_negative",
     "HALO's FP6 codebook, scale='gs'"},
    {"jetfire-int8", "int8:block=32x32:least=1e-05:codes=narrow",
     "Jetfire's blocks as HALO's code simulates them"},
    {"jetfire-fp6", "float6_e3m2fn:block=32x32:least=1e-05:rounding=nearest_toward_negative",
     "Jetfire's blocks as HALO's code simulates them"},
    {"switchback-int8", "int8:row", "SwitchBack: activations and gradients; weights are int8"},
    {"roste-sym4", "int4:row", "RoSTE (arXiv 2502.09003), equations (2) and (3)"},
    {"roste-asym4", "int4:row:asym", "RoSTE, equation (4) as printed"},
    {"quarot-asym4", "int4:row:asym:zero=nearest:range=with_zero",
     "QuaRot and SpinQuant: activations, keys, values"},
    {"quarot-sym4", "int4:row", "QuaRot: weights and activations"},
    {"deepseek-activation", "float8_e4m3fn:block=1x128", "DeepSeek-V3"},
    {"deepseek-weight", "float8_e4m3fn:block=128x128", "DeepSeek-V3"},
    {"te-block-activation", "float8_e4m3fn:block=1x128:rule=rceil",
     "TransformerEngine Float8BlockScaling"},
    {"te-block-weight", "float8_e4m3fn:block=128x128:rule=rceil",
     "TransformerEngine Float8BlockScaling"},
    {"te-mxfp8", "mxfp8_e4m3:as=te", "TransformerEngine MXFP8BlockScaling"},
    {"te-nvfp4", "nvfp4:as=te", "TransformerEngine NVFP4, reference order"},
    {"te-nvfp4-folded", "nvfp4:as=te_folded", "TransformerEngine NVFP4, order of the kernels"},
    {"te-nvfp4-weight", "nvfp4:block=16x16:as=te", "TransformerEngine NVFP4 weights"},
    {"te-nvfp4-4over6", "nvfp4:four_over_six=mae:as=te", "TransformerEngine NVFP4, 4over6"},
    {"cublas-mxfp8", "mxfp8_e4m3:as=cublas", "cuBLAS: 1D block quantization"},
    {"torchao-mxfp8", "mxfp8_e4m3:as=torchao", "torchao to_mx"},
    {"torchao-mxfp8-rceil", "mxfp8_e4m3:rule=rceil:as=torchao", "torchao to_mx"},
    {"torchao-mxfp4", "mxfp4:as=torchao", "torchao to_mx"},
    {"torchao-nvfp4", "nvfp4:as=torchao", "torchao nvfp4_quantize, two levels"},
    {"torchao-nvfp4-one-level", "nvfp4:levels=1:as=torchao", "torchao nvfp4_quantize, one level"},
    {"torchao-fp8-row", "float8_e4m3fn:row:rule=rceil", "torchao float8 rowwise"},
    {"microxcaling-mxfp8", "mxfp8_e4m3:as=microxcaling:rounding=nearest_away",
     "microxcaling, round='nearest'"},
    {"microxcaling-mxfp6", "mxfp6_e3m2:as=microxcaling:rounding=nearest_away",
     "microxcaling, round='nearest'"},
    {"microxcaling-mxfp4", "mxfp4:as=microxcaling:rounding=nearest_away",
     "microxcaling, round='nearest'"},
    {"quartet-forward", "mxfp4:rule=quest:rounding=nearest_toward_zero",
     "Quartet, forward pass (QuEST)"},
    {"quartet-backward", "mxfp4:margin=1.3333334:rounding=stochastic", "Quartet, backward pass"},
    {"quartet2-forward", "nvfp4:four_over_six=mse:as=quartet2:rounding=nearest_away",
     "Quartet II, forward pass"},
    {"quartet2-backward", "nvfp4:rule=eden:as=quartet2:rounding=nearest_away",
     "Quartet II, MS-EDEN"},
};

}  // namespace

std::span<const QuantPreset> quant_presets() noexcept { return kPresets; }

}  // namespace sylvester
