//! Docker cuts a line after 16 KiB, and so cuts a long line of the program, and a record behind a line that
//! the program left open: real engines, and what they have left.

use crate::engine::{IMAGE, SOON, engine, left_by};
use crate::parts::docker::{Container, Engine};
use crate::parts::require::require;
use crate::support::{Ran, inquest, inquest_reading, lives_of};
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A record as epitaph wrote it before its records began with a line end of their own.
const RECORD: &str = r#"{"epitaph":"exit","schema":1,"time":"2026-11-23T17:02:10.691Z","pid":6,"exit":{"code":137,"signal":"SIGKILL","verdict":"oom_killed","why":"The kernel's OOM killer took the program.","runtime_ms":78},"program":"serve","container_name":"server","family":"shop-web","revision":"26","hostname":"ip-10-0-2-100"}"#;

/// What the program leaves on an open line, in bytes: the cut is early in the record, amid it, and near its
/// end.
const OPEN: [usize; 4] = [16_384 - 30, 16_384 - 70, 16_384 - 190, 16_384 - 290];

fn run<'a>(engine: &'a Engine, driver: &str) -> Vec<Container<'a>> {
    let option = format!("--log-driver={driver}");
    let record = format!("--env=RECORD={RECORD}");
    let containers: Vec<Container<'_>> = OPEN
        .iter()
        .map(|bytes| {
            let program =
                format!("head -c {bytes} /dev/zero | tr '\\0' y >&2; printf '%s\\n' \"$RECORD\" >&2; exit 3");
            engine.run(IMAGE, &[&option, &record, "--entrypoint=sh"], &["-c", &program])
        })
        .collect();
    for container in &containers {
        assert_eq!(container.wait(SOON), 3);
    }
    containers
}

/// The record came through whole, and stood nowhere in one piece: else the test tests nothing.
fn assert_joined(ran: &Ran, log: &[u8], what: &str) {
    assert_eq!((ran.stdout.trim_end(), ran.code), (RECORD, 0), "{what}: {ran:?}");
    let escaped = Value::from(RECORD).to_string();
    for form in [RECORD, escaped.trim_matches('"')] {
        assert!(memchr::memmem::find(log, form.as_bytes()).is_none(), "{what}: it was not cut");
    }
}

#[test]
fn the_files_of_docker_are_joined() {
    let Some(engine) = engine() else { return };
    for driver in ["json-file", "local"] {
        for container in run(engine, driver) {
            let path = left_by(engine, &container);
            let ran = inquest(&["records", path.to_str().expect("UTF-8")]);
            let log = match driver {
                "local" => path.join("local-logs/container.log"),
                _ => path.join(format!("{}-json.log", container.id())),
            };
            assert_joined(&ran, &std::fs::read(log).expect("a log"), driver);
            // What the engine's command prints has no line end where it was cut, and with `-t` a time.
            let mut command = engine.command();
            let logs =
                command.args(["logs", "--timestamps", container.id()]).output().expect("docker").stderr;
            assert_joined(&inquest_reading(&["records", "-"], &logs), &logs, "docker logs -t");
        }
    }
}

#[test]
fn the_journal_is_joined_in_each_of_its_forms() {
    let Some(_journald) = require("systemd-journald", Journald::start()) else { return };
    let Some(engine) = engine() else { return };
    for container in run(engine, "journald") {
        for form in ["export", "json", "json-pretty", "short-iso-precise", "cat"] {
            let text = journalctl(form, container.id());
            let ran = inquest_reading(&["records", "-"], &text);
            assert_joined(&ran, &text, form);
        }
    }
}

/// What stands in the certificate as the last lines, without their times.
fn last_lines(id: &str, log: &[u8]) -> Vec<String> {
    let ran = inquest_reading(&["--format", "json", id], log);
    let lines = lives_of(&ran)[0]["last_lines"].as_array().cloned().unwrap_or_default();
    lines.iter().map(|line| line["text"].as_str().expect("a text").to_owned()).collect()
}

#[test]
fn a_long_line_is_one_of_the_last_ones() {
    let Some(_journald) = require("systemd-journald", Journald::start()) else { return };
    let Some(engine) = engine() else { return };
    // Others before it, so that parts of it would take their places. On stderr, as the records are: the
    // engine reads the two streams apart.
    let program = "exec 1>&2; for i in 1 2 3 4 5 6 7 8; do echo line $i; done; \
                   printf BEGIN; head -c 40000 /dev/zero | tr '\\0' y; echo END; echo after; exit 3";
    let check = |what: &str, id: &str, log: &[u8]| {
        let lines = last_lines(id, log);
        let beginnings: Vec<&str> = lines.iter().map(|line| line.get(..6).unwrap_or(line)).collect();
        let expected = [
            "line 1", "line 2", "line 3", "line 4", "line 5", "line 6", "line 7", "line 8", "BEGINy", "after",
        ];
        assert_eq!(beginnings, expected, "{what}");
    };
    for driver in ["json-file", "journald"] {
        let option = format!("--log-driver={driver}");
        let container = engine.run(IMAGE, &[&option], &["sh", "-c", program]);
        assert_eq!(container.wait(SOON), 3);
        if driver == "json-file" {
            let path = left_by(engine, &container).join(format!("{}-json.log", container.id()));
            check(driver, container.id(), &std::fs::read(path).expect("a log"));
            continue;
        }
        for form in ["export", "json", "short-iso-precise", "short", "cat"] {
            check(form, container.id(), &journalctl(form, container.id()));
        }
    }
}

fn journalctl(form: &str, id: &str) -> Vec<u8> {
    let matching = format!("CONTAINER_ID_FULL={id}");
    let mut command = Command::new("journalctl");
    command.args(["--all", "--no-pager", "--output", form, &matching]);
    command.output().expect("journalctl").stdout
}

/// The journal of this machine, or one that is started where there is none. A machine has one, so that a test
/// waits until another one has ended it.
struct Journald {
    started: Option<Child>,
    _one: MutexGuard<'static, ()>,
}

impl Journald {
    fn start() -> Result<Journald, String> {
        const SOCKET: &str = "/run/systemd/journal/socket";
        static ONE: Mutex<()> = Mutex::new(());
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let program = "/lib/systemd/systemd-journald";
        if Path::new(SOCKET).exists() {
            return Ok(Journald { started: None, _one: one });
        }
        if !Path::new(program).exists() {
            return Err("it is not installed (systemd)".to_owned());
        }
        let child = Command::new(program)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())?;
        let journald = Journald { started: Some(child), _one: one };
        let begun = Instant::now();
        while !Path::new(SOCKET).exists() {
            if begun.elapsed() > SOON {
                return Err("it does not get ready".to_owned());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(journald)
    }
}

impl Drop for Journald {
    fn drop(&mut self) {
        if let Some(child) = &mut self.started {
            let _ = child.kill();
            let _ = child.wait();
            for left in ["/run/systemd/journal", "/run/log/journal"] {
                let _ = std::fs::remove_dir_all(left);
            }
        }
    }
}
