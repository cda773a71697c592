#!/bin/sh
# fetch-kernel.sh DIRECTORY
#
# Puts the distribution's kernel for virtual machines into DIRECTORY, where it is not there yet, and prints its path.
# The package is downloaded and unpacked, never installed, so this needs no root.
set -eu
mkdir -p "$1"
cache=$(cd "$1" && pwd)

for kernel in "$cache"/vmlinuz-*; do
    if [ -f "$kernel" ]; then
        echo "$kernel"
        exit
    fi
done

command -v apt-get >/dev/null || { echo "apt-get is not installed" >&2; exit 1; }
work=$(mktemp -d "$cache/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

# The package with a fixed name, Debian's or Ubuntu's, depends on the one that holds today's kernel.
package=
for meta in linux-image-cloud-amd64 linux-image-virtual; do
    package=$(apt-cache depends "$meta" 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1)
    [ -z "$package" ] || break
done
[ -n "$package" ] || { echo "apt knows no kernel package (apt-get update)" >&2; exit 1; }

apt-get download "$package" >/dev/null
dpkg-deb --fsys-tarfile ./*.deb | tar -x --wildcards './boot/vmlinuz-*'
# Complete in one step: whoever looks meanwhile finds a whole kernel or none.
mv ./boot/vmlinuz-* "$cache/"
ls "$cache"/vmlinuz-*
