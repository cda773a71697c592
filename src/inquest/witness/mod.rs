//! What others say about a container: the kernel, Docker, ECS, the ECS agent and CloudTrail.
//!
//! One pure parser a file: text in, statements out. A parser reads no file and no clock, takes any input
//! without a panic and in bounded work, and invents nothing: what a witness does not say is `None`. A
//! statement is the word of one witness. Whether it is true, and which container's life it belongs to, is
//! decided elsewhere.
//!
//! A line that looks like the kernel's may have been printed by any program. Who calls a parser knows from
//! where the line came, and must not take the kernel's word from the output of a container.

mod agent;
mod cloudtrail;
mod docker;
mod ecs;
mod fields;
mod ids;
mod json;
mod kernel;
mod kernel_pair;
mod kernel_prefix;
mod service_event;
mod statement;
mod time;

pub use docker::EXEC;
pub use kernel_pair::KernelPair;
pub use statement::{
    ContainerExit, InstanceState, OomKill, OomScope, ServiceAction, ServiceEvent, Statement, StopRequest,
    TEXT_LIMIT, TaskState, What, WitnessKind,
};
pub use time::LocalClock;

use serde_json::Value;

/// Byte strings that make a chunk of a log worth a look for witnesses: each line or document that a parser
/// here takes holds at least one of them, where its quotes are not escaped. They are chosen to be rare in
/// what is no witness: `aws.ecs` without the quote is in every line of a log driver that adds labels, and
/// `:task/` in each of FireLens. With more than 32 in all, half as many bytes are looked at at a time.
pub const NEEDLES: &[&str] = &[
    // kernel
    "oom-kill:",
    "Killed process",
    "Kill process",
    "killed as a result of limit of",
    "due to memory.oom.group set",
    // Docker and Podman: inspect, events as JSON and as text
    "OOMKilled",
    "\"Type\":\"container\"",
    "\"status\":\"die\"",
    "\"status\":\"oom\"",
    "\"status\":\"kill\"",
    // the text of an event has it among its attributes
    "image=",
    // ECS and CloudTrail
    "askArn",
    "\"aws.ecs",
    "\"aws.ec2",
    "ontainerInstanceArn",
    "(task ",
    "(service ",
    "\"StopTask",
    // the agent of ECS
    "Managed task [",
    "Task engine [",
    "Essential container [",
    "container change event",
    "opping container",
    "acs transition",
    "containerExitCode=",
];

/// The statements in a JSON value: a document of any shape that is known, or an array of them. What it does
/// not know, it says nothing about.
///
/// JSON within a text (the body of a queue's message, `Cause` of a state machine) is read too; at most 6
/// levels of nesting are looked into.
pub fn from_json(value: &Value) -> Vec<Statement> {
    let mut statements = Vec::new();
    json::walk(value, 0, &mut statements);
    statements
}

/// The statements in one line of text, with or without its line end: the kernel, the agent, service events,
/// and the events of Docker and Podman in their text form.
///
/// One OOM kill is two or three lines of the kernel: [`KernelPair`] makes one statement of them.
pub fn from_line(line: &[u8]) -> Vec<Statement> {
    // Longer lines hold something else. A kernel's line has at most 1,024 bytes, and the longest agent's are
    // lists of containers.
    let text = String::from_utf8_lossy(line.get(..LINE_LIMIT).unwrap_or(line));
    let text = text.trim_end_matches(['\n', '\r', '\0']);
    let one = kernel::from_line(text).or_else(|| agent::from_line(text)).or_else(|| docker::from_line(text));
    one.map_or_else(|| service_event::from_line(text), |statement| vec![statement])
}

/// How much of a line is looked at, in bytes.
const LINE_LIMIT: usize = 16 * 1024;

#[cfg(test)]
mod tests;
