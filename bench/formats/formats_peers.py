"""Encode and decode of 16M numbers by ml_dtypes, torch and torchao, and by Sylvester, in one run.

Every time is the least of several repetitions taken by turns with a memcpy (numpy copy) of the same
bytes in this process; the table shows the ratio to that memcpy. One thread throughout.

    python bench/formats/formats_peers.py                      # the sylvester module
    python bench/formats/formats_peers.py --binary build/release/bench/formats/formats_bench

With --binary the program's own rows (which carry their own memcpy) are read from its JSON. Packages
that are not installed are left out and named.
"""

import argparse
import json
import subprocess
import time

import numpy as np

FORMATS = ["float8_e4m3fn", "float8_e5m2", "float6_e3m2fn", "float6_e2m3fn", "float4_e2m1fn", "int8"]


def least(functions, repetitions):
    """The least processor time of each function, called by turns."""
    best = [float("inf")] * len(functions)
    for _ in range(repetitions):
        for k, function in enumerate(functions):
            start = time.thread_time()
            function()
            best[k] = min(best[k], time.thread_time() - start)
    return best


def optional(name):
    try:
        return __import__(name)
    except ImportError:
        print(f"# {name} is not installed: its rows are left out")
        return None


def ml_dtypes_cases(x):
    ml_dtypes = optional("ml_dtypes")
    if ml_dtypes is None:
        return
    for name in FORMATS:
        if name == "int8":
            continue
        dtype = getattr(ml_dtypes, name)
        codes = x.astype(dtype)
        yield "ml_dtypes", "encode", name, (lambda d=dtype: x.astype(d))
        yield "ml_dtypes", "decode", name, (lambda c=codes: c.astype(np.float32))


def torch_cases(x):
    torch = optional("torch")
    if torch is None:
        return
    torch.set_num_threads(1)
    t = torch.from_numpy(x)
    for name in ("float8_e4m3fn", "float8_e5m2"):
        dtype = getattr(torch, name)
        codes = t.to(dtype)
        yield "torch", "encode", name, (lambda d=dtype: t.to(d))
        yield "torch", "decode", name, (lambda c=codes: c.to(torch.float32))
    q = torch.quantize_per_tensor(t, 1.0, 0, torch.qint8)
    yield "torch", "encode", "int8", (lambda: torch.quantize_per_tensor(t, 1.0, 0, torch.qint8))
    yield "torch", "decode", "int8", q.dequantize


def torchao_cases(x):
    try:
        import torch
        from torchao.prototype.mx_formats import kernels
    except ImportError:
        print("# torchao is not installed: its rows are left out")
        return
    t = torch.from_numpy(x)
    for name, encode, decode in (
        ("float4_e2m1fn", "f32_to_f4_unpacked", "f4_unpacked_to_f32"),
        ("float6_e3m2fn", "f32_to_f6_e3m2_unpacked", "f6_e3m2_unpacked_to_f32"),
        ("float6_e2m3fn", "f32_to_f6_e2m3_unpacked", "f6_e2m3_unpacked_to_f32"),
    ):
        if not hasattr(kernels, encode):
            continue
        codes = getattr(kernels, encode)(t)
        yield "torchao", "encode", name, (lambda f=getattr(kernels, encode): f(t))
        if hasattr(kernels, decode):
            yield "torchao", "decode", name, (lambda f=getattr(kernels, decode), c=codes: f(c))


def sylvester_cases(x):
    sylvester = optional("sylvester")
    if sylvester is None:
        return
    if hasattr(sylvester, "set_num_threads"):
        sylvester.set_num_threads(1)
    for name in FORMATS:
        codes = sylvester.encode(x, name)
        yield "sylvester", "encode", name, (lambda n=name: sylvester.encode(x, n))
        yield "sylvester", "decode", name, (lambda n=name, c=codes: sylvester.decode(c, n))


def binary_rows(binary):
    pattern = "(" + "|".join(FORMATS) + ")/iterations"
    out = subprocess.run(
        [binary, "--benchmark_format=json", f"--benchmark_filter={pattern}"],
        check=True, capture_output=True, text=True).stdout
    for row in json.loads(out)["benchmarks"]:
        operation, name = row["name"].split("/")[:2]
        yield "sylvester", operation, name, row["of_memcpy"], row["GB/s"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", help="formats_bench, instead of the Python module")
    parser.add_argument("--elements", type=int, default=1 << 24)
    parser.add_argument("--repetitions", type=int, default=5)
    arguments = parser.parse_args()

    n = arguments.elements
    x = (np.random.default_rng(1).standard_normal(n) * 4).astype(np.float32)
    moved = 5 * n  # 4 bytes of float32 and 1 of code
    source, target = np.ones(moved // 2, np.uint8), np.zeros(moved // 2, np.uint8)

    rows = []
    makers = [ml_dtypes_cases, torch_cases, torchao_cases]
    if arguments.binary:
        rows += list(binary_rows(arguments.binary))
    else:
        makers.insert(0, sylvester_cases)
    for maker in makers:
        for library, operation, name, function in maker(x):
            function()
            copy, own = least([lambda: np.copyto(target, source), function], arguments.repetitions)
            rows.append((library, operation, name, copy / own, moved / own * 1e-9))

    print("| format | operation | library | of memcpy | GB/s |\n|---|---|---|---|---|")
    for library, operation, name, ratio, speed in sorted(rows, key=lambda r: (FORMATS.index(r[2]), r[1])):
        print(f"| {name} | {operation} | {library} | {ratio:.3f} | {speed:.1f} |")


if __name__ == "__main__":
    main()
