//! What makes an object a record, and one form for it, however a collector has rearranged it.

use crate::inquest::time;
use serde_json::{Map, Value};
use std::hash::{DefaultHasher, Hash, Hasher};

/// The newest description of records that is known here: `schema`.
pub const SCHEMA: u64 = 1;

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

/// A record, with nothing in it that is not its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// the value of `epitaph`: letters, digits and `_`
    pub kind: String,
    /// the value of `schema`
    pub schema: u64,
    /// milliseconds since 1970
    pub time: i64,
    /// all of its keys, nested as in docs/records.md
    pub object: Map<String, Value>,
    /// of all keys and values
    pub hash: u64,
    /// of what it is about: the verdict, the code, the program. Equal in copies from which a store has dropped keys
    pub core: u64,
    /// whether it is as epitaph wrote it, so that nothing was added or dropped
    pub clean: bool,
    /// the line, as epitaph wrote it, or made anew with the keys in its order
    pub line: String,
}

/// The record that the JSON `text` is; none where it is no record.
pub fn of_text(text: &[u8]) -> Option<Record> {
    let text = String::from_utf8_lossy(text);
    let Value::Object(object) = serde_json::from_str(&text).ok()? else { return None };
    let as_written = text.starts_with("{\"epitaph\":\"") && !text.contains('\n');
    of_object(object, as_written.then(|| text.into_owned()))
}

/// The record that `object` is; `written` is its text where that is still epitaph's own.
pub fn of_object(object: Map<String, Value>, written: Option<String>) -> Option<Record> {
    let mut object = nested(object);
    let kind = object.get("epitaph")?.as_str()?.to_owned();
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if kind.is_empty() || kind.len() > 32 || !kind.bytes().all(is_word) {
        return None;
    }
    let schema = whole(object.get("schema")?).filter(|schema| *schema > 0)?;
    let time = time::rfc3339(object.get("time")?.as_str()?)?;
    let before = object.len();
    object.retain(|key, value| !is_collectors(key, value));
    let clean = written.is_some() && object.len() == before && object.keys().all(|key| is_known(key));
    let mut leaves = Vec::new();
    flatten("", &Value::Object(object.clone()), &mut leaves);
    leaves.sort();
    let core = leaves.iter().filter(|(key, _)| is_core(key));
    let (hash, core) = (hash_of(leaves.iter()), hash_of(core));
    let line = match written {
        Some(line) if object.len() == before => line,
        _ => render(&object),
    };
    Some(Record { kind, schema, time, object, hash, core, clean, line })
}

fn is_core(key: &str) -> bool {
    ["exit.code", "exit.signal", "exit.verdict", "program", "signal", "victim.pid", "pid"].contains(&key)
}

fn is_collectors(key: &str, value: &Value) -> bool {
    match key {
        // A record's own is the name in the task definition, which has no slash.
        "container_name" => value.as_str().is_some_and(|name| name.starts_with('/')),
        "source" => value.as_str().is_some_and(|source| ["stdout", "stderr"].contains(&source)),
        _ => COLLECTORS.contains(&key),
    }
}

/// A number that some stores write as `1.0` or `"1"`.
fn whole(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64().or_else(|| {
            let number = number.as_f64()?;
            (number.fract() == 0.0 && (0.0..1e15).contains(&number)).then_some(number as u64)
        }),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// Puts `exit.code` back into `exit`, and `processes.0.pid` into a list.
fn nested(object: Map<String, Value>) -> Map<String, Value> {
    if !object.keys().any(|key| key.contains('.')) {
        return object;
    }
    let mut result = Map::new();
    for (key, value) in object {
        insert(&mut result, &key, value, 0);
    }
    result.into_iter().map(|(key, value)| (key, lists(value))).collect()
}

fn insert(object: &mut Map<String, Value>, key: &str, value: Value, depth: usize) {
    match key.split_once('.').filter(|(first, _)| !first.is_empty() && depth < 8) {
        Some((first, rest)) => {
            let inner = object.entry(first).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                insert(inner, rest, value, depth + 1);
            }
        }
        None => {
            object.insert(key.to_owned(), value);
        }
    }
}

/// An object with the keys 0, 1, … is a list.
fn lists(value: Value) -> Value {
    let Value::Object(object) = value else { return value };
    let length = object.len();
    let is_list = length > 0 && (0..length).all(|place| object.contains_key(&place.to_string()));
    if is_list {
        let mut object = object;
        return (0..length).filter_map(|place| object.remove(&place.to_string())).map(lists).collect();
    }
    Value::Object(object.into_iter().map(|(key, value)| (key, lists(value))).collect())
}

/// The values with the paths to them; `26` and `"26"` are the same, since stores change the one into the other.
fn flatten(path: &str, value: &Value, leaves: &mut Vec<(String, String)>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Object(object) => object.iter().for_each(|(key, value)| flatten(&below(key), value, leaves)),
        Value::Array(values) => {
            values
                .iter()
                .enumerate()
                .for_each(|(place, value)| flatten(&below(&place.to_string()), value, leaves));
        }
        Value::String(text) => leaves.push((path.to_owned(), text.clone())),
        Value::Number(_) => {
            let text = whole(value).map_or_else(|| value.to_string(), |number| number.to_string());
            leaves.push((path.to_owned(), text));
        }
        Value::Null => {}
        Value::Bool(_) => leaves.push((path.to_owned(), value.to_string())),
    }
}

fn hash_of<'a>(leaves: impl Iterator<Item = &'a (String, String)>) -> u64 {
    let mut hasher = DefaultHasher::new();
    leaves.for_each(|leaf| leaf.hash(&mut hasher));
    hasher.finish()
}

/// Whether it is a key of docs/records.md.
fn is_known(key: &str) -> bool {
    [&FIRST[..], &OWN, &IDENTITY].iter().any(|keys| keys.contains(&key))
}

/// The line with the keys in epitaph's order.
fn render(object: &Map<String, Value>) -> String {
    let known = FIRST.iter().chain(&OWN).chain(&IDENTITY).copied();
    let keys: Vec<&str> = known.filter(|key| object.contains_key(*key)).collect();
    let unknown = object.keys().map(String::as_str).filter(|key| !is_known(key));
    let pairs: Vec<String> = keys
        .into_iter()
        .chain(unknown)
        .filter_map(|key| Some(format!("{}:{}", Value::from(key), object.get(key)?)))
        .collect();
    format!("{{{}}}", pairs.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"epitaph":"exit","schema":1,"time":"2026-11-23T17:02:10.691Z","container_id":"c","pid":6,"exit":{"code":3,"verdict":"failed"},"revision":"26"}"#;

    #[test]
    fn the_same_in_each_form() {
        let written = of_text(LINE.as_bytes()).expect("a record");
        assert!(written.clean);
        assert_eq!(
            (written.kind.as_str(), written.time, written.line.as_str()),
            ("exit", 1_795_453_330_691, LINE)
        );
        let others = [
            r#"{"container_id":"c","container_name":"/ecs-x","ecs_cluster":"d","epitaph":"exit","exit":{"code":3,"verdict":"failed"},"pid":6,"revision":"26","schema":1,"source":"stderr","time":"2026-11-23T17:02:10.691Z"}"#,
            r#"{"epitaph":"exit","schema":1.0,"time":"2026-11-23T17:02:10.691Z","container_id":"c","pid":6,"exit.code":3,"exit.verdict":"failed","revision":26}"#,
        ];
        for other in others {
            let other = of_text(other.as_bytes()).expect("a record");
            assert_eq!((other.hash, other.core, other.clean), (written.hash, written.core, other.clean));
        }
        let sorted = of_text(others[0].as_bytes()).expect("a record");
        assert!(!sorted.clean);
        assert_eq!(sorted.line, LINE);
        let forged = of_text(LINE.replace("\"code\":3", "\"code\":0").as_bytes()).expect("a record");
        assert_ne!(forged.hash, written.hash);
        assert_ne!(forged.core, written.core);
    }

    #[test]
    fn lists_come_back() {
        let text = r#"{"epitaph":"stuck","schema":1,"time":"2026-11-23T17:02:10.691Z","processes.0.pid":1,"processes.1.pid":2}"#;
        let record = of_text(text.as_bytes()).expect("a record");
        assert_eq!(record.object["processes"][1]["pid"], 2);
    }

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

    #[test]
    fn no_records() {
        let no_records = [
            r#"{"epitaph":"exit","time":5}"#,
            r#"{"epitaph":"exit","time":"2026-11-23T17:02:10.691Z"}"#,
            r#"{"epitaph":"\u001b]0;","schema":1,"time":"2026-11-23T17:02:10.691Z"}"#,
            r#"{"epitaph":"exit","schema":1,"time":"yesterday"}"#,
            r#"["epitaph"]"#,
            "{",
        ];
        for text in no_records {
            assert_eq!(of_text(text.as_bytes()), None, "{text}");
        }
    }
}
