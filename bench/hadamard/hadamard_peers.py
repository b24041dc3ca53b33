"""Times sylvester.hadamard beside fht_cpu (PyPI) and an in-place pass of numpy over the same memory.

    pip install fht_cpu numpy && OMP_NUM_THREADS=1 python bench/hadamard/hadamard_peers.py

One line a case: nanoseconds an element (fastest of the repetitions, taken in turns) and ratios.
"""

import time

import fht_cpu
import numpy as np

import sylvester as sy

ELEMENTS = 1 << 24


def seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def fastest(functions, repetitions):
    """The least time of each function, called in turns."""
    best = [float("inf")] * len(functions)
    for _ in range(repetitions):
        for i, function in enumerate(functions):
            best[i] = min(best[i], seconds(function))
    return best


def compare(label, shape, axis, repetitions):
    x = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    n = shape[axis]
    peer = x.copy()
    fht_cpu.fht(peer, axis=axis)
    ours = sy.hadamard(x, axis=axis) * np.float32(np.sqrt(n))
    error = np.abs(ours - peer).max() / np.abs(peer).max()
    assert error < 1e-5, f"{label}: the two transforms differ by {error}"
    y = x.copy()
    times = fastest(
        [
            lambda: sy.hadamard(y, axis=axis, out=y),
            lambda: fht_cpu.fht(peer, axis=axis),
            lambda: np.negative(y, out=y),
        ],
        repetitions,
    )
    peer[...] = x  # unnormalised: keep the peer's values finite
    ns = [t / x.size * 1e9 for t in times]
    print(f"{label:24s} sylvester {ns[0]:6.3f}  fht_cpu {ns[1]:6.3f}  pass {ns[2]:6.3f}  "
          f"fht_cpu/sylvester {ns[1] / ns[0]:5.1f}  sylvester/pass {ns[0] / ns[2]:5.2f}")


def main():
    sy.set_num_threads(1)
    for n in (64, 256, 1024, 4096, 16384, 1 << 20):
        compare(f"rows n={n}", (ELEMENTS // n, n), 1, 8)
    for m in (64, 512, 4096):
        compare(f"columns m={m}", (m, 1024), 0, 4)


if __name__ == "__main__":
    main()
