//! The faults that are in the document, not on the wire.

use serde_json::{Value, json};

use super::fault::Fault;
use super::route::{self, Answer};
use super::task::{Container, Task};

/// The length of the strings of [`Fault::HugeStrings`] in bytes, and a bit more.
pub const HUGE: usize = 10 * 1024;

/// What [`Fault::NewlineInValues`] adds to a string.
pub const INJECTED: &str = "\nLD_PRELOAD=/tmp/evil.so\0";

impl Fault {
    /// Changes what is known, before the answer is made from it.
    pub(super) fn alter_task(&self, task: &mut Task) {
        match self {
            Fault::EmptyDockerId => {
                if let Some(container) = task.subject_mut() {
                    container.docker_id.clear();
                }
            }
            Fault::PauseFirst if !task.containers.iter().any(Container::is_pause) => {
                task.containers.insert(0, Container::pause());
            }
            Fault::PauseFirst => task.containers.sort_by_key(|container| !container.is_pause()),
            Fault::OnlyPause => {
                let asking = task.subject().map(|container| container.endpoint_id.clone());
                let known = task.containers.iter().find(|container| container.is_pause()).cloned();
                let mut pause = known.unwrap_or_else(Container::pause);
                pause.endpoint_id = asking.unwrap_or(pause.endpoint_id);
                task.containers = vec![pause];
            }
            _ => {}
        }
    }

    /// Replaces or changes a whole answer. An answer that is an error already is left as it is by the
    /// faults that change a document.
    pub(super) fn alter_answer(&self, mut answer: Answer, target: &str) -> Answer {
        let body = match self {
            Fault::Status(status) => return route::failure(*status, target),
            Fault::Redirect(location) => return Answer::redirect(302, location),
            Fault::Html => {
                let page = "<!DOCTYPE html>\n<html><head><title>Welcome</title></head>\
                            <body><h1>Please log in to use this network</h1></body></html>\n";
                return Answer { content_type: Some("text/html; charset=utf-8"), ..Answer::text(200, page) };
            }
            Fault::DeepNesting => {
                let depth = 100_000;
                format!("{{\"Labels\":{}{}}}", "[".repeat(depth), "]".repeat(depth)).into_bytes()
            }
            Fault::NotAnObject => br#"["not","an","object"]"#.to_vec(),
            _ if answer.status != 200 => return answer,
            Fault::WrongTypes => change(&answer.body, wrong_types),
            Fault::NullFields => change(&answer.body, |value| leaves(value, &|_, leaf| *leaf = Value::Null)),
            Fault::NewlineInValues => {
                change(&answer.body, |value| strings(value, &|_, text| text.push_str(INJECTED)))
            }
            Fault::HugeStrings => change(&answer.body, |value| strings(value, &inflate)),
            Fault::InvalidUtf8 => {
                const PLACE: &str = "<here>";
                let marked = change(&answer.body, |value| strings(value, &|_, text| text.push_str(PLACE)));
                replace(&marked, PLACE.as_bytes(), b"\xff\xc0\x80")
            }
            _ => return answer,
        };
        answer.status = 200;
        answer.body = body;
        answer
    }
}

fn change(body: &[u8], alter: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut value = serde_json::from_slice(body).unwrap_or(Value::Null);
    alter(&mut value);
    value.to_string().into_bytes()
}

fn wrong_types(value: &mut Value) {
    let Value::Object(object) = value else { return };
    for field in object.values_mut() {
        *field = match field {
            Value::String(_) => json!(42),
            Value::Array(_) => json!({"0": {}}),
            Value::Object(_) => json!("a string"),
            _ => json!(["an array"]),
        };
    }
}

/// Calls `alter` for each value that is neither an object nor an array, with the key of its object.
fn leaves(value: &mut Value, alter: &dyn Fn(&str, &mut Value)) {
    fn walk(key: &str, value: &mut Value, alter: &dyn Fn(&str, &mut Value)) {
        match value {
            Value::Object(object) => object.iter_mut().for_each(|(key, one)| walk(key, one, alter)),
            Value::Array(array) => array.iter_mut().for_each(|one| walk(key, one, alter)),
            leaf => alter(key, leaf),
        }
    }
    walk("", value, alter);
}

fn strings(value: &mut Value, alter: &dyn Fn(&str, &mut String)) {
    leaves(value, &|key, leaf| {
        if let Value::String(text) = leaf {
            alter(key, text);
        }
    });
}

/// Not every string grows, or the reader's limit for the body would hide its limit for a value.
fn inflate(key: &str, text: &mut String) {
    const GROWS: [&str; 8] = [
        "TaskARN",
        "Arn",
        "Cluster",
        "Family",
        "DockerId",
        "Name",
        "com.amazonaws.ecs.task-arn",
        "com.amazonaws.ecs.container-name",
    ];
    if GROWS.contains(&key) {
        text.push_str(&"x".repeat(HUGE));
    }
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut replaced = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = rest.windows(from.len()).position(|window| window == from) {
        let (before, after) = rest.split_at(at);
        replaced.extend_from_slice(before);
        replaced.extend_from_slice(to);
        rest = after.get(from.len()..).unwrap_or_default();
    }
    replaced.extend_from_slice(rest);
    replaced
}
