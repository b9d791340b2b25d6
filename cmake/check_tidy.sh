#!/bin/sh
# clang-tidy-19 with the checks of .clang-tidy over the library's sources: check_tidy.sh BUILD [FILES]
# BUILD is a folder configured with Clang (its compile_commands.json is read).
set -eu
cd "$(dirname "$0")/.."
build=$1
shift
[ -e "$build/compile_commands.json" ] || {
  echo "check_tidy: no compile_commands.json in $build: configure it first (cmake --preset asan)" >&2
  exit 1
}
if [ $# -eq 0 ]; then
  # shellcheck disable=SC2046 # our file names have no blanks
  set -- $(find src -name '*.cpp' | sort)
fi
printf '%s\n' "$@" | xargs -P "$(nproc)" -n 4 clang-tidy-19 -p "$build" --quiet --warnings-as-errors='*'
