#!/bin/sh
# A project of a user's builds and runs against tenon: check_package.sh KIND BUILD COMPILER TARGET
# KIND is install (find_package on an installed prefix, moved after the install), tree (find_package on the build folder),
# pkg-config, or subdirectory (add_subdirectory by FetchContent: compiled once more, for debugging and without a code
# generator, which takes the least time).
set -eu
kind=$1
build=$2
compiler=$3
target=$4
root=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
consumer=$folder/consumer
trap 'rm -rf "$folder"' EXIT
unset LD_LIBRARY_PATH
export TENON_CACHE_DIR="$folder/cache"
fail() {
  echo "check_package: $kind: $*" >&2
  exit 1
}

project() {
  source=$1
  shift
  cmake -S "$root/tests/package/$source" -B "$consumer" -G Ninja "-DCMAKE_CXX_COMPILER=$compiler" "$@" >/dev/null ||
    fail "the user's project does not configure"
  cmake --build "$consumer" -j 2 >"$folder/log" || {
    cat "$folder/log" >&2
    fail "the user's project does not build"
  }
  "$consumer/consumer" "$target" || fail "the user's program fails"
}

install_moved() {
  cmake --install "$build" --prefix "$folder/first" >/dev/null
  mv "$folder/first" "$folder/prefix"
}

case $kind in
  install)
    install_moved
    project find_package "-DCMAKE_PREFIX_PATH=$folder/prefix"
    ;;
  tree) project find_package "-Dtenon_DIR=$build" ;;
  pkg-config)
    install_moved
    PKG_CONFIG_PATH=$(dirname "$(find "$folder/prefix" -name tenon.pc)")
    export PKG_CONFIG_PATH
    # shellcheck disable=SC2046 # lists of flags
    "$compiler" "$root/tests/package/consumer.cpp" $(pkg-config --cflags --libs tenon) -o "$folder/consumer" \
      -Wl,-rpath,"$(pkg-config --variable=libdir tenon)" || fail "the user's program does not build"
    "$folder/consumer" "$target" || fail "the user's program fails"
    ;;
  subdirectory)
    project add_subdirectory "-DTENON_SOURCE=$root" -DTENON_LLVM=OFF -DTENON_ONNX=OFF -DTENON_PRECOMPILE=ON \
      -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG=-O0 -DCMAKE_COMPILE_WARNING_AS_ERROR=ON
    ;;
  *) fail "unknown kind" ;;
esac
echo "$kind: built and ran"
