# shellcheck shell=bash
# shellcheck disable=SC2034 # the variables are for whoever sources this
# The compiler and the linkers that build.sh builds with. Sourced; set -euo pipefail is in force.
#
# use_toolchain FOLDER TARGET...: sets what cargo needs to build std and epitaph for each TARGET, in the environment:
#   CARGO, RUSTC               the programs
#   LIBRARY_SOURCE             where the sources of std are, for the paths to be taken out of the binary
#   CARGO_TARGET_*_LINKER      the linker of each target
#   MUSL_FLAGS                 flags for rustc that belong to the linker
#   TOOLCHAIN_NAME             what it is, for people
#   MUSL_VERSION               of the C library
#   DEBIAN_USR                 of Debian's packages alone: the folder that takes the place of /usr
#
# Two kinds: a rustup toolchain with the component rust-src and the std of each target (for musl's start files and libc.a);
# where that is not there, Debian's packages, unpacked in FOLDER. Nothing is installed in either case.

fail() {
    printf 'packaging: %s\n' "$*" >&2
    exit 1
}

use_toolchain() {
    local folder=$1
    shift
    if has_rustup_toolchain "$@"; then
        use_rustup_toolchain "$@"
    elif command -v apt-get >/dev/null && [[ $(dpkg --print-architecture) == amd64 ]]; then
        use_debian_packages "$folder" "$@"
    else
        fail "no toolchain: run 'rustup component add rust-src' and 'rustup target add $*', or build on Debian for amd64"
    fi
}

# objcopy_of TARGET: the program that adds a section to a file for it.
objcopy_of() {
    if [[ -z ${DEBIAN_USR:-} ]]; then
        # It comes with rustc, which strips by it.
        echo "$("$RUSTC" --print sysroot)/lib/rustlib/$("$RUSTC" -vV | sed -n 's/^host: //p')/bin/rust-objcopy"
    elif [[ $1 == aarch64-* ]]; then
        echo "$DEBIAN_USR/bin/aarch64-linux-gnu-objcopy"
    else
        echo objcopy
    fi
}

linker_variable() {
    local name=${1//-/_}
    printf 'CARGO_TARGET_%s_LINKER' "${name^^}"
}

# --- rustup -----------------------------------------------------------------------------------------------------------

has_rustup_toolchain() {
    command -v "${RUSTC:-rustc}" >/dev/null || return 1
    local sysroot target
    sysroot=$("${RUSTC:-rustc}" --print sysroot)
    [[ -e $sysroot/lib/rustlib/src/rust/library/std/Cargo.toml ]] || return 1
    for target; do
        [[ -e $sysroot/lib/rustlib/$target/lib/self-contained/libc.a ]] || return 1
    done
}

use_rustup_toolchain() {
    export CARGO=${CARGO:-cargo} RUSTC=${RUSTC:-rustc}
    LIBRARY_SOURCE=$("$RUSTC" --print sysroot)/lib/rustlib/src/rust
    TOOLCHAIN_NAME="$("$RUSTC" --version) of $("$RUSTC" --print sysroot)"
    local target
    for target; do
        # It comes with the compiler and links for every machine. (build.rs knows it by its name.)
        export "$(linker_variable "$target")=rust-lld"
    done
    MUSL_FLAGS="-C link-self-contained=yes"
    # The one that std's targets are made with; the compiler does not tell which.
    MUSL_VERSION="of-rust-$("$RUSTC" --version | cut -d ' ' -f 2)"
}

# --- Debian's packages ------------------------------------------------------------------------------------------------

use_debian_packages() {
    local folder=$1 target
    shift
    unpack_debian_packages "$folder"
    local usr=$folder/root/usr
    DEBIAN_USR=$usr
    export LD_LIBRARY_PATH=$usr/lib/x86_64-linux-gnu${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    export PATH=$usr/bin:$PATH CARGO=$usr/bin/cargo RUSTC=$usr/bin/rustc RUSTDOC=$usr/bin/rustdoc
    # rustup's, for the toolchain that is not used here.
    unset RUSTUP_TOOLCHAIN
    # The folder behind the link that rustc's sysroot has.
    LIBRARY_SOURCE=$usr/lib/rustlib/src/rust
    TOOLCHAIN_NAME="$("$RUSTC" --version), Debian's rustc-web $(<"$folder/version")"
    for target; do
        export "$(linker_variable "$target")=$folder/link-$target"
    done
    MUSL_FLAGS="-C link-self-contained=no"
    MUSL_VERSION=$(<"$folder/musl-version")
}

# Downloads and unpacks them, unless FOLDER has them already: some 200 MB. apt and dpkg are only asked: the lists, the
# packages and what apt takes for the state of the machine are all in FOLDER.
unpack_debian_packages() {
    local folder=$1 usr=$1/root/usr
    if [[ -e $folder/version ]]; then return; fi
    rm -rf "$folder"
    mkdir -p "$folder"/apt/{lists,archives}/partial "$folder"/{debs,root}
    local lists=/etc/apt/sources.list file
    for file in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list.d/ubuntu.sources; do
        if [[ -e $file ]]; then lists=$file; fi
    done
    # The machine's own packages, less those that are wanted, so that apt tells all that these need beside what is there.
    awk -v RS= -v ORS='\n\n' '!/^Package: (rustc|cargo|rust-|libstd-rust|musl|[^\n]*-(aarch64-linux-gnu|arm64-cross))/' \
        /var/lib/dpkg/status >"$folder/apt/status"
    local apt=(-o "Dir::State::Lists=$folder/apt/lists" -o "Dir::State::status=$folder/apt/status"
        -o "Dir::Cache=$folder/apt" -o "Dir::Etc::sourcelist=$lists" -o Dir::Etc::sourceparts=-
        -o APT::Architectures::=amd64 -o APT::Architectures::=arm64 -o APT::Sandbox::User=root
        -o Acquire::Languages=none -o Acquire::Retries=3)
    echo "packaging: downloading Debian's Rust and musl into $folder"
    apt-get "${apt[@]}" -qq update
    local version
    version=$(apt-cache "${apt[@]}" show rustc-web | sed -n 's/^Version: //p' | sort -V | tail -n 1)
    [[ -n $version ]] || fail "Debian's package rustc-web is not known to apt; a rustup toolchain with rust-src does as well"
    local wanted=("rustc-web=$version" "cargo-web=$version" "rust-web-src=$version" "libstd-rust-web-dev=$version"
        gcc-aarch64-linux-gnu libc6-dev-arm64-cross musl-dev)
    local needed
    mapfile -t needed < <(apt-get "${apt[@]}" -s install --no-install-recommends "${wanted[@]}" |
        sed -nE 's/^Inst ([^ ]+) .*\(([^ ]+) .*/\1=\2/p')
    # Of the other architecture only what is linked: musl for epitaph, and std for the tests that run in the virtual machine.
    (cd "$folder/debs" && apt-get "${apt[@]}" -qq download "${needed[@]}" musl-dev:arm64 "libstd-rust-web-dev:arm64=$version")
    for file in "$folder"/debs/*.deb; do dpkg-deb -x "$file" "$folder/root"; done
    # What is a linker's script names its files from the root on.
    sed -i "s#/usr/aarch64-linux-gnu#$usr/aarch64-linux-gnu#g" "$usr/aarch64-linux-gnu/lib/libc.so"
    local arch
    for arch in x86_64 aarch64; do write_musl_linker "$folder" "$arch"; done
    dpkg-deb -f "$folder"/debs/musl-dev_*_amd64.deb Version >"$folder/musl-version"
    rm -rf "$folder/debs" "$folder/apt"
    # The last step: a folder without this file is begun anew.
    echo "$version" >"$folder/version"
}

# gcc with musl's start files and libc.a in place of its own. std asks for libunwind, and uses nothing of it: what is built
# here has no backtraces. FOLDER may be moved.
write_musl_linker() {
    local folder=$1 arch=$2
    local file=$folder/link-$arch-unknown-linux-musl gcc=x86_64-linux-gnu-gcc
    # shellcheck disable=SC2016 # the script's own variable
    if [[ $arch == aarch64 ]]; then gcc='"$here/root/usr/bin/aarch64-linux-gnu-gcc"'; fi
    mkdir -p "$file.lib"
    printf '!<arch>\n' >"$file.lib/libunwind.a" # an empty archive, ar(5)
    cat >"$file" <<SCRIPT
#!/bin/sh
here=\${0%/*}
musl=\$here/root/usr/lib/$arch-linux-musl
exec $gcc -nostartfiles "\$musl/crt1.o" "\$musl/crti.o" "\$@" "-L\$musl" "-L\$0.lib" "\$musl/crtn.o"
SCRIPT
    chmod +x "$file"
}
