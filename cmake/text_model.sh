#!/bin/sh
# Fetches a model of texts into a folder: sh cmake/text_model.sh FOLDER. It is a part of the package wordllama (MIT) on
# PyPI, 19 MB; what stays are its table, its tokenizer and its licence, 18 MB. Does nothing where they are there.
set -eu
package=wordllama==0.4.0.post1

fail() {
  echo "text_model: $*" >&2
  exit 1
}
[ $# -eq 1 ] || fail "takes a folder: sh cmake/text_model.sh FOLDER"
folder=$1

right() {
  (cd "$folder" 2>/dev/null && sha256sum --check --quiet --status) <<EOF
64b47a2dc493cb8e85944076601189739852d7b64e0e1eedcb1937a251cd9fd5  l2_supercat_256.safetensors
93248f2a9ec36c7b35f700a033d5f36228aae48db61aee31007fa49062cdeb68  l2_supercat_tokenizer_config.json
EOF
}

if right 2>/dev/null; then
  echo "text_model: $folder has it"
  exit 0
fi
python3 -m pip --version >/dev/null 2>&1 ||
  fail "needs pip: 'sh cmake/setup.sh text' installs it, and any virtual environment has it"
aside=$(mktemp -d)
trap 'rm -rf "$aside"' EXIT
# One of the package's files for all: the model in it does not depend on Python's version or on the machine.
python3 -m pip --disable-pip-version-check download --quiet --retries 1 --no-deps --only-binary :all: --implementation cp \
  --python-version 3.11 --abi cp311 --platform manylinux2014_x86_64 --dest "$aside" "$package" ||
  fail "pip could not download $package: the message above says why; it needs the network, or an index set for pip"
python3 -m zipfile -e "$aside"/wordllama-*.whl "$aside" || fail "what pip downloaded is no zip archive"
mkdir -p "$folder"
for file in weights/l2_supercat_256.safetensors tokenizers/l2_supercat_tokenizer_config.json \
  ../wordllama-0.4.0.post1.dist-info/licenses/LICENSE; do
  cp "$aside/wordllama/$file" "$folder/" || fail "$package has no $file"
done
right || fail "the files in $folder are not those that were expected (sha256)"
echo "text_model: fetched $package into $folder"
