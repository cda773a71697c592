//! A stderr that is a file, on a file system that stops.

use crate::init::{Form, Launch};
use crate::probe::receiver;
use crate::records;
use crate::require::require;
use crate::running::{children, status, wait_for};
use std::fs::{File, OpenOptions};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

in_both_forms! {
    a_frozen_file_system_keeps_no_signal_and_no_end
    nobody_writes_when_there_is_nothing_to_write
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
    let epitaph = running.pid();
    wait_for("the start record", || std::fs::read_to_string(&log).ok().filter(|text| text.ends_with("}\n")));
    volume.freeze();
    // Each but the last makes a record.
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGQUIT] {
        running.signal(signal);
        running.stdout.wait_for(&format!("signal {signal}\n"));
    }
    let state = status(epitaph, "State").unwrap();
    assert!(!state.starts_with('D'), "process 1 is held by the file system: {state}");
    let began = Instant::now();
    running.signal(libc::SIGUSR2);
    // The end of PID 1 is the kernel's to wait for: no process of its namespace may be left, and the writer is held.
    if form == Form::Subreaper {
        let end = wait_for("the end of epitaph", || {
            let state = status(epitaph, "State");
            state.is_none_or(|state| state.starts_with('Z')).then(|| began.elapsed())
        });
        assert!(end < Duration::from_secs(3), "the end took {end:?}");
    }
    volume.thaw().unwrap();
    let ended = running.finish();
    assert_eq!(ended.code, Some(42));
    let text = std::fs::read_to_string(&log).unwrap();
    let kinds = records::kinds(&text);
    assert_eq!(kinds.first().map(String::as_str), Some("start"), "{text}");
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
