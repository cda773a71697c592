//! A memory cgroup that is full and has no OOM killer: whoever touches a new page sleeps until others give
//! memory back.

use crate::init::{Form, Launch};
use crate::probe::locked_receiver;
use crate::records;
use crate::require::require;
use crate::running::{send, status, wait_for};
use std::fs::{self, OpenOptions};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

in_both_forms! {
    a_full_cgroup_without_an_oom_killer_keeps_no_signal
}

/// Of version 1: version 2 has always an OOM killer.
struct Cgroup {
    path: PathBuf,
    hog: Option<Child>,
}

impl Cgroup {
    fn new() -> Result<Cgroup, String> {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("epitaph-test-full-{}-{number}", std::process::id());
        let cgroup = Cgroup { path: PathBuf::from("/sys/fs/cgroup/memory").join(name), hog: None };
        let told = |error: std::io::Error| format!("{}: {error}", cgroup.path.display());
        fs::create_dir(&cgroup.path).map_err(told)?;
        for (name, value) in [("memory.limit_in_bytes", "64M"), ("memory.oom_control", "1")] {
            fs::write(cgroup.path.join(name), value).map_err(told)?;
        }
        Ok(cgroup)
    }

    /// Words that put what follows into it.
    fn entered(&self) -> [String; 3] {
        let enter = format!("echo 0 >{}/cgroup.procs && exec \"$0\" \"$@\"", self.path.display());
        ["sh".into(), "-c".into(), enter]
    }

    /// Fills it up, with a process that waits for more.
    fn fill(&mut self) {
        let script = "ulimit -v 2000000; exec tail /dev/zero";
        let [sh, option, enter] = self.entered();
        let hog = Command::new(sh).args([&option, &enter, "sh", "-c", script]).stderr(Stdio::null()).spawn();
        self.hog = Some(hog.unwrap());
        wait_for("somebody to wait for memory", || {
            let control = fs::read_to_string(self.path.join("memory.oom_control")).unwrap();
            control.contains("under_oom 1").then_some(())
        });
    }

    fn empty(&mut self) {
        if let Some(mut hog) = self.hog.take() {
            hog.kill().unwrap();
            hog.wait().unwrap();
        }
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        self.empty();
        // Whoever is left in it can end then.
        let _ = fs::write(self.path.join("memory.limit_in_bytes"), "-1");
        let gone = || fs::remove_dir(&self.path).is_ok().then_some(());
        if std::thread::panicking() {
            let _ = gone();
        } else {
            wait_for("the cgroup to be empty", gone);
        }
    }
}

fn a_full_cgroup_without_an_oom_killer_keeps_no_signal(form: Form) {
    let Some(mut cgroup) = require("a memory cgroup of version 1 (root)", Cgroup::new()) else { return };
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let stderr = OpenOptions::new().create(true).append(true).open(&log).unwrap();
    let read = || fs::read_to_string(&log).unwrap();
    // A program that had to wait for memory would look as if its signal had been kept.
    let launch = Launch::new(form, locked_receiver()).within(cgroup.entered()).stderr(stderr);
    // So that the looks at a stuck program are tried too.
    let running = launch.env("EPITAPH_STUCK_AFTER", "1ms").start().ready();
    let init = running.pid();
    wait_for("the start record", || read().contains("\"start\"").then_some(()));
    // With that it has seen the cgroup.
    wait_for("memory that stays", || status(init, "VmLck").filter(|locked| locked != "0 kB"));
    cgroup.fill();
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGQUIT, libc::SIGUSR1] {
        send(init, signal);
        running.stdout.wait_for(&format!("signal {signal}\n"));
    }
    let state = status(init, "State").unwrap();
    assert!(!state.starts_with('D'), "process 1 waits for memory: {state}");
    assert!(!read().contains("\"stop\""), "no process can be made that writes");
    cgroup.empty();
    running.signal(libc::SIGUSR2);
    let ended = running.finish();
    assert_eq!(ended.code, Some(42), "{}", read());
    let mut story = records::story(&read());
    story.retain(|kind| kind != "stuck");
    assert_eq!(story, ["start", "stop", "stop", "exit"], "{}", read());
    assert_eq!(records::exit(&read())["records_lost"], 0, "{}", read());
}
