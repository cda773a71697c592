#!/usr/bin/env bash
# build.sh [OPTION]... [TARGET]...
#
# Builds a release: one static file for each TARGET (x86_64-unknown-linux-musl and aarch64-unknown-linux-musl) and all that
# belongs to it. From one commit and one compiler it makes the same bytes in every folder.
#
#   --out FOLDER     where the files go (target/release-files)
#   --work FOLDER    what is downloaded and built on the way (target/packaging)
#   --only-files     the static files and their sums; no documents, packages and images
#   --without-inquest   epitaph alone
#
# Into FOLDER go, of version X.Y.Z:
#   epitaph-X.Y.Z-TARGET               the program
#   epitaph-X.Y.Z-TARGET.cdx.json      what it is made of, in CycloneDX
#   inquest-X.Y.Z-TARGET, and its .cdx.json   the reader of the records
#   epitaph_X.Y.Z-1_ARCHITECTURE.deb   the same with its documents, for Debian and Ubuntu
#   epitaph-X.Y.Z-documents.tar.gz     man pages and completions, as below /usr
#   epitaph-X.Y.Z-oci.tar              container images FROM scratch for all targets, under one manifest
#   SHA256SUMS
#
# Needs bash, git, tar, a C compiler and either a rustup toolchain with rust-src and the targets' std, or Debian's apt-get
# (see toolchain.sh); for the packages dpkg-deb, for the images podman.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source_tree=$(dirname "$here")
# shellcheck source-path=SCRIPTDIR
. "$here/toolchain.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/documents.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/deb.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/images.sh"

usage() { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; }

built=${CARGO_TARGET_DIR:-$source_tree/target}
out=$built/release-files work=$built/packaging only_files='' has_inquest=1 targets=()
while (($#)); do
    case $1 in
        --out | --work)
            [[ -n ${2:-} ]] || fail "$1 needs a folder"
            mkdir -p "$2"
            declare "${1#--}=$(cd "$2" && pwd)"
            shift
            ;;
        --only-files) only_files=1 ;;
        --without-inquest) has_inquest= ;;
        -h | --help) usage; exit ;;
        -*) fail "unknown option $1 (--help tells all)" ;;
        *) targets+=("$1") ;;
    esac
    shift
done
((${#targets[@]})) || targets=({x86_64,aarch64}-unknown-linux-musl)
for target in "${targets[@]}"; do
    case $target in
        x86_64-unknown-linux-musl | aarch64-unknown-linux-musl) ;;
        *) fail "$target is not a target of a release: x86_64-unknown-linux-musl, aarch64-unknown-linux-musl" ;;
    esac
done
mkdir -p "$out" "$work"
out=$(cd "$out" && pwd) work=$(cd "$work" && pwd)
cd "$source_tree"

step() { printf '=== %4d s: %s\n' "$SECONDS" "$*"; }

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
# The time that goes into archives: that of the commit, so that the next day makes the same.
if [[ -z ${SOURCE_DATE_EPOCH:-} ]]; then
    SOURCE_DATE_EPOCH=$(git -c "safe.directory=$source_tree" log -1 --format=%ct 2>/dev/null) ||
        fail "no git here: set SOURCE_DATE_EPOCH to the time of the release, in seconds since 1970"
fi
export SOURCE_DATE_EPOCH

# What is in the init beside std and has more than a few lines.
SMALL=(epitaph ureq ureq-proto http httparse bytes serde_json humantime lexopt env_logger env_filter signal-hook-registry core alloc
    hashbrown nix memchr log percent-encoding)

# build BINARY TARGET [CARGO-OPTION]...: the release file of one binary. std is built along, for size, and without backtraces,
# which a stripped program that aborts cannot show.
build() {
    local binary=$1 target=$2
    shift 2
    local flags=(
        # One file at fixed addresses: see build.rs.
        -C target-feature=+crt-static -C relocation-model=static
        # Who would walk the stack? There is no unwinding (panic = "abort") and no backtrace.
        -C force-unwind-tables=no
        # A panic's message names its file. These take the builder's folders out of it.
        "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}/registry/src=/cargo"
        "--remap-path-prefix=$(realpath "$LIBRARY_SOURCE")=/rust"
        "--remap-path-prefix=$LIBRARY_SOURCE=/rust"
        # cargo names what lies in this tree from here on.
        "--remap-path-prefix=${LIBRARY_SOURCE#"$source_tree"/}=/rust"
        "--remap-path-prefix=$source_tree=/epitaph"
    )
    # shellcheck disable=SC2206 # words
    flags+=($MUSL_FLAGS)
    # For size, std sorts by other algorithms; the reader, which sorts much, takes the usual ones.
    local settings=() std_features=
    if [[ $binary == epitaph ]]; then
        std_features=optimize_for_size
        flags+=(
            # A panic says what is wrong, not in which line: 20 KB of names of files and places.
            -Z location-detail=none
            # What derives Debug says its name alone. No record and no message is made by it.
            -Z fmt-debug=shallow
            # What several functions have in common is made a function of its own: 8 KB, and some 2 % of the start.
            -C llvm-args=-enable-machine-outliner=always
        )
        # Smaller before faster, for the program and what it uses. (Not for std: its code for backtraces would come back.)
        local package
        for package in "${SMALL[@]}"; do settings+=(--config "profile.release.package.$package.opt-level='z'"); done
    fi
    local encoded
    # Folders may have blanks in their names.
    encoded=$(printf '%s\x1f' "${flags[@]}")
    # RUSTC_BOOTSTRAP: a stable compiler builds its own std; nothing else in the tree asks for what is unstable.
    env -u RUSTFLAGS RUSTC_BOOTSTRAP=1 CARGO_ENCODED_RUSTFLAGS="${encoded%?}" "$CARGO" build --quiet --release --locked \
        -Z build-std=std,panic_abort "-Zbuild-std-features=$std_features" \
        "${settings[@]}" \
        --target "$target" --target-dir "$work/build/$target" --bin "$binary" "$@"
    local file=$out/$binary-$version-$target
    install -m 755 "$work/build/$target/$target/release/$binary" "$file"
    # With settings for single packages cargo does not strip.
    "$(objcopy_of "$target")" --strip-all "$file"
    add_parts_list "$file" "$target" "$@"
    if [[ -z $only_files ]]; then write_sbom "$binary" "$target" "$file" "$@"; fi
}

has_feature() { sed -n '/^\[features\]/,/^\[[^f]/p' Cargo.toml | grep -q "^$1 *="; }

own_cargo=$(command -v cargo || true) own_path=$PATH
rm -f "$work/documents.built"
step "toolchain"
use_toolchain "$work/toolchain" "${targets[@]}"
echo "$TOOLCHAIN_NAME"
binaries=(epitaph)
# The reader of the records; built apart, so that the init has nothing of it.
if [[ -n $has_inquest ]] && has_feature inquest; then binaries+=(inquest); fi

build_all_for() {
    local target=$1 binary options
    for binary in "${binaries[@]}"; do
        step "$binary for $target"
        options=()
        if [[ $binary == inquest ]]; then options=(--features inquest); fi
        build "$binary" "$target" "${options[@]}"
    done
}

# Side by side and each in a folder of its own: what the optimiser does at the end of a build takes one processor.
jobs=() failed=
for target in "${targets[@]}"; do
    build_all_for "$target" &
    jobs+=($!)
done
for job in "${jobs[@]}"; do wait "$job" || failed=1; done
[[ -z $failed ]] || fail "a build failed"

if [[ -z $only_files ]]; then
    step "documents"
    make_documents "$work/documents-usr"
    archive "$work/documents-usr" "$out/epitaph-$version-documents.tar.gz"
    step "packages"
    for target in "${targets[@]}"; do make_deb "$target" "$work/documents-usr"; done
    step "images"
    make_images "${targets[@]}"
fi

(cd "$out" && rm -f SHA256SUMS && find . -maxdepth 1 -type f -printf '%P\0' | sort -z | xargs -0 sha256sum >"$work/sums" &&
    mv "$work/sums" SHA256SUMS)
step "done"
cat "$out/SHA256SUMS"
