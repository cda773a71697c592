//! `--since` reads no file that was last written too long before, and tells the same as if it had.

use crate::support::{ID, inquest, record};
use serde_json::{Value, json};
use std::fs::File;
use std::path::Path;
use std::time::{Duration, SystemTime};

const DAY: u64 = 86_400;

/// Writes `lines`, and says that it was so many days after 2026-11-23 17:00.
fn write(folder: &Path, name: &str, day: u64, lines: &[Value]) {
    let path = folder.join(name);
    let text: String = lines.iter().map(|line| line.to_string() + "\n").collect();
    std::fs::write(&path, text).expect("a file");
    // The seconds since 1970 of that time.
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_453_200 + day * DAY);
    File::options().append(true).open(&path).and_then(|file| file.set_modified(time)).expect("a time");
}

fn at(kind: &str, container: &str, day: u64, more: Value) -> Value {
    let mut line = record(kind, container, 0, more);
    line["time"] = format!("2026-11-{:02}T17:00:00.000Z", 23 + day).into();
    line
}

fn exit(days: u64) -> Value {
    json!({"exit": {"code": 1, "verdict": "failed", "why": "x", "runtime_ms": days * DAY * 1000}})
}

/// What is said with `--verbose`, beside the list.
fn asked(folder: &Path, options: &[&str]) -> (String, String) {
    let mut arguments = vec!["list", "--verbose", "--since", "2026-11-29T00:00:00Z"];
    arguments.extend(options);
    arguments.push(folder.to_str().expect("UTF-8"));
    let ran = inquest(&arguments);
    (ran.stdout, ran.stderr)
}

#[test]
fn what_is_too_old_is_not_read() {
    let folder = tempfile::tempdir().expect("a directory");
    let other = "5".repeat(64);
    write(folder.path(), "old.log", 1, &[at("exit", &other, 1, exit(0))]);
    // It began on the day before, and its first log was written last on that day.
    write(folder.path(), "a.log.1", 5, &[at("start", ID, 5, json!({"program": "serve"}))]);
    write(folder.path(), "a.log", 6, &[at("exit", ID, 6, exit(1))]);
    let (list, notes) = asked(folder.path(), &[]);
    assert!(notes.contains("1 file not read: written before what --since asks for"), "{notes}");
    assert!(
        notes.contains("read 2 files") && notes.contains("a.log.1") && !notes.contains("old.log"),
        "{notes}"
    );
    assert!(list.contains("1 life of 1 task"), "{list}");
    // What certificates tell of is found at any time.
    for all in [["--format", "html"], ["--around", ID]] {
        let (_, notes) = asked(folder.path(), &all);
        assert!(notes.contains("read 3 files"), "{all:?}: {notes}");
    }
}

#[test]
fn what_a_late_life_began_with_is_read_however_old_it_is() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path();
    write(path, "a.log.2", 0, &[at("start", ID, 0, json!({"program": "serve"}))]);
    write(path, "a.log.1", 2, &[at("oom_kill", ID, 2, json!({"victim": {"name": "x", "pid": 7}}))]);
    // First with an exit that tells when it began, then with a record that does not.
    for late in [at("exit", ID, 6, exit(6)), at("memory_pressure", ID, 6, json!({}))] {
        write(path, "a.log", 6, &[late]);
        let (list, notes) = asked(path, &["--format", "json"]);
        assert!(notes.contains("read 3 files") && !notes.contains("not read"), "{notes}");
        let all = inquest(&["list", "--format", "json", path.to_str().expect("UTF-8")]);
        assert_eq!(list, all.stdout);
    }
}
