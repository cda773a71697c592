//! An interactive shell below epitaph, at the terminal of a real `docker run -it`.
//!
//! Two terminals are involved, as for a person: the test's own, on which the `docker` program runs and which
//! the test types into, and the container's, which the engine makes and whose bytes and size `docker` carries
//! over.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]
// The controlling terminal of the `docker` program, and the size of a window.
#![allow(unsafe_code)]

mod support;

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::termios::{LocalFlags, Termios, tcgetattr};
use support::archive::Tree;
use support::docker::Engine;
use support::process;
use support::require::require;
use support::static_binary::static_binary;

/// For things that take milliseconds on an idle machine.
const SOON: Duration = Duration::from_secs(60);

/// The shell's, which nothing else writes.
const PROMPT: &str = "ready> ";
const CTRL_C: &str = "\x03";
const CTRL_Z: &str = "\x1a";

/// Read by the shell itself: its process ID, its process group and the one in the foreground (`pgrp` and
/// `tpgid` in proc_pid_stat(5)).
const PLACE: &str = r#"read -r stat <"/proc/$$/stat"
set -- $stat
echo "place $$ $5 $8"
"#;

/// A job that the default action of SIGINT ends.
const NAP: &str = r#"#!/bin/sh
echo napping
exec sleep 1000
"#;

/// A job that tells what reaches it, until it is interrupted and then gets a line.
const JOB: &str = r#"#!/bin/sh
interrupts=0
trap 'interrupts=$((interrupts + 1)); echo "interrupted"' INT
trap 'echo "continued"' CONT
trap 'echo "window $(stty size)"' WINCH
sleep 1000 &
echo "working"
while [ "$interrupts" = 0 ]; do wait $!; done
kill $!
read -r line
echo "interrupts: $interrupts, then $line"
"#;

/// What every image here has: a shell and the jobs.
fn shell_tree() -> Result<Tree, String> {
    let tree = Tree::default().file("place", 0o644, PLACE).file("nap", 0o755, NAP).file("job", 0o755, JOB);
    tree.busybox()
}

#[test]
fn a_shell_has_job_control_on_the_terminal_of_docker_run() {
    let Some(engine) = require("docker", Engine::shared()) else { return };
    let Some(epitaph) = require("static binary", static_binary()) else { return };
    let tree = || shell_tree()?.program("epitaph", epitaph);
    let image = engine.import("epitaph-test-shell", tree, &[r#"ENTRYPOINT ["/epitaph", "--"]"#]);
    let Some(()) = require("busybox", image) else { return };
    work_in_a_shell(engine, &["epitaph-test-shell", "sh", "-i"]);
}

#[test]
fn a_shell_has_job_control_where_epitaph_is_the_init_of_the_engine() {
    let Some(epitaph) = require("static binary", static_binary()) else { return };
    let init = format!("--init-path={}", epitaph.display());
    let Some(engine) = require("docker", Engine::start(&[&init])) else { return };
    let Some(()) = require("busybox", engine.import("plain-shell", shell_tree, &[])) else { return };
    work_in_a_shell(&engine, &["--init", "plain-shell", "/bin/sh", "-i"]);
}

/// A session, from the first prompt to `exit 7`. `arguments` are the last ones of `docker run`.
fn work_in_a_shell(engine: &Engine, arguments: &[&str]) {
    let mut terminal = Terminal::open();
    terminal.resize(24, 100);
    let before = terminal.settings();
    let mut docker = engine.command();
    docker.args(["run", "--rm", "--interactive", "--tty", "--network=none"]);
    docker.arg(format!("--env=PS1={PROMPT}")).args(arguments);
    let mut docker = terminal.run(docker);

    terminal.wait_for(PROMPT);
    // Otherwise it would prove nothing that they are back at the end.
    assert!(
        !terminal.settings().local_flags.contains(LocalFlags::ICANON),
        "docker does not use the terminal"
    );
    terminal.type_in(". /place\n");
    terminal.wait_for("place ");
    let place = terminal.wait_for("\r\n");
    let place: Vec<u32> = place.split_whitespace().map(|number| number.parse().unwrap()).collect();
    let [pid, group, foreground] = place[..] else { panic!("{place:?}") };
    assert_ne!(pid, 1, "the shell is PID 1, so epitaph is not");
    assert_eq!((group, foreground), (pid, pid), "the shell's group, and the one in the foreground");

    terminal.wait_for(PROMPT);
    terminal.type_in("/nap\n");
    terminal.wait_for("napping");
    terminal.type_in(CTRL_C);
    terminal.wait_for(PROMPT);
    terminal.type_in("echo \"code $?\"\n");
    terminal.wait_for("code 130");

    terminal.wait_for(PROMPT);
    terminal.type_in("/job\n");
    terminal.wait_for("working");
    terminal.resize(50, 132);
    terminal.wait_for("window 50 132");
    terminal.type_in(CTRL_Z);
    terminal.wait_for("Stopped");
    terminal.wait_for(PROMPT);
    terminal.type_in("stty size\n");
    terminal.wait_for("50 132");
    terminal.wait_for(PROMPT);
    terminal.type_in("fg\n");
    terminal.wait_for("continued");
    terminal.type_in(CTRL_C);
    terminal.wait_for("interrupted");
    terminal.type_in("more\n");
    terminal.wait_for("interrupts: 1, then more");

    terminal.wait_for(PROMPT);
    terminal.type_in("exit 7\n");
    let status = process::wait_for(&mut docker.0, SOON).unwrap_or_else(|error| terminal.fail(&error));
    assert_eq!(status.code(), Some(7), "{}", terminal.shown());
    assert_eq!(terminal.settings(), before, "the terminal's settings");
    let shown = terminal.shown();
    assert!(!shown.contains("can't access tty"), "{shown}");
    // As text, not as JSON: their destination is the terminal.
    let is_of_the_end = |line: &str| line.starts_with("epitaph=exit ") && line.contains(" exit.code=7 ");
    assert!(shown.lines().any(is_of_the_end), "no record of the end: {shown}");
}

/// The terminal that the `docker` program runs on; the test holds the other end, as a terminal emulator does.
struct Terminal {
    master: PtyMaster,
    // Held open: without any holder, reading from the other end is an error (pty(7)).
    slave: File,
    shown: String,
    /// How much of `shown` has been waited for.
    seen: usize,
}

/// Killed when it is dropped, which ends a session that a failed test left.
struct Docker(Child);

impl Drop for Docker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Terminal {
    fn open() -> Self {
        let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let path = ptsname_r(&master).unwrap();
        let slave =
            OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOCTTY).open(path).unwrap();
        fcntl(&master, FcntlArg::F_SETFL(OFlag::O_RDWR | OFlag::O_NONBLOCK)).unwrap();
        Self { master, slave, shown: String::new(), seen: 0 }
    }

    /// Starts `command` as the leader of a session with this terminal: what hears of a new size is the group
    /// in the foreground of the terminal (SIGWINCH in signal(7)).
    fn run(&self, mut command: Command) -> Docker {
        let stdio = || Stdio::from(self.slave.try_clone().unwrap());
        command.stdin(stdio()).stdout(stdio()).stderr(stdio());
        // SAFETY: setsid and ioctl are system calls on the new process alone, and touch no memory.
        unsafe {
            command.pre_exec(|| {
                if libc::setsid() < 0 || libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            });
        }
        Docker(command.spawn().unwrap())
    }

    fn type_in(&self, keys: &str) {
        assert_eq!(nix::unistd::write(&self.master, keys.as_bytes()), Ok(keys.len()));
    }

    /// Waits until `text` is shown behind what was waited for before, and gives what stood between.
    #[track_caller]
    fn wait_for(&mut self, text: &str) -> String {
        let found = process::wait_until(&format!("{text:?} on the terminal"), SOON, || {
            self.read();
            self.shown[self.seen..].find(text)
        });
        let length = found.unwrap_or_else(|error| self.fail(&error));
        let between = self.shown[self.seen..][..length].to_owned();
        self.seen += length + text.len();
        between
    }

    #[track_caller]
    fn fail(&mut self, error: &str) -> ! {
        self.read();
        let (seen, rest) = self.shown.split_at(self.seen);
        panic!("{error}; shown, with a bar behind what was waited for before:\n{seen}|{rest}")
    }

    /// All that has been shown.
    fn shown(&mut self) -> String {
        self.read();
        self.shown.clone()
    }

    fn read(&mut self) {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = nix::unistd::read(&self.master, &mut buffer) {
            self.shown.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    }

    fn resize(&self, rows: u16, columns: u16) {
        let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: the size is valid for the call.
        assert_eq!(unsafe { libc::ioctl(self.master.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) }, 0);
    }

    fn settings(&self) -> Termios {
        tcgetattr(&self.slave).unwrap()
    }
}
