//! Every way to die, on real kernels: cgroup v1 under a Docker engine, and v2 in a virtual machine with
//! either kind of cgroup namespace. And the journal, with many that write to it and with nobody that can.

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "../support/records.rs"]
mod records;
#[path = "../support/running.rs"]
mod running;
#[path = "../support/mod.rs"]
mod support;

mod case;
mod cases;
mod document;
mod engine;
mod family;
mod found;
mod journal;
mod keys;
mod machine;

use case::Case;
use cases::CASES;
use found::{Place, check_all};
use machine::Namespace;

/// What a container is started with: epitaph, or a shell that becomes epitaph.
fn command_line(case: &Case) -> Vec<&'static str> {
    let mut line = vec!["/epitaph"];
    line.extend(case.options);
    line.push("--");
    line.extend(case.program);
    if let Some(before) = case.before {
        let script: String = format!("{before}; exec \"$@\"");
        line.splice(0..0, ["sh", "-c", script.leak(), "sh"]);
    }
    line
}

#[test]
fn no_wrong_verdict_on_v1() {
    let Some(found) = engine::run() else { return };
    check_all(found, Place::V1);
}

#[test]
fn no_wrong_verdict_on_v2_in_a_private_namespace() {
    let Some(run) = machine::run(Namespace::Private) else { return };
    check_all(&run.found, Place::V2Private);
}

#[test]
fn no_wrong_verdict_on_v2_in_the_hosts_namespace() {
    let Some(run) = machine::run(Namespace::Host) else { return };
    check_all(&run.found, Place::V2Host);
}

/// On the other processor: the file for it, and a kernel for it.
#[test]
fn no_wrong_verdict_on_arm64() {
    let Some(run) = machine::run_on_arm64() else { return };
    check_all(&run.found, Place::V2Private);
    assert!(run.found.iter().flatten().count() > 10, "{} cases", run.found.len());
    assert!(run.askers.iter().all(|name| name != "epitaph"), "{:?}", run.askers);
    assert_eq!(run.wake_ups, 0, "wake-ups in 5 s");
}

/// `docs/verdicts.md` says what was found. With `EPITAPH_TEST_WRITE_DOCS=1` it is written.
#[test]
fn the_document_is_what_was_found() {
    let Some(v1) = engine::run() else { return };
    let Some(private) = machine::run(Namespace::Private) else { return };
    let Some(host) = machine::run(Namespace::Host) else { return };
    let text = document::render([v1, &private.found, &host.found]);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/verdicts.md");
    if std::env::var_os(document::WRITE).is_some_and(|set| set == "1") {
        std::fs::write(path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(committed, text, "{path} is old: {}=1 writes it anew", document::WRITE);
}

/// From the kernel's own word of a kill to the `time` of the record.
#[test]
fn a_kill_is_recorded_within_100_ms_on_v2() {
    for namespace in [Namespace::Private, Namespace::Host] {
        let Some(run) = machine::run(namespace) else { return };
        let mut delays = Vec::new();
        for (case, found) in CASES.iter().zip(&run.found) {
            if !case.records.contains(&"oom_kill") {
                continue;
            }
            let record = case::record(&found.as_ref().unwrap().records(), "oom_kill");
            let time = humantime::parse_rfc3339(record["time"].as_str().unwrap()).unwrap();
            let time = time.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
            // The record's time is in whole milliseconds, rounded down.
            let before = |kill: &&u64| u128::from(**kill) / 1000 <= time;
            let kill = *run.kills.iter().rfind(before).expect("a kill before its record");
            delays.push((time - u128::from(kill) / 1000, case.name));
        }
        println!("{namespace:?}: {delays:#?}");
        assert!(delays.len() >= 7 && delays.iter().all(|(ms, _)| *ms <= 100), "{delays:#?}");
    }
}

/// A cgroup that is full is no place to ask for memory: the kernel would kill for it.
#[test]
fn epitaph_makes_the_kernel_kill_nobody_on_v2() {
    for namespace in [Namespace::Private, Namespace::Host] {
        let Some(run) = machine::run(namespace) else { return };
        let askers = &run.askers;
        assert!(
            askers.len() >= 7 && askers.iter().all(|name| name != "epitaph"),
            "{namespace:?}: {askers:?}"
        );
    }
}

#[test]
fn idle_with_a_limit_never_wakes_up_on_v2() {
    for namespace in [Namespace::Private, Namespace::Host] {
        let Some(run) = machine::run(namespace) else { return };
        assert_eq!(run.wake_ups, 0, "{namespace:?}: wake-ups in 5 s");
    }
}

#[test]
fn idle_with_a_limit_wakes_up_once_in_10_s_at_most_on_v1() {
    let Some(wake_ups) = engine::idle_wake_ups() else { return };
    assert!(wake_ups <= 1, "{wake_ups} wake-ups in 9.9 s");
}
