# shellcheck shell=bash
# The container images. Sourced by build.sh.
# shellcheck disable=SC2154 # build.sh sets what is not set here

# make_images TARGET...: an image FROM scratch for each, and one manifest of them all, as the archive of an OCI layout.
# podman keeps what it makes on the way in a folder that goes away. It runs nothing, so it needs no emulator.
make_images() {
    local context=$work/image target platform name=localhost/epitaph:$version
    # Of a long path podman wants nothing: --runroot may have 50 characters.
    images_store=$(mktemp -d)
    trap 'rm -rf "$images_store"' EXIT
    local podman=(podman --root "$images_store/root" --runroot "$images_store/run" --storage-driver vfs --cgroup-manager cgroupfs)
    rm -rf "$context"
    "${podman[@]}" manifest create "$name" >/dev/null
    for target; do
        case $target in
            x86_64-*) platform=linux/amd64 ;;
            aarch64-*) platform=linux/arm64/v8 ;;
        esac
        mkdir -p "$context/$target"
        install -m 755 "$out/epitaph-$version-$target" "$context/$target/epitaph"
        cat >"$context/$target/Containerfile" <<'CONTAINERFILE'
FROM scratch
COPY epitaph /epitaph
ENTRYPOINT ["/epitaph", "--"]
CONTAINERFILE
        "${podman[@]}" build --quiet --isolation chroot --platform "$platform" \
            --timestamp "$SOURCE_DATE_EPOCH" --label "org.opencontainers.image.version=$version" \
            --label "org.opencontainers.image.licenses=MIT OR Apache-2.0" --format oci \
            --tag "$name-${target%%-*}" "$context/$target" >/dev/null
        "${podman[@]}" manifest add "$name" "containers-storage:$name-${target%%-*}" >/dev/null
    done
    rm -f "$out/epitaph-$version-oci.tar"
    "${podman[@]}" manifest push --quiet --all "$name" "oci-archive:$out/epitaph-$version-oci.tar:epitaph:$version"
}
