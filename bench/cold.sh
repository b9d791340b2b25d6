#!/bin/sh
# Cold compilation, and a warm start from the disk cache, each in fresh processes: bench/cold.sh BUILD_FOLDER [TIMES]
set -eu
build=${1:?usage: bench/cold.sh BUILD_FOLDER [TIMES]}
times=${2:-9}
cache=$(mktemp -d)
trap 'rm -rf "$cache"' EXIT
each() {
  i=0
  while [ "$i" -lt "$times" ]; do
    "$@"
    i=$((i + 1))
  done
}
echo "without a cache:"
each "$build/bench/bench_cold"
echo "the first process fills a cache, the others start from it:"
TENON_CACHE_DIR=$cache "$build/bench/bench_warm"
each env TENON_CACHE_DIR="$cache" "$build/bench/bench_warm"
