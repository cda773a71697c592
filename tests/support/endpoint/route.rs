//! From the request's target to the agent's answer, the agent's errors included.
//!
//! The agent has two servers, task metadata on port 51679 (seen as 169.254.170.2:80) and introspection on
//! 51678. Here one port is both: `/v2`, `/v3` and `/v4` belong to the first, every other path to the second.

use serde_json::{Value, json};

use super::json::{self, Version};
use super::stats;
use super::task::{Container, Task};

/// A whole answer, before it goes onto the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub content_type: Option<&'static str>,
    pub location: Option<String>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(status: u16, body: &Value) -> Self {
        let body = body.to_string().into_bytes();
        Answer { status, content_type: Some("application/json"), location: None, body }
    }

    pub fn text(status: u16, body: &str) -> Self {
        let body = body.as_bytes().to_vec();
        Answer { status, content_type: Some("text/plain; charset=utf-8"), location: None, body }
    }

    pub fn redirect(status: u16, location: &str) -> Self {
        Answer { status, content_type: None, location: Some(location.to_owned()), body: Vec::new() }
    }
}

/// Whether `target` belongs to the task metadata server, which limits the rate of its callers.
pub fn is_metadata(target: &str) -> bool {
    ["/v2", "/v3", "/v4"].iter().any(|base| {
        target.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
    })
}

/// Answers a request for `target` (path and query).
pub fn answer(task: &Task, target: &str) -> Answer {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let clean = clean(path);
    if clean != path {
        let location = if query.is_empty() { clean } else { format!("{clean}?{query}") };
        return Answer::redirect(301, &location);
    }
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    match parts.as_slice() {
        ["v4", rest @ ..] => by_endpoint_id(task, Version::V4, rest),
        ["v3", rest @ ..] => by_endpoint_id(task, Version::V3, rest),
        ["v2", rest @ ..] => by_source_address(task, rest),
        ["v1", "metadata"] => Answer::json(200, &json::agent(task)),
        ["v1", "tasks"] => introspect(task, query),
        _ => Answer::json(200, &json!({"AvailableCommands": ["/v1/metadata", "/v1/tasks", "/license"]})),
    }
}

/// What the agent answers to `target` with `status` when it is the agent that fails.
pub fn failure(status: u16, target: &str) -> Answer {
    match status {
        429 => Answer::text(429, "The maximum number of requests was reached."),
        _ if is_metadata(target) => Answer::json(status, &json!(format!("unable to answer {target}"))),
        _ => Answer::json(status, &json::no_task()),
    }
}

fn not_found() -> Answer {
    Answer::text(404, "404 page not found\n")
}

/// v3 and v4: the URL tells who asks.
fn by_endpoint_id(task: &Task, version: Version, rest: &[&str]) -> Answer {
    let (id, what) = match rest {
        [id] => (id, Document::Container),
        [id, "task"] => (id, Document::Task),
        [id, "stats"] => (id, Document::Stats),
        [id, "task", "stats"] => (id, Document::TaskStats),
        _ => return not_found(),
    };
    let Some(container) = task.containers.iter().find(|container| container.endpoint_id == *id) else {
        let (status, name) = match (version, what) {
            (Version::V4, _) => (404, "V4"),
            (_, Document::Stats | Document::TaskStats) => (400, "V3"),
            _ => (500, "V3"),
        };
        let why = format!(
            "{name} container metadata handler: unable to get container ID from request: unable to get docker ID from \
             v3 endpoint ID: {id}"
        );
        return Answer::json(status, &json!(why));
    };
    Answer::json(200, &what.of(task, container, version))
}

/// v2: the source address tells who asks, so only a task with an address of its own is known.
fn by_source_address(task: &Task, rest: &[&str]) -> Answer {
    let (id, whole, one) = match rest {
        ["metadata"] | ["metadata", ""] => (None, Document::Task, Document::Container),
        ["metadata", id] => (Some(id), Document::Task, Document::Container),
        ["stats"] | ["stats", ""] => (None, Document::TaskStats, Document::Stats),
        ["stats", id] => (Some(id), Document::TaskStats, Document::Stats),
        _ => return not_found(),
    };
    let refused = |why: &str| Answer::json(400, &json!(why));
    let Some(first) = task.containers.first() else { return refused("the task has no container") };
    if task.network_mode != "awsvpc" {
        return refused("unable to find a task for the source address");
    }
    let Some(id) = id else { return Answer::json(200, &whole.of(task, first, Version::V2)) };
    match task.containers.iter().find(|container| container.docker_id == *id) {
        Some(container) => Answer::json(200, &one.of(task, container, Version::V2)),
        None => refused(&format!("unable to find container '{id}'")),
    }
}

#[derive(Clone, Copy)]
enum Document {
    Container,
    Task,
    Stats,
    TaskStats,
}

impl Document {
    fn of(self, task: &Task, container: &Container, version: Version) -> Value {
        match self {
            Document::Container => json::container(task, container, version),
            Document::Task => json::task(task, version),
            Document::Stats => stats::stats(task, container, version),
            Document::TaskStats => stats::task_stats(task, version),
        }
    }
}

/// An ID of at most this many characters is a prefix.
const SHORT_ID: usize = 12;

/// `/v1/tasks`
fn introspect<'a>(task: &'a Task, query: &str) -> Answer {
    let tasks: Vec<&'a Task> = std::iter::once(task).chain(&task.neighbours).collect();
    let none = |status| Answer::json(status, &json::no_task());
    let found: Vec<&'a Task> = match (parameter(query, "dockerid"), parameter(query, "taskarn")) {
        (Some(_), Some(_)) => return none(400),
        (None, None) => return Answer::json(200, &json::introspected_tasks(&tasks)),
        (None, Some(arn)) => tasks.into_iter().filter(|task| task.arn == arn).collect(),
        // Once for each container that matches, so a prefix of two containers of one task is ambiguous too.
        (Some(id), None) => {
            let matches = |one: &&Container| {
                if id.len() > SHORT_ID { one.docker_id == id } else { one.docker_id.starts_with(&id) }
            };
            let found = |task: &'a Task| task.containers.iter().filter(matches).map(move |_| task);
            tasks.into_iter().flat_map(found).collect()
        }
    };
    match found.as_slice() {
        [] => none(404),
        [one] => Answer::json(200, &json::introspected_task(one)),
        _ => none(400),
    }
}

/// The first value of the parameter `name` in a query, with percent encoding removed.
fn parameter(query: &str, name: &str) -> Option<String> {
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let (_, value) = pairs.into_iter().find(|(key, _)| *key == name)?;
    let mut bytes = value.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        let hex = |digit: Option<u8>| digit.and_then(|digit| char::from(digit).to_digit(16));
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => match (hex(bytes.next()), hex(bytes.next())) {
                (Some(high), Some(low)) => u8::try_from(high * 16 + low).unwrap_or_default(),
                _ => b'?',
            },
            other => other,
        });
    }
    Some(String::from_utf8_lossy(&decoded).into_owned())
}

/// The path without empty parts, `.` and `..`; a slash at the end stays.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            other => parts.push(other),
        }
    }
    let end = if path.ends_with('/') && !parts.is_empty() { "/" } else { "" };
    format!("/{}{end}", parts.join("/"))
}
