#!/bin/sh
# What design.md promises of the libraries as files: check_libraries.sh LIBRARY_FOLDER
# libtenon-rt is under 300 KB stripped and needs nothing but the C and C++ runtime; libtenon-llvm exports one symbol and
# needs no shared LLVM; none of them exports a name that is not tenon's.
set -eu
cd "$1"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fail() {
  echo "check_libraries: $*" >&2
  exit 1
}
exported() { nm -D --defined-only --format=posix "$1" | awk '{ print $1 }'; }
needed() { objdump -p "$1" | awk '$1 == "NEEDED" { print $2 }'; }

for library in libtenon-rt.so libtenon.so libtenon-llvm.so libtenon-onnx.so; do
  [ -e "$library" ] || continue
  strip -o "$folder/stripped" "$library"
  echo "$library: $(($(wc -c <"$folder/stripped") / 1000)) KB stripped, needs" $(needed "$library")
  strange=$(exported "$library" | grep -v tenon | head -n 5) || true
  [ -z "$strange" ] || fail "$library exports" $strange
  case $library in
    libtenon-rt.so)
      size=$(wc -c <"$folder/stripped")
      [ "$size" -lt 300000 ] || fail "$library has $size bytes stripped, 300000 are allowed"
      strange=$(needed "$library" | grep -Ev '^lib(c|m|stdc\+\+|gcc_s|pthread|dl)\.so|^ld-linux') || true
      [ -z "$strange" ] || fail "$library needs" $strange
      ! nm -DC "$library" | grep -E 'std::(basic_)?[io]*stream|std::ios_base|std::locale' || fail "$library uses iostream"
      ;;
    libtenon-llvm.so)
      [ "$(exported "$library")" = tenon_llvm_generator ] || fail "$library exports" $(exported "$library")
      ! needed "$library" | grep -i llvm | grep -v tenon || fail "$library needs a shared LLVM"
      ;;
  esac
done
