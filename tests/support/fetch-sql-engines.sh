#!/bin/sh
# Puts DuckDB, PySpark and sqlglot for Python into DIRECTORY: fetch-sql-engines.sh DIRECTORY
#
# The test of docs/sql.md (tests/sql.rs) looks for DIRECTORY/bin/python in the target directory as `sql`. Needs python3
# with venv and pip; Spark runs on Java 17 or newer. About 600 MB.
set -eu

directory=${1:?usage: fetch-sql-engines.sh DIRECTORY}
python="$directory/bin/python"
if ! "$python" -c 'import duckdb, pyspark, sqlglot' 2>/dev/null; then
    python3 -m venv "$directory"
    "$python" -m pip install --quiet --disable-pip-version-check 'duckdb==1.*' 'pyspark==4.*' 'sqlglot==30.*'
fi
