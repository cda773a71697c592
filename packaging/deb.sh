# shellcheck shell=bash
# The Debian package. Sourced by build.sh.
# shellcheck disable=SC2154 # build.sh sets what is not set here

# make_deb TARGET DOCUMENTS: a package with the binaries for TARGET and the documents that make_documents has made.
make_deb() {
    local target=$1 documents=$2 architecture root binary
    case $target in
        x86_64-*) architecture=amd64 ;;
        aarch64-*) architecture=arm64 ;;
    esac
    root=$work/deb-$architecture
    rm -rf "$root"
    mkdir -p "$root"/{DEBIAN,usr/bin,usr/share/lintian/overrides}
    cp -r "$documents"/. "$root/usr"
    for binary in "${binaries[@]}"; do
        install -m 755 "$out/$binary-$version-$target" "$root/usr/bin/$binary"
    done
    # Debian has both licences where all packages have theirs.
    rm "$root"/usr/share/doc/epitaph/LICENSE-*
    mv "$root/usr/share/doc/epitaph/CHANGELOG.md" "$root/usr/share/doc/epitaph/changelog"
    write_copyright >"$root/usr/share/doc/epitaph/copyright"
    write_debian_changelog >"$root/usr/share/doc/epitaph/changelog.Debian"
    find "$root/usr/share/man" "$root"/usr/share/doc/epitaph/changelog* -type f -exec gzip -9n {} +
    printf '%s\n' '# One file that needs nothing else in a container is what this program is for.' \
        'epitaph: statically-linked-binary' '# It is no package of Debian, where a bug would ask for it.' \
        'epitaph: initial-upload-closes-no-bugs' >"$root/usr/share/lintian/overrides/epitaph"
    cat >"$root/DEBIAN/control" <<CONTROL
Package: epitaph
Version: $version-1
Architecture: $architecture
Maintainer: $DEB_MAINTAINER
Installed-Size: $(du -k --apparent-size -s "$root/usr" | cut -f 1)
Section: admin
Priority: optional
Description: container init that knows who the container is and how it died
 epitaph is the PID 1 of a container, in place of tini, dumb-init or
 catatonit: it forwards signals, reaps zombies and ends with the program's
 exit code.
 .
 It finds out the container's ID and the ARN of its Amazon ECS task, gives
 them to the program in its environment, and writes one line of JSON to stderr
 at the start, at the end, and when something happens in between: an OOM kill,
 memory pressure, a stop signal, a program that is stuck after one.
 .
 inquest reads these records in whatever logs are left, and tells who a
 container was, when it died and why.
CONTROL
    chmod -R u=rwX,go=rX "$root"
    (cd "$root" && find usr -type f -printf '%P\0' | sort -z | (cd usr && xargs -0 md5sum) |
        sed 's#  #  usr/#' >DEBIAN/md5sums)
    chmod 644 "$root/DEBIAN/md5sums"
    # dpkg-deb takes the times from SOURCE_DATE_EPOCH where they are later.
    dpkg-deb --root-owner-group -Zxz --build "$root" "$out/epitaph_$version-1_$architecture.deb" >/dev/null
}

# Who answers for the package: whoever makes it says so.
DEB_MAINTAINER=${DEB_MAINTAINER:-epitaph developers <epitaph@packages.invalid>}

write_copyright() {
    cat <<'COPYRIGHT'
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: epitaph

Files: *
COPYRIGHT
    sed -n 's/^Copyright (c) /Copyright: /p' LICENSE-MIT
    cat <<'COPYRIGHT'
License: MIT or Apache-2.0

License: MIT
COPYRIGHT
    sed '1,/^Copyright/d; /./!d' LICENSE-MIT | sed 's/^/ /'
    cat <<'COPYRIGHT'

License: Apache-2.0
 On Debian systems, the full text of the Apache License, Version 2.0 is in the
 file /usr/share/common-licenses/Apache-2.0.
COPYRIGHT
}

write_debian_changelog() {
    cat <<CHANGELOG
epitaph ($version-1) unstable; urgency=medium

  * Release $version. The changes are in changelog.gz.

 -- $DEB_MAINTAINER  $(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")
CHANGELOG
}
