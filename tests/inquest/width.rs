//! A certificate on a terminal of 80 columns.

use crate::support::{ID, command, fixture, ran, record};
use serde_json::json;
use unicode_width::UnicodeWidthStr;

/// What is longer and not to be broken: an ID or a path.
fn is_one_word(line: &str) -> bool {
    !line.trim().contains(' ')
}

fn at(width: &str, arguments: &[&str]) -> String {
    let mut command = command(arguments);
    command.env("COLUMNS", width);
    ran(command).stdout
}

#[test]
fn no_line_of_a_certificate_is_wider_than_the_terminal() {
    let directory = tempfile::tempdir().expect("a directory");
    let processes = json!([{"pid": 6, "ppid": 1, "name": "a-name-of-fifte", "state": "D", "wait_channel": "nfs_wait_bit_killable",
        "memory": 1_073_741_000_u64, "threads": 4_000_000}]);
    let why = "The kernel's OOM killer took the program: oom_kill rose from 0 to 1, and usage peaked at 32.0 MiB of 32.0 MiB.";
    let log = [
        record(
            "start",
            ID,
            0,
            json!({"program": "serve", "family": "shop", "image": "x".repeat(90), "hostname": "h"}),
        ),
        record("stuck", ID, 30, json!({"processes": processes})),
        record(
            "exit",
            ID,
            60,
            json!({"exit": {"code": 137, "verdict": "oom_killed", "why": why, "runtime_ms": 60_000}}),
        ),
    ]
    .map(|record| record.to_string() + "\n")
    .concat();
    std::fs::write(directory.path().join("a.log"), log).expect("a file");
    let path = directory.path().to_str().expect("UTF-8");
    let engine = fixture("engine");
    let other = "b21d5ec4aa6bba732d619abf46f31a294fd0f07aab27410f00293d91660e8452";
    for arguments in [[ID, path], [other, engine.to_str().expect("UTF-8")]] {
        let whole = at("1000", &arguments);
        assert!(whole.lines().any(|line| line.width() > 80), "{whole}");
        let folded = at("80", &arguments);
        for line in folded.lines() {
            assert!(
                line.width() <= 80 || is_one_word(line.get(16..).unwrap_or_default()),
                "{line}\n{folded}"
            );
        }
        // Nothing is lost, and nothing is broken within a word.
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(&folded), words(&whole));
    }
    assert!(at("80", &[ID, path]).contains("4000000"), "{}", at("80", &[ID, path]));
}
