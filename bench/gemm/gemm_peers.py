"""Times the emulated tensor-core product beside MMA-Sim (Python, from its own source tree) and checks
that both give the same bits.

    PYTHONPATH=MMA-Sim python bench/gemm/gemm_peers.py

One chain of Hopper's FP8 wgmma (m64n128k32) and of its bfloat16 one (m64n128k16) at 128^3, one thread, the least
of the repetitions.
"""

import time

import numpy as np
import torch
from mmasim.simulator.nv_ptx import wgmma

import sylvester as sy

SIZE = 128


def seconds(function):
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def peer(instruction, k, a, b):
    """a [M, K], b [N, K] as a chain of the instruction's steps along K, panels of 64 rows."""
    operation = wgmma("Hopper", instruction)
    out = torch.zeros(SIZE, SIZE)
    for row in range(0, SIZE, 64):
        total = torch.zeros(64, SIZE)
        for at in range(0, SIZE, k):
            total = operation(a[row:row + 64, at:at + k], b[:, at:at + k].T, total)
        out[row:row + 64] = total
    return out.numpy()


def compare(name, dtype, instruction, k):
    generator = torch.Generator().manual_seed(1)
    a, b = (torch.randn(SIZE, SIZE, generator=generator).to(dtype) for _ in range(2))
    ours = lambda: sy.matmul_codes(a, b, name, name, accumulate="sm90-wgmma")
    ours()
    own_seconds, result = min((seconds(ours) for _ in range(20)), key=lambda pair: pair[0])
    peer_seconds, want = seconds(lambda: peer(instruction, k, a, b))
    assert np.array_equal(result.view(np.uint32), want.view(np.uint32)), f"{name}: the bits differ"
    flops = 2 * SIZE**3
    print(f"{name:14s} sylvester {flops / own_seconds / 1e9:7.2f} GFLOP/s   "
          f"MMA-Sim {flops / peer_seconds / 1e6:6.3f} MFLOP/s   "
          f"{peer_seconds / own_seconds:9.0f} times as fast, equal bits")


def main():
    sy.set_num_threads(1)
    torch.set_num_threads(1)
    print(f"{SIZE}^3, target {sy.current_target()}")
    compare("float8_e4m3fn", torch.float8_e4m3fn, "m64n128k32.f32.e4m3.e4m3", 32)
    compare("bfloat16", torch.bfloat16, "m64n128k16.f32.bf16.bf16", 16)


if __name__ == "__main__":
    main()
