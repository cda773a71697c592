//! `stats --format json` and `csv`.

use super::csv::quoted;
use crate::inquest::stats::{CrashLoop, Enough, Image, Open, Peaks, Stats, Stops};
use crate::inquest::time::written;
use serde_json::{Map, Value, json};

fn times(outcomes: &[(String, usize)]) -> Value {
    Value::Object(outcomes.iter().map(|(outcome, times)| (outcome.clone(), Value::from(*times))).collect())
}

fn peaks(peaks: &Peaks) -> Value {
    json!({
        "n": peaks.lives, "lowest": peaks.lowest, "highest": peaks.highest,
        "limit": peaks.limit.map(|(lowest, highest)| json!({"lowest": lowest, "highest": highest})),
    })
}

/// The document; docs/inquest.schema.json describes it. Amounts of memory are in bytes.
pub fn stats_json(stats: &Stats, complete: bool) -> String {
    let time = |time: Option<i64>| time.map(written);
    let groups: Vec<Value> = stats
        .groups
        .iter()
        .map(|group| {
            let key: Map<String, Value> = stats
                .by
                .iter()
                .zip(&group.values)
                .map(|(key, value)| ((*key).to_owned(), Value::from(value.clone())))
                .collect();
            json!({
                "key": key, "n": group.lives, "median_runtime_ms": group.ran.map(|(median, _)| median),
                "runtime_n": group.ran.map_or(0, |(_, lives)| lives), "last": time(group.last),
            })
        })
        .collect();
    let crash_loop = |crashes: &CrashLoop| {
        json!({
            "kind": crashes.kind, "n": crashes.starts, "tasks": crashes.tasks, "first": written(crashes.first),
            "last": written(crashes.last), "median_life_ms": crashes.median, "outcomes": times(&crashes.outcomes),
            "peak": crashes.peaks.as_ref().map(peaks),
        })
    };
    let memory = |memory: &Enough| {
        json!({
            "kind": memory.kind, "survived": memory.survived.as_ref().map(peaks), "killed": memory.killed.as_ref().map(peaks),
            "killed_n": memory.kills,
            "trend": memory.trend.map(|trend| json!({"bytes_a_start": trend.step.round() as u64, "rho": trend.rho, "n": trend.lives})),
        })
    };
    let stops = |stops: &Stops| {
        let slowest: Vec<Value> = stops
            .slowest
            .iter()
            .map(|slow| json!({"id": slow.id, "at": time(slow.at), "stop_ms": slow.took}))
            .collect();
        json!({
            "kind": stops.kind, "n": stops.ended, "median_ms": stops.median, "p99_ms": stops.p99, "longest_ms": stops.longest,
            "slow": stops.slow, "kill_after": stops.kill_after, "stuck": stops.stuck, "without_end": stops.without_end,
            "slowest": slowest,
        })
    };
    let open = |open: &Open| json!({"kind": open.kind, "n": open.lives, "of": open.of, "conclusions": times(&open.conclusions)});
    let image = |image: &Image| {
        json!({
            "container": image.container, "image_id": image.id, "revisions": image.revisions, "first": time(image.first),
            "last": time(image.last), "n": image.lives, "bad": image.bad, "outcomes": times(&image.outcomes),
        })
    };
    json!({
        "inquest": "stats", "schema": 1, "complete": complete, "n": stats.lives, "tasks": stats.tasks, "by": stats.by,
        "groups": groups,
        "crash_loops": stats.loops.iter().map(crash_loop).collect::<Vec<_>>(),
        "memory": stats.memory.iter().map(memory).collect::<Vec<_>>(),
        "stops": stats.stops.iter().map(stops).collect::<Vec<_>>(),
        "without_end": stats.open.iter().map(open).collect::<Vec<_>>(),
        "images": stats.images.iter().map(image).collect::<Vec<_>>(),
    })
    .to_string()
}

/// The groups, a line for each.
pub fn stats_csv(stats: &Stats) -> Vec<String> {
    let heading = stats.by.iter().copied().chain(["lives", "median_runtime_ms", "last"]);
    let mut lines = vec![heading.collect::<Vec<_>>().join(",")];
    for group in &stats.groups {
        let values = group.values.iter().map(|value| quoted(value.as_deref().unwrap_or_default()));
        let ran = group.ran.map_or(String::new(), |(median, _)| median.to_string());
        let last = group.last.map_or(String::new(), written);
        lines.push(values.chain([group.lives.to_string(), ran, last]).collect::<Vec<_>>().join(","));
    }
    lines
}
