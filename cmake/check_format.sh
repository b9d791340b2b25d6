#!/bin/sh
# Every source is as clang-format-19 writes it; `check_format.sh --fix` makes it so.
set -eu
cd "$(dirname "$0")/.."
case "${1:-}" in
  --fix) action=-i ;;
  "") action='--dry-run -Werror' ;;
  *)
    echo "check_format: unknown argument '$1': --fix or nothing" >&2
    exit 1
    ;;
esac
# shellcheck disable=SC2086 # a list of flags
find include src tests examples bench \( -name '*.hpp' -o -name '*.cpp' \) -print | sort | xargs clang-format-19 $action
