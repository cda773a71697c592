//! An init that runs, and one that has ended.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ExitStatus};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long anything may take that is bound to happen. Only a failure ever waits that long.
pub const BOUND: Duration = Duration::from_secs(60);

/// How long an init may go on after its program has ended until it is said to hang.
pub const HANG: Duration = Duration::from_secs(3);

/// An init that runs.
pub struct Running {
    child: Child,
    /// its process ID, outside of its namespace
    pub init: i32,
    /// its stdin, with [`Call::held`]
    pub stdin: Option<ChildStdin>,
    dir: TempDir,
    ended: Option<ExitStatus>,
}

impl Running {
    /// `child` has been started, and the init is the process `init`, which is another one for PID 1.
    pub fn new(mut child: Child, init: i32, dir: TempDir) -> Running {
        Running { init, stdin: child.stdin.take(), child, dir, ended: None }
    }

    /// What has been printed on stdout so far.
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.path("out")).unwrap_or_default()).into_owned()
    }

    /// What has been printed on stderr so far.
    pub fn err(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.path("err")).unwrap_or_default()).into_owned()
    }

    /// A file in the directory of this run.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Sends the init a signal.
    pub fn signal(&self, number: i32) {
        assert!(self.ended.is_none(), "the init has ended");
        kill(self.init, number);
    }

    /// How it has ended, if it has.
    pub fn poll(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().unwrap();
        }
        self.ended
    }

    /// Waits for its end.
    pub fn wait(&mut self, bound: Duration) -> Option<ExitStatus> {
        within(bound, || self.poll())
    }

    /// Waits for its end, and tells it.
    pub fn end(&mut self) -> String {
        self.wait(BOUND).map_or_else(|| "does not end".to_owned(), describe)
    }

    /// Waits until stdout holds `text`.
    pub fn wait_for(&mut self, text: &str) {
        let found = within(BOUND, || {
            let ended = self.poll().is_some();
            (self.out().contains(text) || ended).then_some(())
        });
        let (out, err) = (self.out(), self.err());
        assert!(found.is_some() && out.contains(text), "no {text:?} in stdout {out:?}; stderr: {err:?}");
    }

    /// The state letter of a process in /proc, `-` when it is gone.
    pub fn state(pid: i32) -> char {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next()).unwrap_or('-')
    }

    /// Waits until the process of `pid` is in the state.
    pub fn wait_for_state(pid: i32, state: char) {
        let seen = within(BOUND, || (Running::state(pid) == state).then_some(()));
        assert!(seen.is_some(), "process {pid} is {} instead of {state}", Running::state(pid));
    }

    /// The outcome, once it has ended.
    pub fn done(mut self) -> Done {
        let status = self.poll().unwrap();
        Done { status, out: self.out(), err: self.err() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // What the init has started ends with its stdin, or with its namespace.
        drop(self.stdin.take());
        if self.poll().is_none() {
            kill(self.init, libc::SIGKILL);
            let _ = self.child.wait();
        }
    }
}

/// An init that has ended.
#[derive(Debug)]
pub struct Done {
    /// how
    pub status: ExitStatus,
    /// what was on stdout
    pub out: String,
    /// what was on stderr
    pub err: String,
}

impl Done {
    /// How it ended.
    pub fn end(&self) -> String {
        describe(self.status)
    }

    /// What was on stdout, and how it ended when not well.
    pub fn told(&self) -> String {
        let out = self.out.trim_end().replace('\n', ", ");
        if self.status.code() == Some(0) { out } else { format!("{out} ({})", self.end()).trim().to_owned() }
    }
}

/// How a process ended, as the table says it.
pub fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit {code}"),
        (_, signal) => format!("killed by signal {}", signal.unwrap_or(0)),
    }
}

/// Tries until there is something, every millisecond.
pub fn within<T>(bound: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + bound;
    loop {
        if let Some(found) = probe() {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// kill(2).
pub fn kill(pid: i32, number: i32) {
    assert!(pid > 1, "a process of ours");
    // SAFETY: no memory is involved.
    unsafe { libc::kill(pid, number) };
}
