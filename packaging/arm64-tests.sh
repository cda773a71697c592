#!/usr/bin/env bash
# arm64-tests.sh FOLDER
#
# Builds for 64-bit Arm what the tests run in the arm64 virtual machine (tests/arm64.rs): the test program tests/init and
# tests/verdicts/hog.rs, as FOLDER/init and FOLDER/hog, with the toolchain that build.sh has in target/packaging.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source_tree=$(dirname "$here")
# shellcheck source-path=SCRIPTDIR
. "$here/toolchain.sh"

(($# == 1)) || fail "usage: arm64-tests.sh FOLDER"
mkdir -p "$1"
folder=$(cd "$1" && pwd)
built=${CARGO_TARGET_DIR:-$source_tree/target}
mkdir -p "$built/packaging"
cd "$source_tree"
use_toolchain "$(cd "$built/packaging" && pwd)/toolchain" aarch64-unknown-linux-musl

# Tests unwind, and so need the std that the compiler comes with: rustup has it for musl, Debian for glibc.
target=aarch64-unknown-linux-musl
if [[ -n ${DEBIAN_USR:-} ]]; then
    target=aarch64-unknown-linux-gnu
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=$DEBIAN_USR/bin/aarch64-linux-gnu-gcc
    MUSL_FLAGS=
fi
export RUSTFLAGS="-C target-feature=+crt-static $MUSL_FLAGS"
linker=$(linker_variable "$target")
# What is built for the tests need not be quick, and is built faster without the tables for a debugger.
"$CARGO" test --quiet --locked --no-run --test init --target "$target" --target-dir "$built/packaging/tests" \
    --config 'profile.dev.debug=false' --config 'profile.dev.strip="symbols"' --message-format=json >"$built/packaging/tests.json"
init=$(sed -nE 's/.*"name":"init".*"executable":"([^"]+)".*/\1/p' "$built/packaging/tests.json")
[[ -n $init ]] || fail "cargo names no executable of tests/init in $built/packaging/tests.json"
install -m 755 "$init" "$folder/init"
# shellcheck disable=SC2086 # words
"$RUSTC" --edition=2024 -O --target "$target" $RUSTFLAGS -C strip=symbols -C "linker=${!linker}" \
    -o "$folder/hog" tests/verdicts/hog.rs
