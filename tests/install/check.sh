#!/usr/bin/env bash
# check.sh BUILD_DIR: installs the built library into a folder of its own, builds the consumer
# against it, runs it.
set -euo pipefail
source_dir=$(cd "$(dirname "$0")" && pwd)
build=$1
work=$build/install-test
rm -rf "$work"
cmake --install "$build" --prefix "$work/prefix" >/dev/null
cmake -S "$source_dir" -B "$work/build" -G Ninja -DCMAKE_PREFIX_PATH="$work/prefix" \
  -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build "$work/build"
"$work/build/consumer"
