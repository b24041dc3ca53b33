"""Any array a user brings, as the contiguous NumPy array the native code reads.

Storage moves as uint8/uint16 and is re-labelled without a copy: ml_dtypes arrays are viewed as
their bits (NumPy refuses DLPack for them), torch tensors come through their own view, other
frameworks' arrays through DLPack.
"""

from __future__ import annotations

import operator

import numpy as np

from . import _core

SIXTEEN = ("bfloat16", "float16")
_FORMATS = {f["name"]: f["bits"] for f in _core.formats()}
# Types of other libraries that hold one code a byte; ml_dtypes' unsigned integers hold values.
_LABELLED = ("float8_", "float6_", "float4_", "int4", "int2", "uint4", "uint2")


def _is_torch(x):
    return type(x).__module__.partition(".")[0] == "torch"


def _from_torch(x):
    import torch

    x = x.detach().cpu().contiguous()
    name = str(x.dtype).removeprefix("torch.")
    if name == "bfloat16":
        return x.view(torch.int16).numpy().view(np.uint16), name
    if name == "float4_e2m1fn_x2":  # two codes a byte, element 2i in the low nibble
        packed = x.view(torch.uint8).numpy()
        return unpack_last(packed, "float4_e2m1fn", "pairs"), "float4_e2m1fn"
    if name.startswith(("float8", "float4")):
        return x.view(torch.uint8).numpy(), name
    return x.numpy(), None


def _from_numpy(x):
    array = np.asarray(x)
    if array.dtype == object and hasattr(x, "__dlpack__"):
        array = np.from_dlpack(x)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return array


def bits(x):
    """(array, name): name is the format of 16-bit or 8-bit patterns in `array`, or None."""
    array, name = _from_torch(x) if _is_torch(x) else (_from_numpy(x), None)
    kind = str(array.dtype)
    if kind in SIXTEEN:
        array, name = np.asarray(array, order="C").view(np.uint16), kind
    elif kind.startswith(_LABELLED):
        if kind in _FORMATS:
            array, name = np.asarray(array, order="C").view(np.uint8), kind
        else:  # a format of others: its values are exact in float32
            array = array.astype(np.float32)
    return np.asarray(array, order="C"), name


def codes(x, name):
    """Codes of format `name` as uint8, or uint16 for the 16-bit formats. An array that is
    labelled as another format, or is too wide for codes, is refused rather than reread."""
    array, carried = bits(x)
    if carried is not None and carried != name:
        raise ValueError(f"codes of {carried}, and the format named is {name}: they must agree")
    allowed = (np.uint16, np.int16) if name in SIXTEEN else (np.uint8, np.int8)
    if array.dtype not in allowed:
        raise ValueError(f"codes of {array.dtype}: want {np.dtype(allowed[0])} or "
                         f"{np.dtype(allowed[1])}, one code of {name} an element")
    return array.view(allowed[0])


def real(x):
    """`x` as float32 or float64: float64 stays, integers beyond 16 bits become float64, everything
    else float32, exactly (int64 and uint64 must lie within +-2^53)."""
    array, name = bits(x)
    if name in SIXTEEN:
        return _core.decode16(array.reshape(-1), name).reshape(array.shape)
    if name is not None:
        return _core.decode(array.reshape(-1), name).reshape(array.shape)
    if array.dtype in (np.float32, np.float64):
        return array
    if array.dtype.kind not in "iub":
        raise ValueError(f"array of {array.dtype}: want a real number type")
    if array.dtype.itemsize <= 2:
        return array.astype(np.float32)
    if array.dtype.itemsize == 8 and array.size and max(abs(int(array.min())),
                                                        abs(int(array.max()))) > 2**53:
        raise ValueError(f"array of {array.dtype} beyond +-2^53: not exact in float64")
    return array.astype(np.float64)


def float32(x):
    return np.asarray(real(x), dtype=np.float32, order="C")


def matrix(x, name):
    """float32 with two dimensions; `name` is what the caller knows it by."""
    array = float32(x)
    if array.ndim != 2:
        raise ValueError(f"{name} has {array.ndim} dimension(s): want two")
    return array


def _axis_of(array, axis):
    if array.ndim == 0:
        raise ValueError("array: want at least one dimension")
    return integer("axis", axis, -array.ndim, array.ndim - 1) % array.ndim


def around(array, axis):
    """[outer, n, inner]: the sizes before, along and behind `axis`."""
    axis, shape = _axis_of(array, axis), array.shape
    return (int(np.prod(shape[:axis], dtype=np.int64)), shape[axis],
            int(np.prod(shape[axis + 1:], dtype=np.int64)))


def as_rows(array, axis):
    """(matrix, restore): `axis` moved last and the rest folded into rows; restore undoes it."""
    axis = _axis_of(array, axis)
    moved = np.moveaxis(array, axis, -1)
    rows = int(np.prod(moved.shape[:-1], dtype=np.int64))
    folded = np.ascontiguousarray(moved.reshape(rows, moved.shape[-1]))

    def restore(result):
        return np.moveaxis(np.asarray(result).reshape(moved.shape), -1, axis)

    return folded, restore


def integer(name, value, low, high):
    """`value` as an int within [low, high]; ValueError names the argument."""
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or not low <= number <= high:
        raise ValueError(f"{name}: {value!r}; want an integer from {low} to {high}")
    return number


def stream(seed, step, tensor):
    """The three numbers of a random stream; a seed of None is 0."""
    return (0 if seed is None else integer("seed", seed, 0, 2**64 - 1),
            integer("step", step, 0, 2**32 - 1), integer("tensor", tensor, 0, 2**32 - 1))


def text(name, value):
    if not isinstance(value, str):
        raise ValueError(f"{name}: {value!r}; want text")
    return value


def pack_last(array, name, layout):
    """Codes packed along the last axis: [..., n] to [..., bytes]."""
    if array.ndim == 0:
        raise ValueError("codes: want at least one dimension")
    rows = int(np.prod(array.shape[:-1], dtype=np.int64))
    packed = _core.pack(array.reshape(rows, array.shape[-1]), name, layout)
    return packed.reshape(*array.shape[:-1], packed.shape[-1])


def unpack_last(array, name, layout, count=None):
    """The inverse: [..., bytes] to [..., count] codes, as many as the bytes hold when None."""
    if array.ndim == 0:
        raise ValueError("packed codes: want at least one dimension")
    if array.dtype != np.uint8:
        raise ValueError(f"packed codes of {array.dtype}: want uint8")
    rows = int(np.prod(array.shape[:-1], dtype=np.int64))
    wanted = -1 if count is None else integer("count", count, 0, 2**62)
    codes_ = _core.unpack(array.reshape(rows, array.shape[-1]), name, layout, wanted)
    return codes_.reshape(*array.shape[:-1], codes_.shape[-1])


def in_place(out, like):
    """The caller's `out` as an array that native code can fill with a result of `like`'s shape and
    type while it reads `like`, or None."""
    if _is_torch(out) and out.device.type == "cpu" and out.is_contiguous() and not out.requires_grad:
        out, name = _from_torch(out)
        if name is not None:
            return None
    if not isinstance(out, np.ndarray) or out.shape != like.shape or out.dtype != like.dtype:
        return None
    if not (out.flags.c_contiguous and out.flags.writeable):
        return None
    same = out.ctypes.data == like.ctypes.data
    return out if same or not np.may_share_memory(out, like) else None


def store(out, result):
    """Writes `result` into the caller's `out`, an array or tensor of the same shape and type."""
    if _is_torch(out):
        import torch

        kind = str(out.dtype).removeprefix("torch.")
        same = kind == str(result.dtype) or (kind == "bfloat16" and result.dtype == np.uint16)
        if tuple(out.shape) == result.shape and same:
            source = torch.from_numpy(np.ascontiguousarray(result).view(
                np.int16 if kind == "bfloat16" else result.dtype))
            out.copy_(source.view(out.dtype))
            return out
    elif isinstance(out, np.ndarray) and out.shape == result.shape and out.dtype == result.dtype:
        out[...] = result
        return out
    raise ValueError(f"out: {getattr(out, 'dtype', type(out).__name__)} "
                     f"{list(getattr(out, 'shape', []))}; want {result.dtype} "
                     f"{list(result.shape)}")
