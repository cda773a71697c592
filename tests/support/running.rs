//! What runs, watched from outside: its pipes, its processes, its end. Every wait has a bound.
#![allow(dead_code, unsafe_code)]

use std::fs;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// No step of a test takes a tenth of it on a busy machine; it turns a hang into a failure.
pub const LIMIT: Duration = Duration::from_secs(30);

/// Waits until `condition` tells something.
pub fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {LIMIT:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// What a pipe has given so far, and whether it has ended.
#[derive(Debug, Default)]
struct Shared {
    state: Mutex<(Vec<u8>, bool)>,
    changed: Condvar,
}

/// What a pipe gives, read to its end by a thread of its own.
#[derive(Debug, Clone)]
pub struct Capture(Arc<Shared>);

impl Capture {
    /// Reads the pipe; without one there is nothing, and the end.
    pub fn of(pipe: Option<impl Read + Send + 'static>) -> Capture {
        let state = Mutex::new((Vec::new(), pipe.is_none()));
        let capture = Capture(Arc::new(Shared { state, changed: Condvar::new() }));
        if let Some(mut pipe) = pipe {
            let Capture(shared) = capture.clone();
            std::thread::spawn(move || {
                let mut buffer = [0; 65_536];
                loop {
                    let length = pipe.read(&mut buffer).unwrap_or(0);
                    let mut state = shared.state.lock().expect("no panic in a reader");
                    state.0.extend_from_slice(&buffer[..length]);
                    state.1 = length == 0;
                    shared.changed.notify_all();
                    if length == 0 {
                        return;
                    }
                }
            });
        }
        capture
    }

    /// What has come so far.
    pub fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.0.state.lock().expect("no panic in a reader").0).into_owned()
    }

    /// Waits until `is_enough` of what has come.
    pub fn wait_until(&self, what: &str, is_enough: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + LIMIT;
        let mut state = self.0.state.lock().expect("no panic in a reader");
        loop {
            let text = String::from_utf8_lossy(&state.0).into_owned();
            if is_enough(&text) {
                return text;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!state.1 && !left.is_zero(), "{what} did not come; the pipe gave {text:?}");
            state = self.0.changed.wait_timeout(state, left).expect("no panic in a reader").0;
        }
    }

    /// Waits for a text.
    pub fn wait_for(&self, text: &str) -> String {
        self.wait_until(text, |so_far| so_far.contains(text))
    }

    /// Waits for the end.
    pub fn to_the_end(&self) -> String {
        wait_for("the end of a pipe", || self.0.state.lock().expect("no panic in a reader").1.then_some(()));
        self.so_far()
    }
}

/// What was started and runs. It is ended, with all that it has started, when this is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    is_forked: bool,
    /// closed by [`Running::finish`] once the init has ended
    pub stdin: Option<ChildStdin>,
    /// of all processes
    pub stdout: Capture,
    /// of all processes
    pub stderr: Capture,
}

impl Running {
    /// This child, or where `is_forked` the child that unshare(1) has.
    pub fn of(mut child: Child, is_forked: bool) -> Running {
        Running {
            stdin: child.stdin.take(),
            stdout: Capture::of(child.stdout.take()),
            stderr: Capture::of(child.stderr.take()),
            is_forked,
            child,
        }
    }

    /// The process ID of what was started, which with [`Form::PidOne`] is unshare(1).
    pub fn id(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a process ID")
    }

    /// The process ID of epitaph in our namespace, once it is epitaph.
    pub fn pid(&self) -> i32 {
        let own = self.id();
        wait_for("epitaph", || {
            let pid = if self.is_forked { *children(own).first()? } else { own };
            (comm(pid)? == "epitaph").then_some(pid)
        })
    }

    /// The process ID of the program, or of the child that is going to be it, in our namespace: waits until
    /// epitaph has no other child, dead or alive.
    pub fn program(&self) -> i32 {
        let own = self.pid();
        wait_for("one child", || match children(own)[..] {
            [program] => Some(program),
            _ => None,
        })
    }

    /// Sends a signal to epitaph.
    pub fn signal(&self, signal: i32) {
        send(self.pid(), signal);
    }

    /// Waits for the program's "ready".
    pub fn ready(self) -> Running {
        self.stdout.wait_for("ready\n");
        self
    }

    /// Waits for the end.
    pub fn finish(mut self) -> Finished {
        let status = wait_for("the end", || self.child.try_wait().expect("our own child"));
        self.stdin = None;
        Finished {
            code: status.code(),
            signal: status.signal(),
            stdout: self.stdout.to_the_end(),
            stderr: self.stderr.to_the_end(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let mut ours = vec![self.id()];
            let mut place = 0;
            while let Some(pid) = ours.get(place) {
                ours.extend(children(*pid));
                place += 1;
            }
            for pid in ours {
                send(pid, libc::SIGKILL);
            }
            let _ = self.child.wait();
        }
    }
}

/// What has ended.
#[derive(Debug)]
pub struct Finished {
    /// the exit code
    pub code: Option<i32>,
    /// the signal that ended it
    pub signal: Option<i32>,
    /// all of it
    pub stdout: String,
    /// all of it
    pub stderr: String,
}

/// kill(2).
pub fn send(pid: i32, signal: i32) {
    // SAFETY: numbers only.
    unsafe { libc::kill(pid, signal) };
}

/// The children of a process, zombies too.
///
/// Not from /proc/PID/task/TID/children, which may leave some out while others end:
/// proc_pid_task_children(5).
pub fn children(pid: i32) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        let Some(child) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // The name may hold anything; after it come the state and the parent: proc_pid_stat(5).
        let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1));
        if parent.is_some_and(|parent| parent == pid.to_string()) {
            found.push(child);
        }
    }
    found
}

fn comm(pid: i32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/comm")).ok().map(|name| name.trim_end().to_owned())
}

/// A line of /proc/PID/status.
pub fn status(pid: i32, key: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    text.lines().find_map(|line| Some(line.strip_prefix(key)?.strip_prefix(":")?.trim().to_owned()))
}
