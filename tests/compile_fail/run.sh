#!/bin/sh
# Compiles each file here twice: as it is it must compile; with MUST_FAIL its first error must say what the comment at its
# top lists.
#   run.sh COMPILER INCLUDE_DIR [NAME...]
set -u
compiler=$1 include=$2
shift 2
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
[ $# -gt 0 ] || set -- "$here"/*.cpp

# All begin with tenon.hpp, which is read once for all of them.
mkdir "$work/tenon"
header=$work/tenon/tenon.hpp.gch
"$compiler" -std=c++20 -I"$include" -w -x c++-header "$include/tenon/tenon.hpp" -o "$header" || exit 2
case $("$compiler" --version) in
  *clang*) read_header="-include-pch $header" ;;
  *) read_header=-I$work ;;
esac
check() {
  # shellcheck disable=SC2086 # a flag and its argument
  "$compiler" -std=c++20 -fsyntax-only $read_header -I"$include" "$@"
}
count=0 failures=0 failed=

complain() {  # NAME WHAT FILE
  [ "$name" != "$failed" ] || return 0
  failed=$name
  failures=$((failures + 1))
  echo "FAILED $1: $2"
  sed 's/^/    /' "$3" | head -n 12
}
for file; do
  name=$(basename "$file" .cpp)
  file=$here/$name.cpp
  count=$((count + 1))
  if ! check "$file" >"$work/pass" 2>&1; then
    grep -m 1 -A 3 'error: ' "$work/pass" >"$work/context"
    complain "$name" "does not compile as it is" "$work/context"
    continue
  fi
  if check -DMUST_FAIL "$file" >"$work/fail" 2>&1; then
    complain "$name" "compiles with MUST_FAIL" /dev/null
    continue
  fi
  grep -m 1 'error: ' "$work/fail" >"$work/first"
  # What an exception in a constant expression was stands in a note.
  grep -m 1 -A 8 'error: ' "$work/fail" >"$work/context"
  sed -n '2,/^#/s|^//   ||p' "$file" >"$work/words"
  while IFS= read -r words; do
    case $words in
      dim:\ a\ name\ has\ letters*) searched=$work/context ;;
      *) searched=$work/first ;;
    esac
    grep -qF -- "$words" "$searched" || complain "$name" "the first error does not say '$words'" "$work/context"
  done <"$work/words"
done
echo "$count files, $failures failures ($compiler)"
[ "$failures" -eq 0 ]
