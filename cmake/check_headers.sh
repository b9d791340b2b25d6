#!/bin/sh
# Each public header compiles alone and twice, and two translation units that include them all link and run:
# check_headers.sh COMPILER LIBRARY_FOLDER
set -eu
compiler=$1
libraries=$2
cd "$(dirname "$0")/.."
command -v "$compiler" >/dev/null || {
  echo "check_headers: no $compiler here: sh cmake/setup.sh test installs it" >&2
  exit 1
}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
flags="-std=c++20 -Wall -Wextra -Werror -Iinclude"

headers=$(cd include && find tenon -name '*.hpp' | LC_ALL=C sort)
count=0
for header in $headers; do
  printf '#include "%s"\n#include "%s"\n' "$header" "$header" >"$folder/alone.cpp"
  # shellcheck disable=SC2086 # a list of flags
  "$compiler" $flags -fsyntax-only "$folder/alone.cpp" || {
    echo "check_headers: $header does not compile alone with $compiler" >&2
    exit 1
  }
  count=$((count + 1))
done
[ "$count" -gt 0 ]

for header in $headers; do
  printf '#include "%s"\n' "$header"
done >"$folder/other.cpp"
cp "$folder/other.cpp" "$folder/main.cpp"
echo 'int other() { return 0; }' >>"$folder/other.cpp"
echo 'int other(); int main() { return other(); }' >>"$folder/main.cpp"
# shellcheck disable=SC2086 # a list of flags
"$compiler" $flags "$folder/main.cpp" "$folder/other.cpp" -L"$libraries" -ltenon -ltenon-rt \
  -Wl,-rpath,"$libraries" -o "$folder/both"
"$folder/both"
echo "$count headers, $compiler"
