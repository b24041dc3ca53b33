"""Times cuda_fwht_bench beside Dao-AILab's fast_hadamard_transform and a dense product with H.

    pip install fast_hadamard_transform
    python bench/cuda/fwht_peers.py --binary build/cuda/bench/cuda/cuda_fwht_bench

One line an order, bfloat16 rows of one tensor: the share that each reaches of the best
device-to-device copy, which the binary measures in this run. The peers are replayed from CUDA
graphs, as the binary's transforms are; medians of 15 replays of 3 calls.
"""

import argparse
import statistics
import subprocess

import torch

try:
    import fast_hadamard_transform.fast_hadamard_transform_interface as dao
except ImportError:
    dao = None

POWERS = [1 << m for m in range(6, 16)]
BASES = {
    12: [768, 1536, 3072, 6144, 12288],
    20: [1280, 2560, 5120, 10240, 20480],
    28: [1792, 3584, 7168, 14336, 28672],
    40: [1280, 2560, 5120, 10240, 20480],
}
CALLS, REPLAYS = 3, 15


def ours(binary, megabytes, part):
    """Copy rate in bytes a second, and the shares of the bfloat16 rows by order."""
    command = [binary, str(megabytes), part]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    shares = {}
    for line in out.splitlines():
        word = line.split()
        if word[:1] == ["copy"]:
            copy = float(word[1]) * 1e12
        elif len(word) > 3 and word[0] == "bf16" and word[1].isdigit():
            shares[int(word[1])] = float(word[3])
    return copy, shares


def seconds(call):
    """Median time of one call."""
    call()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(CALLS):
            call()
    times = []
    for _ in range(REPLAYS + 2):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        graph.replay()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end) * 1e-3 / CALLS)
    return statistics.median(times[2:])


def sylvester_matrix(n):
    h = torch.ones(1, 1)
    while h.shape[0] < n:
        h = torch.cat([torch.cat([h, h], 1), torch.cat([h, -h], 1)], 0)
    return h


def peer_share(x, call, copy):
    try:
        return f"{2 * x.numel() * 2 / seconds(call) / copy:8.3f}"
    except RuntimeError as error:
        return f"  ({str(error).splitlines()[0][:40]})"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True, help="cuda_fwht_bench of this repository")
    parser.add_argument("--megabytes", type=int, default=512, help="of one tensor")
    options = parser.parse_args()
    copy, shares = ours(options.binary, options.megabytes, "rows")
    base_copy, base_shares = ours(options.binary, options.megabytes, "base")
    copy = max(copy, base_copy)
    shares.update(base_shares)
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, copy {copy * 1e-12:.3f} TB/s")
    if dao is None:
        print("fast_hadamard_transform is not installed")
    print(f"{'n':>14} {'ours':>8} {'dao':>8} {'dense':>8}")
    elements = options.megabytes << 19
    source = torch.randn(elements, device="cuda", dtype=torch.bfloat16)
    cases = [(1, n) for n in POWERS] + [(k, n) for k, orders in BASES.items() for n in orders]
    for base, n in cases:
        x = source[: elements // n * n].view(-1, n)
        peer = dense = ""
        if dao is not None:
            name = "hadamard_transform" + ("" if base == 1 else f"_{base}N")
            transform = getattr(dao, name)
            peer = peer_share(x, lambda: transform(x, n**-0.5), copy)
        if base == 1 and n <= 256:
            h = (sylvester_matrix(n) * n**-0.5).to(x)
            y = torch.empty_like(x)
            dense = peer_share(x, lambda: torch.matmul(x, h, out=y), copy)
        label = str(n) if base == 1 else f"{n} = {base}N"
        print(f"{label:>14} {shares.get(n, float('nan')):8.3f} {peer:>8} {dense:>8}", flush=True)


if __name__ == "__main__":
    main()
