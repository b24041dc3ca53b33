"""The numerics on arrays that live on a card.

An array that says so through DLPack (torch, CuPy, JAX) stays there: it is read without a copy, the
result has the same bits as on the CPU, and comes back as an array of the caller's framework.
"""

from __future__ import annotations

from . import _core

_CUDA = 2  # kDLCUDA


def on_device(x):
    """True for an array in a card's memory."""
    if type(x).__module__.partition(".")[0] == "torch":
        return x.is_cuda
    device = getattr(x, "__dlpack_device__", None)
    return device is not None and device()[0] == _CUDA


def _is_torch(x):
    return type(x).__module__.partition(".")[0] == "torch"


def _contiguous(x):
    return x.detach().contiguous() if _is_torch(x) else x


def _like(x, result):
    """`result` (DLPack) as an array of x's framework, without a copy."""
    if result is None:
        return None
    framework = type(x).__module__.partition(".")[0]
    if framework == "torch":
        import torch

        return torch.from_dlpack(result)
    if framework == "cupy":
        import cupy

        return cupy.from_dlpack(result)
    if framework.startswith("jax"):
        import jax

        return jax.dlpack.from_dlpack(result)
    return result


def _rows(x, axis):
    """(matrix, restore) as _arrays.as_rows, by the framework's own views."""
    axis = axis % x.ndim
    if axis != x.ndim - 1 and not _is_torch(x):
        raise NotImplementedError(f"axis {axis} of a device array that is not torch's: move it last")
    moved = x.movedim(axis, -1) if axis != x.ndim - 1 else x
    shape = tuple(moved.shape)
    matrix = _contiguous(moved.reshape(-1, shape[-1]))

    def restore(result):
        result = _like(x, result)
        if len(shape) == 2 and axis == 1:
            return result
        result = result.reshape(shape)
        return result.movedim(-1, axis) if axis != x.ndim - 1 else result

    return matrix, restore


def encode(x, name, modes):
    return _like(x, _core.device_encode(_contiguous(x), name, *modes))


def decode(codes, name):
    return _like(codes, _core.device_decode(_contiguous(codes), name))


class DeviceQuantized:
    """Codes, scales and zeros of one quantized array, on the card: members as of Quantized."""

    def __init__(self, native, x, restore):
        self._native, self._x, self._restore = native, x, restore
        self.spec, self.format = native.spec, native.format

    def _part(self, name):
        return _like(self._x, self._native.part(name))

    @property
    def codes(self):
        part = self._native.part("codes")
        return None if part is None else self._restore(part)

    scales = property(lambda self: self._part("scales"))
    scale_codes = property(lambda self: self._part("scale_codes"))
    zeros = property(lambda self: self._part("zeros"))

    @property
    def tensor_scale(self):
        """One float32 on the card."""
        return self._part("tensor_scale")

    def dequantize(self):
        return self._restore(self._native.dequantize())

    def stats(self):
        raise NotImplementedError("statistics are computed on the CPU: quantize a copy there")


def quantize(x, spec, axis, seed, step, tensor):
    matrix, restore = _rows(x, axis)
    return DeviceQuantized(_core.device_quantize(matrix, spec, seed, step, tensor), x, restore)


def hadamard(x, axis, block, signs, inverse):
    if x.ndim == 2 and axis % 2 == 0:  # the left transform needs no transpose
        return _like(x, _core.device_hadamard(_contiguous(x), True, block or 0, signs, inverse))
    matrix, restore = _rows(x, axis)
    return restore(_core.device_hadamard(matrix, False, block or 0, signs, inverse))


def matmul(a, b, spec_a, spec_b, accumulate, alpha, out):
    if alpha != 1.0:
        raise NotImplementedError("alpha on the device: scale the result")
    return _like(a, _core.device_matmul(_contiguous(a), _contiguous(b), spec_a, spec_b, accumulate,
                                        out))


def matmul_codes(a, b, name_a, name_b, accumulate, c, out):
    if c is not None:
        raise NotImplementedError("an accumulator's start on the device: add it to the result")
    if name_a == name_b == "int8":
        raise NotImplementedError("int32 results on the device: matmul() gives the scaled product")
    return _like(a, _core.device_matmul_codes(_contiguous(a), name_a, _contiguous(b), name_b,
                                              accumulate, out))


class DeviceLinearContext:
    """LinearContext of arrays on the card."""

    def __init__(self, native, x):
        self._native, self._x = native, x

    def backward(self, dy):
        """(dx [..., in], dw [out, in]) for dy [..., out]; each context is used once."""
        rows = _contiguous(dy.reshape(-1, dy.shape[-1]))
        dx, dw = self._native.backward(rows)
        return _like(self._x, dx).reshape(self._x.shape), _like(self._x, dw)


def halo_linear(x, w, recipe, accumulate, seed, step):
    rows = _contiguous(x.reshape(-1, x.shape[-1]))
    y, native = _core.device_linear_forward(rows, _contiguous(w), recipe, accumulate, seed, step)
    return (_like(x, y).reshape(tuple(x.shape[:-1]) + (w.shape[0],)),
            DeviceLinearContext(native, x))
