//! `--task-stats DUR`: the collector as the program of its container.

use crate::support::endpoint::{Endpoint, Fault, Figures, Task, Usage};
use crate::task::{Collector, epitaph, moving, v4};
use std::time::Duration;

const FIVE: [&str; 4] = ["-s", "--task-stats", "5s", "--identity-timeout=2s"];

#[test]
fn it_writes_at_each_tick_and_ends_with_0_at_a_stop() {
    let endpoint = Endpoint::start(moving(2));
    let mut collector = Collector::start(epitaph(v4(&endpoint), &FIVE));
    let start = collector.record("start");
    assert_eq!(start["program"], "epitaph");
    let first = collector.record("stats");
    assert_eq!((&first["container_name"], &first["window_ms"]), (&"server".into(), &1000.into()), "{first}");
    collector.record("task");
    let second = collector.record("stats");
    let window = second["window_ms"].as_u64().unwrap();
    assert!((4000..=20_000).contains(&window), "{second}");
    assert_eq!(second["cpu_milli"], 100, "{second}");
    assert_eq!(second["write_bytes"], window * 10, "{second}");
    let task = collector.record("task");
    // Both containers report the network of the task: 2000 bytes a second, once.
    assert_eq!(task["net_rx_bytes"], task["window_ms"].as_u64().unwrap() * 2, "{task}");
    let (code, rest) = collector.stop();
    assert_eq!(code, 0);
    let exit = crate::records::records(&rest.join("\n")).pop().unwrap();
    assert_eq!(
        (&exit["epitaph"], &exit["exit"]["code"], &exit["exit"]["verdict"]),
        (&"exit".into(), &0.into(), &"stopped".into())
    );
}

/// The records of the collector are in the journal of its own container, beside those of the PID 1 above it.
#[test]
fn the_journal_has_them_too() {
    let directory = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::start(moving(2));
    let journal = ["--journal", directory.path().to_str().unwrap(), "--records", "off"];
    let collector = Collector::start(epitaph(v4(&endpoint), &[&FIVE, journal.as_slice()].concat()));
    let own = endpoint.task().subject().unwrap().docker_id.clone();
    let read = || -> Option<Vec<serde_json::Value>> {
        let day = std::fs::read_dir(directory.path()).ok()?.next()?.ok()?.path();
        let files: Vec<_> = std::fs::read_dir(day).ok()?.flatten().map(|file| file.file_name()).collect();
        assert_eq!(files, [format!("{own}.jsonl").as_str()], "one container, one file");
        let text =
            std::fs::read_to_string(directory.path().read_dir().ok()?.next()?.ok()?.path().join(&files[0]))
                .ok()?;
        Some(crate::records::records(&text))
    };
    let has = |records: &Vec<serde_json::Value>, kind: &str, count: usize| {
        records.iter().filter(|record| record["epitaph"] == kind).count() == count
    };
    crate::support::process::wait_until("two ticks", Duration::from_secs(60), || {
        read().filter(|records| has(records, "task", 2))
    })
    .unwrap();
    let (code, said) = collector.stop();
    assert_eq!((code, said), (0, vec![]));
    let records = read().unwrap();
    let names: Vec<_> = records.iter().filter_map(|record| record["container_name"].as_str()).collect();
    assert!(names.contains(&"server") && names.contains(&"sidecar"), "{records:#?}");
    assert!(
        has(&records, "start", 1) && has(&records, "stop", 1) && has(&records, "exit", 1),
        "{records:#?}"
    );
}

#[test]
fn a_journal_that_is_away_is_one_warning_and_counted() {
    let endpoint = Endpoint::start(moving(2));
    let journal = ["--journal", "/proc/nonexistent"];
    let mut collector = Collector::start(epitaph(v4(&endpoint), &[&FIVE, journal.as_slice()].concat()));
    collector.record("task");
    let task = collector.record("task");
    // Two of `stats` and this one's predecessor.
    assert_eq!(task["records_lost"], 3, "{task}");
    collector.record("task");
    let seen = collector.seen.clone();
    let is_warning = |line: &&String| line.starts_with("[WARN") && line.contains("cannot be written");
    let warnings: Vec<_> = seen.iter().filter(is_warning).collect();
    assert_eq!(warnings.len(), 2, "one of PID 1's, and one of the collector's: {seen:#?}");
}

#[test]
fn what_becomes_of_a_sibling_is_told() {
    let endpoint = Endpoint::start(moving(2));
    let mut collector = Collector::start(epitaph(v4(&endpoint), &FIVE));
    collector.record("task");
    endpoint.update(|task| {
        task.containers[2].scripted.health = Some(("UNHEALTHY".into(), "connection refused\n".into()))
    });
    let health = collector.record("health");
    assert_eq!(
        (&health["container_name"], &health["outcome"], &health["code"]),
        (&"sidecar".into(), &"failed".into(), &1.into())
    );
    assert_eq!(health["output"], "connection refused");
    assert_eq!(health["container_id"], endpoint.task().containers[2].docker_id.as_str());
    endpoint.update(|task| {
        let sidecar = &mut task.containers[2];
        sidecar.known_status = "STOPPED".into();
        sidecar.scripted.exit_code = Some(137);
        sidecar.scripted.figures = Figures::YearOne;
    });
    let line = collector.wait_for(|line| line.contains("\"status\":\"STOPPED\""));
    let ended = crate::records::records(&line).remove(0);
    assert_eq!((&ended["container_name"], &ended["exit_code"]), (&"sidecar".into(), &137.into()));
    assert_eq!(ended.get("memory_usage"), None);
    assert_eq!(collector.record("task")["running"], 1);
}

#[test]
fn an_endpoint_that_goes_away_is_one_warning_and_one_more_when_it_is_back() {
    let endpoint = Endpoint::start(moving(2));
    let mut collector = Collector::start(epitaph(v4(&endpoint), &FIVE));
    collector.record("task");
    endpoint.set_fault(Some(Fault::Status(500)));
    let warning = collector.wait_for(|line| line.starts_with('['));
    assert!(warning.contains("no statistics of the task") && warning.contains("status 500"), "{warning}");
    // A second tick in vain says nothing.
    let asked = endpoint.requests().len();
    assert!(endpoint.wait_for_requests(asked + 1, Duration::from_secs(20)));
    endpoint.set_fault(None);
    let again = collector.wait_for(|line| line.starts_with('['));
    assert!(again.contains("are there again"), "{again}");
    collector.record("task");
}

#[test]
fn a_silent_endpoint_does_not_hold_the_stop() {
    let endpoint = Endpoint::start(moving(2));
    endpoint.set_fault(Some(Fault::Silent));
    let collector =
        Collector::start(epitaph(v4(&endpoint), &["-s", "--task-stats", "5s", "--identity-timeout=0"]));
    assert!(endpoint.wait_for_requests(1, Duration::from_secs(20)));
    let began = std::time::Instant::now();
    let (code, _) = collector.stop();
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(code, 0);
}

#[test]
fn without_an_endpoint_it_ends_with_3() {
    let mut collector =
        Collector::start(epitaph(None, &["-s", "--task-stats", "5s", "--identity-timeout=0"]));
    let line = collector.wait_for(|line| line.contains("ERROR"));
    assert!(line.contains("there is no endpoint of ECS here"), "{line}");
    assert_eq!(collector.record("exit")["exit"]["code"], 3);
}

#[test]
fn the_same_sample_is_not_told_twice() {
    let mut task = Task::fargate();
    let usage = Usage { interval: Duration::from_secs(1000), cgroup: 1, ..Usage::default() };
    task.containers[0].scripted.figures = Figures::Moving(usage);
    let endpoint = Endpoint::start(task);
    let mut collector = Collector::start(epitaph(v4(&endpoint), &FIVE));
    collector.record("task");
    let asked = endpoint.requests().len();
    assert!(endpoint.wait_for_requests(asked + 2, Duration::from_secs(20)));
    let (_, rest) = collector.stop();
    assert!(!rest.iter().any(|line| line.contains("\"epitaph\":\"stats\"")), "{rest:#?}");
}
