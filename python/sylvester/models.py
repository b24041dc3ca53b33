"""The linear layer under a recipe, and whole models."""

from __future__ import annotations

import numpy as np

from . import _core, _device
from ._arrays import float32


class LinearContext:
    """What the forward pass of a linear layer keeps (codes and scales) for its backward."""

    def __init__(self, native, shape):
        self._native = native
        self._shape = shape

    def backward(self, dy):
        """(dx [..., in], dw [out, in]) for dy [..., out]; each context is used once."""
        dy = float32(dy)
        dx, dw = self._native.backward(np.ascontiguousarray(dy.reshape(-1, dy.shape[-1])))
        return dx.reshape(self._shape), dw


def halo_linear(x, w, recipe="halo2-int8", accumulate="exact", seed=0, step=0):
    """y = x w' for x [..., in], w [out, in] under a recipe; returns (y [..., out], context).
    bfloat16 arrays on a card stay there; y and the gradients are bfloat16 then."""
    if _device.on_device(x):
        return _device.halo_linear(x, w, recipe, accumulate, seed, step)
    x, w = float32(x), float32(w)
    rows = np.ascontiguousarray(x.reshape(-1, x.shape[-1]))
    y, native = _core.linear_forward(rows, w, recipe, accumulate, seed, step)
    return y.reshape(*x.shape[:-1], w.shape[0]), LinearContext(native, x.shape)


class Model:
    """A decoder with its tokenizer (None when the files have none)."""

    def __init__(self, path, recipe="fp32", accumulate="blas", seed=0):
        self._native = _core.Model(str(path), recipe, accumulate, seed)

    @property
    def config(self):
        return self._native.config()

    @property
    def parameter_names(self):
        return self._native.parameter_names()

    def parameter(self, name):
        """A copy of one parameter, float32, by its Hugging Face name."""
        return self._native.parameter(name)

    def set_recipe(self, recipe, accumulate="blas"):
        self._native.set_recipe(recipe, accumulate)

    def logits(self, ids):
        """ids [B, T] (or [T]) -> float32 [B, T, V]."""
        return self._native.logits(_ids(ids))

    def loss_and_grads(self, ids, labels=None, recipe=None, accumulate=None):
        """(mean loss over counted labels, {name: gradient}); labels -100 = not counted,
        labels default to ids. `recipe` applies to this call."""
        ids = _ids(ids)
        labels = ids if labels is None else _ids(labels)
        return self._native.loss_and_grads(ids, labels, recipe, accumulate)

    def encode(self, text):
        """Token ids of a text; no BOS is added."""
        return self._native.encode(text)

    def decode(self, ids):
        """Text of ids; a character cut by them becomes U+FFFD."""
        return self._native.decode(list(map(int, ids))).decode("utf-8", errors="replace")

    def generate(self, prompt, max_new_tokens=64):
        """Greedy continuation of a prompt, as text."""
        return self._native.generate(prompt, max_new_tokens).decode("utf-8", errors="replace")

    def save(self, folder, dtype="float32"):
        self._native.save(str(folder), dtype)


def _ids(ids):
    array = np.asarray(ids)
    if array.dtype.kind not in "iu":
        raise ValueError(f"ids of {array.dtype}: want integers")
    if array.ndim == 1:
        array = array[None, :]
    if array.size and (array.max() > 2**31 - 1 or array.min() < -(2**31)):
        raise ValueError("ids: outside the vocabulary")
    return np.ascontiguousarray(array, dtype=np.int32)


def load_model(path, recipe="fp32", accumulate="blas", seed=0):
    """A Hugging Face folder, a GGUF file, or the name of a shipped tiny model."""
    return Model(path, recipe, accumulate, seed)
