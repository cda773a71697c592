//! Docker cuts a line after 16 KiB, and so cuts a record behind a line that the program left open: real engines, and what
//! they have left.

use crate::engine::{IMAGE, SOON, engine, left_by};
use crate::parts::docker::{Container, Engine};
use crate::parts::require::require;
use crate::support::{Ran, inquest, inquest_reading};
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What the program leaves on an open line, in bytes: the cut is early in the record, amid it, and near its end.
const OPEN: [usize; 4] = [16_384 - 30, 16_384 - 131, 16_384 - 260, 16_384 - 390];

fn run<'a>(engine: &'a Engine, driver: &str) -> Vec<Container<'a>> {
    let option = format!("--log-driver={driver}");
    let containers: Vec<Container<'_>> = OPEN
        .iter()
        .map(|bytes| {
            let program = format!("head -c {bytes} /dev/zero | tr '\\0' y >&2; exit 3");
            engine.run(IMAGE, &[&option], &["sh", "-c", &program])
        })
        .collect();
    for container in &containers {
        assert_eq!(container.wait(SOON), 3);
    }
    containers
}

/// Both records of a container came through whole.
fn assert_both(ran: &Ran, what: &str) {
    let records: Vec<Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).expect("a record")).collect();
    let kinds: Vec<&Value> = records.iter().map(|record| &record["epitaph"]).collect();
    assert_eq!(kinds, ["start", "exit"], "{what}: {ran:?}");
    assert_eq!((&records[1]["exit"]["code"], &records[1]["exit"]["verdict"]), (&3.into(), &"failed".into()));
    assert_eq!(records[0]["run"], records[1]["run"], "{what}");
    assert_eq!(ran.code, 0, "{what}: {ran:?}");
}

/// The exit record stands nowhere in one piece: else the test tests nothing.
fn assert_cut(bytes: &[u8], ran: &Ran, what: &str) {
    let exit = ran.stdout.lines().last().expect("a record");
    let escaped = Value::from(exit).to_string();
    for form in [exit, escaped.trim_matches('"')] {
        assert!(memchr::memmem::find(bytes, form.as_bytes()).is_none(), "{what}: not cut");
    }
}

#[test]
fn the_files_of_docker_are_joined() {
    let Some(engine) = engine() else { return };
    for driver in ["json-file", "local"] {
        for container in run(engine, driver) {
            let path = left_by(engine, &container);
            let ran = inquest(&["records", "--who", container.id(), path.to_str().expect("UTF-8")]);
            assert_both(&ran, driver);
            let log = match driver {
                "local" => path.join("local-logs/container.log"),
                _ => path.join(format!("{}-json.log", container.id())),
            };
            assert_cut(&std::fs::read(log).expect("a log"), &ran, driver);
        }
    }
}

#[test]
fn the_journal_is_joined_in_each_of_its_forms() {
    let Some(_journald) = require("systemd-journald", Journald::start()) else { return };
    let Some(engine) = engine() else { return };
    for container in run(engine, "journald") {
        for form in ["export", "json", "json-pretty", "short-iso-precise", "cat"] {
            let matching = format!("CONTAINER_ID_FULL={}", container.id());
            let text = Command::new("journalctl")
                .args(["--all", "--no-pager", "--output", form, &matching])
                .output()
                .expect("journalctl");
            let ran = inquest_reading(&["records", "-"], &text.stdout);
            assert_both(&ran, form);
            assert_cut(&text.stdout, &ran, form);
        }
    }
}

/// The journal of this machine, or one that is started where there is none.
struct Journald(Option<Child>);

impl Journald {
    fn start() -> Result<Journald, String> {
        const SOCKET: &str = "/run/systemd/journal/socket";
        let program = "/lib/systemd/systemd-journald";
        if Path::new(SOCKET).exists() {
            return Ok(Journald(None));
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
        let journald = Journald(Some(child));
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
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
            for left in ["/run/systemd/journal", "/run/log/journal"] {
                let _ = std::fs::remove_dir_all(left);
            }
        }
    }
}
