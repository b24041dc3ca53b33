"""Quantizers, transforms and products from Python."""

import numpy as np
import pytest

import sylvester as sy

rng = np.random.default_rng(1)


def test_int4_rows_match_the_written_formula():
    x = rng.standard_normal((8, 64)).astype(np.float32)
    q = sy.quantize(x, "int4:row")
    scale = (np.abs(x).max(axis=1, keepdims=True) / np.float32(7)).astype(np.float32)
    codes = np.clip(np.rint(x / scale), -8, 7)
    np.testing.assert_array_equal(q.codes, codes)
    np.testing.assert_array_equal(q.scales.reshape(-1, 1), scale)
    np.testing.assert_array_equal(q.dequantize(), (codes * scale).astype(np.float32))
    np.testing.assert_array_equal(sy.fake_quantize(x, "int4:row"), q.dequantize())


def test_axis_moves_the_blocks():
    x = rng.standard_normal((64, 6)).astype(np.float32)
    a = sy.quantize(x, "mxfp8_e4m3", axis=0)
    b = sy.quantize(np.ascontiguousarray(x.T), "mxfp8_e4m3")
    np.testing.assert_array_equal(a.codes, b.codes.T)
    np.testing.assert_array_equal(a.dequantize(), b.dequantize().T)


def test_mx_golden(golden):
    x = golden("mx/input.f32").reshape(-1, 32)
    finite = np.isfinite(x).all(axis=1)
    q = sy.quantize(x, "mxfp6_e3m2:rule=rceil")
    np.testing.assert_array_equal(q.scale_codes.reshape(-1)[finite],
                                  golden("mx/e3m2.rceil.scale.u8")[finite])
    np.testing.assert_array_equal(q.codes[finite],
                                  golden("mx/e3m2.rceil.code.u8").reshape(-1, 32)[finite])


def test_stats_are_the_error():
    x = rng.standard_normal((4, 128)).astype(np.float32)
    q = sy.quantize(x, "int8")
    error = x.astype(np.float64) - q.dequantize()
    assert q.stats()["mse"] == pytest.approx(np.mean(error**2), rel=1e-12)
    assert q.stats()["max_error"] == pytest.approx(np.abs(error).max(), rel=1e-6)


@pytest.mark.parametrize("spec", ["int9", "int8:clip=0", "e4m3:asym", "int4:group=0", "int8:scale="])
def test_bad_specs_name_the_problem(spec):
    with pytest.raises(ValueError) as error:
        sy.quantize(np.ones((2, 64), np.float32), spec)
    assert str(error.value)


@pytest.mark.parametrize("n", [2, 64, 576, 768, 1536, 2752])
def test_hadamard_is_the_matrix(n):
    x = rng.standard_normal((2, n)).astype(np.float32)
    y = sy.hadamard(x)
    np.testing.assert_allclose(sy.hadamard(y, inverse=True), x, atol=2e-5)
    h = sy.hadamard_matrix(n)
    some = h[rng.integers(0, n, 8)].astype(np.float32)  # integers below 2^24: exact in float32
    np.testing.assert_array_equal((some @ h.T.astype(np.float32) == n).sum(axis=1), 1)
    np.testing.assert_allclose(np.linalg.norm(y, axis=1), np.linalg.norm(x, axis=1), rtol=1e-5)


def test_hadamard_axis_block_signs_out():
    x = rng.standard_normal((48, 10)).astype(np.float32)
    np.testing.assert_array_equal(sy.hadamard(x, axis=0), sy.hadamard(x.T.copy()).T)
    blocks = sy.hadamard(x, axis=0, block=16)
    np.testing.assert_array_equal(blocks[16:32], sy.hadamard(x[16:32], axis=0))
    signs = sy.hadamard_signs(3, 48)
    np.testing.assert_array_equal(sy.hadamard(x, axis=0, signs=3),
                                  sy.hadamard(x * signs[:, None].astype(np.float32), axis=0))
    expected = sy.hadamard(x, axis=0)
    sy.hadamard(x, axis=0, out=x)
    np.testing.assert_array_equal(x, expected)
    with pytest.raises(ValueError, match="block"):
        sy.hadamard(np.ones((1, 7), np.float32))


@pytest.mark.parametrize("target", sy.available_targets())
def test_targets_agree(target):
    x = rng.standard_normal((3, 384)).astype(np.float32)
    sy.set_target("scalar")
    expected = sy.hadamard(x), sy.encode(x, "e5m2"), sy.quantize(x, "nvfp4").codes
    sy.set_target(target)
    got = sy.hadamard(x), sy.encode(x, "e5m2"), sy.quantize(x, "nvfp4").codes
    sy.set_target("auto")
    for e, g in zip(expected, got):
        np.testing.assert_array_equal(e, g)


def test_products():
    a = rng.integers(-128, 128, (5, 70), dtype=np.int8)
    b = rng.integers(-128, 128, (3, 70), dtype=np.int8)
    np.testing.assert_array_equal(sy.matmul_codes(a, b, "int8", "int8", accumulate="int32"),
                                  a.astype(np.int32) @ b.astype(np.int32).T)
    x = rng.standard_normal((6, 64)).astype(np.float32)
    w = rng.standard_normal((4, 64)).astype(np.float32)
    qx, qw = sy.quantize(x, "e4m3"), sy.quantize(w, "e4m3")
    exact = qx.dequantize().astype(np.float64) @ qw.dequantize().astype(np.float64).T
    # dequantize() rounds each of the 64 factors' codes * scale to float32 (2^-24 relative, twice a
    # product); matmul multiplies the exact sum of codes by both scales.
    bound = 3 * 2.0**-24 * (np.abs(qx.dequantize()).astype(np.float64) @
                            np.abs(qw.dequantize()).astype(np.float64).T)
    error = np.abs(sy.matmul(x, w, "e4m3", accumulate="exact") - exact)
    assert (error <= bound).all() and error.max() > 0
    codes = sy.matmul_codes(qx.codes, qw.codes, "e4m3", "e4m3", accumulate="exact")
    sums = (sy.decode(qx.codes, "e4m3").astype(np.float64) @
            sy.decode(qw.codes, "e4m3").astype(np.float64).T)
    np.testing.assert_array_equal(codes, sums.astype(np.float32))


def test_compare_names_the_first_difference():
    a = np.arange(12, dtype=np.float32).reshape(3, 4)
    b = a.copy()
    sy.compare(a, b).assert_ok()
    b[1, 2] = np.nextafter(b[1, 2], np.float32(100))
    result = sy.compare(a, b)
    assert not result and result.mismatches == 1 and tuple(result.first["index"]) == (1, 2)
    assert sy.compare(a, b, tolerance="ulp:1").equal
    with pytest.raises(AssertionError):
        result.assert_ok()
