#!/bin/sh
# Every source is as clang-format-19 writes it.
set -eu
cd "$(dirname "$0")/.."
find include src tests examples bench \( -name '*.hpp' -o -name '*.cpp' \) -print | sort |
  xargs clang-format-19 --dry-run -Werror
