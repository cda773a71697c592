//! `--task-stats 0`: one look.

use crate::records::records;
use crate::support::endpoint::{Endpoint, Fault, Figures, Task};
use crate::task::{epitaph, moving, once, v4};
use serde_json::Value;

fn of<'a>(records: &'a [Value], name: &str) -> &'a Value {
    records
        .iter()
        .find(|record| record["container_name"] == name)
        .unwrap_or_else(|| panic!("{name}: {records:#?}"))
}

#[test]
fn all_containers_over_each_version_of_the_endpoint() {
    for cgroup in [1, 2] {
        let endpoint = Endpoint::start(moving(cgroup));
        for (variable, uri) in [
            ("ECS_CONTAINER_METADATA_URI_V4", endpoint.uri_v4()),
            ("ECS_CONTAINER_METADATA_URI", endpoint.uri_v3()),
        ] {
            let (out, err, code) = once(&mut epitaph(Some((variable, uri)), &["--task-stats", "0"]));
            assert_eq!((code, err.as_str()), (0, ""), "{variable}");
            let records = records(&out);
            let kinds: Vec<_> = records.iter().map(|record| record["epitaph"].as_str().unwrap()).collect();
            assert_eq!(kinds, ["stats", "stats", "task"], "{out}");
            let server = of(&records, "server");
            assert_eq!((&server["window_ms"], &server["cpu_milli"]), (&1000.into(), &100.into()), "{server}");
            assert_eq!(
                (&server["cpu_limit_milli"], &server["cpu_percent"]),
                (&250.into(), &40.into()),
                "{server}"
            );
            assert_eq!(server["memory_used"], (24 + 8 - 4) << 20, "{server}");
            assert_eq!(server["memory_anon"], 24 << 20, "{server}");
            assert_eq!(server["memory_limit"], 128 << 20, "{server}");
            assert_eq!(server["container_id"], endpoint.task().containers[1].docker_id.as_str());
            assert_eq!(server["task_arn"], endpoint.task().arn.as_str());
            // Docker tells the machine's memory for it; the task's limit applies.
            let sidecar = of(&records, "sidecar");
            assert_eq!(sidecar["memory_limit"], 512 << 20, "{sidecar}");
            let task = &records[2];
            assert_eq!((&task["containers"], &task["running"]), (&2.into(), &2.into()), "{task}");
            assert_eq!((&task["cpu_milli"], &task["cpu_percent"]), (&125.into(), &50.into()), "{task}");
            assert_eq!(task["memory_used"], (28 + 8) << 20, "{task}");
            assert_eq!(task.get("container_id"), None);
        }
    }
}

#[test]
fn on_fargate_a_limit_of_none_is_none() {
    let mut task = Task::fargate();
    task.containers[0].scripted.figures =
        Figures::Moving(crate::support::endpoint::Usage { cgroup: 1, ..Default::default() });
    task.containers[0].memory_limit = None;
    let endpoint = Endpoint::start(task);
    let (out, _, code) = once(&mut epitaph(v4(&endpoint), &["--task-stats", "0"]));
    assert_eq!(code, 0);
    let records = records(&out);
    assert_eq!(records[0]["memory_limit"], 512 << 20, "{out}");
    assert_eq!(records[0].get("pids"), None, "{out}");
    assert_eq!(records[1]["storage_used"], 319 << 20, "{out}");
}

#[test]
fn a_table_for_a_person() {
    let mut task = moving(2);
    task.containers[1].scripted.health = Some(("UNHEALTHY".into(), "no".into()));
    task.containers[2].name = "side\u{1b}[31mcar".into();
    let endpoint = Endpoint::start(task);
    let (out, _, code) = once(&mut epitaph(v4(&endpoint), &["--task-stats", "0", "--records", "text"]));
    assert_eq!(code, 0);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], "default / shop / shop-web", "{out}");
    assert!(lines[1].starts_with("CONTAINER"), "{out}");
    let server = lines[2];
    assert!(server.starts_with("server ") && server.ends_with("UNHEALTHY"), "{out}");
    assert!(
        server.contains("####...... 40% of 0.25") && server.contains("##........ 22%, 28.0 MiB of 128.0 MiB"),
        "{out}"
    );
    assert!(lines[3].starts_with("side\\u{1b}[31mcar"), "{out}");
    assert!(lines[4].starts_with("network since the start: received "), "{out}");
}

#[test]
fn without_an_endpoint_it_ends_with_3() {
    let (out, err, code) = once(&mut epitaph(None, &["--task-stats", "0"]));
    assert_eq!((code, out.as_str()), (3, ""), "{err}");
    assert!(err.contains("no endpoint of ECS answers here"), "{err}");
}

#[test]
fn whatever_the_endpoint_does_is_one_line_and_a_bound() {
    let endpoint = Endpoint::start(moving(2));
    for (name, _, _) in Fault::NAMES {
        let fault: Fault = name.parse().unwrap();
        endpoint.set_fault(Some(fault.clone()));
        let began = std::time::Instant::now();
        let (out, err, code) = once(&mut epitaph(v4(&endpoint), &["--task-stats", "0"]));
        assert!(began.elapsed() < std::time::Duration::from_secs(10), "{fault:?}");
        let _ = records(&out);
        if code == 0 {
            assert_eq!(err, "", "{fault:?}");
        } else {
            assert_eq!((code, out.as_str(), err.lines().count()), (3, "", 1), "{fault:?}: {err}");
            assert!(err.len() < 500 && !err.contains('\u{1b}'), "{fault:?}: {err}");
        }
    }
}
