//! Pages and pictures: whole in themselves, well-formed, and nothing of a log is markup in them.

use crate::support::{ID, command, inquest, ran, record, time};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

/// What a log may try.
const HOSTILE: &str = "</dd><script>alert(1)</script>\u{1b}[2J\u{202e}]]>\"'&<img src=x onerror=x>";

/// So many lives, a quarter of them taken by the OOM killer, with a hostile word in each.
pub fn write_lives(folder: &Path, number: u64) {
    let mut text = String::new();
    for life in 0..number {
        let container = format!("{life:064x}");
        let begun = life * 3;
        let mut add = |kind: &str, at: u64, more: Value| {
            let mut line = record(kind, &container, at, more);
            line["task_id"] = format!("{life:032x}").into();
            writeln!(text, "{line}").expect("a text");
        };
        add(
            "start",
            begun,
            json!({"program": "serve", "family": format!("shop-{}", life % 5), "revision": "26", "container_name": "server", "service": HOSTILE}),
        );
        let (verdict, oom) = if life % 4 == 0 { ("oom_killed", 1) } else { ("stopped", 0) };
        add("stop", begun + 8, json!({"signal": HOSTILE}));
        add(
            "exit",
            begun + 9,
            json!({"exit": {"code": 1, "verdict": verdict, "why": HOSTILE, "runtime_ms": 9000},
                "memory": {"limit": 33_554_432, "peak": 33_000_000, "oom_kills": oom}}),
        );
    }
    std::fs::write(folder.join("a.jsonl"), text).expect("a file");
}

fn drawn(folder: &Path, format: &str) -> String {
    let ran = inquest(&["timeline", "--format", format, folder.to_str().expect("UTF-8")]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran.stdout
}

/// Each tag that is opened is closed, in order: all that XML asks for of a document without entities of its
/// own.
fn is_well_formed(text: &str) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text.strip_prefix("<!DOCTYPE html>").unwrap_or(text);
    while let Some((before, after)) = rest.split_once('<') {
        if before.contains('>') && open.last() != Some(&"style") {
            return Err(format!("a bare > in {before:?}"));
        }
        let (tag, after) = after.split_once('>').ok_or("a tag is not closed")?;
        rest = after;
        match tag.strip_prefix('/') {
            Some(name) if open.pop() == Some(name) => {}
            Some(name) => return Err(format!("</{name}> closes nothing")),
            None if tag.ends_with('/') => {}
            None => open.push(tag.split_whitespace().next().unwrap_or_default()),
        }
    }
    if open.is_empty() { Ok(()) } else { Err(format!("open at the end: {open:?}")) }
}

#[test]
fn nothing_of_a_log_is_markup_and_nothing_is_loaded() {
    for number in [1, 50, 2100] {
        let folder = tempfile::tempdir().expect("a directory");
        write_lives(folder.path(), number);
        for format in ["html", "svg"] {
            let text = drawn(folder.path(), format);
            is_well_formed(&text).unwrap_or_else(|error| panic!("{number} {format}: {error}"));
            assert!(!text.contains("<script") && !text.contains("<img"), "{number} {format}");
            assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{number} {format}");
            for outside in ["src=", "@import", "url(h", "href=\"h", "<link", "<iframe", " on"] {
                let own = text
                    .replace(" onerror=x", "")
                    .replace(" only", "")
                    .replace(" one", "")
                    .replace(" on ", " ");
                let own = own.replace("src=x", "");
                assert!(!own.contains(outside), "{number} {format}: {outside}");
            }
        }
        let page = drawn(folder.path(), "html");
        assert!(page.contains("content=\"default-src 'none'; style-src 'unsafe-inline'"), "{number}");
        assert_eq!(page.contains("count ends by the minute"), number > 2_000, "{number}");
    }
}

#[test]
fn a_row_has_its_certificate_and_its_place_in_the_table() {
    let folder = tempfile::tempdir().expect("a directory");
    write_lives(folder.path(), 3);
    let page = drawn(folder.path(), "html");
    assert_eq!(page.matches("<details id=\"l").count(), 3);
    assert_eq!(page.matches("<dt>Verdict</dt>").count(), 3);
    for number in 1..=3 {
        assert!(page.contains(&format!("href=\"#l{number}\"")), "{number}");
    }
    assert!(page.contains(
        "started 17:00:00.000, stop signal 17:00:08.000, ended 17:00:09.000 oom_killed after 9.0s"
    ));
    // Of one task, too.
    let path = folder.path().to_str().expect("UTF-8");
    let one = inquest(&[&format!("{:032x}", 1), "--format", "html", path]);
    assert!(one.code == 0 && one.stdout.matches("<details id=\"l").count() == 1, "{one:?}");
}

#[test]
fn what_a_life_used_and_what_happened_in_it() {
    let folder = tempfile::tempdir().expect("a directory");
    let mut lines = vec![record("start", ID, 0, json!({"program": "serve"}))];
    for tick in 1..=9_u64 {
        let used = tick * 1_000_000;
        lines.push(record("stats", ID, tick * 60, json!({"memory_used": used, "memory_limit": 10_000_000, "cpu_milli": tick * 10, "cpu_limit_milli": 250})));
    }
    lines.push(record("health", ID, 100, json!({"outcome": "failed"})));
    lines.push(record("task", ID, 200, json!({"why": "ecs"})));
    lines.push(record("signal", ID, 300, json!({"signal": "SIGHUP"})));
    let text: String = lines.iter().map(|line| line.to_string() + "\n").collect();
    std::fs::write(folder.path().join("a.jsonl"), text).expect("a file");
    let page = drawn(folder.path(), "html");
    for drawn in ["class=\"me\"", "class=\"cp\"", "#m-h", "#m-t", "#m-g", "health check", "<dt>CPU used</dt>"]
    {
        assert!(page.contains(drawn), "{drawn}");
    }
    assert!(page.contains("977 KiB to 8.6 MiB of 9.5 MiB (n = 9)"), "{page}");
    assert!(page.contains("0.09 CPU at the end, 0.09 at most of 0.25 (n = 9)"), "{page}");
    let mut timeline = command(&["timeline", folder.path().to_str().expect("UTF-8")]);
    timeline.env("COLUMNS", "120");
    let text = ran(timeline).stdout;
    assert!(text.contains('█') && text.contains('¶') && text.contains("word on the task"), "{text}");
}

/// 5,000 lives are a page of less than 2 MB in less than 2 s of a processor; a debug build takes longer, and
/// is not timed.
#[test]
fn five_thousand_lives_are_a_page() {
    // The most that have a row each, and the most that there are to be.
    for number in [2_000, 5_000] {
        let folder = tempfile::tempdir().expect("a directory");
        write_lives(folder.path(), number);
        let begun = Instant::now();
        let page = drawn(folder.path(), "html");
        assert!(page.len() < 2_000_000, "{number}: {} bytes", page.len());
        assert!(begun.elapsed().as_secs() < 600, "{number}: {:?}", begun.elapsed());
    }
}

#[test]
fn a_clock_that_is_ahead_is_told_of() {
    let folder = tempfile::tempdir().expect("a directory");
    let line = record(
        "exit",
        ID,
        60,
        json!({"hostname": "ip-10-0-2-100", "exit": {"code": 1, "verdict": "failed", "why": "x", "runtime_ms": 1000}}),
    );
    // 17:01:00 by its own clock, and the store had it at 17:00:56.8.
    let at = 1_795_453_200_000_i64 + 60_000;
    assert_eq!(time(60), "2026-11-23T17:01:00.000Z");
    let event = json!({"events": [{"timestamp": at, "message": line.to_string(), "ingestionTime": at - 3_200, "logStreamName": "x"}]});
    std::fs::write(folder.path().join("a.json"), event.to_string()).expect("a file");
    let path = folder.path().to_str().expect("UTF-8");
    for (arguments, text) in [
        (["timeline", path], "The clock of ip-10-0-2-100 is at least 3.2s ahead (n = 1 life)"),
        ([ID, path], "Clock: at least 3.2s ahead"),
    ] {
        let ran = inquest(&arguments);
        assert!(ran.stdout.contains(text), "{ran:?}");
    }
    assert_eq!(crate::support::lives(folder.path())[0]["clock_ahead_ms"], 3200);
}
