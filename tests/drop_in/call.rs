//! One run of an init: how it is called, and what came of it.
//!
//! What it prints goes to files rather than pipes, so that nothing has to be read while it runs, and a
//! process that is left over keeps nobody waiting.

use crate::probe;
pub use crate::running::{BOUND, Done, HANG, Running, describe, kill, within};
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Something done in the new process before the init is executed.
pub type Setup = Box<dyn FnMut() -> io::Result<()> + Send + Sync>;

/// A call of an init.
pub struct Call {
    command: Command,
    setups: Vec<Setup>,
    pid_1: Option<PidOne>,
    dir: TempDir,
    keeps_stdin: bool,
    stdio: Standard,
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
enum Standard {
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
        Call { command, setups: Vec::new(), pid_1: None, dir, keeps_stdin: false, stdio: Standard::All }
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

    /// The variables that are set by now.
    pub fn environment(&self) -> Vec<(OsString, OsString)> {
        let set = self.command.get_envs();
        set.filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect()
    }

    /// Changes the command in some other way.
    pub fn with(mut self, change: impl FnOnce(&mut Command) -> &mut Command) -> Call {
        change(&mut self.command);
        self
    }

    /// Does something in the new process before the init is executed.
    pub fn setup(mut self, setup: impl FnMut() -> io::Result<()> + Send + Sync + 'static) -> Call {
        self.setups.push(Box::new(setup));
        self
    }

    /// Runs the init as PID 1 of a new PID namespace, with its own /proc where that can be had.
    pub fn pid_1(mut self) -> Call {
        self.pid_1 = Some(PidOne::WithProc);
        self
    }

    /// The same with the /proc of outside, which is there faster.
    pub fn bare_pid_1(mut self) -> Call {
        self.pid_1 = Some(PidOne::Bare);
        self
    }

    /// Leaves stderr to the caller.
    pub fn own_stderr(mut self) -> Call {
        self.stdio = Standard::AllButStderr;
        self
    }

    /// Leaves stdin, stdout and stderr to the setups.
    pub fn own_stdio(mut self) -> Call {
        self.stdio = Standard::None;
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
        if self.stdio != Standard::None {
            self.command.stdin(if self.keeps_stdin { Stdio::piped() } else { Stdio::null() });
            self.command.stdout(out);
        }
        if self.stdio == Standard::All {
            self.command.stderr(err);
        }
        let pipe = self.pid_1.map(|_| nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap());
        let with_proc = self.pid_1 == Some(PidOne::WithProc);
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
        let child = self.command.spawn().unwrap();
        let mut init = i32::try_from(child.id()).unwrap();
        if let Some((read, write)) = pipe {
            drop(write);
            let mut bytes = [0; 4];
            assert_eq!(nix::unistd::read(&read, &mut bytes), Ok(4), "the process ID of PID 1");
            init = i32::from_ne_bytes(bytes);
        }
        Running::new(child, init, self.dir)
    }

    /// Runs it to its end.
    pub fn run(self) -> Done {
        let mut running = self.start();
        let end = running.wait(BOUND);
        assert!(end.is_some(), "the init does not end; stderr: {}", running.err());
        running.done()
    }
}
