//! Every shape of every witness, from files of our own making: `tests/fixtures/inquest/witness/`.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use std::fmt::Write;
use std::path::{Path, PathBuf};

const TASK: &str = "9d4f1c7ab2e84c0f8a35d6e17b20c493";
const CONTAINER: &str = "408255f9fa1366c2f0d2a1b7e4c95830d17c6ba94e2f85031c7d9ab0e64f2d18";

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/inquest/witness")
}

/// The statements in a file, as a reader that finds its values and lines gets them.
fn statements(name: &str) -> Vec<Statement> {
    statements_in(&fixtures().join(name))
}

fn statements_in(path: &Path) -> Vec<Statement> {
    let name = path.file_name().unwrap().to_str().unwrap();
    let bytes = std::fs::read(path).unwrap();
    let mut pair = KernelPair::default();
    let mut found = Vec::new();
    if name.ends_with(".json") || name.ends_with(".jsonl") {
        for value in serde_json::Deserializer::from_slice(&bytes).into_iter::<Value>() {
            found.extend(from_json(&value.unwrap()).into_iter().flat_map(|statement| pair.push(statement)));
        }
    } else {
        for line in bytes.split(|byte| *byte == b'\n') {
            found.extend(from_line(line).into_iter().flat_map(|statement| pair.push(statement)));
        }
    }
    found.extend(pair.finish());
    found
}

/// One statement for people: what differs from "not said", a line each.
fn described(statement: &Statement) -> String {
    let mut text = statement.kind.name().to_owned();
    let when = statement.time.map(|time| time.to_string());
    let when = when.or_else(|| statement.clock.map(|clock| format!("({clock:?})"))).unwrap_or("-".to_owned());
    let _ = write!(text, " {when}");
    let ids = [
        ("host", &statement.host),
        ("task", &statement.task_id),
        ("arn", &statement.task_arn),
        ("container", &statement.container_id),
        ("name", &statement.container_name),
    ];
    for (key, value) in ids {
        if let Some(value) = value {
            let _ = write!(text, " {key}={value}");
        }
    }
    if let Some(version) = statement.version {
        let _ = write!(text, " version={version}");
    }
    let what = format!("{:?}", statement.what);
    let mut said = what.clone();
    // What is not said would hide what is.
    while let Some(at) = said.find(": None") {
        let from = said[..at].rfind([' ', '{']).unwrap() + 1;
        let to = at + ": None".len();
        let to = if said[to..].starts_with(", ") { to + 2 } else { to };
        said.replace_range(from..to, "");
    }
    let _ = write!(text, "\n    {said}\n    {:?}\n", statement.text);
    text
}

#[test]
fn every_shape_says_what_it_says() {
    let mut names: Vec<String> = std::fs::read_dir(fixtures())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "expected.txt")
        .collect();
    names.sort();
    let mut actual = String::new();
    for name in &names {
        let _ = writeln!(actual, "== {name}");
        for statement in statements(name) {
            actual.push_str(&described(&statement));
        }
    }
    let path = fixtures().join("expected.txt");
    if std::env::var_os("EPITAPH_TEST_WRITE_DOCS").is_some() {
        std::fs::write(&path, &actual).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = expected.lines().zip(actual.lines()).find(|(expected, actual)| expected != actual);
    assert_eq!(differs, None, "write it anew with EPITAPH_TEST_WRITE_DOCS=1, and read what has changed");
    assert_eq!(expected.lines().count(), actual.lines().count());
}

/// The same kill is told by every form of the kernel's log.
#[test]
fn the_kernel_tells_the_same_in_every_form() {
    let names = [
        "kernel-dmesg.log",
        "kernel-dmesg-T.log",
        "kernel-dmesg-T-zh.log",
        "kernel-dmesg-x.log",
        "kernel-dmesg-iso.log",
        "kernel-journal-short.log",
        "kernel-journal-iso.log",
        "kernel-journal.jsonl",
        "kernel-syslog.log",
        "kernel-syslog-5424.log",
        "kernel-cat.log",
        "kernel-reversed.log",
    ];
    for name in names {
        let [statement] = &statements(name)[..] else { panic!("{name}") };
        let What::OomKill(kill) = &statement.what else { panic!("{name}: {statement:?}") };
        assert_eq!(
            (kill.pid, kill.name.as_deref(), kill.anon_rss),
            (Some(6220), Some("serve"), Some(15748 * 1024)),
            "{name}"
        );
        assert_eq!(kill.scope, OomScope::Cgroup, "{name}");
        assert_eq!(statement.task_id.as_deref(), Some(TASK), "{name}");
        assert_eq!(statement.container_id.as_deref(), Some(CONTAINER), "{name}");
        assert!(
            statement.text.starts_with("Memory cgroup out of memory: Killed"),
            "{name}: {}",
            statement.text
        );
    }
}

/// What a real kernel and a real engine wrote of one OOM kill: they name the same container, and agree on its
/// end.
#[test]
fn real_witnesses_of_one_kill_agree() {
    const KILLED: &str = "b2126bc457d4401292f7e9bf96465b533606a41f572b5b60e3cb844cff50ed02";
    let engine = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/inquest/engine");
    for name in ["dmesg.log", "dmesg-T.log", "dmesg-x.log"] {
        let [statement] = &statements_in(&engine.join("kernel").join(name))[..] else { panic!("{name}") };
        assert!(
            matches!(&statement.what, What::OomKill(kill) if kill.name.as_deref() == Some("sh")),
            "{name}"
        );
        assert_eq!(statement.container_id.as_deref(), Some(KILLED), "{name}");
        assert_eq!(statement.task_id.as_deref(), Some(TASK), "{name}");
    }
    // Another boot of the same machine, with two kills.
    assert_eq!(statements_in(&engine.join("kernel/journal-k.short")).len(), 2);
    let [inspected] = &statements_in(&engine.join("ecs-like-oom/oom1-inspect.json"))[..] else { panic!() };
    let What::ContainerExit(exit) = &inspected.what else { panic!("{inspected:?}") };
    assert_eq!((exit.code, exit.oom_killed), (Some(137), Some(true)));
    let events = statements_in(&engine.join("ecs-like-oom/docker-events.jsonl"));
    let of_killed = events.iter().filter(|statement| statement.container_id == inspected.container_id);
    let told: Vec<&What> = of_killed.map(|statement| &statement.what).collect();
    assert!(
        matches!(told[..], [What::Oom, What::ContainerExit(ContainerExit { code: Some(137), .. })]),
        "{told:?}"
    );
}

/// Two kills at once, told by two hosts in one file, are not mixed up.
#[test]
fn lines_of_two_hosts_are_kept_apart() {
    let told: Vec<_> = statements("kernel-two-hosts.log")
        .into_iter()
        .map(|statement| (statement.host, statement.container_id.is_some_and(|id| id == CONTAINER)))
        .collect();
    assert_eq!(told, [(Some("host-a".to_owned()), true), (Some("host-b".to_owned()), false)]);
}

/// A kill is not joined to the place of another one.
#[test]
fn what_does_not_belong_together_stays_apart() {
    let context =
        format!("[  100.000001] Task in /ecs/{TASK}/{CONTAINER} killed as a result of limit of /ecs/{TASK}");
    let killed = "Killed process 9 (sh) total-vm:8kB, anon-rss:4kB, file-rss:0kB, shmem-rss:0kB";
    for (late, joined) in [(false, true), (true, false)] {
        let mut pair = KernelPair::default();
        let mut found = Vec::new();
        let at = if late { "[  190.000001]" } else { "[  100.500001]" };
        for line in [context.clone(), format!("{at} {killed}")] {
            found.extend(from_line(line.as_bytes()).into_iter().flat_map(|statement| pair.push(statement)));
        }
        found.extend(pair.finish());
        assert_eq!(found.len(), if joined { 1 } else { 2 }, "{found:#?}");
        let named = found.iter().any(|statement| {
            let is_kill = matches!(&statement.what, What::OomKill(kill) if kill.pid == Some(9));
            is_kill && statement.container_id.is_some()
        });
        assert_eq!(named, joined);
    }
}

/// Each line and document that says something holds one of the needles that it is looked for by.
#[test]
fn the_needles_find_every_statement() {
    let has_needle = |text: &str| NEEDLES.iter().any(|needle| text.contains(needle));
    for entry in std::fs::read_dir(fixtures()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let text = std::fs::read_to_string(fixtures().join(&name)).unwrap();
        if name.ends_with(".json") {
            assert!(has_needle(&text), "{name}");
        } else if name.ends_with(".jsonl") {
            for line in
                text.lines().filter(|line| !from_json(&serde_json::from_str(line).unwrap()).is_empty())
            {
                assert!(has_needle(line), "{name}: {line}");
            }
        } else if name.ends_with(".log") || name.ends_with(".txt") && name != "expected.txt" {
            for line in text.lines().filter(|line| !from_line(line.as_bytes()).is_empty()) {
                assert!(has_needle(line), "{name}: {line}");
            }
        }
    }
}

/// What only looks like a witness says nothing.
#[test]
fn others_say_nothing() {
    for line in [
        "",
        "Killed process 5 (x)",
        "the watchdog says: Killed process 5 (x) after 3 s",
        "Kill process 5 (x) score",
        "Task in /home is done",
        "Tasks in /a are done",
        "oom-kill: it was the cat",
        "(service desk) is closed",
        "see (task 9d4f1c7a)",
        "level=info time=2026-11-23T17:02:10Z msg=\"stopping container\"",
        "2026-11-23T17:02:10Z container die of Docker",
        "2026-11-23T17:02:10Z [INFO] stopping container [x]",
    ] {
        assert_eq!(from_line(line.as_bytes()), [], "{line}");
    }
    for text in [
        "null",
        "[[[[[[[[[[]]]]]]]]]]",
        r#"{"status":"ok","id":"x","time":1}"#,
        r#"{"Type":"container","Action":"die","Actor":{"ID":"short"},"time":1}"#,
        r#"{"taskArn":"arn:aws:ecs:x:1:task/nobody","lastStatus":"STOPPED"}"#,
        r#"{"detail-type":"ECS Task State Change","detail":{"lastStatus":"STOPPED"}}"#,
        r#"{"eventSource":"ecs.amazonaws.com","eventName":"StopTask","requestParameters":{"task":"web"}}"#,
        r#"{"Id":"x","State":{"ExitCode":1}}"#,
        r#"{"level":"info","time":"2026-11-23T17:02:10Z","msg":"stopping container [x]"}"#,
    ] {
        assert_eq!(from_json(&serde_json::from_str(text).unwrap()), [], "{text}");
    }
}

/// Whatever a statement holds is in bounds, and its IDs are IDs.
fn check(statement: &Statement) {
    assert!(statement.text.len() <= TEXT_LIMIT, "{statement:?}");
    assert!(
        statement.task_id.as_deref().is_none_or(|id| ids::task(id).as_deref() == Some(id)),
        "{statement:?}"
    );
    assert!(statement.container_id.as_deref().is_none_or(|id| ids::container(id).is_some()), "{statement:?}");
    assert!(statement.time.is_none() || statement.clock.is_none(), "{statement:?}");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

    /// A line that is cut, or has some bytes changed, neither panics nor says what is out of bounds.
    #[test]
    fn damaged_lines(which in 0_usize..1000, cut in 0_usize..2000, at in 0_usize..2000, byte: u8) {
        let lines: Vec<Vec<u8>> = std::fs::read_dir(fixtures())
            .unwrap()
            .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
            .flat_map(|bytes| bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>())
            .collect();
        let mut line = lines[which % lines.len()].clone();
        line.truncate(cut.max(1));
        if let Some(place) = line.get_mut(at) {
            *place = byte;
        }
        let mut pair = KernelPair::default();
        for statement in from_line(&line).into_iter().flat_map(|statement| pair.push(statement)) {
            check(&statement);
        }
        pair.finish().iter().for_each(check);
        if let Ok(value) = serde_json::from_slice::<Value>(&line) {
            from_json(&value).iter().for_each(check);
        }
    }
}
