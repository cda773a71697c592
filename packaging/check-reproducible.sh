#!/usr/bin/env bash
# check-reproducible.sh FOLDER
#
# Builds the release files once more, from a clone of this commit in another folder, with another folder for cargo, and
# compares them with those in FOLDER, which build.sh has made. Says the sums of both; ends with 1 where they differ.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source_tree=$(dirname "$here")
(($# == 1)) || { echo "usage: check-reproducible.sh FOLDER" >&2; exit 1; }
released=$(cd "$1" && pwd)
built=${CARGO_TARGET_DIR:-$source_tree/target}

# A longer path than the first one's, at another depth.
elsewhere=$(mktemp -d)
trap 'rm -rf "$elsewhere"' EXIT
clone=$elsewhere/another/folder/with-a-longer-name/epitaph
git -c "safe.directory=*" clone --quiet --no-hardlinks "$source_tree" "$clone"
if [[ -n $(git -c "safe.directory=*" -C "$source_tree" status --porcelain --untracked-files=no) ]]; then
    echo "check-reproducible: there are changes that are in no commit; they are in $released and not in the clone" >&2
fi
# What was downloaded need not be downloaded again; it has another path all the same.
mkdir -p "$clone/target/packaging" "$elsewhere/cargo"
if [[ -d $built/packaging/toolchain ]]; then cp -a "$built/packaging/toolchain" "$clone/target/packaging/"; fi
cp -a "${CARGO_HOME:-$HOME/.cargo}/registry" "$elsewhere/cargo/"

# What makes the documents runs here and may well be what this tree has built.
mkdir -p "$clone/target/debug/examples"
cp -a "$built/debug/examples/documents" "$clone/target/debug/examples/"
env -u CARGO_TARGET_DIR CARGO_HOME="$elsewhere/cargo" DOCUMENTS_ARE_BUILT=1 "$clone/packaging/build.sh" --only-files --without-inquest

same=1
for file in "$released"/epitaph-*-unknown-linux-musl; do
    again=$clone/target/release-files/${file##*/}
    sha256sum "$file" "$again"
    cmp "$file" "$again" || same=
done
[[ -n $same ]] || { echo "check-reproducible: the files differ" >&2; exit 1; }
echo "the same bytes in two folders"
