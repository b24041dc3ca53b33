"""Sylvester: a bit-exact CPU reference for low-precision, Hadamard-rotated training.

Text forms (formats, specs, recipes, policies) are the same here, in the program and in files.
Every function takes NumPy arrays, torch tensors or ml_dtypes arrays and returns NumPy arrays; the
GIL is released while the native code runs. The numerics (encode ... halo_linear) also take arrays
in a card's memory, through DLPack, and then work and return there, with the same bits.
"""

import os as _os

# OpenMP reads this when it is loaded: threads that spin while they wait slow everything down on a
# machine with other work.
_os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from ._core import FormatError, available_targets, current_target, num_threads
from ._core import set_num_threads, set_target
from .models import LinearContext, Model, halo_linear, load_model
from .numerics import (Format, Quantized, decode, encode, encode_presets, fake_quantize, formats,
                       hadamard, hadamard_matrix, hadamard_signs, matmul, matmul_codes, pack,
                       quantize, unpack)
from .tools import Comparison, Golden, Run, compare, golden, train, validate

__version__ = "0.1.0"

__all__ = [
    "Comparison", "Format", "FormatError", "Golden", "LinearContext", "Model", "Quantized", "Run",
    "available_targets", "compare", "current_target", "decode", "encode", "encode_presets",
    "fake_quantize", "formats", "golden", "hadamard", "hadamard_matrix", "hadamard_signs",
    "halo_linear", "load_model", "matmul", "matmul_codes", "num_threads", "pack", "quantize",
    "set_num_threads", "set_target", "train", "unpack", "validate",
]
