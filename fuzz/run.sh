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

[ $# -gt 0 ] || set -- proc metadata stats url exports lines
for target; do
    # New finds go to the corpus, which is not kept; the seeds stay as they are.
    mkdir -p "fuzz/corpus/$target"
    cargo fuzz run --sanitizer "${EPITAPH_FUZZ_SANITIZER:-address}" "$target" \
        "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
        -max_total_time="$seconds" -max_len=16384 -rss_limit_mb=1024 -timeout=5 -print_final_stats=1
done
