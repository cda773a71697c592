#!/bin/sh
# Puts the OpenTelemetry SDK for Python into DIRECTORY: fetch-opentelemetry.sh DIRECTORY
#
# The test of the resource attributes (tests/otel.rs) looks for DIRECTORY/bin/python in the target directory as
# `opentelemetry`. Needs python3 with venv and pip.
set -eu

directory=${1:?usage: fetch-opentelemetry.sh DIRECTORY}
python="$directory/bin/python"
if ! "$python" -c 'import opentelemetry.sdk.resources' 2>/dev/null; then
    python3 -m venv "$directory"
    "$python" -m pip install --quiet --disable-pip-version-check 'opentelemetry-sdk==1.*'
fi
