"""Golden values of Quartet's and Quartet II's own quantizer kernels.

    python make.py QUARTET/src/models/quantization/quantizers/mxfp4_triton.py \
                   QUARTET_II/src/models/quantization/quantizers/nvfp4_triton.py

runs the published Triton kernels on the CPU, in Triton's interpreter, and writes the files beside
this script. Two changes are made to what is run:
- the interpreter's conversion to float8_e4m3fn drops a carry into the exponent (1.97 becomes 1); it
  is replaced by ml_dtypes' conversion, which rounds to nearest even as the hardware does;
- random numbers are the top 24 bits of Philox 4x32-10 words under the seed below, the stream that
  the library draws, instead of Triton's generator.
Needs numpy, ml_dtypes, torch and triton.
"""

import hashlib
import importlib.util
import os
import pathlib
import sys
import tempfile

os.environ["TRITON_INTERPRET"] = "1"

import ml_dtypes
import numpy as np
import torch
import triton
import triton.language as tl
import triton.runtime.interpreter as interpreter

HERE = pathlib.Path(__file__).parent
ROWS, COLS, ROTATION, SEED = 64, 128, 128, 20260220
original = interpreter._convert_float


def convert(values, source, target, rounding):
    if source == tl.float32 and target == tl.float8e4nv:
        return values.view(np.float32).astype(ml_dtypes.float8_e4m3fn).view(np.uint8)
    return original(values, source, target, rounding)


interpreter._convert_float = convert


def load(path, replacements):
    text = pathlib.Path(path).read_text()
    for old, new in replacements:
        assert old in text, (path, old)
        text = text.replace(old, new)
    with tempfile.NamedTemporaryFile("w", suffix=".py", delete=False) as file:
        file.write(text)
    spec = importlib.util.spec_from_file_location("kernels", file.name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def philox(seed, count):
    """Word i of the stream (seed, step 0, tensor 0): word i % 4 of block i / 4."""
    mask = np.uint64(0xFFFFFFFF)
    block = np.arange((count + 3) // 4, dtype=np.uint64)
    zero = np.zeros_like(block)
    c, key = [block & mask, block >> np.uint64(32), zero, zero], [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [(p1 >> np.uint64(32)) ^ c[1] ^ np.uint64(key[0]), p1 & mask,
             (p0 >> np.uint64(32)) ^ c[3] ^ np.uint64(key[1]), p0 & mask]
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return np.stack(c, axis=1).reshape(-1)[:count].astype(np.uint32)


def inputs():
    """Rows of many kinds: bell-shaped, heavy tails, wide, on a grid (ties), powers of two, zeros."""
    rng = np.random.default_rng(SEED)
    x = rng.standard_normal((ROWS, COLS))
    x[8:16] = rng.standard_t(1.5, (8, COLS))
    x[16:24] = np.exp(3 * rng.standard_normal((8, COLS))) * rng.choice([-1, 1], (8, COLS))
    x[24:32] = rng.integers(-64, 64, (8, COLS)) * 0.25
    x[32:36] = 2.0 ** rng.integers(-12, 12, (4, COLS)) * rng.choice([-1, 1], (4, COLS))
    x[36:40] = rng.uniform(-1, 1, (4, COLS))
    x[40:44] *= 2.0**-9  # block scales among E4M3's subnormals
    x[44, ::16] = 0
    x[44, :64] = 0
    return x.astype(np.float32)


def save(name, array):
    array.tofile(HERE / name)
    print(name, array.dtype, array.shape)


def flat_kernel(kernel, x, *options):
    t = torch.from_numpy(x.copy())
    out = torch.empty_like(t)
    kernel.fn[(1,)](t, t.abs().max(), out, t.numel(), *options, BLOCK_SIZE=t.numel())
    return out.numpy()


quartet_path, quartet2_path = sys.argv[1:3]
for path in (quartet_path, quartet2_path):
    print(path, hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest())
x = inputs()
words = philox(SEED, x.size)
uniform = torch.from_numpy((words >> 8).astype(np.float32) * np.float32(2.0**-24))
save("input.f32", x)

# Quartet II: NVFP4 to nearest, with and without four over six, 1x16 and 16x16.
q2 = load(quartet2_path, [
    ("    seed: int,\n", "    seed,\n"),
    ("tl.rand(seed, scale_offsets)", "tl.load(seed + scale_offsets)"),
])
save("quartet2.nearest.f32", flat_kernel(q2.rtn_1x16s_fp4_kernel, x, 1.0, 16, False))
save("quartet2.four_over_six.f32", flat_kernel(q2.rtn_1x16s_fp4_kernel, x, 1.0, 16, True))
t = torch.from_numpy(x.copy())
square = torch.empty_like(t)
q2.rtn_16x16s_fp4_kernel.fn[(ROWS // 64, COLS // 64)](t, t.abs().max(), square, ROWS, COLS, 1.0, 16,
                                                      True, BLOCK_SIZE=64)
save("quartet2.four_over_six_16x16.f32", square.numpy())

# MS-EDEN: the random number of block k is uniform[16 k], as the library draws one a block.
eden = torch.empty_like(t)
q2.eden_1x16s_fp4_kernel.fn[(1,)](t, t.abs().max(), eden, t.numel(), ROTATION, (17 / 16) * 0.93, 16,
                                  False, uniform[::16].contiguous(), BLOCK_SIZE=t.numel())
save("quartet2.eden.f32", eden.numpy())

# Quartet: QuEST forward; the backward pass to nearest and stochastic. The rotation is the identity.
q1 = load(quartet_path, [
    ("    seed: int,\n", "    seed,\n"),
    ("tl.rand(seed, offsets)", "tl.load(seed + offsets)"),
    ("x_had = tl.dot(x, hadamard_matrix)", "x_had = x"),
])
identity = torch.eye(32)


def quartet(stochastic, quest, gaussian_scale):
    out = torch.empty_like(t)
    q1.mxfp4_forward_kernel.fn[(1,)](t, identity, out, None, t.numel(), 32, 32, gaussian_scale,
                                     stochastic, uniform, quest, BLOCK_SIZE=t.numel())
    return out.numpy()


save("quartet.quest.f32", quartet(False, True, 2.92247856 / 6.0))
with np.errstate(divide="ignore"):  # its absmax scale of a block of zeros is log2(0)
    save("quartet.backward.f32", quartet(True, False, 3 / 4))
print("triton", triton.__version__, "torch", torch.__version__, "numpy", np.__version__,
      "ml_dtypes", ml_dtypes.__version__)
