//! The keys of records, in epitaph's order, and those that collectors put beside them.

use crate::inquest::json::{Json, Object};
use serde_json::Value;
use std::sync::LazyLock;

/// The keys that come first in a record, in this order.
const FIRST: [&str; 8] = ["epitaph", "schema", "time", "run", "container_id", "task_arn", "task_id", "pid"];

/// The keys of one kind of record or another that come next: what happened.
const OWN: [&str; 69] = [
    "exit",
    "memory",
    "kills",
    "victim",
    "processes",
    "late_ms",
    "signal",
    "sender",
    "sender_pid",
    "sender_name",
    "sender_ppid",
    "delay_ms",
    "refused",
    "program",
    "identity_ms",
    "environment_unverified",
    "stopped_by",
    "desired_status",
    "known_status",
    "containers_ended",
    "health",
    "why",
    "outcome",
    "code",
    "took_ms",
    "ended",
    "streak",
    "since",
    "output",
    "age_ms",
    "lifetime_ms",
    "window_ms",
    "uptime_ms",
    "cpu_milli",
    "cpu_ms",
    "cpu_limit_milli",
    "cpu_percent",
    "throttled_ms",
    "throttled_periods",
    "periods",
    "memory_usage",
    "memory_used",
    "memory_anon",
    "memory_file",
    "memory_shmem",
    "memory_limit",
    "memory_percent",
    "memory_peak",
    "swap",
    "oom_kills",
    "limit_hits",
    "pids",
    "pids_limit",
    "read_bytes",
    "write_bytes",
    "net_rx_bytes",
    "net_tx_bytes",
    "net_shared",
    "cpu_stall_ms",
    "memory_stall_ms",
    "io_stall_ms",
    "restarts",
    "status",
    "exit_code",
    "containers",
    "running",
    "storage_limit",
    "storage_used",
    "records_lost",
];

/// The keys that come at the end: who the container is.
const IDENTITY: [&str; 29] = [
    "container_name",
    "container_arn",
    "cluster",
    "cluster_arn",
    "family",
    "revision",
    "service",
    "launch_type",
    "availability_zone",
    "region",
    "account",
    "instance_arn",
    "docker_name",
    "image",
    "image_id",
    "hostname",
    "ip",
    "log_group",
    "log_stream",
    "created_at",
    "started_at",
    "restart_count",
    "network_wait_ms",
    "pull_ms",
    "fault_injection",
    "source",
    "sources",
    "identity_conflict",
    "_aws",
];

/// Keys that collectors put beside those of a record which they have parsed.
const COLLECTORS: [&str; 22] = [
    "@timestamp",
    "_time",
    "container_created_at",
    "container_image",
    "date",
    "ec2_instance_id",
    "ecs_cluster",
    "ecs_task_arn",
    "ecs_task_definition",
    "file",
    "host",
    "label",
    "log",
    "message",
    "partial_id",
    "partial_last",
    "partial_message",
    "partial_ordinal",
    "source_type",
    "stream",
    "tag",
    "timestamp",
];

/// Whether a collector has put it beside the keys of a record.
pub fn is_collectors(key: &str, value: &Json<'_>) -> bool {
    match key {
        // A record's own is the name in the task definition, which has no slash.
        "container_name" => value.as_str().is_some_and(|name| name.starts_with('/')),
        "source" => value.as_str().is_some_and(|source| ["stdout", "stderr"].contains(&source)),
        _ => {
            static KEYS: LazyLock<Bins> = LazyLock::new(|| Bins::new(&[&COLLECTORS]));
            KEYS.has(key)
        }
    }
}

/// Whether it is a key of docs/records.md.
pub fn is_known(key: &str) -> bool {
    static KNOWN: LazyLock<Bins> = LazyLock::new(|| Bins::new(&[&FIRST, &OWN, &IDENTITY]));
    KNOWN.has(key)
}

/// Words by what they look like: each key of each record is looked for, and few have the same length and
/// ends.
struct Bins([Vec<&'static str>; 256]);

impl Bins {
    fn new(lists: &[&[&'static str]]) -> Bins {
        let mut bins = [const { Vec::new() }; 256];
        for word in lists.concat() {
            if let Some(bin) = bins.get_mut(Bins::of(word)) {
                bin.push(word);
            }
        }
        Bins(bins)
    }

    fn has(&self, word: &str) -> bool {
        self.0.get(Bins::of(word)).is_some_and(|bin| bin.contains(&word))
    }

    fn of(word: &str) -> usize {
        let end = |byte: Option<u8>| usize::from(byte.unwrap_or(0));
        (word.len() * 37 + end(word.bytes().next()) * 7 + end(word.bytes().next_back())) % 256
    }
}

/// The line with the keys in epitaph's order.
pub fn render(object: &Object<'_>) -> String {
    let known = FIRST.iter().chain(&OWN).chain(&IDENTITY).copied();
    let keys: Vec<&str> = known.filter(|key| object.contains_key(key)).collect();
    let unknown = object.keys().filter(|key| !is_known(key));
    let pairs: Vec<String> = keys
        .into_iter()
        .chain(unknown)
        .filter_map(|key| Some(format!("{}:{}", Value::from(key), Value::from(object.get(key)?))))
        .collect();
    format!("{{{}}}", pairs.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_the_schema_is_known() {
        let schema: Value =
            serde_json::from_str(include_str!("../../../docs/records.schema.json")).expect("JSON");
        // The records, and the parts that they are put together of.
        let mut open: Vec<&Value> = schema["oneOf"].as_array().expect("kinds").iter().collect();
        let mut forgotten = Vec::new();
        let mut seen = 0;
        while let Some(part) = open.pop() {
            if let Some(name) = part["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/")) {
                open.push(&schema["$defs"][name]);
            }
            open.extend(part["allOf"].as_array().into_iter().flatten());
            for (key, _) in part["properties"].as_object().into_iter().flatten() {
                seen += 1;
                if !is_known(key) {
                    forgotten.push(key);
                }
            }
        }
        assert!(seen > 100, "{seen}");
        assert_eq!(forgotten, Vec::<&String>::new());
    }
}
