#!/bin/sh
# Runs each fuzz target for a bounded time, from the seeds: fuzz/run.sh SECONDS [TARGET]...
#
# Needs cargo-fuzz (`cargo install cargo-fuzz --locked`). The sanitizers' flags are unstable, so a stable compiler is
# told to take them (RUSTC_BOOTSTRAP); without a sanitizer run time EPITAPH_FUZZ_SANITIZER=none does without one.
set -eu

seconds=${1:?usage: fuzz/run.sh SECONDS [TARGET]...}
shift
cd "$(dirname "$0")/.."
export RUSTC_BOOTSTRAP=1
# A short run is over before an optimised build would be made, and has the checks of a debug build.
profile=
if [ "$seconds" -lt 60 ]; then profile=--dev; fi

[ $# -gt 0 ] || set -- proc metadata stats url exports lines carve witness_line witness_json
for target; do
    # New finds go to the corpus, which is not kept; the seeds stay as they are.
    mkdir -p "fuzz/corpus/$target"
    seeds=fuzz/seeds/$target
    # The statements of witnesses have their seeds among the tests' inputs.
    case $target in witness_*) seeds=tests/fixtures/inquest/witness ;; esac
    # shellcheck disable=SC2086 # no word where it is empty
    cargo fuzz run $profile --sanitizer "${EPITAPH_FUZZ_SANITIZER:-address}" "$target" \
        "fuzz/corpus/$target" "$seeds" -- \
        -max_total_time="$seconds" -max_len=16384 -rss_limit_mb=1024 -timeout=5 -print_final_stats=1
done
