//! Lives against time, and those around one.

use crate::incomplete::{Heap, start};
use crate::remarks::event;
use crate::support::{ID, TASK, command, inquest, ran, record, time};
use serde_json::{Value, json};

/// An incident: a crash loop of three, a stop that hung and has no end, and one that goes on.
fn incident() -> tempfile::TempDir {
    let mut lines: Vec<Value> = Vec::new();
    let mut life = |id: char, family: &str, begun: u64, events: &[(&str, u64, Value)]| {
        let (container, task) = (id.to_string().repeat(64), id.to_string().repeat(32));
        let mut add = |kind: &str, second: u64, more: Value| {
            let mut line = record(kind, &container, second, more);
            line["task_id"] = task.as_str().into();
            lines.push(line);
        };
        let identity = json!({"program": "serve", "family": family, "revision": "26", "container_name": "server", "service": "shop"});
        add("start", begun, identity);
        for (kind, second, more) in events {
            add(kind, *second, more.clone());
        }
    };
    let oom = |end: u64, ran: u64| {
        let memory = json!({"limit": 33_554_432, "peak": 33_554_432, "oom_kills": 1});
        let exit = json!({"exit": {"code": 137, "signal": "SIGKILL", "verdict": "oom_killed", "why": "x", "runtime_ms": ran * 1000}, "memory": memory});
        vec![
            ("memory_pressure", end - 60, json!({})),
            ("oom_kill", end - 1, json!({"victim": {"name": "serve"}})),
            ("exit", end, exit),
        ]
    };
    for (id, begun) in [('a', 0), ('b', 310), ('c', 620)] {
        life(id, "shop-web", begun, &oom(begun + 300, 300));
    }
    life(
        'd',
        "worker",
        100,
        &[("stop", 700, json!({"signal": "SIGTERM"})), ("stuck", 710, json!({"processes": []}))],
    );
    life(
        'e',
        "quiet",
        2000,
        &[("exit", 9000, json!({"exit": {"code": 0, "verdict": "ok", "runtime_ms": 7_000_000}}))],
    );
    let folder = tempfile::tempdir().expect("a directory");
    let text: String = lines.iter().map(|line| line.to_string() + "\n").collect();
    std::fs::write(folder.path().join("a.jsonl"), text).expect("a file");
    let events = json!({"version": "0", "detail-type": "ECS Deployment State Change", "source": "aws.ecs", "time": time(5),
        "resources": ["arn:aws:ecs:eu-central-1:123456789012:service/default/shop"],
        "detail": {"eventType": "INFO", "eventName": "SERVICE_DEPLOYMENT_IN_PROGRESS", "deploymentId": "ecs-svc/1", "reason": "x"}});
    std::fs::write(folder.path().join("events.json"), events.to_string()).expect("a file");
    folder
}

fn shown(folder: &tempfile::TempDir, columns: &str, options: &[&str]) -> String {
    let mut arguments = vec!["timeline"];
    arguments.extend(options);
    arguments.push(folder.path().to_str().expect("UTF-8"));
    let mut command = command(&arguments);
    command.env("COLUMNS", columns);
    let ran = ran(command);
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.stdout
}

#[test]
fn a_row_for_each_life_with_what_happened() {
    let folder = incident();
    let text = shown(&folder, "100", &["--until", "2026-11-23T17:20:00Z"]);
    let rows: Vec<&str> = text.lines().collect();
    let of = |id: &str| *rows.iter().find(|row| row.contains(id)).unwrap_or_else(|| panic!("{id}: {text}"));
    for id in ["aaaaaa", "bbbbbb", "cccccc"] {
        let row = of(id);
        assert!(
            row.contains('├')
                && row.contains('◆')
                && row.contains("▲X ")
                && row.contains("oom_killed  5m00s"),
            "{row}"
        );
    }
    // One after the other.
    let begins: Vec<usize> =
        ["aaaaaa", "bbbbbb", "cccccc"].iter().map(|id| of(id).find('├').expect("a start")).collect();
    assert!(begins.is_sorted() && begins[0] < begins[2], "{text}");
    assert!(
        of("dddddd").contains("●") && of("dddddd").contains("┄?") && of("dddddd").contains("(killed?)"),
        "{text}"
    );
    assert!(!text.contains("eeeeee"), "it began later: {text}");
    assert!(rows[0].starts_with("2026-11-23 UTC") && rows[0].contains("17:05"), "{text}");
    assert!(rows[1].starts_with("ECS shop") && rows[1].ends_with("d deployment"), "{text}");
    assert!(
        text.contains("▲ OOM kill") && text.ends_with("4 lives of 4 tasks, 1 without an end\n"),
        "{text}"
    );
}

#[test]
fn it_is_as_wide_as_the_terminal() {
    let folder = incident();
    for columns in [60, 80, 100, 200] {
        let text = shown(&folder, &columns.to_string(), &[]);
        assert!(text.contains("d deployment"), "{columns}: {text}");
        for line in text.lines() {
            assert!(line.chars().count() <= columns, "{columns}: {} {line}", line.chars().count());
        }
    }
}

#[test]
fn it_can_be_drawn_with_ascii() {
    let text = shown(&incident(), "100", &["--ascii", "--verdict", "oom_killed"]);
    assert!(text.is_ascii() && text.contains("^X oom_killed"), "{text}");
}

#[test]
fn what_else_died_then() {
    let folder = incident();
    let path = folder.path().to_str().expect("UTF-8");
    let around = |within: &str, command: &str| {
        inquest(&[command, "--around", "bbbb", "--within", within, "--format", "csv", path]).stdout
    };
    for command in ["list", "timeline"] {
        // It ended at 17:10:10: the next one began then, and another was about to hang.
        let near = around("30s", command);
        assert!(["bbbb", "cccc", "dddd"].iter().all(|id| near.contains(id)), "{near}");
        assert!(!near.contains("aaaa") && !near.contains("eeee"), "{near}");
        assert!(around("10m", command).contains("aaaa"));
    }
    for (arguments, text) in [
        (["--around", "ffff", "--within", "5m"], "there is nothing about ffff here"),
        (["--around", "bbbb", "--within", "soon"], "no length of time \"soon\""),
    ] {
        let mut all = vec!["list"];
        all.extend(arguments);
        all.push(path);
        let ran = inquest(&all);
        assert!(ran.code == 2 && ran.stderr.contains(text), "{ran:?}");
    }
}

/// One moment, no time at all, and a life that is known by its end alone.
#[test]
fn there_is_always_something_to_draw() {
    let folder = tempfile::tempdir().expect("a directory");
    let exit = record("exit", ID, 5, json!({"exit": {"code": 1, "verdict": "failed", "why": "x"}}));
    std::fs::write(folder.path().join("a.jsonl"), exit.to_string() + "\n").expect("a file");
    let text = shown(&folder, "80", &[]);
    assert!(text.contains(&TASK[..6]) && text.contains('X'), "{text}");
    let nothing = tempfile::tempdir().expect("a directory");
    assert_eq!(inquest(&["timeline", nothing.path().to_str().expect("UTF-8")]).code, 1);
}

/// There is no exit record, and Docker's events tell when it died and with which code.
#[test]
fn an_end_by_the_word_of_the_engine() {
    let row = |code: &str| {
        let events = event(ID, 60, "die", json!({"exitCode": code}));
        let heap = Heap::new().container(ID, &[start(ID, 0)], 30).file("events.jsonl", &events);
        let text = inquest(&["timeline", "--ascii", heap.path().to_str().expect("UTF-8")]).stdout;
        let row = text.lines().find(|line| line.contains(&TASK[..6]));
        row.expect("a row").split_whitespace().skip(2).collect::<Vec<_>>().join(" ")
    };
    for (code, end) in [("0", ']'), ("4", 'X')] {
        let row = row(code);
        assert!(row.contains(end) && !row.contains('?') && row.contains("1m00s"), "{row}");
    }
}

/// The bar goes up to the engine's time, not to the last line of the log: beside one of two minutes it has
/// half of its length.
#[test]
fn a_bar_ends_where_the_engine_says() {
    let other = "b".repeat(64);
    let of_other = |kind: &str, second: u64, more: Value| {
        let mut line = record(kind, &other, second, more);
        line["task_id"] = "b".repeat(32).into();
        line
    };
    let exit = json!({"exit": {"code": 0, "verdict": "ok", "why": "x", "runtime_ms": 120_000}});
    let heap = Heap::new()
        .container(ID, &[start(ID, 0)], 10)
        .container(&other, &[of_other("start", 0, json!({})), of_other("exit", 120, exit)], 120)
        .file("events.jsonl", &event(ID, 60, "die", json!({"exitCode": "4"})));
    let text = inquest(&["timeline", "--ascii", heap.path().to_str().expect("UTF-8")]).stdout;
    let ends_at = |task: &str, end: char| {
        let row = text.lines().find(|line| line.contains(task)).expect("a row");
        let begin = row.find('|').expect("a start");
        row.rfind(end).expect("an end") - begin
    };
    let (own, other) = (ends_at(&TASK[..6], 'X'), ends_at("bbbbbb", ']'));
    assert!(own.abs_diff(other / 2) <= 1, "{own} of {other} columns:\n{text}");
}
