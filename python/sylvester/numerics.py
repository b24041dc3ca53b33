"""Formats, quantizers, transforms and products."""

from __future__ import annotations

import numpy as np

from . import _core, _device
from ._arrays import (SIXTEEN, around, as_rows, bits, float32, in_place, integer, matrix, pack_last,
                      real, store, stream, text, unpack_last)
from ._arrays import codes as codes_of


class Format:
    """One number format by name ("float8_e4m3fn", "e4m3"): its figures and all its values."""

    def __init__(self, name):
        self.name = _core.format_name(name)
        self.__dict__.update(next(f for f in _core.formats() if f["name"] == self.name))

    def values(self):
        """float32 value of every code, in code order (integers: two's complement order)."""
        count = 1 << self.bits
        if self.bits > 16:
            raise ValueError(f"{self.name}: too many codes to list")
        return decode(np.arange(count, dtype=np.uint16 if self.bits > 8 else np.uint8), self.name)

    def __repr__(self):
        return f"Format({self.name!r}, bits={self.bits}, max={self.max})"


def formats():
    """Every format, in the order of docs/formats.md."""
    return [Format(f["name"]) for f in _core.formats()]


def encode(x, format, rounding=None, overflow=None, nan=None, seed=None, step=0, tensor=0,
           preset=None, packed=None):
    """Codes of x, shape kept: uint8 (one code a byte), int8 for int2 ... int8, uint16 for 16-bit
    formats. float64, bfloat16, float16 and integer input is rounded once, not through float32.

    rounding  nearest_even unless said; `seed` is for "stochastic", the element's flat index is its
              counter
    overflow  "saturate", for 16-bit formats "nonfinite" (IEEE 754) unless said
    nan       "canonical", for 16-bit formats "quiet_keep_sign" unless said
    preset    instead of the three: the convention of a library ("cuda", "ml_dtypes", "torch",
              "ocp", ...; encode_presets(format) lists them)
    packed    codes packed along the last axis: "pairs", "ggml" or "sixes", see pack()"""
    name = _core.format_name(text("format", format))
    if preset is not None and (rounding or overflow or nan):
        raise ValueError(f"preset: {preset!r} with rounding, overflow or nan; want one or the other")
    wide = name in SIXTEEN
    modes = (rounding or "nearest_even", overflow or ("nonfinite" if wide else "saturate"),
             nan or ("quiet_keep_sign" if wide else "canonical"), *stream(seed, step, tensor),
             preset)
    if _device.on_device(x):
        return _device.encode(x, name, modes)
    array, source = bits(x)
    if source in SIXTEEN:
        encoder = _core.encode16_u16 if wide else _core.encode_u16
        result = encoder(array.reshape(-1), source, name, *modes)
    else:
        array = real(x)
        encoder = getattr(_core, ("encode16_" if wide else "encode_") +
                          ("f64" if array.dtype == np.float64 else "f32"))
        result = encoder(array.reshape(-1), name, *modes)
    result = result.reshape(array.shape)
    if packed is not None:
        return pack_last(result, name, packed)
    return result.view(np.int8) if name.startswith("int") else result


def encode_presets(format):
    """Names of the libraries whose conversion to a format encode(preset=...) reproduces."""
    return _core.encode_presets(text("format", format))


def decode(codes, format, packed=None, count=None):
    """float32 values of codes, exact; NaN codes give the canonical NaN. `packed` names the layout
    of packed bytes, `count` how many codes their last axis holds."""
    name = _core.format_name(text("format", format))
    if _device.on_device(codes):
        return _device.decode(codes, name)
    array = unpack(codes, name, packed, count) if packed is not None else codes_of(codes, name)
    if name in SIXTEEN:
        return _core.decode16(array.reshape(-1), name).reshape(array.shape)
    return _core.decode(array.view(np.uint8).reshape(-1), name).reshape(array.shape)


def pack(codes, format, layout=None):
    """Codes packed along the last axis, [..., n] to [..., bytes], uint8. Layouts: "pairs" (up to 4
    bits, element 2i in the low nibble), "ggml" (the same bits, i low with i+16 high in blocks of
    32), "sixes" (5 and 6 bits, 4 codes in 3 bytes, little endian), "bytes"; None is the one that
    fills the bytes of this format. Unused bits are zero."""
    name = _core.format_name(text("format", format))
    return pack_last(codes_of(codes, name), name, layout or _core.natural_packing(name))


def unpack(packed, format, layout=None, count=None):
    """The inverse of pack(): [..., bytes] to [..., count] codes."""
    name = _core.format_name(text("format", format))
    codes = unpack_last(bits(packed)[0], name, layout or _core.natural_packing(name), count)
    return codes.view(np.int8) if name.startswith("int") else codes


class Quantized:
    """Codes, scales and zeros of one quantized array.

    .codes   uint8 (int8 for symmetric integers), shape of the array
    .scales  float32, one a block; .scale_codes their E8M0 or E4M3 codes where the spec has them
    .zeros   float32 zero points, or None
    """

    def __init__(self, arrays, shape, restore):
        self._arrays = arrays
        self._restore = restore
        self.shape = shape
        self.spec = arrays["spec"]
        self.format = arrays["format"]
        self.scales = arrays.get("scales")
        self.scale_codes = arrays.get("scale_codes")
        self.zeros = arrays.get("zeros")
        self.tensor_scale = arrays["tensor_scale"]
        codes = arrays.get("codes")
        if codes is not None and self.format.startswith("int") and not arrays["asymmetric"]:
            codes = codes.view(np.int8)
        self.codes = None if codes is None else restore(codes)

    def dequantize(self):
        """float32, shape of the array."""
        return self._restore(self._arrays["dequantized"])

    def stats(self):
        """mse, sqnr_db, max_error, zeros (flushed), saturated, count."""
        return dict(self._arrays["stats"])

    def packed(self, layout=None):
        """Codes packed along the last axis, [..., bytes]; layouts as pack() has them."""
        if self.codes is None:
            raise ValueError(f"{self.spec} has no codes to pack")
        return pack(self.codes, self.format, layout)

    def __repr__(self):
        return f"Quantized({self.spec!r}, shape={self.shape})"


def quantize(x, spec, axis=-1, seed=0, step=0, tensor=0):
    """Quantize x under a spec ("int8", "mxfp6_e3m2:rule=rceil", ...). The rows of the spec run
    along `axis`; all other dimensions are folded into the row index."""
    if _device.on_device(x):
        return _device.quantize(x, spec, axis, seed, step, tensor)
    array = float32(x)
    rows, restore = as_rows(array, axis)
    arrays = _core.quantize(rows, text("spec", spec), *stream(seed, step, tensor))
    return Quantized(arrays, array.shape, restore)


def fake_quantize(x, spec, axis=-1, seed=0, step=0, tensor=0):
    """quantize(x, spec).dequantize() without keeping codes; float32."""
    if _device.on_device(x):
        return _device.quantize(x, spec, axis, seed, step, tensor).dequantize()
    rows, restore = as_rows(float32(x), axis)
    return restore(_core.fake_quantize(rows, text("spec", spec), *stream(seed, step, tensor)))


def hadamard(x, axis=-1, block=None, signs=None, inverse=False, out=None):
    """Orthonormal Walsh-Hadamard transform along an axis of any size K 2^m with a known K.

    block   transform blocks of this size instead of the whole axis
    signs   seed of random signs r: y = x Diag(r) H
    out     array that receives the result (may be x)
    float64 is transformed in float64, bfloat16 (ml_dtypes, torch) in float32 and rounded once
    (the result is uint16 bit patterns), everything else in float32."""
    if _device.on_device(x):
        result = _device.hadamard(x, axis, block, signs, inverse)
        if out is None:
            return result
        out[...] = result
        return out
    order = 0 if block is None else integer("block", block, 0, 2**62)
    seed = None if signs is None else integer("signs", signs, 0, 2**64 - 1)
    array, name = bits(x)
    if name == "bfloat16":
        transform = _core.hadamard_bf16
    elif array.dtype == np.float64:
        transform, array = _core.hadamard_f64, real(x)
    else:
        transform, array = _core.hadamard_f32, float32(x)
    cube = around(array, axis)
    target = in_place(out, array)
    result = np.empty_like(array) if target is None else target
    transform(array.reshape(cube), result.reshape(cube), order, seed, inverse)
    if target is not None:
        return out
    if name == "bfloat16" and str(getattr(x, "dtype", "")) == "bfloat16":
        result = result.view(x.dtype)  # ml_dtypes in, ml_dtypes out
    return result if out is None else store(out, result)


def hadamard_matrix(n):
    """The +-1 matrix of order n, int8 [n, n], H H' = n I."""
    return _core.hadamard_matrix(integer("n", n, 1, 2**62))


def hadamard_signs(seed, n):
    """The +-1 signs that hadamard(signs=seed) uses, int8 [n]."""
    return _core.hadamard_signs(integer("seed", seed, 0, 2**64 - 1), integer("n", n, 0, 2**40))


def matmul(a, b, spec, accumulate="blas", alpha=1.0, out="float32"):
    """a [M, K] times b [N, K] transposed, each quantized under `spec` (or a pair of specs) along
    K, multiplied under the policy, rescaled (times alpha); float32 [M, N], its values rounded to
    `out` ("bfloat16", "float16") where asked."""
    spec_a, spec_b = spec if isinstance(spec, (tuple, list)) else (spec, spec)
    if _device.on_device(a):
        return _device.matmul(a, b, spec_a, spec_b, accumulate, alpha, out)
    return _core.matmul(matrix(a, "a"), matrix(b, "b"), text("spec", spec_a), text("spec", spec_b),
                        text("accumulate", accumulate), alpha, text("out", out))


def matmul_codes(a, b, format_a, format_b, accumulate="exact", c=None, out="float32"):
    """Codes a [M, K], b [N, K] without scales: what the instruction computes (uint8 codes, uint16
    patterns for bfloat16 and float16, float32 itself for tf32). c is the
    accumulator's start. int8 x int8 gives int32, everything else float32 (or out="bfloat16",
    "float16": the result rounded once, as codes)."""
    name_a, name_b = _core.format_name(format_a), _core.format_name(format_b)
    if _device.on_device(a):
        return _device.matmul_codes(a, b, name_a, name_b, accumulate, c, out)
    if out not in ("float32", *SIXTEEN):
        raise ValueError(f"out: {out!r}; want float32, bfloat16 or float16")
    accumulate = text("accumulate", accumulate)
    if name_a == name_b == "float32":  # tensor cores read it as tf32
        result = _core.matmul_float32(matrix(a, "a"), matrix(b, "b"), accumulate, _start(c))
        return _rounded(result, out)
    if (name_a in SIXTEEN) != (name_b in SIXTEEN) or "float32" in (name_a, name_b):
        raise ValueError(f"formats {name_a} and {name_b}: want two of at most 8 bits, two of 16 "
                         "bits, or float32 twice")
    codes_a, codes_b = _two(codes_of(a, name_a), "a"), _two(codes_of(b, name_b), "b")
    if name_a == name_b == "int8":
        if out != "float32":
            raise ValueError(f"out: {out!r}; int8 x int8 gives int32")
        return _core.matmul_codes_int8(codes_a.view(np.int8), codes_b.view(np.int8), accumulate,
                                       _integer_start(c))
    multiply = _core.matmul_codes16 if name_a in SIXTEEN else _core.matmul_codes
    return _rounded(multiply(codes_a, name_a, codes_b, name_b, accumulate, _start(c)), out)


def _two(array, name):
    if array.ndim != 2:
        raise ValueError(f"{name} has {array.ndim} dimension(s): want two")
    return array


def _start(c):
    return None if c is None else matrix(c, "c")


def _integer_start(c):
    if c is None:
        return None
    array = _two(np.asarray(c), "c")
    low, high = np.iinfo(np.int32).min, np.iinfo(np.int32).max
    if array.dtype.kind not in "iu" or (array.size and not
                                        (low <= array.min() and array.max() <= high)):
        raise ValueError(f"c: {array.dtype}; want integers of 32 bits, as int8 x int8 accumulates")
    return np.ascontiguousarray(array, dtype=np.int32)


def _rounded(result, out):
    return result if out == "float32" else encode(result, out)
