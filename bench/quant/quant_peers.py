"""Time the quantizers of torch and torchao beside ours, as ratios to a float32 copy of the same bytes.

Usage: python bench/quant/quant_peers.py [--elements 16777216] [--repeat 5]
Needs torch and torchao; times ours too when the sylvester module is installed. One thread.
A case and its copy are timed by turns, the least of each counts. Bytes: what must be read and written
once (float32 in; float32, or codes and scales out).
"""

import argparse
import time

import numpy as np


def least(case, copy, repeat):
    best_case = best_copy = float("inf")
    case()
    for _ in range(repeat):
        start = time.perf_counter()
        copy()
        middle = time.perf_counter()
        case()
        end = time.perf_counter()
        best_copy = min(best_copy, middle - start)
        best_case = min(best_case, end - middle)
    return best_case, best_copy


def torch_cases(x):
    import torch

    torch.set_num_threads(1)
    t = torch.from_numpy(x)
    n = t.numel()
    scale = float(t.abs().max()) / 127
    rows = t.abs().amax(1) / 7
    zeros = torch.zeros_like(rows, dtype=torch.int32)
    channel = torch.fake_quantize_per_channel_affine
    cases = {
        "fake int8 tensor, scale given": (
            8 * n, lambda: torch.fake_quantize_per_tensor_affine(t, scale, 0, -127, 127)),
        "fake int8 tensor": (
            8 * n,
            lambda: torch.fake_quantize_per_tensor_affine(
                t, float(t.abs().max()) / 127, 0, -127, 127)),
        "fake int4 row, scales given": (8 * n, lambda: channel(t, rows, zeros, 0, -8, 7)),
        "codes int8 tensor, scale given": (
            5 * n, lambda: torch.quantize_per_tensor(t, scale, 0, torch.qint8)),
        "codes float8_e4m3fn tensor": (
            5 * n, lambda: (t / (t.abs().max() / 448)).to(torch.float8_e4m3fn)),
    }
    try:
        from torchao.prototype.mx_formats.config import ScaleCalculationMode
        from torchao.prototype.mx_formats.mx_tensor import to_mx
        from torchao.prototype.mx_formats.nvfp4_tensor import nvfp4_quantize
    except ImportError:
        return cases
    floor = ScaleCalculationMode.FLOOR
    cases["codes mxfp8_e4m3 (torchao, eager)"] = (
        5 * n + n // 32, lambda: to_mx(t, torch.float8_e4m3fn, 32, floor))
    cases["codes mxfp4 (torchao, eager)"] = (
        4 * n + n // 2 + n // 32, lambda: to_mx(t, torch.float4_e2m1fn_x2, 32, floor))
    amax = t.abs().max()
    cases["codes nvfp4, tensor scale given (torchao, eager)"] = (
        4 * n + n // 2 + n // 16, lambda: nvfp4_quantize(t, 16, amax / 2688))
    return cases


def our_cases(x):
    try:
        import sylvester as sy
    except ImportError:
        return {}
    n = x.size
    cases = {}
    for spec in ("int8", "int4:row", "float8_e4m3fn", "mxfp8_e4m3", "mxfp4", "nvfp4"):
        cases[f"fake {spec} (sylvester)"] = (8 * n, lambda s=spec: sy.fake_quantize(x, s))
        cases[f"codes {spec} (sylvester)"] = (5 * n, lambda s=spec: sy.quantize(x, s))
    return cases


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--elements", type=int, default=1 << 24)
    parser.add_argument("--repeat", type=int, default=5)
    arguments = parser.parse_args()
    columns = 4096
    rng = np.random.default_rng(0)
    x = rng.standard_normal((arguments.elements // columns, columns), dtype=np.float32)
    print(f"{'case':52} {'ms':>9} {'of memcpy':>9}")
    for name, (size, case) in {**torch_cases(x), **our_cases(x)}.items():
        source = np.ones(size // 8, np.float32)
        target = np.zeros_like(source)
        seconds, copy = least(case, lambda: np.copyto(target, source), arguments.repeat)
        print(f"{name:52} {seconds * 1e3:9.2f} {copy / seconds:9.4f}", flush=True)


if __name__ == "__main__":
    main()
