"""encode and decode against ml_dtypes and the golden columns, through every array kind."""

import ml_dtypes
import numpy as np
import pytest

import sylvester as sy

FLOATS = ["float8_e4m3fn", "float8_e5m2", "float6_e3m2fn", "float6_e2m3fn", "float4_e2m1fn"]
SHORT = {"float8_e4m3fn": "e4m3", "float8_e5m2": "e5m2", "float6_e3m2fn": "e3m2",
         "float6_e2m3fn": "e2m3", "float4_e2m1fn": "e2m1"}


@pytest.mark.parametrize("name", FLOATS)
def test_every_code_decodes_as_ml_dtypes_says(name):
    dtype = np.dtype(getattr(ml_dtypes, name))
    codes = np.arange(1 << sy.Format(name).bits, dtype=np.uint8)
    np.testing.assert_array_equal(sy.decode(codes, name), codes.view(dtype).astype(np.float32))


@pytest.mark.parametrize("name", FLOATS)
def test_golden_saturating_column(name, golden):
    x = golden("elem/input.u32").view(np.float32)
    column = "cuda_sat" if name.startswith("float8") else "cuda_rn"
    nan = "canonical" if name.startswith("float8") else "max_finite"
    np.testing.assert_array_equal(sy.encode(x, name, nan=nan),
                                  golden(f"elem/{SHORT[name]}.{column}.u8"))


def test_sixteen_bit_formats_match_numpy_and_ml_dtypes():
    x = np.random.default_rng(0).standard_normal(10000).astype(np.float32) * 3
    np.testing.assert_array_equal(sy.encode(x, "float16"), x.astype(np.float16).view(np.uint16))
    np.testing.assert_array_equal(sy.encode(x, "bf16"), x.astype(ml_dtypes.bfloat16).view(np.uint16))


def test_bfloat16_and_float64_input_is_rounded_once():
    # Just above a float8_e4m3fn midpoint: float32 keeps the excess for one, drops it for the other.
    above = np.float64(1.0625) + 2.0**-40
    assert sy.decode(sy.encode(np.array([above]), "e4m3"), "e4m3")[0] == 1.125
    assert sy.decode(sy.encode(np.array([np.float32(above)]), "e4m3"), "e4m3")[0] == 1.0
    values = np.array([0.3, -7.0, 1e-3], dtype=ml_dtypes.bfloat16)
    np.testing.assert_array_equal(sy.encode(values, "e5m2"),
                                  values.astype(ml_dtypes.float8_e5m2).view(np.uint8))


def test_storage_is_relabelled_without_a_copy():
    codes = sy.encode(np.linspace(-4, 4, 64, dtype=np.float32), "e4m3")
    seen = codes.view(ml_dtypes.float8_e4m3fn)
    assert np.shares_memory(codes, seen)
    np.testing.assert_array_equal(sy.decode(seen, "e4m3"), seen.astype(np.float32))


def test_shapes_and_integers():
    x = np.arange(-6, 6, dtype=np.float32).reshape(3, 4)
    codes = sy.encode(x, "int4")
    assert codes.dtype == np.int8 and codes.shape == (3, 4)
    np.testing.assert_array_equal(codes, x)
    assert sy.encode(np.zeros((0, 5), np.float32), "e4m3").shape == (0, 5)


def test_stochastic_rounding_is_a_function_of_the_seed():
    x = np.full(4096, 1.03, np.float32)
    a = sy.encode(x, "e4m3", rounding="stochastic", seed=1)
    np.testing.assert_array_equal(a, sy.encode(x, "e4m3", rounding="stochastic", seed=1))
    assert (a != sy.encode(x, "e4m3", rounding="stochastic", seed=2)).any()
    assert abs(sy.decode(a, "e4m3").mean() - 1.03) < 0.005


@pytest.mark.parametrize("call", [
    lambda: sy.Format("float8_e4m3fnn"),
    lambda: sy.encode(np.zeros(3, np.float32), "e4m3", rounding="nearest"),
    lambda: sy.encode(np.array(["x"]), "e4m3"),
    lambda: sy.decode(np.zeros(3, np.float32), "e4m3"),
    lambda: sy.set_target("avx1024"),
])
def test_bad_arguments_are_value_errors(call):
    with pytest.raises(ValueError):
        call()


def test_formats_lists_figures():
    names = [f.name for f in sy.formats()]
    assert len(names) == len(set(names)) and set(FLOATS) <= set(names)
    e4m3 = sy.Format("e4m3")
    assert (e4m3.bits, e4m3.max) == (8, 448) and np.nanmax(e4m3.values()) == 448
