#!/bin/sh
# Cold compilation in fresh processes: bench/cold.sh BUILD_FOLDER [TIMES]
set -eu
build=${1:?usage: bench/cold.sh BUILD_FOLDER [TIMES]}
times=${2:-9}
i=0
while [ "$i" -lt "$times" ]; do
  "$build/bench/bench_cold"
  i=$((i + 1))
done
