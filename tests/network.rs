//! Which sockets epitaph opens, and in which process: outside ECS none at all, within it those of one
//! connection, and never one in the process that supervises.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use std::path::Path;
use std::process::Command;
use std::time::Duration;
use support::binary::epitaph;
use support::endpoint::{Endpoint, Task};
use support::process::{find_program, output};
use support::require::require;

const BOUND: Duration = Duration::from_secs(60);

/// The trace of a run with these variables: network system calls and exec, of all processes, each line with
/// the process's ID first.
fn trace(strace: &Path, variables: &[(&str, &str)]) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("trace");
    let mut command = Command::new(strace);
    command.args(["-f", "-qq", "-e", "trace=%network,execve", "-o"]).arg(&file);
    command.arg(epitaph()).args(["-s", "--", "/bin/true"]);
    command.env_clear().env("EPITAPH_RECORDS", "off").envs(variables.iter().copied());
    let output = output(&mut command, BOUND).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect()
}

/// The processes with a line that holds `text`.
fn processes<'a>(trace: &'a [String], text: &str) -> Vec<&'a str> {
    trace
        .iter()
        .filter(|line| line.contains(text))
        .filter_map(|line| line.split_whitespace().next())
        .collect()
}

#[test]
fn outside_ecs_no_socket_is_opened() {
    let Some(strace) = require("strace", find_program("strace", "strace")) else { return };
    for variables in
        [&[][..], &[("AWS_EXECUTION_ENV", "AWS_Lambda_rust")], &[("http_proxy", "http://127.0.0.1:9")]]
    {
        let trace = trace(&strace, variables);
        assert_eq!(processes(&trace, "execve(\"/bin/true\"").len(), 1, "{trace:#?}");
        assert_eq!(processes(&trace, "socket("), [""; 0], "{trace:#?}");
    }
}

#[test]
fn within_ecs_the_child_opens_one_connection() {
    let Some(strace) = require("strace", find_program("strace", "strace")) else { return };
    let endpoint = Endpoint::start(Task::default());
    let uri = endpoint.uri_v4();
    let trace = trace(&strace, &[("ECS_CONTAINER_METADATA_URI_V4", uri.as_str())]);
    let program = processes(&trace, "execve(\"/bin/true\"");
    assert_eq!(program.len(), 1, "{trace:#?}");
    assert_eq!(processes(&trace, "socket("), program, "{trace:#?}");
    assert_eq!(processes(&trace, "connect("), program, "{trace:#?}");
    assert_ne!(processes(&trace, "execve(").first(), program.first(), "{trace:#?}");
    assert_eq!(endpoint.requests().len(), 2);
}
