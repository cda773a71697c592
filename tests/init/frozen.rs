//! A stderr that is a file, on a file system that stops: a frozen one, and a file server that does not
//! answer.

use crate::fuse::Server;
use crate::init::{Form, Launch};
use crate::probe::receiver;
use crate::records;
use crate::require::require;
use crate::running::{Running, children, status, wait_for};
use crate::trace::Trace;
use std::fs::{File, OpenOptions};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

in_both_forms! {
    a_frozen_file_system_keeps_no_signal_and_no_end
    a_file_server_that_hangs_keeps_no_signal_and_no_end
    a_file_server_that_is_told_of_closes_keeps_no_signal
    nobody_writes_when_there_is_nothing_to_write
    what_stderr_is_is_asked_before_the_fork_alone
}

/// A file system of its own on a loop device, thawed and unmounted at the end.
struct Volume(tempfile::TempDir);

impl Volume {
    fn new() -> Result<Volume, String> {
        let directory = tempfile::tempdir_in("/var/tmp").map_err(|error| error.to_string())?;
        let volume = Volume(directory);
        let image = volume.0.path().join("image");
        File::create(&image).and_then(|file| file.set_len(16 << 20)).map_err(|error| error.to_string())?;
        let mount = volume.mount();
        std::fs::create_dir(&mount).map_err(|error| error.to_string())?;
        volume.run("mkfs.ext4", &["-q".as_ref(), "-F".as_ref(), image.as_os_str()])?;
        volume.run("mount", &["-o".as_ref(), "loop".as_ref(), image.as_os_str(), mount.as_os_str()])?;
        Ok(volume)
    }

    fn mount(&self) -> std::path::PathBuf {
        self.0.path().join("mount")
    }

    fn run(&self, program: &str, args: &[impl AsRef<std::ffi::OsStr>]) -> Result<(), String> {
        let output =
            Command::new(program).args(args).output().map_err(|error| format!("{program}: {error}"))?;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        output.status.success().then_some(()).ok_or(format!("{program}: {told}"))
    }

    fn freeze(&self) {
        self.run("fsfreeze", &["--freeze".as_ref(), self.mount().as_os_str()]).unwrap();
    }

    fn thaw(&self) -> Result<(), String> {
        self.run("fsfreeze", &["--unfreeze".as_ref(), self.mount().as_os_str()])
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let _ = self.thaw();
        let _ = self.run("umount", &["-l".as_ref(), self.mount().as_os_str()]);
    }
}

fn appended(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).unwrap()
}

fn a_frozen_file_system_keeps_no_signal_and_no_end(form: Form) {
    let Some(volume) = require("a loop device with ext4 (root, e2fsprogs)", Volume::new()) else { return };
    let log = volume.mount().join("log");
    let running = Launch::new(form, receiver()).stderr(appended(&log)).start().ready();
    wait_for("the start record", || std::fs::read_to_string(&log).ok().filter(|text| text.ends_with("}\n")));
    volume.freeze();
    forwards_signals(&running);
    ends(&running, form);
    volume.thaw().unwrap();
    let ended = running.finish();
    assert_eq!(ended.code, Some(42));
    let text = std::fs::read_to_string(&log).unwrap();
    let kinds = records::kinds(&text);
    assert_eq!(kinds.first().map(String::as_str), Some("start"), "{text}");
}

/// Each of these makes a record.
fn forwards_signals(running: &Running) {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGQUIT] {
        running.signal(signal);
        running.stdout.wait_for(&format!("signal {signal}\n"));
    }
    let state = status(running.pid(), "State").unwrap();
    assert!(!state.starts_with('D'), "process 1 is held by the file system: {state}");
}

/// The end of PID 1 is the kernel's to wait for: no process of its namespace may be left, and the writer is
/// held.
fn ends(running: &Running, form: Form) {
    let epitaph = running.pid();
    let began = Instant::now();
    running.signal(libc::SIGUSR2);
    if form == Form::Subreaper {
        let end = wait_for("the end of epitaph", || {
            let state = status(epitaph, "State");
            state.is_none_or(|state| state.starts_with('Z')).then(|| began.elapsed())
        });
        assert!(end < Duration::from_secs(3), "the end took {end:?}");
    }
}

/// A program whose stderr is a file of this server; the server hangs after the `start` record.
fn on_a_server_that_hangs(form: Form, is_told_of_closes: bool) -> Option<(Server, Running)> {
    let server = require("FUSE (root, /dev/fuse)", Server::mount(is_told_of_closes))?;
    let running = Launch::new(form, receiver()).stderr(appended(&server.log())).start().ready();
    wait_for("the start record", || server.content().ends_with("}\n").then_some(()));
    server.hang();
    forwards_signals(&running);
    wait_for("the writer to be held", || server.holds_a_write().then_some(()));
    Some((server, running))
}

fn a_file_server_that_hangs_keeps_no_signal_and_no_end(form: Form) {
    let Some((server, running)) = on_a_server_that_hangs(form, false) else { return };
    ends(&running, form);
    server.go_on();
    assert_eq!(running.finish().code, Some(42));
    assert_eq!(records::kinds(&server.content()).first().map(String::as_str), Some("start"));
}

/// Every process that ends waits for such a server, the program too. Once it answers, the story is whole.
fn a_file_server_that_is_told_of_closes_keeps_no_signal(form: Form) {
    let Some((server, running)) = on_a_server_that_hangs(form, true) else { return };
    running.signal(libc::SIGUSR2);
    running.stdout.wait_for(&format!("signal {}\n", libc::SIGUSR2));
    server.go_on();
    assert_eq!(running.finish().code, Some(42));
    let text = server.content();
    assert_eq!(records::story(&text), ["start", "stop", "stop", "exit"], "{text}");
    assert_eq!(records::exit(&text)["records_lost"], 0, "{text}");
}

fn nobody_writes_when_there_is_nothing_to_write(form: Form) {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let running = Launch::new(form, receiver()).stderr(appended(&log)).start().ready();
    let init = running.pid();
    let alone = || (children(init).len() == 1).then_some(());
    wait_for("the program to be the only child", alone);
    running.signal(libc::SIGTERM);
    running.stdout.wait_for(&format!("signal {}\n", libc::SIGTERM));
    wait_for("the record", || std::fs::read_to_string(&log).ok().filter(|text| text.contains("\"stop\"")));
    wait_for("the program to be the only child again", alone);
    running.signal(libc::SIGUSR2);
    assert_eq!(running.finish().code, Some(42));
    let text = std::fs::read_to_string(&log).unwrap();
    assert_eq!(records::story(&text), ["start", "stop", "exit"], "{text}");
    let exit = records::exit(&text);
    assert_eq!((&exit["left"], &exit["records_lost"]), (&0.into(), &0.into()), "{text}");
}

/// A file server can stop answering as soon as the program runs, when PID 1 may not have had the CPU yet.
fn what_stderr_is_is_asked_before_the_fork_alone(form: Form) {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let launch = Launch::new(form, ["sh", "-c", "exit 7"]).stderr(appended(&log));
    let Some((trace, ended)) = Trace::of(launch) else { return };
    assert_eq!(ended.code, Some(7));
    let (before, after) = trace.looks_at_stderr(trace.epitaph());
    assert!(before > 0 && after == 0, "{before} before, {after} after");
    assert_eq!(records::kinds(&std::fs::read_to_string(&log).unwrap()), ["start", "exit"]);
}
