"""sy.golden: test vectors that the functions themselves reproduce."""

import json

import ml_dtypes
import numpy as np
import pytest

import sylvester as sy


def test_encode_and_decode_sets():
    g = sy.golden("encode", format="float8_e5m2", preset="ml_dtypes", rows=4, cols=32)
    with np.errstate(all="ignore"):
        expected = g["x"].astype(ml_dtypes.float8_e5m2).view(np.uint8)
    np.testing.assert_array_equal(g["codes"], expected)
    assert g.facts["preset"] == "ml_dtypes" and g.facts["nan"] == "quiet_keep_sign"
    half = sy.golden("encode", format="float16", rows=4, cols=32)
    with np.errstate(all="ignore"):
        numbers = ~np.isnan(half["x"])
        np.testing.assert_array_equal(half["codes"][numbers],
                                      half["x"].astype(np.float16).view(np.uint16)[numbers])
    assert half.facts["overflow"] == "nonfinite"
    d = sy.golden("decode", format="e2m3")
    np.testing.assert_array_equal(d["values"], sy.Format("e2m3").values())


def test_quantize_hadamard_and_matmul_sets(tmp_path):
    q = sy.golden("quantize", format="nvfp4", rows=4, cols=64)
    again = sy.quantize(q["x"], q.facts["spec"])
    np.testing.assert_array_equal(q["codes"], again.codes)
    np.testing.assert_array_equal(q["scale_codes"], again.scale_codes)
    h = sy.golden("hadamard", rows=16, cols=48)
    np.testing.assert_array_equal(h["right"], sy.hadamard(h["x"]))
    np.testing.assert_array_equal(h["left"], sy.hadamard(h["x"], axis=0))
    m = sy.golden("matmul", out=tmp_path / "g", accumulate="sm90-cublaslt", rows=4, cols=96,
                  out_features=8, seed=7)
    np.testing.assert_array_equal(
        m["c"], sy.matmul(m["a"], m["b"], m.facts["spec"], accumulate="sm90-cublaslt"))
    assert m.folder == tmp_path / "g" and m.facts["seed"] == 7
    manifest = json.loads((m.folder / "MANIFEST.json").read_text())
    assert "c.npy" in json.dumps(manifest)
    assert not sy.validate(m.folder)


def test_halo_linear_set():
    g = sy.golden("halo-linear", recipe="halo1-fp8", rows=8, cols=32, out_features=16)
    y, context = sy.halo_linear(g["x"], g["w"], recipe="halo1-fp8", seed=g.facts["seed"])
    dx, dw = context.backward(g["dy"])
    for name, got in (("y", y), ("dx", dx), ("dw", dw)):
        np.testing.assert_array_equal(g[name], got)


@pytest.mark.parametrize("options, word", [
    (dict(op="decod"), "decode"), (dict(op="encode", format="e4m4"), "e4m4"),
    (dict(op="encode", rowz=3), "rows"), (dict(op="encode", rows=0), "rows"),
    (dict(op="encode", preset="cuda", nan="negative"), "preset"),
    (dict(op="matmul", accumulate="sm91"), "sm91"),
])
def test_refusals(options, word):
    with pytest.raises(ValueError, match=word):
        sy.golden(**options)


def test_a_strangers_folder_is_spared(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    for force in (False, True):
        with pytest.raises(ValueError):
            sy.golden("decode", out=tmp_path, force=force)
    assert (tmp_path / "mine.txt").read_text() == "keep"
