#!/bin/sh
# Files that must compile as they stand and must not with -DCASE=1, 2, ...: check_compile_fail.sh COMPILER FILES
#
# A file says what it expects in lines `// case N: text`. With -DCASE=N the compiler must refuse, and its first error
# must hold every text of that case. A case for one compiler only is `// case N g++: text` or `// case N clang++: text`.
set -eu
compiler=$1
shift
root=$(cd "$(dirname "$0")/.." && pwd)
command -v "$compiler" >/dev/null || {
  echo "check_compile_fail: no $compiler here: sh cmake/setup.sh test installs it" >&2
  exit 1
}
case $compiler in *clang*) family=clang++ ;; *) family=g++ ;; esac
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
compile() { "$compiler" -std=c++20 -Wall -Wextra -I"$root/include" -fsyntax-only "$@" >"$folder/output" 2>&1; }

failed=0
count=0
complain() {
  echo "$1" >&2
  failed=1
}
for file in "$@"; do
  compile -DCASE=0 "$file" || {
    complain "$file: must compile, and does not"
    cat "$folder/output" >&2
    continue
  }
  cases=$(sed -n 's|^ *// case \([0-9]*\).*|\1|p' "$file" | sort -nu)
  [ -n "$cases" ] || complain "$file: states no case"
  for number in $cases; do
    count=$((count + 1))
    if compile -DCASE="$number" "$file"; then
      complain "$file: case $number must not compile, and does"
      continue
    fi
    error=$(grep -m 1 'error: ' "$folder/output") || error=
    sed -n -e "s|^ *// case $number: ||p" -e "s|^ *// case $number $family: ||p" "$file" >"$folder/texts"
    [ -s "$folder/texts" ] || complain "$file: case $number states no text for $family"
    while IFS= read -r text; do
      case $error in
        *"$text"*) ;;
        *)
          complain "$file: case $number, $compiler: the first error does not say: $text"
          complain "  it is: $error"
          ;;
      esac
    done <"$folder/texts"
  done
done
echo "$count cases, $compiler"
[ "$count" -gt 0 ] || complain "no case was found"
exit "$failed"
