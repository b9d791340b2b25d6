#!/bin/sh
# clang-tidy-19 with the checks of .clang-tidy over the library's sources: check_tidy.sh BUILD [--recent | FILES]
# BUILD is a folder configured with Clang (its compile_commands.json is read). --recent: those that the last 20 commits
# changed, or all where git does not know; without it and without files: all.
set -eu
cd "$(dirname "$0")/.."
build=$1
shift
[ -e "$build/compile_commands.json" ] || {
  echo "check_tidy: no compile_commands.json in $build: configure it first (cmake --preset asan)" >&2
  exit 1
}
recent=
if [ "${1:-}" = --recent ]; then
  shift
  recent=$(git diff --name-only --diff-filter=d HEAD~20 -- 'src/*.cpp' 2>/dev/null) || recent=
fi
if [ $# -eq 0 ]; then
  # shellcheck disable=SC2046,SC2086 # our file names have no blanks
  set -- ${recent:-$(find src -name '*.cpp' | sort)}
fi
echo "check_tidy: $# files"
printf '%s\n' "$@" | xargs -P "$(nproc)" -n 4 clang-tidy-19 -p "$build" --quiet --warnings-as-errors='*'
