#!/bin/sh
# Builds the libraries and the digits example into build/demo and runs it: sh cmake/demo.sh, from any folder.
set -eu
cd "$(dirname "$0")/.."

step() {
  name=$1
  shift
  "$@" || {
    echo "demo: failed: $name" >&2
    exit 1
  }
}

step "installing packages" sh cmake/setup.sh build
step "configuring" cmake -S . -B build/demo -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER=g++ \
  -DTENON_BUILD_TESTS=OFF -DTENON_BUILD_BENCH=OFF --log-level=NOTICE
step "building" cmake --build build/demo --target tenon-llvm example_digits
step "running the digits" build/demo/examples/digits examples/data
