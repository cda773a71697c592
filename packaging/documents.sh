# shellcheck shell=bash
# The documents of a release. Sourced by build.sh.
# shellcheck disable=SC2154 # build.sh sets what is not set here

# run_documents WORD...: the tool in packaging/documents. It runs here, so it is built for this machine, by the cargo that
# was on the path before the toolchain of the release where there was one: the tests' build has most of it already.
run_documents() {
    # shellcheck disable=SC2153 # use_toolchain sets it
    local cargo=$CARGO environment=()
    if [[ -n $own_cargo ]]; then
        cargo=$own_cargo
        environment=(-u RUSTC -u RUSTDOC -u LD_LIBRARY_PATH "PATH=$own_path")
    fi
    # DOCUMENTS_ARE_BUILT: by whoever calls build.sh.
    if [[ ! -e $work/documents.built && -z ${DOCUMENTS_ARE_BUILT:-} ]]; then
        env -u RUSTFLAGS "${environment[@]}" "$cargo" build --quiet --locked --example documents --target-dir "$built"
        : >"$work/documents.built"
    fi
    "$built/debug/examples/documents" "$@"
}

# make_documents FOLDER: man pages, completions, licences and descriptions, where a system has them below /usr.
make_documents() {
    local usr=$1 page
    rm -rf "$usr"
    mkdir -p "$usr"/share/{man/man1,man/man5,bash-completion/completions,zsh/vendor-completions,fish/vendor_completions.d}
    mkdir -p "$usr/share/doc/epitaph"
    run_documents man >"$usr/share/man/man1/epitaph.1"
    run_documents records-man >"$usr/share/man/man5/epitaph-records.5"
    run_documents completions bash >"$usr/share/bash-completion/completions/epitaph"
    run_documents completions zsh >"$usr/share/zsh/vendor-completions/_epitaph"
    run_documents completions fish >"$usr/share/fish/vendor_completions.d/epitaph.fish"
    if has_feature inquest; then
        run_documents inquest-man >"$usr/share/man/man1/inquest.1"
        run_documents inquest-completions bash >"$usr/share/bash-completion/completions/inquest"
        run_documents inquest-completions zsh >"$usr/share/zsh/vendor-completions/_inquest"
        run_documents inquest-completions fish >"$usr/share/fish/vendor_completions.d/inquest.fish"
    fi
    for page in README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT docs/*; do
        install -m 644 "$page" "$usr/share/doc/epitaph/${page##*/}"
    done
}

# archive FOLDER FILE: a tar with nothing of this machine and this day in it.
archive() {
    tar --sort=name --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX "--mtime=@$SOURCE_DATE_EPOCH" \
        -C "$1" -cf - . | gzip -9n >"$2"
}

# cargo_metadata TARGET [CARGO-OPTION]...: what the crate is made with on TARGET.
cargo_metadata() {
    local target=$1
    shift
    "$CARGO" metadata --format-version 1 --locked --filter-platform "$target" "$@"
}

# features_of [--features NAME]: the names.
features_of() {
    local options=$*
    echo "${options#--features }"
}

# add_parts_list FILE TARGET [CARGO-OPTION]...: the section .dep-v0, in which scanners such as `cargo audit bin` find the list of crates. It is
# not loaded at run time.
add_parts_list() {
    local file=$1 target=$2 list=$work/parts-$2
    shift 2
    cargo_metadata "$target" "$@" | PARTS_FEATURES=$(features_of "$@") run_documents auditable >"$list.json"
    # zlib is deflate in another frame than gzip's: RFC 1950 and 1952.
    {
        printf '\x78\xda'
        gzip -9nc "$list.json" | tail -c +11 | head -c -8
        adler32 "$list.json"
    } >"$list"
    "$(objcopy_of "$target")" --add-section ".dep-v0=$list" --set-section-flags .dep-v0=noload,readonly "$file"
}

# adler32 FILE: the checksum at the end of a zlib stream, four bytes with the highest first.
adler32() {
    od -An -v -t u1 "$1" | awk '
        BEGIN { a = 1; b = 0 }
        { for (i = 1; i <= NF; i++) { a = (a + $i) % 65521; b = (b + a) % 65521 } }
        END { printf "\\x%02x\\x%02x\\x%02x\\x%02x", int(b / 256), b % 256, int(a / 256), a % 256 }' | xargs -0 printf '%b'
}

# write_sbom BINARY TARGET FILE [CARGO-OPTION]...: its CycloneDX list of parts, beside FILE.
write_sbom() {
    local binary=$1 target=$2 file=$3 sum
    shift 3
    sum=$(sha256sum "$file")
    cargo_metadata "$target" "$@" | BINARY_SHA256=${sum%% *} PARTS_FEATURES=$(features_of "$@") run_documents sbom "$binary" "$target" \
        "rust-std=$("$RUSTC" --version | cut -d ' ' -f 2)" "musl=$MUSL_VERSION" >"$file.cdx.json"
}
