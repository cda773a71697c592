//! epitaph as PID 1 of real containers: who it says it is, against what Docker says, and how it stops.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod support;

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;
use support::archive::Tree;
use support::docker::{Container, Engine, Stream, TaskNetwork};
use support::endpoint::{Endpoint, Fault, Task};
use support::require::require;
use support::static_binary::static_binary;

/// Nothing but `/epitaph`.
const SCRATCH: &str = "epitaph-test-scratch";
/// With busybox, for programs.
const BUSYBOX: &str = "epitaph-test-busybox";

/// For things that take milliseconds on an idle machine.
const SOON: Duration = Duration::from_secs(60);
/// How fast a container must end that is asked to: half of what the engine waits before SIGKILL. On an idle
/// machine it takes some 100 ms, most of them the engine's.
const AT_ONCE: Duration = Duration::from_secs(5);
const GRACE: Duration = Duration::from_secs(10);

/// The engine with both images, or a skip.
fn engine() -> Option<&'static Engine> {
    let engine = require("docker", Engine::shared())?;
    let epitaph = require("static binary", static_binary())?;
    let entrypoint = [r#"ENTRYPOINT ["/epitaph", "--"]"#];
    let scratch = || Tree::default().program("epitaph", epitaph);
    require("docker", engine.import(SCRATCH, scratch, &entrypoint))?;
    let busybox = || scratch()?.busybox();
    require("busybox", engine.import(BUSYBOX, busybox, &entrypoint))?;
    Some(engine)
}

/// The records on the container's stderr, on which a program that is silent there has nothing else.
fn records(container: &Container) -> Vec<Value> {
    let stderr = container.logs().stderr;
    let parsed = stderr
        .lines()
        .filter(|line| !line.is_empty())
        .map(serde_json::from_str)
        .collect::<Result<Vec<Value>, _>>();
    let records = parsed.unwrap_or_else(|error| panic!("not a record: {error}\n{stderr}"));
    for record in &records {
        for key in ["epitaph", "schema", "time"] {
            assert!(!record[key].is_null(), "no {key} in {record}");
        }
    }
    records
}

/// The one record of this kind.
fn record(container: &Container, kind: &str) -> Value {
    let mut found: Vec<Value> =
        records(container).into_iter().filter(|record| record["epitaph"] == kind).collect();
    assert_eq!(found.len(), 1, "{kind} records: {:#?}", container.logs());
    found.remove(0)
}

/// The environment of a program that was `env`.
fn environment(container: &Container) -> HashMap<String, String> {
    assert_eq!(container.wait(SOON), 0, "{:#?}", container.logs());
    let stdout = container.logs().stdout;
    stdout
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Asserts that the program in `container` knows Docker's ID of it.
#[track_caller]
fn assert_knows_its_id(container: &Container) {
    let id = container.inspect()["Id"].as_str().unwrap().to_owned();
    assert_eq!(id.len(), 64, "{id}");
    assert_eq!(environment(container).get("DOCKER_CONTAINER_ID"), Some(&id), "{:#?}", container.logs());
    assert_eq!(record(container, "start")["container_id"], id);
    assert_eq!(record(container, "exit")["container_id"], id);
}

/// Where the endpoint of a task is, written as ECS writes it: without the port.
fn uri_v4(endpoint: &Endpoint) -> String {
    endpoint.uri_v4().replacen("169.254.170.2:80/", "169.254.170.2/", 1)
}

/// The option that tells a container of a task where its endpoint is.
fn metadata_uri(endpoint: &Endpoint) -> String {
    format!("--env=ECS_CONTAINER_METADATA_URI_V4={}", uri_v4(endpoint))
}

#[test]
fn an_image_needs_nothing_beside_epitaph() {
    let Some(engine) = engine() else { return };
    let container = engine.run(SCRATCH, &[], &["/epitaph", "--version"]);
    assert_eq!(container.wait(SOON), 0, "{:#?}", container.logs());
    assert!(container.logs().stdout.contains(env!("CARGO_PKG_VERSION")), "{:#?}", container.logs());
    assert_eq!(record(&container, "start")["container_id"], container.id());
    let exit = record(&container, "exit");
    assert_eq!(exit["exit"]["code"], 0, "{exit}");
    assert_eq!(exit["exit"]["verdict"], "ok", "{exit}");
}

#[test]
fn plain_docker_gives_an_id_and_no_task() {
    let Some(engine) = engine() else { return };
    let container = engine.run(BUSYBOX, &[], &["env"]);
    assert_knows_its_id(&container);
    assert_eq!(environment(&container).get("ECS_TASK_ARN"), None);
    for kind in ["start", "exit"] {
        assert_eq!(record(&container, kind)["task_arn"], Value::Null);
    }
}

#[test]
fn a_container_of_a_task_knows_its_own_id_and_the_task() {
    let Some(engine) = engine() else { return };
    let Some(network) = require("busybox", TaskNetwork::new(engine)) else { return };
    let task = Task::default();
    let endpoint = Endpoint::serve(network.listen(), task.clone());
    let container = engine.create(BUSYBOX, &[&network.option(), &metadata_uri(&endpoint)], &["env"]);
    endpoint.set_docker_id(container.id());
    container.start();

    assert_knows_its_id(&container);
    assert_ne!(container.id(), network.pause().id());
    assert_eq!(environment(&container).get("ECS_TASK_ARN"), Some(&task.arn));
    for kind in ["start", "exit"] {
        assert_eq!(record(&container, kind)["task_arn"], task.arn);
    }
    let requests = endpoint.requests();
    assert!((1..=2).contains(&requests.len()), "{requests:?}");
}

/// How many starts the test below makes. `EPITAPH_TEST_STARTS` asks for more.
fn starts() -> usize {
    std::env::var("EPITAPH_TEST_STARTS").ok().and_then(|count| count.parse().ok()).unwrap_or(5)
}

/// The agent's own order: it creates the container, gives it its entry in the endpoint and starts it, and
/// learns when it was started only when Docker's start call has returned.
#[test]
fn each_start_in_the_agents_order_has_its_time_and_its_wait() {
    let Some(engine) = engine() else { return };
    let Some(network) = require("busybox", TaskNetwork::new(engine)) else { return };
    let endpoint = Endpoint::serve(network.listen(), Task::default());
    for number in 0..starts() {
        endpoint.update(|task| *task = Task::default().just_created());
        let before = endpoint.requests().len();
        let container = engine.create(BUSYBOX, &[&network.option(), &metadata_uri(&endpoint)], &["true"]);
        endpoint.set_docker_id(container.id());
        container.start();
        endpoint.start_subject();
        assert_eq!(container.wait(SOON), 0, "{:#?}", container.logs());
        assert_eq!(endpoint.requests().len() - before, 2, "start {number}: {:?}", endpoint.requests());

        let state = container.inspect();
        let started = state["State"]["StartedAt"].as_str().unwrap();
        let started = humantime::parse_rfc3339(started).unwrap();
        for kind in ["start", "exit"] {
            let record = record(&container, kind);
            let own = humantime::parse_rfc3339(record["started_at"].as_str().unwrap()).unwrap();
            // The process is made before the engine notes the time; the kernel tells it to 10 ms.
            let difference = started.duration_since(own).unwrap_or_else(|earlier| earlier.duration());
            assert!(difference < Duration::from_secs(2), "start {number}, {kind}: {difference:?} apart");
            let wait = record["network_wait_ms"].as_u64();
            assert!(
                wait.is_some_and(|wait| (2206..62_216).contains(&wait)),
                "start {number}, {kind}: {wait:?}"
            );
            assert_eq!(record["sources"]["network_wait_ms"], "computed", "{record}");
            // Now and then the engine has told before epitaph asked.
            let source =
                record["sources"].get("started_at").map_or("metadata-v4", |one| one.as_str().unwrap());
            assert!(["computed", "metadata-v4"].contains(&source), "{record}");
            assert_eq!(record["source"], "metadata-v4", "{record}");
        }
    }
}

#[test]
fn the_runs_of_a_container_come_apart() {
    let Some(engine) = engine() else { return };
    let Some(network) = require("busybox", TaskNetwork::new(engine)) else { return };
    let endpoint = Endpoint::serve(network.listen(), Task::default().just_created());
    let container = engine.create(BUSYBOX, &[&network.option(), &metadata_uri(&endpoint)], &["true"]);
    endpoint.set_docker_id(container.id());
    for _ in 0..3 {
        container.start();
        assert_eq!(container.wait(SOON), 0, "{:#?}", container.logs());
        // Its restart policy, whose starts the agent counts.
        endpoint.start_subject();
    }
    let records = records(&container);
    assert_eq!(records.len(), 6, "{records:#?}");
    let texts = |key: &str| -> Vec<&str> {
        records
            .iter()
            .map(|record| record[key].as_str().unwrap_or_else(|| panic!("no {key} in {record}")))
            .collect()
    };
    let runs = texts("run");
    let mut starts = texts("started_at");
    for (number, run) in runs.chunks(2).enumerate() {
        assert_eq!(run[0], run[1], "start and exit of a run");
        assert_eq!(runs.iter().filter(|one| *one == &run[0]).count(), 2, "{runs:?}");
        let counted = records[number * 2]["restart_count"].as_u64();
        assert_eq!(counted.unwrap_or(0), u64::try_from(number.saturating_sub(1)).unwrap(), "{records:#?}");
    }
    let sorted = starts.is_sorted();
    starts.dedup();
    assert!(sorted && starts.len() == 3, "{starts:?}");
    assert!(texts("container_id").iter().all(|id| *id == container.id()));
}

/// What is asked for by hand in a session that has not what ECS has set.
#[test]
fn whoami_in_a_cleaned_environment_asks_by_that_of_pid_1() {
    let Some(engine) = engine() else { return };
    let Some(network) = require("busybox", TaskNetwork::new(engine)) else { return };
    let endpoint = Endpoint::serve(network.listen(), Task::default().just_created());
    let options = [network.option(), metadata_uri(&endpoint)];
    let container = engine.create(BUSYBOX, &options.each_ref().map(String::as_str), &["sleep", "infinity"]);
    endpoint.set_docker_id(container.id());
    container.start();
    endpoint.start_subject();
    container.wait_for_line(Stream::Stderr, SOON, |line| line.contains(r#""start""#));
    let told = container.exec(&["/bin/env", "-i", "/epitaph", "--whoami", "--format", "json"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["task_arn"], endpoint.task().arn, "{told}");
    assert_eq!(told["environment"], "/proc/1/environ");
    let own = container.exec(&["/epitaph", "--whoami", "--format", "json"]);
    let own: Value = serde_json::from_str(&own).unwrap();
    assert_eq!((&own["task_arn"], own.get("environment")), (&told["task_arn"], None));
    // Not the time of the look.
    assert_eq!(own["started_at"], endpoint.task().subject().unwrap().started_at.clone().unwrap());
}

/// Its endpoint is in its environment, which can be copied; its cgroup cannot.
#[test]
fn the_endpoint_of_another_container_is_not_believed() {
    let Some(engine) = engine() else { return };
    let Some(network) = require("busybox", TaskNetwork::new(engine)) else { return };
    let endpoint = Endpoint::serve(network.listen(), Task::default());
    let options = [network.option(), metadata_uri(&endpoint), "--cgroupns=host".into()];
    let container = engine.run(BUSYBOX, &options.each_ref().map(String::as_str), &["env"]);
    let variables = environment(&container);
    assert_eq!(variables.get("DOCKER_CONTAINER_ID").map(String::as_str), Some(container.id()));
    assert_eq!(variables.get("ECS_TASK_ARN"), None);
    let stderr = container.logs().stderr;
    let start = stderr.lines().find(|line| line.contains(r#""epitaph":"start""#)).unwrap();
    let start: Value = serde_json::from_str(start).unwrap();
    let task = endpoint.task();
    assert_eq!((&start["container_id"], start.get("task_arn")), (&container.id().into(), None));
    let conflict = &start["identity_conflict"];
    assert_eq!(conflict["container_id"], task.subject().unwrap().docker_id.as_str(), "{start}");
    assert_eq!(
        (&conflict["task_arn"], &conflict["source"]),
        (&task.arn.as_str().into(), &"metadata-v4".into())
    );
    assert_eq!(stderr.lines().filter(|line| line.starts_with('[')).count(), 1, "{stderr}");
}

#[test]
fn docker_stop_reaches_the_program() {
    let Some(engine) = engine() else { return };
    let script = "trap 'echo stopping; exit 7' TERM; echo ready; sleep infinity & wait";
    let container = engine.run(BUSYBOX, &[], &["sh", "-c", script]);
    container.wait_for_line(Stream::Stdout, SOON, |line| line == "ready");
    let stopped = container.stop(GRACE);
    assert_eq!(stopped.exit_code, 7, "{:#?}", container.logs());
    assert!(stopped.took < AT_ONCE, "{stopped:?}");
    assert!(container.logs().stdout.contains("stopping"), "{:#?}", container.logs());
}

#[test]
fn docker_stop_ends_a_program_without_a_handler_with_143() {
    let Some(engine) = engine() else { return };
    let container = engine.run(BUSYBOX, &[], &["sleep", "infinity"]);
    container.wait_for_line(Stream::Stderr, SOON, |line| line.contains(r#""start""#));
    let stopped = container.stop(GRACE);
    assert_eq!(stopped.exit_code, 143, "{:#?}", container.logs());
    assert!(stopped.took < AT_ONCE, "{stopped:?}");
    let exit = record(&container, "exit");
    assert_eq!(exit["exit"]["verdict"], "stopped", "{exit}");
}

#[test]
fn docker_stop_does_not_wait_for_a_silent_endpoint() {
    let Some(engine) = engine() else { return };
    let Some(network) = require("busybox", TaskNetwork::new(engine)) else { return };
    let endpoint = Endpoint::serve(network.listen(), Task::default());
    endpoint.set_fault(Some(Fault::Silent));
    let options = [network.option(), metadata_uri(&endpoint), "--env=EPITAPH_IDENTITY_TIMEOUT=60s".into()];
    let container = engine.run(BUSYBOX, &options.each_ref().map(String::as_str), &["echo", "ran"]);
    assert!(endpoint.wait_for_requests(1, SOON), "the endpoint was not asked: {:#?}", container.logs());

    let stopped = container.stop(GRACE);
    assert_eq!(stopped.exit_code, 143, "{:#?}", container.logs());
    assert!(stopped.took < AT_ONCE, "{stopped:?}");
    assert_eq!(container.logs().stdout, "", "the program was started");
}

#[test]
fn a_read_only_root_another_user_and_no_network_are_no_hindrance() {
    let Some(engine) = engine() else { return };
    for options in [
        &["--read-only"][..],
        &["--user=65534:65534"],
        &["--network=none"],
        &["--read-only", "--user=65534:65534", "--network=none", "--cap-drop=ALL"],
    ] {
        let container = engine.run(BUSYBOX, options, &["env"]);
        assert_knows_its_id(&container);
        let container = engine.run(BUSYBOX, options, &["sh", "-c", "exit 3"]);
        assert_eq!(container.wait(SOON), 3, "{options:?}: {:#?}", container.logs());
        assert_eq!(record(&container, "exit")["exit"]["verdict"], "failed");
    }
}

/// The stand-in for the task's network is right: what the identity cases rest on.
#[test]
fn the_endpoint_is_at_its_address_inside_of_the_network_only() {
    let Some(engine) = require("docker", Engine::shared()) else { return };
    let Some(network) = require("busybox", TaskNetwork::new(engine)) else { return };
    let Some(other) = require("busybox", TaskNetwork::new(engine)) else { return };
    let endpoint = Endpoint::serve(network.listen(), Task::default());
    let uri = uri_v4(&endpoint);
    assert!(uri.starts_with("http://169.254.170.2/v4/"), "{uri}");
    // Not wget: a static busybox looks its port up through NSS, which an empty image has not.
    let request = format!(
        r"printf 'GET {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' | nc -w 5 169.254.170.2 80",
        uri.trim_start_matches("http://169.254.170.2")
    );
    let get = ["/bin/sh", "-c", &request];
    let answer = network.pause().exec(&get);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{answer}");
    let body: Value = serde_json::from_str(body).unwrap();
    assert!(body["DockerId"].is_string(), "{body}");

    let refused = engine.command().args(["exec", other.pause().id()]).args(get).output().unwrap();
    assert!(!refused.status.success(), "{refused:?}");
    assert_eq!(endpoint.requests().len(), 1);
}

/// `docker run --init` gives an image that knows nothing of epitaph its identity.
#[test]
fn an_engine_can_have_epitaph_for_its_own_init() {
    let Some(epitaph) = require("static binary", static_binary()) else { return };
    let init = format!("--init-path={}", epitaph.display());
    let Some(engine) = require("docker", Engine::start(&[&init])) else { return };
    let plain = engine.import("plain", || Tree::default().busybox(), &[]);
    let Some(()) = require("busybox", plain) else { return };
    let container = engine.run("plain", &["--init"], &["/bin/env"]);
    assert_knows_its_id(&container);
}

/// A program that cannot start one more process says so in words of its own, or not at all.
#[test]
fn a_limit_of_processes_leaves_a_trace() {
    let Some(engine) = engine() else { return };
    let script = "exec 2>/dev/null; i=0; while [ $i -lt 30 ]; do i=$((i+1)); sleep 60 & done; exit 1";
    let container = engine.run(BUSYBOX, &["--pids-limit=15"], &["sh", "-c", script]);
    container.wait(SOON);
    let exit = record(&container, "exit");
    assert_eq!(exit["pids"]["limit"], 15, "{exit}");
    assert!(exit["pids"]["limit_hits"].as_u64().is_some_and(|hits| hits > 0), "{exit}");
    let why = exit["exit"]["why"].as_str().unwrap();
    assert!(why.contains("; starting a process or thread failed ") && why.contains(" is 15"), "{why}");
    assert!(why.contains("processes running, the largest "), "{why}");
}

/// An operator's kill, and who it came from.
#[test]
fn a_signal_by_docker_exec_names_its_sender() {
    let Some(engine) = engine() else { return };
    let container =
        engine.run(BUSYBOX, &[], &["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"]);
    container.wait_for_line(Stream::Stdout, SOON, |line| line == "ready");
    // The sender is still there when it is looked at.
    let sender = ["sh", "-c", "kill -TERM 1; sleep 600; true"];
    let mut exec = engine.command();
    exec.args(["exec", "--detach", container.id()]).args(sender);
    support::process::output(&mut exec, SOON).unwrap();
    container.wait_for_line(Stream::Stderr, SOON, |line| line.contains("\"epitaph\":\"stop\""));
    let stop = record(&container, "stop");
    let told = ["sender", "sender_name", "sender_ppid"].map(|key| stop[key].clone());
    assert_eq!(told, [Value::from("inside"), Value::from("sh"), Value::from(0)], "{stop}");
}
