//! What is left open on stderr before a record: by a progress bar, or by a program that died amid a line.

use crate::{IMAGE, SOON, engine, records};
use serde_json::Value;
use std::process::Command;

/// What the program leaves open, and how.
const OPEN: [(&str, &str); 3] = [
    (
        "a progress bar",
        r"i=0; while [ $i -lt 50 ]; do printf 'progress %d%%\r' $i >&2; i=$((i+1)); done; exit 3",
    ),
    // Behind that much the driver would cut the record, at 16,384 bytes of the line.
    ("15 KB of a line", "head -c 15000 /dev/zero | tr '\\0' x >&2; kill -SEGV $$"),
    ("what looks like a record", r#"printf '{"epitaph":"exit","a":"' >&2; exit 3"#),
];

/// The lines of the container's stderr in what the driver has kept.
fn kept(engine: &crate::support::docker::Engine, driver: &str, script: &str) -> String {
    let container =
        engine.run(IMAGE, &["--log-driver", driver], &["/epitaph", "--", "/bin/sh", "-c", script]);
    container.wait(SOON);
    container.logs().stderr
}

#[test]
fn a_record_is_a_line_of_its_own_in_the_engines_logs() {
    let Some(engine) = engine() else { return };
    for driver in ["json-file", "local"] {
        for (what, script) in OPEN {
            let stderr = kept(engine, driver, script);
            let lines: Vec<&str> = stderr
                .split('\n')
                .filter(|line| line.starts_with("{\"epitaph\":\"exit\",\"schema\""))
                .collect();
            assert_eq!(lines.len(), 1, "{driver}, {what}: {stderr}");
            assert_eq!(records::kinds(lines[0]), ["exit"], "{driver}, {what}");
        }
    }
}

/// In the file itself each entry is one line of the container: what a collector reads that does not join them
/// again.
#[test]
fn a_record_is_one_entry_of_the_json_file() {
    let Some(engine) = engine() else { return };
    for (what, script) in OPEN {
        let container =
            engine.run(IMAGE, &["--log-driver=json-file"], &["/epitaph", "--", "/bin/sh", "-c", script]);
        container.wait(SOON);
        let path = container.inspect()["LogPath"].as_str().unwrap().to_owned();
        let file = std::fs::read_to_string(&path).unwrap();
        let entries: Vec<Value> = file.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let exits = entries.iter().filter_map(|entry| entry["log"].as_str());
        let exits: Vec<&str> =
            exits.filter(|log| log.starts_with("{\"epitaph\":\"exit\",\"schema\"")).collect();
        assert!(exits.len() == 1 && exits[0].ends_with("}\n"), "{what}: {entries:#?}");
        records::record(exits[0], "exit");
    }
}

/// The documented way to read them by hand, and its filter for a strict reader.
#[test]
fn empty_lines_are_nothing_to_jq() {
    let Some(jq) = crate::support::require::require("jq", crate::support::process::find_program("jq", "jq"))
    else {
        return;
    };
    let Some(engine) = engine() else { return };
    let stderr = kept(engine, "json-file", "exit 3");
    assert!(stderr.contains("\n\n"), "an empty line before the exit record: {stderr:?}");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &stderr).unwrap();
    let output = Command::new(jq).args(["-r", ".epitaph"]).arg(file.path()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "start\nexit\n", "{output:?}");
}
