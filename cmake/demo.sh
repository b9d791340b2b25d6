#!/bin/sh
# Builds the libraries and an example into build/demo and runs it: sh cmake/demo.sh the digits, sh cmake/demo.sh text the
# vectors of texts, whose model it fetches from the network. From any folder.
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

build() {
  step "configuring" cmake -S . -B build/demo -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER=g++ \
    -DTENON_BUILD_TESTS=OFF -DTENON_BUILD_BENCH=OFF --log-level=NOTICE
  step "building" cmake --build build/demo --target tenon-llvm "$1"
}

case "${1:-digits}" in
  digits)
    step "installing packages" sh cmake/setup.sh build
    build example_digits
    step "running the digits" build/demo/examples/digits examples/data
    ;;
  text)
    step "installing packages" sh cmake/setup.sh text
    step "fetching the model" sh cmake/text_model.sh build/text_model
    build example_text_vectors
    step "running the texts" build/demo/examples/text_vectors build/text_model <examples/data/sentences.txt
    ;;
  *)
    echo "demo: unknown example '$1': digits or text" >&2
    exit 1
    ;;
esac
