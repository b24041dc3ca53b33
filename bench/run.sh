#!/usr/bin/env bash
# bench/run.sh BUILD [MODEL.gguf]: the benchmarks of docs/benchmarks.md, one after another.
# Ratios are to baselines measured in the same process; run on a quiet machine.
set -euo pipefail
build=$1
model=${2:-}
export OMP_WAIT_POLICY=passive
"$build/bench/formats/formats_bench"
"$build/bench/quant/quant_bench"
"$build/bench/hadamard/hadamard_bench"
"$build/bench/gemm/gemm_bench" 1024 auto 1
"$build/bench/gemm/gemm_bench" 1024 auto 2
[ -z "$model" ] || "$build/bench/ops/training_step" "$model"
