#!/bin/sh
# Installs by apt what is missing: `sh cmake/setup.sh` what building takes, `sh cmake/setup.sh test` what the tests take too,
# `sh cmake/setup.sh bench` what the benchmarks are compared with, `sh cmake/setup.sh text` what cmake/text_model.sh takes.
# As root, or with sudo. Does nothing, and needs no rights, where everything is there.
set -eu

build="g++ cmake ninja-build ccache llvm-19-dev lld-19 libboost-dev libfmt-dev nlohmann-json3-dev libdlpack-dev libzstd-dev
  zlib1g-dev libxml2-dev"
# libllvm14 and libllvm15: a test opens other versions of LLVM in its process.
test="clang-19 libclang-rt-19-dev clang-format-19 clang-tidy-19 python3 doctest-dev gdb
  binutils pkgconf libllvm14 libllvm15 libonnx-testdata"
bench="python3 libdnnl-dev libopenblas-dev"
text="python3 python3-pip"

fail() {
  echo "setup: $*" >&2
  exit 1
}

case "${1:-build}" in
  build) wanted=$build ;;
  test) wanted="$build $test" ;;
  bench) wanted="$build $bench" ;;
  text) wanted="$build $text" ;;
  *) fail "unknown set '$1': build, test, bench or text" ;;
esac
# shellcheck disable=SC2086 # a list of words
wanted=$(echo $wanted)

command -v dpkg-query >/dev/null 2>&1 && command -v apt-get >/dev/null 2>&1 ||
  fail "no apt here. Install the counterparts of these Debian 12 packages, then run cmake yourself (README.md): $wanted"

missing=
for package in $wanted; do
  state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) || state=none
  [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
  as_root=
elif command -v sudo >/dev/null 2>&1; then
  as_root=sudo
else
  fail "these packages are missing, and only root or sudo can install them: apt-get install$missing"
fi

echo "setup: installing$missing"
# shellcheck disable=SC2086 # lists of words
install() { $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing; }
$as_root apt-get update || fail "apt-get update failed; needed are:$missing"
install || fail "apt-get could not install:$missing (Debian 12 has them all in its main archive)"
