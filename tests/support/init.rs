//! The built binary, started as PID 1 of its own PID namespace or as a subreaper.
#![allow(dead_code, unsafe_code)]

use crate::binary;
use crate::probe;
use crate::require::require;
use crate::running::{Finished, Running};
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// How epitaph comes to see orphans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// as PID 1 of a PID namespace
    PidOne,
    /// with `-s`
    Subreaper,
}

/// What unshare(1) is called with to get namespaces here: as root, or in a user namespace of our own.
fn namespaces() -> Option<&'static [&'static str]> {
    static FOUND: OnceLock<Option<&'static [&'static str]>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let forms: [&[&str]; 2] = [&[], &["--user", "--map-root-user"]];
        forms.into_iter().find(|form| {
            let mut command = Command::new("unshare");
            command.args(*form).args(["--pid", "--fork", "--mount-proc", "true"]).stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        })
    })
}

/// Whether unshare(1) gives us namespaces; the test is skipped where not.
pub fn has_namespaces() -> bool {
    let found =
        namespaces().ok_or("unshare(1) gives no PID namespace, neither as root nor in a user namespace");
    require("a PID namespace", found).is_some()
}

/// What is to be started. By default its environment holds nothing but PATH.
#[derive(Debug)]
pub struct Launch {
    form: Form,
    before: Vec<OsString>,
    within: Vec<OsString>,
    settings: Vec<OsString>,
    fake_proc: bool,
    no_network: bool,
    epitaph: Option<OsString>,
    options: Vec<OsString>,
    program: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    stdout: Option<Stdio>,
    stderr: Option<Stdio>,
}

fn words(words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Vec<OsString> {
    words.into_iter().map(|word| word.as_ref().to_owned()).collect()
}

impl Launch {
    /// epitaph in this form around `program`.
    pub fn new(form: Form, program: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Launch {
        Launch {
            form,
            before: Vec::new(),
            within: Vec::new(),
            settings: Vec::new(),
            fake_proc: false,
            no_network: false,
            epitaph: Some(binary::epitaph().clone()),
            options: Vec::new(),
            program: words(program),
            environment: Vec::new(),
            stdout: None,
            stderr: None,
        }
    }

    /// `program` in the same place, but without an init around it.
    pub fn without_init(mut self) -> Launch {
        self.epitaph = None;
        self
    }

    /// Another init than epitaph.
    pub fn init(mut self, path: &str) -> Launch {
        self.epitaph = Some(path.into());
        self
    }

    /// Words before the whole command, such as `strace -f`.
    pub fn under(mut self, before: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Launch {
        self.before = words(before);
        self
    }

    /// Words just before epitaph, inside of its namespaces, such as `setpriv …`.
    pub fn within(mut self, within: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Launch {
        self.within = words(within);
        self
    }

    /// A setting of the probe `with`, in force when epitaph starts.
    pub fn with(mut self, setting: impl AsRef<OsStr>) -> Launch {
        self.settings.push(setting.as_ref().to_owned());
        self
    }

    /// A directory in place of /proc: see `proc_tree` in the tests of the identity.
    pub fn proc(self, directory: &std::path::Path) -> Launch {
        let mut launch = self.with(format!("proc={}", directory.display()));
        launch.fake_proc = true;
        launch
    }

    /// A network namespace without any network, so that whatever is asked asks nobody.
    pub fn without_network(mut self) -> Launch {
        self.no_network = true;
        self
    }

    /// Options for epitaph.
    pub fn options(mut self, options: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Launch {
        self.options.extend(words(options));
        self
    }

    /// A variable in epitaph's environment.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Launch {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// A stdout other than a pipe to the test.
    pub fn stdout(mut self, stdout: impl Into<Stdio>) -> Launch {
        self.stdout = Some(stdout.into());
        self
    }

    /// A stderr other than a pipe to the test.
    pub fn stderr(mut self, stderr: impl Into<Stdio>) -> Launch {
        self.stderr = Some(stderr.into());
        self
    }

    fn command_line(&self) -> Vec<OsString> {
        let mut line = self.before.clone();
        let pid_one = self.form == Form::PidOne;
        if pid_one || self.fake_proc || self.no_network {
            line.push("unshare".into());
            line.extend(words(namespaces().expect("the test has asked for namespaces")));
            line.push("--mount".into());
            if pid_one {
                line.extend(words(["--pid", "--fork", "--kill-child", "--mount-proc"]));
            }
            if self.no_network {
                line.push("--net".into());
            }
        }
        if !self.settings.is_empty() {
            line.extend(probe::probe(&["with"]));
            line.extend_from_slice(&self.settings);
            line.push("--".into());
        }
        line.extend_from_slice(&self.within);
        if let Some(epitaph) = &self.epitaph {
            line.push(epitaph.clone());
            if !pid_one {
                line.push("-s".into());
            }
            line.extend_from_slice(&self.options);
            line.push("--".into());
        }
        line.extend_from_slice(&self.program);
        line
    }

    /// Starts it.
    pub fn start(self) -> Running {
        let line = self.command_line();
        let mut command = Command::new(&line[0]);
        command.args(&line[1..]).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        // The timer of cgroup v1 would be one more event in tests that count them, and the agent's
        // introspection API is not on loopback.
        command.env("EPITAPH_OOM_POLL", "0").env("EPITAPH_INTROSPECTION", "off").envs(self.environment);
        command.stdin(Stdio::piped());
        command.stdout(self.stdout.unwrap_or_else(Stdio::piped));
        command.stderr(self.stderr.unwrap_or_else(Stdio::piped));
        // SAFETY: neither call takes a lock or touches the heap.
        unsafe { command.pre_exec(begin_afresh) };
        let child = command.spawn().unwrap_or_else(|error| panic!("{line:?}: {error}"));
        Running::of(child, self.form == Form::PidOne)
    }

    /// Starts it and waits for its end.
    pub fn run(self) -> Finished {
        self.start().finish()
    }
}

/// Whoever runs the tests may ignore signals (`nohup`, a job in the background of a shell without job
/// control), and epitaph would inherit that.
fn begin_afresh() -> std::io::Result<()> {
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT] {
        epitaph::sys::set_ignored(signal, false);
    }
    Ok(())
}

/// Makes `case(Form)` two tests, one a form.
#[macro_export]
macro_rules! in_both_forms {
    ($($case:ident)*) => {
        mod as_pid_1 {
            $(#[test]
            fn $case() {
                if $crate::init::has_namespaces() {
                    super::$case($crate::init::Form::PidOne);
                }
            })*
        }
        mod as_subreaper {
            $(#[test]
            fn $case() {
                super::$case($crate::init::Form::Subreaper);
            })*
        }
    };
}
