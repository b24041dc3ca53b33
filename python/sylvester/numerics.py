"""Formats, quantizers, transforms and products."""

from __future__ import annotations

import numpy as np

from . import _core, _device
from ._arrays import as_rows, bits, float32, real

_SIXTEEN = ("bfloat16", "float16")


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


def encode(x, format, rounding="nearest_even", overflow="saturate", nan="canonical", seed=None,
           step=0, tensor=0):
    """Codes of x, shape kept: uint8 (one code a byte), int8 for int2 ... int8, uint16 for 16-bit
    formats. `seed` is for rounding="stochastic"; the element's flat index is its counter.
    bfloat16, float16 and float64 input is rounded once, not through float32."""
    name = _core.format_name(format)
    modes = (rounding, overflow, nan, seed, step, tensor)
    if _device.on_device(x):
        return _device.encode(x, name, modes)
    array, source = bits(x)
    flat = array.reshape(-1)
    if name in _SIXTEEN:
        codes = _core.encode16(float32(x).reshape(-1), name, *modes)
    elif source in _SIXTEEN:
        codes = _core.encode_u16(flat, source, name, *modes)
    elif array.dtype == np.float64:
        codes = _core.encode_f64(flat, name, *modes)
    else:
        codes = _core.encode_f32(float32(x).reshape(-1), name, *modes)
    codes = codes.reshape(array.shape)
    return codes.view(np.int8) if name.startswith("int") else codes


def decode(codes, format):
    """float32 values of codes, exact; NaN codes give the canonical NaN."""
    name = _core.format_name(format)
    if _device.on_device(codes):
        return _device.decode(codes, name)
    array, _ = bits(codes)
    if name in _SIXTEEN:
        return _core.decode16(array.astype(np.uint16, copy=False).reshape(-1),
                              name).reshape(array.shape)
    if array.dtype not in (np.uint8, np.int8):
        raise ValueError(f"codes of {array.dtype}: want uint8 or int8, one code a byte")
    return _core.decode(array.view(np.uint8).reshape(-1), name).reshape(array.shape)


class Quantized:
    """Codes, scales and zeros of one quantized array.

    .codes   uint8 (int8 for symmetric integers), shape of the array
    .scales  float32, one a block; .scale_codes their E8M0 or E4M3 codes where the spec has them
    .zeros   float32 zero points, or None
    """

    def __init__(self, arrays, shape, restore):
        self._arrays = arrays
        self._shape = shape
        self._restore = restore
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

    def packed(self, layout="pairs"):
        """Codes packed along the last axis: "pairs" (4 bits, element 2i in the low nibble),
        "ggml" (4 bits, i low with i+16 high in blocks of 32), "sixes" (6 bits, 4 codes in 3 bytes)."""
        return _core.pack(np.ascontiguousarray(self.codes).view(np.uint8).reshape(-1),
                          self.format, layout)


def quantize(x, spec, axis=-1, seed=0, step=0, tensor=0):
    """Quantize x under a spec ("int8", "mxfp6_e3m2:rule=rceil", ...). The rows of the spec run
    along `axis`; all other dimensions are folded into the row index."""
    if _device.on_device(x):
        return _device.quantize(x, spec, axis, seed, step, tensor)
    matrix, restore = as_rows(float32(x), axis)
    arrays = _core.quantize(matrix, spec, seed, step, tensor)
    return Quantized(arrays, matrix.shape, restore)


def fake_quantize(x, spec, axis=-1, seed=0, step=0, tensor=0):
    """quantize(x, spec).dequantize() without keeping codes; float32."""
    if _device.on_device(x):
        return _device.quantize(x, spec, axis, seed, step, tensor).dequantize()
    matrix, restore = as_rows(float32(x), axis)
    return restore(_core.fake_quantize(matrix, spec, seed, step, tensor))


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
    array, name = bits(x)
    if name == "bfloat16":
        matrix, restore = as_rows(array, axis)
        result = restore(_core.hadamard_bf16(matrix, block or 0, signs, inverse))
        if str(getattr(x, "dtype", "")) == "bfloat16":
            result = np.ascontiguousarray(result).view(x.dtype)  # ml_dtypes in, ml_dtypes out
    else:
        array = real(x)
        matrix, restore = as_rows(array, axis)
        transform = _core.hadamard_f64 if array.dtype == np.float64 else _core.hadamard_f32
        result = restore(transform(matrix, block or 0, signs, inverse))
    if out is None:
        return result
    out[...] = result
    return out


def hadamard_matrix(n):
    """The +-1 matrix of order n, int8 [n, n], H H' = n I."""
    return _core.hadamard_matrix(n)


def hadamard_signs(seed, n):
    """The +-1 signs that hadamard(signs=seed) uses, int8 [n]."""
    return _core.hadamard_signs(seed, n)


def matmul(a, b, spec, accumulate="blas", alpha=1.0, out="float32"):
    """a [M, K] times b [N, K] transposed, each quantized under `spec` (or a pair of specs) along
    K, multiplied under the policy, rescaled (times alpha); float32 [M, N], its values rounded to
    `out` ("bfloat16", "float16") where asked."""
    spec_a, spec_b = spec if isinstance(spec, (tuple, list)) else (spec, spec)
    if _device.on_device(a):
        return _device.matmul(a, b, spec_a, spec_b, accumulate, alpha, out)
    return _core.matmul(float32(a), float32(b), spec_a, spec_b, accumulate, alpha, out)


def matmul_codes(a, b, format_a, format_b, accumulate="exact", c=None, out="float32"):
    """Codes a [M, K], b [N, K] without scales: what the instruction computes (uint8 codes, uint16
    patterns for bfloat16 and float16, float32 itself for tf32). c is the
    accumulator's start. int8 x int8 gives int32, everything else float32 (or out="bfloat16",
    "float16": the result rounded once, as codes)."""
    name_a, name_b = _core.format_name(format_a), _core.format_name(format_b)
    if _device.on_device(a):
        return _device.matmul_codes(a, b, name_a, name_b, accumulate, c, out)
    codes_a, codes_b = bits(a)[0], bits(b)[0]
    if name_a == name_b == "int8":
        c32 = None if c is None else np.ascontiguousarray(c, dtype=np.int32)
        return _core.matmul_codes_int8(codes_a.view(np.int8), codes_b.view(np.int8), c32)
    start = None if c is None else float32(c)
    if name_a == name_b == "float32":  # tensor cores read it as tf32
        result = _core.matmul_float32(float32(a), float32(b), accumulate, start)
    elif name_a in _SIXTEEN:
        codes_a, codes_b = codes_a.view(np.uint16), codes_b.view(np.uint16)
        result = _core.matmul_codes16(codes_a, name_a, codes_b, name_b, accumulate, start)
    else:
        result = _core.matmul_codes(codes_a.view(np.uint8), name_a, codes_b.view(np.uint8), name_b,
                                    accumulate, start)
    return result if out == "float32" else encode(result, out)
