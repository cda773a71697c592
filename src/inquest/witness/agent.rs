//! The log of the ECS agent, `/var/log/ecs/ecs-agent.log`.
//!
//! Three forms: `2019-02-04T09:29:41Z [INFO] Managed task [ARN]: …` before 2020, then logfmt with the same
//! sentences in `msg`, and since 1.50 or so logfmt or JSON with short sentences and a key for each thing:
//! `task`, `container`, `runtimeID`, `changeEventStatus`, `containerExitCode` (agent/engine/task_manager.go
//! and ecs-agent/logger/field/constants.go in the agent's source).

use super::fields::limited;
use super::{ContainerExit, Statement, StopRequest, What, WitnessKind, ids, time};
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The keys of a line that are looked at.
const KEYS: [&str; 22] = [
    "time",
    "msg",
    "task",
    "taskARN",
    "taskArn",
    "container",
    "containerName",
    "ContainerName",
    "runtimeID",
    "containerRuntimeID",
    "changeEventStatus",
    "desiredStatus",
    "knownStatus",
    "KnownStatus",
    "status",
    "containerStatus",
    "Exit",
    "containerExitCode",
    "exitCode",
    "Reason",
    "reason",
    "containerReason",
];

/// What a line must hold one of; others are not looked at any further.
const MARKS: [&str; 8] = [
    "Managed task [",
    "Task engine [",
    "Essential container [",
    "ontainer change event",
    "topping container",
    "cs transition",
    "containerExitCode=",
    "changeEventStatus",
];

/// What stands between the time and the sentence in the old form.
const LEVELS: [&str; 5] = ["[INFO] ", "[DEBUG] ", "[WARN] ", "[ERROR] ", "[CRITICAL] "];

type Fields = BTreeMap<&'static str, String>;

/// The statement in one line of the log.
pub fn from_line(line: &str) -> Option<Statement> {
    if !MARKS.iter().any(|mark| line.contains(mark)) {
        return None;
    }
    let mut fields = logfmt(line);
    if !fields.contains_key("msg") {
        // The old form: the time, or two (of the engine and of the agent), the level and the sentence.
        let (_, sentence) = LEVELS.iter().find_map(|level| line.split_once(level))?;
        fields.clear();
        fields.insert("msg", sentence.to_owned());
        let said_at = time::first_in(line).and_then(|scanned| scanned.time);
        return statement(&fields, said_at);
    }
    statement(&fields, fields.get("time").and_then(|text| time::parse(text)))
}

/// A line of the log in JSON (`ECS_LOG_OUTPUT_FORMAT=json`). Adds its statements, and tells whether it was
/// one.
pub fn document(object: &Map<String, Value>, into: &mut Vec<Statement>) -> bool {
    let has = |key| object.get(key).and_then(Value::as_str).is_some();
    if !(has("level") && has("time") && has("msg")) {
        return false;
    }
    let fields = KEYS.into_iter().filter_map(|key| {
        let value = match object.get(key)? {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        Some((key, value))
    });
    let fields: Fields = fields.collect();
    if fields.values().any(|value| MARKS.iter().any(|mark| value.contains(mark)))
        || fields.contains_key("changeEventStatus")
        || fields.contains_key("containerExitCode")
    {
        into.extend(statement(&fields, fields.get("time").and_then(|text| time::parse(text))));
    }
    true
}

/// `key=value key="value with blanks"`, at most 64 pairs.
fn logfmt(line: &str) -> Fields {
    let mut fields = Fields::new();
    let mut rest = line;
    for _ in 0..64 {
        let Some((before, behind)) = rest.split_once('=') else { break };
        let key = before.rsplit(' ').next().unwrap_or_default();
        let (value, after) = match behind.strip_prefix('"') {
            Some(quoted) => {
                let end = closing_quote(quoted);
                (unquoted(quoted.get(..end).unwrap_or_default()), quoted.get(end + 1..).unwrap_or_default())
            }
            None => {
                let end = behind.find(' ').unwrap_or(behind.len());
                (behind.get(..end).unwrap_or_default().to_owned(), behind.get(end..).unwrap_or_default())
            }
        };
        if let Some(known) = KEYS.into_iter().find(|known| *known == key) {
            fields.entry(known).or_insert(value);
        }
        rest = after;
    }
    fields
}

fn closing_quote(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    });
    end.unwrap_or(text.len())
}

fn unquoted(text: &str) -> String {
    text.replace("\\\"", "\"").replace("\\\\", "\\")
}

/// The first of these keys that has a value.
fn any_of<'a>(fields: &'a Fields, keys: &[&'static str]) -> Option<&'a str> {
    keys.iter().filter_map(|key| fields.get(*key)).map(String::as_str).find(|value| !value.is_empty())
}

fn statement(fields: &Fields, said_at: Option<Timestamp>) -> Option<Statement> {
    let msg = any_of(fields, &["msg"])?;
    let mut container = any_of(fields, &["container", "containerName", "ContainerName"]).map(limited);
    let mut runtime = any_of(fields, &["runtimeID", "containerRuntimeID"]).and_then(ids::container);
    // `Container [name=server runtimeID=81969c97…]`
    if let Some((_, inside)) = msg.split_once("Container [name=") {
        let inside = inside.split(']').next().unwrap_or_default();
        let (name, id) = inside.split_once(" runtimeID=").unwrap_or((inside, ""));
        container = Some(limited(name));
        runtime = ids::container(id);
    }
    let arn =
        any_of(fields, &["taskARN", "taskArn"]).and_then(ids::task_arn_in).or_else(|| ids::task_arn_in(msg));
    let (arn, id) = arn.unzip();
    let (name, what, at) = said(fields, msg)?;
    let mut statement = Statement::new(WitnessKind::Agent, what, msg);
    statement.time = at.or(said_at);
    statement.task_arn = arn;
    statement.task_id = id.or_else(|| any_of(fields, &["task"]).and_then(ids::task));
    statement.container_name = name.or(container);
    statement.container_id = runtime;
    // The name alone is that of a thousand containers.
    (statement.task_id.is_some() || statement.container_id.is_some()).then_some(statement)
}

type Said = (Option<String>, What, Option<Timestamp>);

fn said(fields: &Fields, msg: &str) -> Option<Said> {
    let lower = msg.to_ascii_lowercase();
    if let Some(said) = transition(msg) {
        return Some(said);
    }
    let code = any_of(fields, &["Exit", "containerExitCode"]).and_then(|code| code.parse().ok());
    if code.is_some() {
        let reason = any_of(fields, &["Reason", "containerReason", "reason"]).map(limited);
        let exit = ContainerExit { code, reason, ..ContainerExit::default() };
        return Some((None, What::ContainerExit(exit), None));
    }
    if lower.contains("handling container change event") {
        let status = bracketed(msg, "change event [").or_else(|| fields.get("changeEventStatus").cloned())?;
        let what = match status.as_str() {
            "STOPPED" => What::ContainerExit(ContainerExit::default()),
            _ => What::ContainerStatus { status },
        };
        return Some((None, what, None));
    }
    if let Some(name) = bracketed(msg, "Essential container [") {
        let at = msg.split_once("] stopped at: ").and_then(|(_, text)| time::parse(text))?;
        return Some((Some(name), What::ContainerExit(ContainerExit::default()), Some(at)));
    }
    if lower.contains("stopping container") {
        return Some((bracketed(msg, "stopping container ["), What::Stopping, None));
    }
    let ordered = lower.contains("acs transition to: stopped")
        || (lower.contains("acs transition") && any_of(fields, &["desiredStatus"]) == Some("STOPPED"));
    ordered.then(|| (None, What::StopRequested(StopRequest::default()), None))
}

/// `… ARN server -> STOPPED, Exit 137, Reason OutOfMemoryError: …, Known Sent: RUNNING`.
fn transition(msg: &str) -> Option<Said> {
    let (before, behind) = msg.split_once(" -> STOPPED, Exit ")?;
    let name = before.rsplit(' ').next().filter(|name| !name.is_empty() && !name.contains(':'))?;
    let (code, rest) = behind.split_once(',').unwrap_or((behind, ""));
    let reason = rest.split(", Known Sent").next().unwrap_or_default();
    let reason = reason.trim().trim_matches(',').trim();
    let reason = reason.strip_prefix("Reason ").unwrap_or(reason).trim_end_matches(',');
    let exit = ContainerExit {
        code: Some(code.trim().parse().ok()?),
        reason: (!reason.is_empty()).then(|| limited(reason)),
        ..ContainerExit::default()
    };
    Some((Some(limited(name)), What::ContainerExit(exit), None))
}

/// The text between `before` and the next `]`.
fn bracketed(text: &str, before: &str) -> Option<String> {
    let inside = text.split_once(before)?.1.split(']').next()?;
    (!inside.is_empty()).then(|| limited(inside))
}
