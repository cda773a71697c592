//! One container: what a test does to it, and what it reads from it.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use super::super::process;
use super::engine::{CALL_BOUND, Engine};

/// A container, removed when it is dropped.
pub struct Container<'e> {
    engine: &'e Engine,
    id: String,
}

/// What a container wrote, the two streams apart.
#[derive(Clone, Debug)]
pub struct Logs {
    pub stdout: String,
    pub stderr: String,
}

/// One of a container's two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// How a container ended that was asked to.
#[derive(Clone, Copy, Debug)]
pub struct Stopped {
    /// As Docker tells it: 128+n when signal n killed PID 1.
    pub exit_code: i64,
    /// From just before `docker stop` was called to the end that the engine noted.
    pub took: Duration,
}

impl<'e> Container<'e> {
    pub(super) fn new(engine: &'e Engine, id: String) -> Self {
        Self { engine, id }
    }

    /// The full ID: 64 hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Starts the container that [`Engine::create`] created, or one that has ended, again.
    ///
    /// # Panics
    ///
    /// When the engine cannot start it.
    #[track_caller]
    pub fn start(&self) {
        self.engine.docker(&["start", &self.id]);
    }

    /// `docker stop`: SIGTERM, and SIGKILL when `grace` (whole seconds) is over.
    ///
    /// # Panics
    ///
    /// When it cannot be stopped.
    #[track_caller]
    pub fn stop(&self, grace: Duration) -> Stopped {
        let asked = SystemTime::now();
        self.engine.docker(&["stop", "--time", &grace.as_secs().to_string(), &self.id]);
        let state = self.state();
        let finished = state["FinishedAt"].as_str().unwrap_or_default();
        let finished = humantime::parse_rfc3339(finished)
            .unwrap_or_else(|error| panic!("FinishedAt {finished:?}: {error}"));
        Stopped {
            exit_code: exit_code(&state),
            // Zero for a container that had ended before.
            took: finished.duration_since(asked).unwrap_or_default(),
        }
    }

    /// `docker kill` with a signal's name, such as `USR1`. It does not wait for an effect.
    ///
    /// # Panics
    ///
    /// When the container does not run.
    #[track_caller]
    pub fn kill(&self, signal: &str) {
        self.engine.docker(&["kill", "--signal", signal, &self.id]);
    }

    /// Waits for the container's end, for at most `bound`, and gives its exit code.
    ///
    /// # Panics
    ///
    /// When it still runs then; the message holds its logs.
    #[track_caller]
    pub fn wait(&self, bound: Duration) -> i64 {
        let code = process::stdout(self.engine.command().args(["wait", &self.id]), bound)
            .unwrap_or_else(|error| panic!("{error}\n{:#?}", self.logs()));
        code.parse().unwrap_or_else(|error| panic!("docker wait gave {code:?}: {error}"))
    }

    /// `docker exec`: what the command writes on stdout in the running container.
    ///
    /// # Panics
    ///
    /// When the command fails.
    #[track_caller]
    pub fn exec(&self, command: &[&str]) -> String {
        let mut arguments = vec!["exec", self.id.as_str()];
        arguments.extend(command);
        self.engine.docker(&arguments)
    }

    /// `docker inspect`.
    ///
    /// # Panics
    ///
    /// When the engine does not know the container.
    #[track_caller]
    pub fn inspect(&self) -> Value {
        let text = self.engine.docker(&["container", "inspect", &self.id]);
        let mut value: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        value[0].take()
    }

    /// The `State` of `docker inspect`: `Running`, `ExitCode`, `OOMKilled`, `Pid` and more.
    ///
    /// # Panics
    ///
    /// As [`Container::inspect`].
    #[track_caller]
    pub fn state(&self) -> Value {
        self.inspect()["State"].take()
    }

    /// The pid of the container's PID 1 as this machine sees it.
    ///
    /// # Panics
    ///
    /// When the container does not run.
    #[track_caller]
    pub fn pid(&self) -> u32 {
        let pid = self.state()["Pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
        pid.filter(|pid| *pid > 0).unwrap_or_else(|| panic!("container {} does not run", self.id))
    }

    /// What the container wrote until now.
    ///
    /// # Panics
    ///
    /// When the engine does not know the container.
    #[track_caller]
    pub fn logs(&self) -> Logs {
        let output = process::output(self.engine.command().args(["logs", &self.id]), CALL_BOUND)
            .unwrap_or_else(|error| panic!("{error}"));
        assert!(output.status.success(), "docker logs: {}", String::from_utf8_lossy(&output.stderr));
        Logs {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Waits until the container has written a line on `stream` for which `is_it` holds, for at most `bound`,
    /// and gives that line. What it wrote before the call counts.
    ///
    /// # Panics
    ///
    /// When no such line came, or the container ended without one; the message holds its logs.
    #[track_caller]
    pub fn wait_for_line(&self, stream: Stream, bound: Duration, is_it: impl Fn(&str) -> bool) -> String {
        let missing = |why: &str| -> ! { panic!("{why}: no such line on {stream:?}:\n{:#?}", self.logs()) };
        let mut command = self.engine.command();
        command.args(["logs", "--follow", &self.id]).stdin(Stdio::null());
        match stream {
            Stream::Stdout => command.stdout(Stdio::piped()).stderr(Stdio::null()),
            Stream::Stderr => command.stdout(Stdio::null()).stderr(Stdio::piped()),
        };
        let mut following = command.spawn().unwrap_or_else(|error| panic!("docker logs: {error}"));
        let pipe: Box<dyn std::io::Read + Send> = match stream {
            Stream::Stdout => Box::new(following.stdout.take().expect("stdout was asked to be a pipe")),
            Stream::Stderr => Box::new(following.stderr.take().expect("stderr was asked to be a pipe")),
        };
        let (send, lines) = mpsc::channel();
        // Ends with the pipe, or at the first line that nobody takes any more.
        std::thread::spawn(move || {
            BufReader::new(pipe).lines().map_while(Result::ok).try_for_each(|line| send.send(line))
        });
        let begun = Instant::now();
        let found = loop {
            match lines.recv_timeout(bound.saturating_sub(begun.elapsed())) {
                Ok(line) if is_it(&line) => break Ok(line),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => break Err("in time"),
                Err(RecvTimeoutError::Disconnected) => break Err("until the container's end"),
            }
        };
        let _ = following.kill();
        let _ = following.wait();
        found.unwrap_or_else(|why| missing(why))
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        // No panic: this also runs while a test unwinds. What is left goes with the engine.
        let remove = ["rm", "--force", "--volumes", &self.id];
        let _ = process::output(self.engine.command().args(remove), CALL_BOUND);
    }
}

fn exit_code(state: &Value) -> i64 {
    state["ExitCode"].as_i64().unwrap_or_else(|| panic!("no ExitCode in {state}"))
}
