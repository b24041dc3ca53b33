"""Any array a user brings, as the contiguous NumPy array the native code reads.

Storage moves as uint8/uint16 and is re-labelled without a copy: ml_dtypes arrays are viewed as
their bits (NumPy refuses DLPack for them), torch tensors come through their own view.
"""

from __future__ import annotations

import numpy as np

# 16-bit types that travel as bit patterns, by their NumPy / torch names.
_BITS16 = {"bfloat16": "bfloat16", "torch.bfloat16": "bfloat16", "float16": "float16",
           "torch.float16": "float16"}
# 8-bit and smaller types whose storage is one code a byte.
_CODES = ("float8_", "float6_", "float4_", "int4", "uint4", "int2", "uint2")


def _from_torch(x):
    import torch

    x = x.detach().cpu().contiguous()
    name = str(x.dtype)
    if name == "torch.bfloat16":
        return x.view(torch.int16).numpy().view(np.uint16), "bfloat16"
    if name.startswith("torch.float8") or name.startswith("torch.float4"):
        return x.view(torch.uint8).numpy(), name.removeprefix("torch.")
    return x.numpy(), None


def bits(x):
    """(array, name): name is the format of 16-bit or 8-bit patterns in `array`, or None."""
    if type(x).__module__.partition(".")[0] == "torch":
        array, name = _from_torch(x)
    else:
        array, name = np.asarray(x), None
    kind = str(array.dtype)
    if kind in _BITS16:
        return np.ascontiguousarray(array).view(np.uint16), _BITS16[kind]
    if kind.startswith(_CODES):
        return np.ascontiguousarray(array).view(np.uint8), kind
    return np.ascontiguousarray(array), name


def real(x):
    """`x` as float32 or float64 (float64 stays, everything else becomes float32 exactly)."""
    from . import _core

    array, name = bits(x)
    if name in ("bfloat16", "float16"):
        return _core.decode16(array.reshape(-1), name).reshape(array.shape)
    if name is not None:
        return _core.decode(array.reshape(-1), name).reshape(array.shape)
    if array.dtype == np.float64:
        return array
    if array.dtype == np.float32 or array.dtype.kind in "iub":
        return array.astype(np.float32, copy=False)
    raise ValueError(f"array of {array.dtype}: want a real number type")


def float32(x):
    return np.ascontiguousarray(real(x), dtype=np.float32)


def as_rows(array, axis):
    """(matrix, restore): `axis` moved last and the rest folded into rows; restore undoes it."""
    if array.ndim == 0:
        raise ValueError("array: want at least one dimension")
    axis = range(array.ndim)[axis] if -array.ndim <= axis < array.ndim else None
    if axis is None:
        raise ValueError(f"axis: out of range for {array.ndim} dimensions")
    moved = np.moveaxis(array, axis, -1)
    matrix = np.ascontiguousarray(moved.reshape(-1, moved.shape[-1]))

    def restore(result):
        return np.moveaxis(np.asarray(result).reshape(moved.shape), -1, axis)

    return matrix, restore
