#include "formats/describe_notes.h"

namespace sylvester {

std::string_view page_introduction() noexcept {
  return R"(# Number formats

<!-- Made by formats_page() from the tables of the code; formats_test compares. Do not edit. -->

Names are those of ml_dtypes, in C++, Python, on the command line and in files. A code of at most 8
bits is kept in the low bits of one byte: sign, exponent, mantissa from the top; integers are
sign-extended two's complement. Every code has an exact float32 value; NaN decodes to 0x7FC00000.

Encoding takes float32, bfloat16, float16 or float64, rounds once, and has the same bits on every
instruction set, thread count and on CUDA. The definition is one function,
`include/sylvester/formats/scalar.h`. float32 subnormals are never flushed.
)";
}

std::string_view page_options() noexcept {
  return R"(## How a number is rounded

| rounding | between two neighbours |
|---|---|
| `nearest_even` | the nearer; a tie goes to the even code |
| `nearest_away` | the nearer; a tie goes away from zero |
| `nearest_toward_zero` | the nearer; a tie goes toward zero (Quartet's forward quantizer) |
| `nearest_toward_negative` | the nearer; a tie goes to the lower value (HALO's codebook search) |
| `toward_zero`, `down` | the one nearer to zero |
| `up` | the one farther from zero |
| `stochastic` | up with probability equal to the distance from the lower, see below |

Overflow is judged after rounding with unbounded exponent: the rounded magnitude exceeds the largest
finite value. Infinity overflows. `overflow=saturate` gives the largest finite value with its sign,
`overflow=nonfinite` gives Inf, or NaN where there is no Inf, or the largest finite value where
there is neither (FP6, FP4, integers).

| nan | NaN becomes |
|---|---|
| `canonical` | all exponent and mantissa bits one, sign dropped (CUDA) |
| `keep_sign` | the same with the sign of the NaN (PyTorch) |
| `quiet`, `quiet_keep_sign` | only the top mantissa bit set (ml_dtypes) |
| `negative` | all ones and the sign bit (gfloat) |
| `max_finite` | + largest finite value (CUDA for FP6 and FP4) |
| `signed_zero` | -0 for +NaN, +0 for -NaN (ml_dtypes for FP6 and FP4) |

A format without NaN takes the largest finite value for all but `signed_zero`, integers take 0 for
all but `max_finite`, float8_e8m0fnu has one NaN, 0xFF, the fnuz formats one, 0x80. Payloads are
not kept. The sign of zero is kept where the format has -0, also when a negative number rounds to
zero.

Stochastic rounding compares the top 24 bits of a random word with the top 24 bits of the fraction
that is cut off, and goes up when the word is smaller. It is exactly unbiased where the cut part has
at most 24 bits, which holds for every normal result of a float32, bfloat16 or float16 number;
elsewhere the probability is low by less than 2^-24. Word i of Philox 4x32-10 under the stream
(seed, step, tensor) belongs to element i, so neither threads nor vector width matter.

## Named conventions

`encode_preset(name, format)` gives the options under which `encode` has the bits of that library;
`encode(x, format, preset=name)` in Python, `--preset` of `formats --check` and `golden encode`.
`cuda` is `__NV_SATFINITE` of cuda_fp8.h, cuda_fp6.h, cuda_fp4.h (CUDA 13.0), `cuda_nosat`
`__NV_NOSAT`, `_rz` toward zero; `ml_dtypes` is ml_dtypes 0.6; `torch` is PyTorch 2.15 on the CPU;
`ocp` are the saturating conversions of OCP OFP8 1.0 and MX 1.0, `ocp_nosat` the others; `gfloat`,
`gfloat_rz`, `gfloat_rna` are gfloat 0.5 with saturation and the named rounding. gfloat raises an
error for NaN to a format without NaN; the code here is then the largest negative value.

## Packing

| layout | codes |
|---|---|
| `bytes` | one a byte |
| `pairs` | 4 bits: element 2i in the low nibble, 2i + 1 in the high one |
| `ggml` | 4 bits: in each block of 32, element i in the low nibble of byte i, i + 16 in the high one |
| `sixes` | 6 bits: element i at bits 6i ... 6i + 5 of a little-endian stream, 4 codes in 3 bytes |
)";
}

std::string_view notes(DType dtype) noexcept {
  switch (dtype) {
    case DType::kFloat8E4M3FN:
      return "OCP OFP8 E4M3. \"fn\": finite, NaN only where exponent and mantissa are all ones. "
             "Under nearest_even numbers up to 464 round to 448. Beyond it CUDA saturates or gives "
             "NaN as asked, ml_dtypes gives NaN, PyTorch 2.15 saturates Inf too.";
    case DType::kFloat8E5M2:
      return "OCP OFP8 E5M2, the high byte of a float16. Under nearest_even 61440 is a tie that "
             "goes up and overflows. CUDA's NaN is 0x7F, PyTorch keeps its sign, ml_dtypes keeps "
             "the sign and sets one mantissa bit (0x7E).";
    case DType::kFloat8E4M3FNUZ:
      return "Graphcore and AMD FP8 (arXiv 2206.02915): no -0, whose code is the only NaN; the "
             "bias is one more than OCP's. Without saturation everything beyond 240, Inf and NaN "
             "share 0x80.";
    case DType::kFloat8E5M2FNUZ:
      return "Graphcore and AMD FP8 (arXiv 2206.02915): no -0, whose code is the only NaN, no "
             "Inf; the bias is one more than OCP's.";
    case DType::kFloat6E3M2FN:
      return "OCP MX FP6. All codes are finite. The references agree on numbers and differ on "
             "NaN: CUDA gives + the largest value, ml_dtypes a zero of the opposite sign, gfloat "
             "raises.";
    case DType::kFloat6E2M3FN:
      return "OCP MX FP6. All codes are finite. NaN as for float6_e3m2fn.";
    case DType::kFloat4E2M1FN:
      return "OCP MX FP4, the element of MXFP4 and NVFP4: 0, 0.5, 1, 1.5, 2, 3, 4, 6 and their "
             "negatives. All codes are finite. NaN as for float6_e3m2fn. 0.25, 0.75, 1.25, 1.75, "
             "2.5, 3.5 and 5 are the ties.";
    case DType::kFloat4E3M0FN:
      return "Powers of two from 0.25 to 16 and zero: a codebook of HALO's simulator, in no "
             "standard. HALO's search sends ties to the lower value (nearest_toward_negative). "
             "\"Even\" means the even code.";
    case DType::kFloat4E1M2FN:
      return "A uniform grid of step 0.5 up to 3.5: a codebook of HALO's simulator, in no "
             "standard.";
    case DType::kFloat8E8M0FNU:
      return "OCP MX scale. Down and up are what MX and NVIDIA scales use; sign ignored, zero and "
             "everything below 2^-127 give code 0. nearest_even is PyTorch's and ml_dtypes': ties "
             "go up, and everything strictly between 2^-127 and 2^-126 gives 2^-126, because both "
             "round the significand field of the float32; nearest_away is the true nearest. "
             "ml_dtypes gives NaN for zero and negative numbers.";
    case DType::kBFloat16:
      return "The high half of a float32. Under default options of encode16 overflow gives Inf "
             "and NaN keeps its sign with one mantissa bit set (ml_dtypes). CUDA's NaN is 0x7FFF; "
             "PyTorch's x86 vector kernels give 0xFFFF, its scalar code 0x7FC0.";
    case DType::kFloat16:
      return "IEEE 754 binary16. Payloads of NaN are not kept: numpy, F16C and PyTorch keep "
             "their top bits; all give 0x7E00 for the default NaN.";
    case DType::kInt8:
      return "Symmetric quantizers clamp at -128 ... 127 after rounding. PyTorch's "
             "quantize_per_tensor and RoSTE's equation (2) round half to even; NaN is undefined "
             "there and 0 here.";
    case DType::kInt4:
      return "As int8, 4 bits. ml_dtypes' int4 wraps instead of clamping and is not offered.";
    default:
      return "As int8 with fewer bits.";
  }
}

}  // namespace sylvester
