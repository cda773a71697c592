#!/bin/sh
# Puts axe-core, which looks for what keeps people from reading a page, into DIRECTORY: fetch-browser-tools.sh DIRECTORY
#
# The test of inquest's pages (tests/inquest/browser.rs) looks for DIRECTORY/axe.min.js in the target directory as
# `browser`. Needs python3 with venv and pip; of the Python package only that file is used, which is the one of npm. The
# browser itself is Debian's package chromium.
set -eu

directory=${1:?usage: fetch-browser-tools.sh DIRECTORY}
if ! [ -s "$directory/axe.min.js" ]; then
    python3 -m venv "$directory/python"
    "$directory/python/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-compile \
        'axe-playwright-python==0.1.8'
    find "$directory/python" -name axe.min.js -exec cp {} "$directory/axe.min.js" \;
    rm -r "$directory/python"
fi
