//! The longest real record of each kind: an identity as long as it may be, names that take three bytes for
//! each of their own, more processes than a record has room for. What matters is still there.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

#[path = "support/records.rs"]
mod records;
mod support;

use std::time::Duration;
use support::archive::Tree;
use support::docker::{Engine, Stream, TaskNetwork};
use support::endpoint::{Container, Endpoint, Health, Task};
use support::require::require;
use support::static_binary::static_binary;

const IMAGE: &str = "epitaph-test-longest";
const SOON: Duration = Duration::from_secs(60);

/// Each value as long as it may be, and an ARN as long as AWS makes them.
fn task() -> Task {
    let long = |length: usize| "x".repeat(length);
    let cluster = long(255);
    let mut task = Task {
        arn: format!(
            "arn:aws:ecs:ap-northeast-1:123456789012:task/{cluster}/9d4f1c7ab2e84c0f8a35d6e17b20c493"
        ),
        cluster,
        family: long(255),
        revision: "999999".into(),
        service: Some(long(255)),
        desired_status: "STOPPED".into(),
        ..Task::default()
    };
    let server = task.subject_mut().unwrap();
    (server.name, server.docker_name, server.image) = (long(255), long(1024), long(1024));
    server.log_options = [("awslogs-group", 512), ("awslogs-stream", 512)]
        .map(|(name, length)| (name.to_owned(), long(length)))
        .to_vec();
    let output = Some("\u{1}".repeat(300));
    let health =
        Health { status: "HEALTHY".into(), since: server.started_at.clone(), exit_code: Some(0), output };
    server.health = Some(health);
    let sibling = |number: usize| Container {
        endpoint_id: format!("sibling-{number}"),
        docker_id: format!("{number:064x}"),
        name: format!("{number}{}", long(254)),
        finished_at: Some("2026-01-15T09:30:04.120053877Z".into()),
        exit_code: Some(255),
        known_status: "STOPPED".into(),
        ..Container::default()
    };
    task.containers.extend((1..=8).map(sibling));
    task
}

/// A script whose name is 15 control characters, so that `comm` is as long as it can be, and takes three
/// times the room as U+FFFD. It needs no other process to wait.
fn with_long_names(tree: Tree) -> Tree {
    let name = "\u{1}".repeat(15);
    tree.file(&format!("names/{name}"), 0o755, "#!/bin/sh\nread x </never\n")
}

#[test]
fn each_kind_keeps_what_matters() {
    let Some(engine) = require("docker", Engine::shared()) else { return };
    let Some(epitaph) = require("static binary", static_binary()) else { return };
    let tree = || Ok(with_long_names(Tree::default().busybox()?.program("epitaph", epitaph)?));
    let image = engine.import(IMAGE, tree, &[r#"ENTRYPOINT ["/epitaph", "--"]"#, "ENV PATH=/bin"]);
    if require("busybox", image).is_none() {
        return;
    }
    let Some(network) = require("busybox", TaskNetwork::new(engine)) else { return };
    let endpoint = Endpoint::serve(network.listen(), task());
    let uri = endpoint.uri_v4().replacen("169.254.170.2:80/", "169.254.170.2/", 1);
    let options = [
        &network.option(),
        &format!("--env=ECS_CONTAINER_METADATA_URI_V4={uri}"),
        "--env=EPITAPH_STUCK_AFTER=300ms",
        "--env=EPITAPH_OOM_POLL=100ms",
        "--env=EPITAPH_STATS=1s",
        "--memory=48m",
        "--pids-limit=90",
    ];
    // A child is taken for memory; the page cache meets the limit; then no more processes are to be had.
    let script = "mkfifo /go /never; trap '' TERM USR1; for a in 1 2 3 4 5; do /names/* & done; (tail /dev/zero & wait) 2>/dev/null; \
         dd if=/dev/zero of=/file bs=1M count=64 2>/dev/null; \
         (for a in 1 2 3 4 5 6 7 8 9 10; do for b in 1 2 3 4 5 6 7 8 9 10; do /names/* & done; done) 2>/dev/null; \
         echo ready; read x </go; exit 3";
    let container = engine.create(IMAGE, &options, &["sh", "-c", script]);
    endpoint.set_docker_id(container.id());
    container.start();
    container.wait_for_line(Stream::Stdout, SOON, |line| line == "ready");
    let wait_for = |kind: &str| {
        let kind = format!("\"epitaph\":\"{kind}\"");
        drop(container.wait_for_line(Stream::Stderr, SOON, |line| line.contains(&kind)));
    };
    for kind in ["oom_kill", "memory_pressure", "stats"] {
        wait_for(kind);
    }
    container.kill("USR1");
    wait_for("signal");
    container.kill("TERM");
    for kind in ["stop", "task", "stuck"] {
        wait_for(kind);
    }
    std::fs::write(format!("/proc/{}/root/go", container.pid()), "").unwrap();
    assert_eq!(container.wait(SOON), 3, "{:#?}", container.logs());

    let stderr = container.logs().stderr;
    let all = records::records(&stderr);
    // What somebody has to know, by kind: nothing of it may have had no room.
    let common = ["run", "container_id", "task_arn", "task_id", "pid"];
    let memory = "memory.cgroup memory.limit memory.usage memory.peak memory.oom_kills memory.anon memory.file \
         memory.shmem";
    let matters = |kind: &str| match kind {
        "start" => "program identity_ms container_name cluster family".to_owned(),
        "oom_kill" => format!("{memory} kills"),
        "memory_pressure" => format!("{memory} processes.4"),
        "stuck" => format!("{memory} pids.limit pids.limit_hits processes.9.pid processes.9.sigterm"),
        "stop" | "signal" => "signal sender".to_owned(),
        "task" => "why stopped_by desired_status containers_ended.0.exit_code health.status".to_owned(),
        "stats" => "window_ms cpu_ms memory_usage memory_limit pids pids_limit oom_kills".to_owned(),
        "exit" => format!(
            "{memory} exit.code exit.verdict exit.why exit.runtime_ms exit.stop_signal exit.stop_ms \
             exit.last_signal exit.user_ms exit.max_rss exit.left exit.records_lost pids.limit pids.peak \
             pids.limit_hits container_name cluster family"
        ),
        other => panic!("{other}?"),
    };
    for record in &all {
        let kind = record["epitaph"].as_str().unwrap();
        for path in matters(kind).split_whitespace().chain(common) {
            let pointer = format!("/{}", path.replace('.', "/"));
            assert!(record.pointer(&pointer).is_some(), "{kind} has no {path}: {record}");
        }
        println!("{kind}: {} bytes", record.to_string().len());
    }
    let of = |kind: &str| all.iter().find(|record| record["epitaph"] == kind).unwrap();
    // The last sentence of all was not cut: it is what people read.
    let why = of("exit")["exit"]["why"].as_str().unwrap();
    assert!(why.ends_with('.') && why.contains("the limit of processes is 90"), "{why}");
    let longest = stderr.lines().map(str::len).max().unwrap();
    assert!(longest > 3900, "nothing was as long as a record may be: {longest} bytes");
    let processes = of("stuck")["processes"].as_array().map_or(0, Vec::len);
    let left = of("exit")["exit"]["left"].as_u64().unwrap();
    assert!(left > 50 && processes < 50, "{left} and {processes}");
    let names = of("stuck")["processes"].as_array().unwrap().iter().map(|one| &one["name"]);
    assert!(names.into_iter().any(|name| name.as_str() == Some("\u{fffd}".repeat(15).as_str())), "{stderr}");
}
