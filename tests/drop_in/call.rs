//! One run of an init: how it is called, and what came of it.
//!
//! What it prints goes to files rather than pipes, so that nothing has to be read while it runs, and a process
//! that is left over keeps nobody waiting.

use crate::probe;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long anything may take that is bound to happen. Only a failure ever waits that long.
pub const BOUND: Duration = Duration::from_secs(20);

/// How long an init may go on after its program has ended until it is said to hang.
pub const HANG: Duration = Duration::from_secs(3);

/// Something done in the new process before the init is executed.
pub type Setup = Box<dyn FnMut() -> io::Result<()> + Send + Sync>;

/// A call of an init.
pub struct Call {
    command: Command,
    setups: Vec<Setup>,
    as_pid_1: Option<PidOne>,
    dir: TempDir,
    keeps_stdin: bool,
    stdio: Stdio3,
}

/// What PID 1 has beside its number.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PidOne {
    /// its own /proc
    WithProc,
    /// nothing
    Bare,
}

/// Which of the standard descriptors are set up here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stdio3 {
    All,
    AllButStderr,
    None,
}

impl Call {
    /// A call of the init at `path` with nothing but a path and a locale in its environment, and records off.
    pub fn new(path: &Path) -> Call {
        let mut command = Command::new(path);
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("LC_ALL", "C");
        command.env("EPITAPH_RECORDS", "off");
        let dir = tempfile::Builder::new().prefix("epitaph-call-").tempdir().unwrap();
        Call { command, setups: Vec::new(), as_pid_1: None, dir, keeps_stdin: false, stdio: Stdio3::All }
    }

    /// Adds arguments, separated by blanks.
    pub fn words(self, words: &str) -> Call {
        self.args(words.split_ascii_whitespace())
    }

    /// Adds arguments.
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Call {
        self.command.args(args);
        self
    }

    /// Adds the probe (see `probe`) and what it is to do, separated by blanks. Two dashes come first.
    pub fn probe(self, what: &str) -> Call {
        self.words("--").bare_probe(what)
    }

    /// The same without the two dashes.
    pub fn bare_probe(self, what: &str) -> Call {
        self.args([probe::path().into_os_string(), OsString::from(probe::MARK)]).words(what)
    }

    /// Sets a variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Call {
        self.command.env(name, value);
        self
    }

    /// Changes the command in some other way.
    pub fn with(mut self, change: impl FnOnce(&mut Command)) -> Call {
        change(&mut self.command);
        self
    }

    /// Does something in the new process before the init is executed.
    pub fn setup(mut self, setup: impl FnMut() -> io::Result<()> + Send + Sync + 'static) -> Call {
        self.setups.push(Box::new(setup));
        self
    }

    /// Runs the init as PID 1 of a new PID namespace, with its own /proc where that can be had.
    pub fn as_pid_1(mut self) -> Call {
        self.as_pid_1 = Some(PidOne::WithProc);
        self
    }

    /// The same with the /proc of outside, which is there faster.
    pub fn as_bare_pid_1(mut self) -> Call {
        self.as_pid_1 = Some(PidOne::Bare);
        self
    }

    /// Leaves stderr to the caller.
    pub fn own_stderr(mut self) -> Call {
        self.stdio = Stdio3::AllButStderr;
        self
    }

    /// Leaves stdin, stdout and stderr to the setups.
    pub fn own_stdio(mut self) -> Call {
        self.stdio = Stdio3::None;
        self
    }

    /// Gives the init an open pipe as stdin: the probe ends when it closes.
    pub fn held(mut self) -> Call {
        self.keeps_stdin = true;
        self
    }

    /// The directory of this run, which goes away with it.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Starts it.
    pub fn start(mut self) -> Running {
        let file = |name: &str| -> File {
            OpenOptions::new().create(true).append(true).open(self.dir.path().join(name)).unwrap()
        };
        let (out, err) = (file("out"), file("err"));
        if self.stdio != Stdio3::None {
            self.command.stdin(if self.keeps_stdin { Stdio::piped() } else { Stdio::null() });
            self.command.stdout(out);
        }
        if self.stdio == Stdio3::All {
            self.command.stderr(err);
        }
        let pipe = self.as_pid_1.map(|_| nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap());
        let with_proc = self.as_pid_1 == Some(PidOne::WithProc);
        if let Some((_, write)) = &pipe {
            let write = write.as_raw_fd();
            // SAFETY: system calls alone, in a process that has been forked already.
            unsafe { self.command.pre_exec(move || crate::setup::become_pid_1(write, with_proc)) };
        }
        // SAFETY: one system call.
        unsafe { self.command.pre_exec(crate::setup::keep_only_standard) };
        for setup in self.setups {
            // SAFETY: the setups make system calls alone.
            unsafe { self.command.pre_exec(setup) };
        }
        let mut child = self.command.spawn().unwrap();
        let mut init = i32::try_from(child.id()).unwrap();
        if let Some((read, write)) = pipe {
            drop(write);
            let mut bytes = [0; 4];
            assert_eq!(nix::unistd::read(&read, &mut bytes), Ok(4), "the process ID of PID 1");
            init = i32::from_ne_bytes(bytes);
        }
        let stdin = child.stdin.take();
        Running { child, init, stdin, dir: self.dir, ended: None }
    }

    /// Runs it to its end.
    pub fn run(self) -> Done {
        let mut running = self.start();
        let end = running.wait(BOUND);
        assert!(end.is_some(), "the init does not end; stderr: {}", running.err());
        running.done()
    }
}

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
