//! Runs `inquest`.

use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a run gave.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// A file or directory of tests/fixtures/inquest.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/inquest").join(name)
}

/// The command, in an environment of its own.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_inquest"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    command
}

/// Runs it.
pub fn inquest(arguments: &[&str]) -> Ran {
    ran(command(arguments))
}

/// Runs it with an input on stdin.
pub fn inquest_reading(arguments: &[&str], input: &[u8]) -> Ran {
    let mut command = command(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("inquest");
    let mut stdin = child.stdin.take().expect("a pipe");
    std::thread::scope(|scope| {
        // It may end before it has read all.
        scope.spawn(move || drop(stdin.write_all(input)));
        let output = child.wait_with_output().expect("its output");
        of(output)
    })
}

pub fn ran(mut command: Command) -> Ran {
    of(command.output().expect("inquest"))
}

fn of(output: std::process::Output) -> Ran {
    Ran {
        code: output.status.code().expect("no signal ends it"),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// The lives that `list` tells of below `path`.
pub fn lives(path: &Path) -> Vec<Value> {
    let ran = inquest(&["list", "--format", "json", path.to_str().expect("UTF-8")]);
    lives_of(&ran)
}

/// The lives in a document.
pub fn lives_of(ran: &Ran) -> Vec<Value> {
    let document: Value =
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    assert_eq!(document["schema"], 1);
    document["lives"].as_array().expect("lives").clone()
}

/// The records below `path`.
pub fn records(path: &Path) -> Vec<Value> {
    let ran = inquest(&["records", path.to_str().expect("UTF-8")]);
    ran.stdout.lines().map(|line| serde_json::from_str(line).expect("a record")).collect()
}

pub const TASK: &str = "9d4f1c7ab2e84c0f8a35d6e17b20c493";
pub const ID: &str = "408255f9fa131dde2d875eadf17b8100a0dbe4ca6647b14830aa00318be492c6";

/// A record of a container, with its time in seconds after 17:00.
pub fn record(kind: &str, id: &str, seconds: u64, more: Value) -> Value {
    let mut record = json!({
        "epitaph": kind, "schema": 1, "time": time(seconds), "container_id": id, "task_id": TASK,
        "task_arn": format!("arn:aws:ecs:eu-central-1:123456789012:task/default/{TASK}"), "pid": 6,
    });
    let Value::Object(more) = more else { panic!("an object") };
    record.as_object_mut().expect("an object").extend(more);
    record
}

/// A time so many seconds after 17:00.
pub fn time(seconds: u64) -> String {
    format!("2026-11-23T{:02}:{:02}:{:02}.000Z", 17 + seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// A log of Docker's json-file driver.
pub fn docker_log(lines: &[(u64, String)]) -> String {
    let entry = |(seconds, line): &(u64, String)| {
        json!({"log": format!("{line}\n"), "stream": "stderr", "time": time(*seconds)}).to_string() + "\n"
    };
    lines.iter().map(entry).collect()
}
