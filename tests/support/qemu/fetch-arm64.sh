#!/bin/sh
# fetch-arm64.sh DIRECTORY
#
# Puts what an arm64 virtual machine is made of into DIRECTORY, where it is not there yet: `vmlinuz`, Debian's kernel, and
# `root`, the programs that the tests run in it with the libraries that they need. The packages are downloaded and unpacked,
# never installed, and apt's and dpkg's own state stays as it is: this needs no root.
set -eu
mkdir -p "$1"
cache=$(cd "$1" && pwd)
# A root of before has not what was added since.
[ ! -e "$cache/vmlinuz" ] || [ ! -e "$cache/root/usr/bin/prlimit" ] || exit 0

command -v apt-get >/dev/null || { echo "apt-get is not installed" >&2; exit 1; }
work=$(mktemp -d "$cache/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/apt/lists/partial" "$work/apt/archives/partial" "$work/debs" "$work/all"
: >"$work/apt/status"
lists=/etc/apt/sources.list
for file in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list.d/ubuntu.sources; do
    [ ! -e "$file" ] || lists=$file
done
# A machine of its own, as far as apt knows: of arm64, with nothing installed.
cat >"$work/apt.conf" <<CONF
Dir::State::Lists "$work/apt/lists";
Dir::State::status "$work/apt/status";
Dir::Cache "$work/apt";
Dir::Etc::sourcelist "$lists";
Dir::Etc::sourceparts "-";
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
CONF
export APT_CONFIG="$work/apt.conf"
apt-get -qq update

# The package with a fixed name, Debian's or Ubuntu's, depends on the one that holds today's kernel.
kernel=
for meta in linux-image-cloud-arm64 linux-image-virtual; do
    kernel=$(apt-cache depends "$meta" 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1)
    [ -z "$kernel" ] || break
done
[ -n "$kernel" ] || { echo "apt knows no arm64 kernel package; has $lists arm64?" >&2; exit 1; }

cd "$work/debs"
apt-get -qq download "$kernel" busybox-static dash libc6 libcap-ng0 libcap2 libcap2-bin libpcre2-8-0 libselinux1 libsmartcols1 \
    libunwind8 liblzma5 strace tini util-linux
for deb in *.deb; do dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$work/all" --exclude './lib/modules/*' --exclude './usr/share/*'; done

# add FILE: FILE, a path below the root, and the libraries that it names, wherever they are there.
root=$work/root
add() {
    [ ! -e "$root/$1" ] || return 0
    mkdir -p "$root/$(dirname "$1")"
    cp -L "$work/all/$1" "$root/$1"
    for library in $(readelf -d "$root/$1" 2>/dev/null | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
        found=$(cd "$work/all" && find . -name "$library" | head -n 1)
        [ -n "$found" ] || { echo "$1 needs $library, which is in none of the packages" >&2; exit 1; }
        add "${found#./}"
    done
}
add lib/ld-linux-aarch64.so.1
# Debian 13 moved what Debian 12 has in /sbin.
setcap=$(cd "$work/all" && find sbin usr/sbin -name setcap 2>/dev/null | head -n 1)
for program in bin/busybox bin/dash "$setcap" usr/bin/unshare usr/bin/nsenter usr/bin/prlimit usr/bin/setpriv usr/bin/strace usr/bin/tini; do
    add "$program"
done
rm -rf "$cache/root"
mv "$root" "$cache/root"
# Complete with the last step: whoever looks meanwhile finds no kernel.
mv "$work"/all/boot/vmlinuz-* "$cache/vmlinuz"
