from pathlib import Path

import numpy as np
import pytest

GOLDEN = Path(__file__).resolve().parents[1] / "golden"


@pytest.fixture
def golden():
    """Reader of tests/golden files by name; the suffix is the element type."""
    types = {".u8": np.uint8, ".i8": np.int8, ".u32": np.uint32, ".f32": np.float32}

    def read(name):
        return np.fromfile(GOLDEN / name, dtype=types[Path(name).suffix])

    return read


@pytest.fixture
def golden_folder():
    return GOLDEN
