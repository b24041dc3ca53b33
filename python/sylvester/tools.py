"""Comparison, test vectors, training, validation."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np

from . import _core
from ._arrays import bits


class Comparison:
    """Result of compare(): .equal, .first (index, values, neighbours), .report()."""

    def __init__(self, native):
        self._native = native
        self.equal = native["equal"]
        self.mismatches = native["mismatches"]
        self.histogram = native["histogram"]
        self.first = native["first"]

    def report(self):
        return self._native["report"]

    def assert_ok(self):
        """Raises AssertionError with the report when the arrays differ beyond the tolerance."""
        if not self.equal:
            raise AssertionError(self.report())

    def __bool__(self):
        return self.equal

    def __repr__(self):
        return self.report()


# Formats of plain NumPy element types.
_NUMPY = {"float64": "float64", "float32": "float32", "int32": "int32", "int8": "int8",
          "uint8": "uint8"}


def compare(a, b, tolerance="exact", format=None):
    """Golden-reference check of two arrays, b being the reference: tolerance "exact", "ulp:N",
    "abs:X" or "rel:X". `format` names what uint8 or uint16 arrays hold (codes of "e4m3", ...)."""
    left, name_a = bits(a)
    right, name_b = bits(b)
    if left.shape != right.shape:
        raise ValueError(f"shapes {left.shape} and {right.shape} differ")
    if left.dtype != right.dtype or name_a != name_b:
        raise ValueError(f"types {name_a or left.dtype} and {name_b or right.dtype} differ")
    name = format or name_a or _NUMPY.get(str(left.dtype))
    if name is None:
        raise ValueError(f"array of {left.dtype}: name what it holds with format=")
    flat = [np.ascontiguousarray(x).reshape(-1).view(np.uint8) for x in (left, right)]
    return Comparison(_core.compare(flat[0], flat[1], name, list(left.shape), tolerance))


def _as_text(options):
    """Option values as the text that the option tables parse."""
    return {key: json.dumps(value) if isinstance(value, bool) else str(value)
            for key, value in options.items() if value is not None}


class Golden(dict):
    """Test vectors: name -> array; .facts is golden.json, .folder where they were written."""

    def __init__(self, facts, folder, arrays):
        super().__init__(arrays)
        self.facts = facts
        self.folder = folder


def golden(op, out=None, **options):
    """Test vectors as `sylvester golden OP` writes them: inputs, expected outputs, golden.json,
    MANIFEST.json. op is "encode", "decode", "quantize", "hadamard", "matmul" or "halo-linear",
    options are the program's with underscores (format, accumulate, recipe, rows, cols, seed, ...).
    Without `out` nothing stays on disk. Returns a dict of the arrays with .facts and .folder."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "golden" if out is None else Path(out)
        facts = json.loads(_core.golden(op, _as_text({**options, "out": folder})))
        arrays = {Path(entry["file"]).stem: np.load(folder / entry["file"])
                  for entry in facts["arrays"]}
    return Golden(facts, None if out is None else folder, arrays)


class Run:
    """A run folder: .metrics (list of records), .config, .results."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.config = json.loads((self.folder / "config.json").read_text())
        lines = (self.folder / "metrics.jsonl").read_text().splitlines()
        self.metrics = [record for record in map(json.loads, lines) if "step" in record]
        results = self.folder / "results.json"
        self.results = json.loads(results.read_text()) if results.is_file() else {}


def train(callbacks=(), **options):
    """Train as `sylvester train` does; options are its option names with underscores (model, data,
    recipe, out, max_steps, learning_rate, ...). Each callback is called with every metrics record
    as a dict. Returns the Run."""
    def on_record(line):
        record = json.loads(line)
        for callback in callbacks:
            callback(record)

    return Run(_core.train(_as_text(options), on_record))


def validate(path):
    """Every rule a file breaks (safetensors, GGUF, npy, model folder), as a list of dicts with
    file, offset, field and rule; empty when the file is good."""
    return _core.validate(str(path))
