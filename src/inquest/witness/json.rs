//! Which document a JSON value is: by its keys, since it may stand alone, in an array, in an envelope, or on
//! a line.

use super::fields::text;
use super::{Statement, agent, cloudtrail, docker, ecs, kernel, time};
use serde_json::{Map, Value};

/// How many levels are looked into.
const DEPTH: usize = 6;

/// The longest text that is read as JSON, in bytes.
const NESTED_LIMIT: usize = 1024 * 1024;

/// Keys that hold documents: answers of `aws ecs`, CloudTrail's files, the messages of SNS and SQS, and what
/// a state machine got back from a task.
const ENVELOPES: [&str; 18] = [
    "tasks",
    "Tasks",
    "task",
    "Task",
    "Records",
    "services",
    "containerInstances",
    "events",
    "body",
    "Sns",
    "Message",
    "detail",
    "cause",
    "Cause",
    "output",
    "Output",
    "taskFailedEventDetails",
    "taskSucceededEventDetails",
];

/// Adds the statements of a value to `into`.
pub fn walk(value: &Value, depth: usize, into: &mut Vec<Statement>) {
    if depth > DEPTH {
        return;
    }
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(item, depth + 1, into)),
        Value::String(text) if text.len() <= NESTED_LIMIT && text.trim_start().starts_with(['{', '[']) => {
            if let Ok(value) = serde_json::from_str(text) {
                walk(&value, depth + 1, into);
            }
        }
        Value::Object(object) => {
            let known = ecs::event(object, into)
                || cloudtrail::record(object, into)
                || docker::document(object, into)
                || ecs::document(object, into)
                || agent::document(object, into)
                || kernel_entry(object, into);
            if !known {
                let inner = ENVELOPES.iter().filter_map(|key| object.get(*key));
                inner.for_each(|value| walk(value, depth + 1, into));
            }
        }
        _ => {}
    }
}

/// An entry of the journal (`journalctl -o json`) that came from the kernel.
fn kernel_entry(object: &Map<String, Value>, into: &mut Vec<Statement>) -> bool {
    // A program can set the identifier; the transport is the journal's own word.
    let word = object.get("_TRANSPORT").or_else(|| object.get("SYSLOG_IDENTIFIER"));
    if word.and_then(Value::as_str) != Some("kernel") {
        return false;
    }
    if let Some(mut statement) = text(object, "MESSAGE").and_then(kernel::from_line) {
        let microseconds = text(object, "__REALTIME_TIMESTAMP").and_then(|text| text.parse::<f64>().ok());
        if let Some(time) = microseconds.and_then(|microseconds| time::of_number(microseconds / 1e6)) {
            statement.time = Some(time);
            statement.clock = None;
        }
        if statement.host.is_none() {
            statement.host = text(object, "_HOSTNAME").map(str::to_owned);
        }
        into.push(statement);
    }
    true
}
