//! The newcomer's first command does and shows what the README says of it.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

#[path = "../examples/ecs_task/cargo.rs"]
#[allow(dead_code)]
mod cargo;
mod support;

use serde_json::Value;
use std::process::Output;
use std::time::Duration;
use support::endpoint::Task;
use support::process;
use support::require::require;

/// It takes less than a second; cargo may have to build the example and the binary first.
const BOUND: Duration = Duration::from_secs(300);

fn example(arguments: &[&str]) -> Output {
    let mut words = ["run", "--quiet", "--example", "ecs_task"].map(str::to_owned).to_vec();
    words.extend(cargo::same_place(&std::env::current_exe().unwrap()));
    let mut command = cargo::command(&words);
    command.arg("--").args(arguments);
    // What the caller has set must not show.
    command.env("DOCKER_CONTAINER_ID", "of-the-caller").env("EPITAPH_RECORDS", "off");
    process::output(&mut command, BOUND).unwrap()
}

/// What it printed on stdout, and on stderr but for what cargo says.
fn lines(output: &Output) -> (Vec<String>, Vec<String>) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "it ended with {} and said:\n{said}", output.status);
    let lines =
        |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap().lines().map(str::to_owned).collect();
    (lines(&output.stdout), lines(&output.stderr))
}

/// Checks what is the same in a PID namespace and out of it.
fn check(shown: &[String]) {
    let task = Task::default();
    let has = |line: &str| shown.iter().any(|shown| shown.trim() == line);
    let id = &task.subject().unwrap().docker_id;
    for expected in [
        format!("DOCKER_CONTAINER_ID={id}"),
        format!("ECS_TASK_ARN={}", task.arn),
        "epitaph:           start".to_owned(),
        format!("container_id:      {id}"),
        "epitaph:      exit".to_owned(),
        format!("container_id: {id}"),
        "code:         3".to_owned(),
        "verdict:      failed".to_owned(),
        "reaped:       1".to_owned(),
        "exit.verdict: stopped".to_owned(),
        "exit.code:    137".to_owned(),
    ] {
        assert!(has(&expected), "no line {expected:?} in\n{}", shown.join("\n"));
    }
    assert!(has("exit.verdict: killed") || has("exit.verdict: oom_suspected"), "{}", shown.join("\n"));
    let (orphan, epitaph) = orphan(shown);
    assert!(has(&format!("process {orphan} has ended and has been reaped")));
    assert!(has(&format!("[WARN epitaph ({epitaph})] reaped process {orphan}")));
    for line in shown {
        assert!(!line.contains('\x1b'), "a colour where there is no terminal: {line:?}");
        // An ARN and a path are as long as they are.
        assert!(line.chars().count() <= 100 || line.contains('/'), "too long: {line}");
    }
}

/// The process IDs of the orphan and of the parent that it got.
fn orphan(lines: &[String]) -> (u32, u32) {
    let told = lines.iter().find_map(|line| {
        let (orphan, parent) =
            line.trim().strip_prefix("process ")?.split_once(" is an orphan, its parent is now process ")?;
        Some((orphan.parse().unwrap(), parent.parse().unwrap()))
    });
    told.unwrap_or_else(|| panic!("nothing of an orphan in\n{}", lines.join("\n")))
}

#[test]
fn shows_what_epitaph_does_as_pid_1() {
    let (shown, _) = lines(&example(&[]));
    check(&shown);
    let (_, epitaph) = orphan(&shown);
    let has_namespace = shown.iter().any(|line| line.trim_start().starts_with("unshare "));
    assert_eq!(epitaph == 1, has_namespace);
    let reason = shown.iter().find(|line| line.contains("not as PID 1")).cloned().unwrap_or_default();
    let _: Option<()> = require("a PID namespace", has_namespace.then_some(()).ok_or(reason));
}

#[test]
fn shows_it_without_a_pid_namespace_too() {
    let (shown, _) = lines(&example(&["--subreaper"]));
    check(&shown);
    assert_ne!(orphan(&shown).1, 1);
    assert!(shown.iter().all(|line| !line.trim_start().starts_with("unshare ")));
}

/// What inquest says of the three containers is checked by the example itself.
#[test]
fn inquest_reads_what_the_containers_have_left() {
    let (shown, _) = lines(&example(&["--inquest"]));
    let certificates = shown.iter().filter(|line| line.trim_start().starts_with("Verdict: ")).count();
    // Of a container that was started again, the newest run has one.
    assert_eq!(certificates, 1, "{}", shown.join("\n"));
    assert!(shown.iter().any(|line| line.contains("3 lives of 1 task")), "{}", shown.join("\n"));
}

/// The figures, the verdicts and the sidecar's records are checked by the example itself.
#[test]
fn the_statistics_of_a_task_and_a_leak() {
    let output = example(&["--stats"]);
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("this machine gives none") {
        let _: Option<()> = require("a memory cgroup", Err(said.trim().to_owned()));
        return;
    }
    let (shown, _) = lines(&output);
    let has = |text: &str| shown.iter().any(|line| line.contains(text));
    for text in
        ["exit.verdict:      oom_killed", "exit.memory_trend: [", "exit.verdict: stopped", "CONTAINER  CPU"]
    {
        assert!(has(text), "no {text:?} in\n{}", shown.join("\n"));
    }
    for line in shown {
        assert!(
            line.chars().count() <= 100 || line.contains('/') || line.contains("uptime_ms"),
            "too long: {line}"
        );
    }
}

#[test]
fn raw_is_what_was_printed_and_nothing_else() {
    let (stdout, stderr) = lines(&example(&["--raw"]));
    let task = Task::default();
    let (orphan, epitaph) = orphan(&stdout);
    let expected = [
        format!("DOCKER_CONTAINER_ID={}", task.subject().unwrap().docker_id),
        format!("ECS_TASK_ARN={}", task.arn),
        format!("process {orphan} is an orphan, its parent is now process {epitaph}"),
        format!("process {orphan} has ended and has been reaped"),
        "ready".to_owned(),
        "ready".to_owned(),
    ];
    assert_eq!(stdout, expected);
    // What cargo says of the build comes before.
    let first = stderr.iter().position(|line| line.starts_with('{')).unwrap_or(0);
    let mut kinds = Vec::new();
    // A record begins its line itself, so there are empty ones.
    for line in stderr.get(first..).unwrap().iter().filter(|line| !line.is_empty()) {
        if *line == format!("[WARN epitaph ({epitaph})] reaped process {orphan}") {
            kinds.push("reaped".to_owned());
            continue;
        }
        let record: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(record["task_arn"], task.arn);
        // Nothing waits for the answer to "who stopped me?".
        if record["epitaph"] == "task" {
            continue;
        }
        if record["epitaph"] != "stop" {
            let wait = record["network_wait_ms"].as_u64();
            // Our own start is known to 10 ms, the clock tick of /proc.
            assert!(wait.is_some_and(|wait| (2206..62_216).contains(&wait)), "{record}");
            assert_eq!(record["sources"]["started_at"], "computed", "as on a real start: {record}");
        }
        kinds.push(record["epitaph"].as_str().unwrap().to_owned());
    }
    assert_eq!(kinds, ["start", "reaped", "exit", "start", "stop", "exit", "start", "exit"]);
}

#[test]
fn an_unknown_option_is_one_line_and_a_failure() {
    let output = example(&["--nonsense"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let stderr = String::from_utf8(output.stderr).unwrap();
    let last = stderr.lines().last().unwrap_or_default();
    assert_eq!(last, "ecs_task: \"--nonsense\" is no option; --help shows what there is");
}

#[test]
fn the_binary_is_built_where_the_example_was() {
    let target = concat!(env!("CARGO_MANIFEST_DIR"), "/target");
    let musl = "aarch64-unknown-linux-musl";
    for (own, expected) in [
        (format!("{target}/debug/examples/ecs_task"), vec![]),
        (format!("{target}/release/examples/ecs_task"), vec!["--profile", "release"]),
        (format!("{target}/{musl}/debug/examples/ecs_task"), vec!["--target", musl]),
        (
            format!("/b/{musl}/dist/examples/ecs_task"),
            vec!["--profile", "dist", "--target", musl, "--target-dir", "/b"],
        ),
        ("/b/debug/deps/example-0123456789abcdef".to_owned(), vec!["--target-dir", "/b"]),
        ("/usr/bin/ecs_task".to_owned(), vec![]),
    ] {
        assert_eq!(cargo::same_place(own.as_ref()), expected, "{own}");
    }
}
