#!/bin/sh
# Puts the library of CloudWatch for the embedded metric format into DIRECTORY: fetch-embedded-metrics.sh DIRECTORY
#
# The test of the embedded metrics (tests/task_stats/emf.rs) looks for DIRECTORY/bin/python in the target directory as
# `embedded-metrics`. Needs python3 with venv and pip.
set -eu

directory=${1:?usage: fetch-embedded-metrics.sh DIRECTORY}
python="$directory/bin/python"
if ! "$python" -c 'import aws_embedded_metrics.validator' 2>/dev/null; then
    python3 -m venv "$directory"
    "$python" -m pip install --quiet --disable-pip-version-check 'aws-embedded-metrics==3.3.*'
fi
