#!/usr/bin/env bash
# The README's demo: what each recipe costs on real text, three fine-tunes, and the report.
# `./run demo` builds the program and sets MODEL (a GGUF file or a model's name) and PYTHON (one
# with Matplotlib).
set -euo pipefail
cd "$(dirname "$0")/.."
sylvester=build/release/sim/sylvester
out=${OUT:-runs/demo}
data=examples/data
rm -rf "$out"
mkdir -p "$out"

echo "What each recipe costs: loss, and the gradient's cosine to float32"
"$sylvester" analyze --model "$MODEL" --data "$data/prose.jsonl" --layers 0 --out "$out/analyze" \
  --recipe "bf16,$(printf 'halo%s-%s,' 0 int8 1 int8 2 int8 0 fp8 1 fp8 2 fp8 0 fp6 1 fp6 2 fp6 \
    0 fp4 1 fp4)halo2-fp4"

for recipe in bf16 halo0-int8 halo2-int8; do
  echo "Fine-tuning on text-to-SQL: $recipe"
  "$sylvester" train --model "$MODEL" --data "$data/debian_sql/train.jsonl" \
    --eval-data "$data/debian_sql/valid.jsonl" --eval-limit 32 --eval-steps 15 --recipe "$recipe" \
    --max-steps 30 --per-device-train-batch-size 4 --learning-rate 2e-4 --warmup-steps 5 \
    --logging-steps 1 --save-strategy no --out "$out/$recipe"
done

"$PYTHON" python/sylvester/report.py "$out/analyze" "$out/bf16" "$out/halo0-int8" \
  "$out/halo2-int8" --out report.html
