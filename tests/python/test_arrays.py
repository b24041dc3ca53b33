"""What arrays the functions take, and what they refuse instead of rereading its bytes."""

import ml_dtypes
import numpy as np
import pytest

import sylvester as sy

rng = np.random.default_rng(11)


def numbers(*shape):
    return rng.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("name, dtype", [("float16", np.float16),
                                         ("bfloat16", ml_dtypes.bfloat16)])
def test_sixteen_bit_codes_are_rounded_once_from_every_source(name, dtype):
    step = float(ml_dtypes.finfo(dtype).eps)
    tie = 1 + step / 2
    x = np.array([tie, np.nextafter(tie, 2), np.nextafter(tie, 0), 1e300, -np.inf, 1e-300])
    np.testing.assert_array_equal(sy.decode(sy.encode(x, name), name),
                                  np.array([1, 1 + step, 1, np.inf, -np.inf, 0], np.float32))
    patterns = np.arange(65536, dtype=np.uint16)
    for source in (np.float16, ml_dtypes.bfloat16):
        values = patterns.view(source)
        with np.errstate(all="ignore"):
            expected = values.astype(np.float32).astype(dtype)
        got = sy.encode(values, name)
        nan = np.isnan(expected.astype(np.float32))
        np.testing.assert_array_equal(got[~nan], expected.view(np.uint16)[~nan])
        # A NaN keeps its sign, quiet and without payload.
        np.testing.assert_array_equal(got[nan] >> 15, patterns[nan] >> 15)
    integers = np.array([2**24 + 2**16 + 1, -(2**31)], np.int32)  # a tie in float32, not itself
    np.testing.assert_array_equal(sy.encode(integers, "bf16"), sy.encode(integers * 1.0, "bf16"))


def test_integers_are_exact_or_refused():
    assert sy.decode(sy.encode(np.array([2**24 + 1]), "float16"), "float16")[0] == np.inf
    with pytest.raises(ValueError, match="2\\^53"):
        sy.encode(np.array([2**53 + 1]), "e4m3")


def test_a_number_has_no_dimension():
    assert sy.encode(np.float32(1.5), "e4m3").shape == ()
    assert sy.decode(np.uint8(3), "e4m3").shape == ()
    assert sy.compare(np.float32(1), np.float32(2)).first["index"] == []
    for call in (lambda: sy.quantize(np.float32(3), "int8"), lambda: sy.hadamard(np.float32(3))):
        with pytest.raises(ValueError, match="dimension"):
            call()


@pytest.mark.parametrize("shape, axis", [((0, 16), -1), ((4, 0), -1), ((0,), 0), ((2, 0, 8), 1),
                                         ((0, 16), 0)])
def test_empty_arrays(shape, axis):
    x = np.zeros(shape, np.float32)
    assert sy.hadamard(x, axis=axis).shape == shape
    for spec in ("int8", "int4:row:asym", "e4m3:block=2x2", "bf16"):
        assert sy.quantize(x, spec, axis=axis).dequantize().shape == shape
        assert sy.fake_quantize(x, spec, axis=axis).shape == shape
    assert sy.encode(x, "e4m3").shape == shape


@pytest.mark.parametrize("m, n, k", [(0, 3, 32), (3, 0, 32), (3, 2, 0)])
def test_empty_products(m, n, k):
    a, b = np.ones((m, k), np.float32), np.ones((n, k), np.float32)
    for policy in ("blas", "ordered", "exact", "sm90-wgmma"):
        for spec in ("e4m3", "e4m3:row"):
            np.testing.assert_array_equal(sy.matmul(a, b, spec, accumulate=policy),
                                          np.zeros((m, n), np.float32))


def test_byte_order_lists_and_other_formats():
    x = numbers(3, 32)
    expected = sy.encode(x, "e4m3")
    np.testing.assert_array_equal(sy.encode(x.astype(">f4"), "e4m3"), expected)
    np.testing.assert_array_equal(sy.encode(x.tolist(), "e4m3"),
                                  sy.encode(x.astype(np.float64), "e4m3"))
    for kind in (ml_dtypes.float8_e3m4, ml_dtypes.float8_e4m3, ml_dtypes.uint4):
        y = np.abs(x).astype(kind)
        np.testing.assert_array_equal(sy.encode(y, "e5m2"),
                                      sy.encode(y.astype(np.float32), "e5m2"))


class OnlyDLPack:
    """An array of a framework that NumPy does not know."""

    def __init__(self, array):
        self._array = array

    def __dlpack__(self, **options):
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()


def test_dlpack():
    x = numbers(4, 32)
    np.testing.assert_array_equal(sy.fake_quantize(OnlyDLPack(x), "mxfp4"),
                                  sy.fake_quantize(x, "mxfp4"))


X = np.ones((2, 8), np.float32)
CODES = np.ones((2, 8), np.uint8)
INT8 = np.ones((2, 8), np.int8)


@pytest.mark.parametrize("call, word", [
    (lambda: sy.decode(CODES.view(ml_dtypes.float8_e4m3fn), "e5m2"), "agree"),
    (lambda: sy.decode(np.ones(3, np.float16), "bf16"), "agree"),
    (lambda: sy.decode(X, "bf16"), "uint16"),
    (lambda: sy.decode(CODES, "bf16"), "uint16"),
    (lambda: sy.decode(np.full(3, 70000, np.int32), "bf16"), "uint16"),
    (lambda: sy.matmul_codes(X, X, "e4m3", "e4m3"), "uint8"),
    (lambda: sy.matmul_codes(CODES.astype(np.int64), CODES, "e4m3", "e4m3"), "uint8"),
    (lambda: sy.matmul_codes(CODES, CODES, "bf16", "bf16"), "uint16"),
    (lambda: sy.matmul_codes(CODES, X.astype(np.float16), "e4m3", "fp16"), "16"),
    (lambda: sy.matmul_codes(CODES.view(ml_dtypes.float8_e5m2), CODES, "e4m3", "e4m3"), "agree"),
    (lambda: sy.matmul_codes(CODES[0], CODES, "e4m3", "e4m3"), "dimension"),
    (lambda: sy.matmul_codes(CODES, CODES, "e4m3", "e4m3", out="int3"), "out"),
    (lambda: sy.matmul_codes(INT8, INT8, "int8", "int8", accumulate="sm90-wgmm"), "sm90-wgmma"),
    (lambda: sy.matmul_codes(INT8, INT8, "int8", "int8", out="bfloat16"), "int32"),
    (lambda: sy.matmul_codes(INT8, INT8, "int8", "int8", c=np.full((2, 2), 1.5)), "integers"),
    (lambda: sy.matmul_codes(INT8, INT8, "int8", "int8", c=np.full((2, 2), 2**31)), "integers"),
    (lambda: sy.matmul(X[None], X, "int8"), "dimension"),
    (lambda: sy.matmul(X, X, "int8", out="e4m3"), "out"),
    (lambda: sy.matmul(X, X, "e4m3", accumulate="sm90-wgmma:splitk=2:splitk=3"), "twice"),
    (lambda: sy.encode(X, "e4m3", rounding="stochastic", seed=-1), "seed"),
    (lambda: sy.encode(X, "e4m3", rounding="stochastic", step=2**32), "step"),
    (lambda: sy.encode(X, "e4m3", preset="cudnn"), "cuda"),
    (lambda: sy.encode(X, "e4m3", preset="cuda", nan="negative"), "preset"),
    (lambda: sy.encode(X, "e1m2", preset="cuda"), "float4_e1m2fn"),
    (lambda: sy.quantize(X, None), "spec"),
    (lambda: sy.quantize(X, "int8", tensor=-1), "tensor"),
    (lambda: sy.quantize(X, "bf16").packed(), "codes"),
    (lambda: sy.hadamard(X, signs=-1), "signs"),
    (lambda: sy.hadamard(X, block=2.5), "block"),
    (lambda: sy.hadamard(X, out=np.empty((2, 4), np.float32)), "out"),
    (lambda: sy.hadamard(X, out=np.empty((2, 8), np.int32)), "out"),
    (lambda: sy.hadamard(X, axis=2), "axis"),
    (lambda: sy.unpack(np.zeros(3, np.uint8), "e2m1", "pairs", count=7), "7"),
    (lambda: sy.pack(CODES, "e4m3", "pairs"), "pairs"),
])
def test_refusals_name_the_argument(call, word):
    with pytest.raises(ValueError) as error:
        call()
    assert word in str(error.value), error.value


def test_a_policy_without_int8_is_not_implemented():
    with pytest.raises(NotImplementedError, match="sm70"):
        sy.matmul_codes(INT8, INT8, "int8", "int8", accumulate="sm70-mma")


def test_rounded_results_overflow_as_ieee_754_has_it():
    a = np.full((1, 64), 0x7E, np.uint8)  # 448
    assert sy.matmul_codes(a, a, "e4m3", "e4m3", out="float16").view(np.float16)[0, 0] == np.inf


@pytest.mark.parametrize("spec, layout, bits", [("mxfp4", "pairs", 4), ("mxfp6_e2m3", "sixes", 6),
                                                ("int4:row", "pairs", 4), ("int5:row", "sixes", 6),
                                                ("int8", "bytes", 8)])
def test_packing_goes_along_the_last_axis_and_back(spec, layout, bits):
    for shape in ((3, 64), (2, 3, 32)):
        q = sy.quantize(numbers(*shape), spec)
        packed = q.packed()
        np.testing.assert_array_equal(packed, q.packed(layout))
        assert packed.shape == (*shape[:-1], shape[-1] * bits // 8)
        np.testing.assert_array_equal(sy.unpack(packed, q.format), q.codes)
        np.testing.assert_array_equal(sy.decode(packed, q.format, packed=layout),
                                      sy.decode(q.codes, q.format))


def test_packed_rows_do_not_share_bytes():
    codes = np.arange(10, dtype=np.uint8).reshape(2, 5)
    packed = sy.pack(codes, "e2m1")
    np.testing.assert_array_equal(packed, [[0x10, 0x32, 0x04], [0x65, 0x87, 0x09]])
    np.testing.assert_array_equal(sy.unpack(packed, "e2m1", count=5), codes)
    ggml = sy.pack(np.arange(64, dtype=np.uint8).reshape(2, 32) % 16, "int4", "ggml")
    np.testing.assert_array_equal(ggml[0], np.arange(16) * 17)
    with pytest.raises(ValueError, match="32"):
        sy.pack(codes, "e2m1", "ggml")
    np.testing.assert_array_equal(sy.encode(numbers(2, 6), "e2m1", packed="pairs").shape, (2, 3))


@pytest.mark.parametrize("preset, kind", [
    ("ml_dtypes", "float8_e4m3fn"), ("ml_dtypes", "float8_e5m2"), ("ml_dtypes", "float8_e4m3fnuz"),
    ("ml_dtypes", "float8_e5m2fnuz"), ("ml_dtypes", "float6_e3m2fn"),
    ("ml_dtypes", "float6_e2m3fn"), ("ml_dtypes", "float4_e2m1fn"),
    ("ml_dtypes", "float8_e8m0fnu"), ("ml_dtypes", "bfloat16")])
def test_presets_equal_the_library_they_are_named_after(preset, kind):
    assert preset in sy.encode_presets(kind)
    values = np.arange(65536, dtype=np.uint16).view(ml_dtypes.bfloat16)
    with np.errstate(all="ignore"):
        expected = values.astype(np.float32).astype(getattr(ml_dtypes, kind))
    got = sy.encode(values, kind, preset=preset)
    np.testing.assert_array_equal(got, expected.view(got.dtype))


def test_out_receives_the_result():
    x = numbers(3, 16)
    expected = sy.hadamard(x)
    wide = np.zeros((3, 32), np.float32)
    assert sy.hadamard(x, out=wide[:, ::2]) is not None
    np.testing.assert_array_equal(wide[:, ::2], expected)
    half = x.astype(ml_dtypes.bfloat16)
    into = np.zeros_like(half)
    sy.hadamard(half, out=into)
    np.testing.assert_array_equal(into, sy.hadamard(half))



@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_hadamard_along_every_axis_in_place_and_not(dtype, axis):
    x = numbers(12, 20, 32).astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    n = x.shape[axis]
    rows = np.ascontiguousarray(np.moveaxis(x, axis, -1)).reshape(-1, n)
    expected = np.moveaxis(sy.hadamard(rows, signs=2).reshape(np.moveaxis(x, axis, -1).shape), -1, axis)
    np.testing.assert_array_equal(sy.hadamard(x, axis=axis, signs=2), expected)
    np.testing.assert_array_equal(sy.hadamard(np.asfortranarray(x), axis=axis, signs=2), expected)
    into = np.zeros_like(x)
    assert sy.hadamard(x, axis=axis, signs=2, out=into) is into
    np.testing.assert_array_equal(into, expected)
    assert sy.hadamard(x, axis=axis, signs=2, out=x) is x
    np.testing.assert_array_equal(x, expected)


def test_out_may_overlap_the_input():
    memory = numbers(9, 16)
    x, out = memory[:8], memory[1:]
    expected = sy.hadamard(x.copy())
    sy.hadamard(x, out=out)
    np.testing.assert_array_equal(out, expected)
    locked = np.zeros((8, 16), np.float32)
    locked.flags.writeable = False
    with pytest.raises(ValueError):
        sy.hadamard(x, out=locked)


def test_hadamard_of_no_rows_still_wants_a_matrix():
    assert sy.hadamard(np.zeros((0, 16), np.float32)).shape == (0, 16)
    assert sy.hadamard(np.zeros((16, 0), np.float32), axis=0).shape == (16, 0)
    with pytest.raises(ValueError, match="block"):
        sy.hadamard(np.zeros((0, 7), np.float32))


def test_torch_tensors_of_every_low_precision_type():
    torch = pytest.importorskip("torch")
    t = torch.randn(4, 64)
    for dtype in (torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz,
                  torch.float8_e8m0fnu, torch.bfloat16, torch.float16, torch.float64, torch.int32):
        u = t.abs().to(dtype)
        np.testing.assert_array_equal(sy.encode(u, "e2m3"), sy.encode(u.float().numpy(), "e2m3"))
        assert sy.compare(u, u).equal
    pairs = torch.randint(0, 256, (4, 32), dtype=torch.uint8)
    four = pairs.view(torch.float4_e2m1fn_x2)
    np.testing.assert_array_equal(sy.decode(four, "e2m1"),
                                  sy.decode(pairs.numpy(), "e2m1", packed="pairs"))
    out = torch.empty(4, 64)
    assert sy.hadamard(t, out=out) is out
    np.testing.assert_array_equal(out.numpy(), sy.hadamard(t))
