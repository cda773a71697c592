#!/bin/sh
# Puts what drives a browser into DIRECTORY: fetch-browser-tools.sh DIRECTORY
#
# The test of inquest's pages (tests/inquest/browser.rs) looks for it in the target directory as `browser`. Needs npm; the
# browser itself is Debian's package chromium.
set -eu

directory=${1:?usage: fetch-browser-tools.sh DIRECTORY}
here=$(dirname "$0")/browser
mkdir -p "$directory"
# The lock has the versions and the sums of both.
if ! cmp -s "$here/package-lock.json" "$directory/installed"; then
    cp "$here/package.json" "$here/package-lock.json" "$directory/"
    npm ci --prefix "$directory" --ignore-scripts --no-audit --no-fund --silent
    cp "$here/package-lock.json" "$directory/installed"
fi
