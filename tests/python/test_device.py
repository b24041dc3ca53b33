"""Arrays in a card's memory: the same calls with the same bits as on the CPU."""

import numpy as np
import pytest

import sylvester as sy

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@pytest.fixture
def x():
    generator = torch.Generator().manual_seed(7)
    values = torch.randn(96, 224, generator=generator)
    values[3, 5] *= 300
    return values.to(torch.bfloat16)


def same(device, host):
    assert device.is_cuda
    device = device.float() if device.dtype in (torch.bfloat16, torch.float16) else device
    np.testing.assert_array_equal(device.cpu().numpy(), np.asarray(host, device.cpu().numpy().dtype))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_encode_and_decode(x, dtype):
    x = x.to(getattr(torch, dtype))
    for name in ("float8_e4m3fn", "float6_e2m3fn", "int4"):
        codes = sy.encode(x.cuda(), name)
        same(codes, sy.encode(x, name))
        same(sy.decode(codes, name), sy.decode(sy.encode(x, name), name))
    same(sy.encode(x.cuda(), "float8_e5m2", preset="torch"), sy.encode(x, "float8_e5m2", preset="torch"))
    half = sy.encode(x.cuda(), "float16")
    assert half.dtype == torch.float16
    same(half.view(torch.int16), sy.encode(x, "float16").view(np.int16))
    drawn = sy.encode(x.cuda(), "float8_e5m2", rounding="stochastic", seed=3)
    same(drawn, sy.encode(x, "float8_e5m2", rounding="stochastic", seed=3))
    labelled = sy.encode(x.cuda(), "float8_e4m3fn").view(torch.float8_e4m3fn)
    same(sy.decode(labelled, "float8_e4m3fn"), labelled.float().cpu())


@pytest.mark.parametrize("spec", ["int8", "int4:row:asym", "mxfp6_e3m2", "nvfp4", "float8_e4m3fn:col"])
@pytest.mark.parametrize("axis", [-1, 0])
def test_quantize(x, spec, axis):
    device, host = sy.quantize(x.cuda(), spec, axis=axis), sy.quantize(x, spec, axis=axis)
    same(device.codes, host.codes)
    same(device.scales, host.scales)
    if host.zeros is not None:
        same(device.zeros, host.zeros)
    same(device.dequantize(), host.dequantize())
    same(sy.fake_quantize(x.cuda(), spec, axis=axis), host.dequantize())
    codes = device.codes
    del device  # the array keeps its memory
    torch.cuda.synchronize()
    same(codes, host.codes)


def test_hadamard(x):
    for axis in (0, 1):
        got = sy.hadamard(x.cuda(), axis=axis, signs=5)
        want = sy.hadamard(x, axis=axis, signs=5)  # uint16 patterns
        assert np.array_equal(got.cpu().view(torch.int16).numpy().view(np.uint16), want)
    cube = x.float().reshape(4, 24, 224)
    same(sy.hadamard(cube.cuda(), axis=1), sy.hadamard(cube, axis=1))


def test_products(x):
    a, b = x.float()[:64, :128].contiguous(), x.float()[16:80, :128].contiguous()
    for policy in ("sm90-cublaslt", "sm90-cublaslt-fast"):
        if torch.cuda.get_device_capability()[0] != 9:
            pytest.skip("Hopper's policies")
        same(sy.matmul(a.cuda(), b.cuda(), "float8_e4m3fn", accumulate=policy),
             sy.matmul(a, b, "float8_e4m3fn", accumulate=policy))
        ca, cb = sy.encode(a.cuda(), "e4m3"), sy.encode(b.cuda(), "e4m3")
        same(sy.matmul_codes(ca, cb, "e4m3", "e4m3", accumulate=policy),
             sy.matmul_codes(ca.cpu(), cb.cpu(), "e4m3", "e4m3", accumulate=policy))
    same(sy.matmul(a.cuda(), b.cuda(), "int8", accumulate="int32"),
         sy.matmul(a, b, "int8", accumulate="int32"))
    with pytest.raises(NotImplementedError):
        sy.matmul(a.cuda(), b.cuda(), "float8_e4m3fn", accumulate="exact")


def test_halo_linear():
    generator = torch.Generator().manual_seed(1)
    x, w, dy = (torch.randn(*s, generator=generator).to(torch.bfloat16)
                for s in ((2, 64, 256), (128, 256), (2, 64, 128)))
    y, context = sy.halo_linear(x.cuda(), w.cuda(), recipe="halo2-int8+bf16", accumulate="int32")
    dx, dw = context.backward(dy.cuda())
    assert y.shape == (2, 64, 128) and dx.shape == x.shape and y.dtype == torch.bfloat16
    y2, context2 = sy.halo_linear(x, w, recipe="halo2-int8+bf16", accumulate="int32")
    dx2, dw2 = context2.backward(dy)
    same(y, y2), same(dx, dx2), same(dw, dw2)


def test_other_frameworks(x):
    cupy = pytest.importorskip("cupy")
    array = cupy.asarray(x.float().numpy())
    codes = sy.encode(array, "float8_e4m3fn")
    assert isinstance(codes, cupy.ndarray)
    np.testing.assert_array_equal(cupy.asnumpy(codes), sy.encode(x.float(), "float8_e4m3fn"))
