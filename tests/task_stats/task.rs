//! The task that the tests ask about, and the collector as a process.

use crate::support::endpoint::{Container, Endpoint, Figures, Scripted, Task, Usage};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

pub const SOON: Duration = Duration::from_secs(30);

/// The server and a sidecar, each of which moves, and a pause container without statistics.
pub fn moving(cgroup: u8) -> Task {
    let mut task = Task::default();
    task.containers[0].scripted.figures = Figures::Missing;
    task.containers[1].scripted = Scripted {
        figures: Figures::Moving(Usage { cpu_milli: 100, cgroup, ..Usage::default() }),
        ..Scripted::default()
    };
    task.containers.push(Container {
        endpoint_id: "7d1c9a52-3b64-4f0e-8a7d-5c6b7a8f9e01".into(),
        docker_id: "d2b8f6e31c0a4947b6e8d9f2a1435c87a9edcb06f5e4d3c2b1a09f8e7d6c5b4a".into(),
        name: "sidecar".into(),
        memory_limit: None,
        scripted: Scripted {
            figures: Figures::Moving(Usage { cpu_milli: 25, memory: 4 << 20, cgroup, ..Usage::default() }),
            ..Scripted::default()
        },
        ..Container::default()
    });
    task
}

/// epitaph with the endpoint's variable and nothing else of this environment.
pub fn epitaph(uri: Option<(&str, String)>, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_epitaph"));
    command.args(arguments).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.envs(uri.map(|(name, value)| (name.to_owned(), value)));
    command
}

/// The variable of version 4.
pub fn v4(endpoint: &Endpoint) -> Option<(&'static str, String)> {
    Some(("ECS_CONTAINER_METADATA_URI_V4", endpoint.uri_v4()))
}

/// A collector that runs; it is ended when this is dropped.
pub struct Collector {
    child: Child,
    lines: Receiver<String>,
    pub seen: Vec<String>,
}

impl Collector {
    pub fn start(mut command: Command) -> Collector {
        let mut child = command.spawn().unwrap();
        let stderr = child.stderr.take().unwrap();
        let (send, lines) = channel();
        std::thread::spawn(move || {
            BufReader::new(stderr).lines().map_while(Result::ok).try_for_each(|line| send.send(line))
        });
        Collector { child, lines, seen: Vec::new() }
    }

    /// Its process ID.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line that `is_it`.
    #[track_caller]
    pub fn wait_for(&mut self, is_it: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + SOON;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else { panic!("no such line: {:#?}", self.seen) };
            self.seen.push(line.clone());
            if is_it(&line) {
                return line;
            }
        }
    }

    /// The next record of a kind, checked against the schema.
    #[track_caller]
    pub fn record(&mut self, kind: &str) -> Value {
        let line = self.wait_for(|line| line.contains(&format!("\"epitaph\":\"{kind}\"")));
        crate::records::records(&line).remove(0)
    }

    /// Ends it with SIGTERM; its exit code and what it wrote after what was seen.
    pub fn stop(mut self) -> (i32, Vec<String>) {
        let pid = nix::unistd::Pid::from_raw(self.child.id().try_into().unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        let status = crate::support::process::wait_for(&mut self.child, SOON).unwrap();
        (status.code().unwrap(), self.lines.iter().collect())
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What `--task-stats 0` prints on stdout, on stderr, and its exit code.
pub fn once(command: &mut Command) -> (String, String, i32) {
    let mut child = command.spawn().unwrap();
    let (mut out, mut err) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    (out, err, child.wait().unwrap().code().unwrap())
}
