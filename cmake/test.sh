#!/bin/sh
# Format, stage order and all tests: sh cmake/test.sh, from any folder. Stops at the first step that fails.
# The steps can be named: sh cmake/test.sh lint gcc
set -eu
cd "$(dirname "$0")/.."
jobs=$(nproc)
log=build/test.log
started=$(date +%s)
mkdir -p build
: >"$log"
# A file that two builds compile alike is compiled once.
CCACHE_BASEDIR=$PWD
export CCACHE_BASEDIR CCACHE_NOHASHDIR=1

step() {
  name=$1
  shift
  echo "==== $name ($(($(date +%s) - started)) s)"
  "$@" || {
    echo "test: failed: $name" >&2
    exit 1
  }
}

# Runs ctest and keeps its output for the count at the end.
run_tests() {
  rm -f build/test.status
  { ctest --preset "$@" --output-on-failure --no-tests=error || echo failed >build/test.status; } 2>&1 | tee -a "$log"
  [ ! -e build/test.status ]
}

preset() {
  step "$1: configure" cmake --preset "$1" --log-level=NOTICE
  step "$1: build" cmake --build --preset "$1" -j "$jobs"
  step "$1: tests" run_tests "$1" -j "$jobs"
}

step "packages" sh cmake/setup.sh test
for part in ${*:-lint gcc asan tsan tidy}; do
  case $part in
    lint) # the quick ones first
      step "format" sh cmake/check_format.sh
      step "stage order" python3 cmake/check_stages.py
      ;;
    tidy) step "clang-tidy of what changed lately" sh cmake/check_tidy.sh build/asan --recent ;;
    *) preset "$part" ;;
  esac
done

# ctest's closing lines: "98% tests passed, 1 tests failed out of 57"; none where the steps named run no tests
[ ! -s "$log" ] || awk '/tests passed, .* failed out of/ { failed += $4; passed += $9 - $4 }
  END { printf "%d passed, %d failed\n", passed, failed; exit failed > 0 || passed == 0 }' "$log"
echo "all in $((($(date +%s) - started) / 60)) minutes"
