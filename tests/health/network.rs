//! `net_shared`: the network is known to be the task's or the host's, and others report the same bytes.

use crate::machine::{IMAGE, SOON, engine, exec};
use crate::records::records;
use crate::support::docker::{Container, Engine, TaskNetwork};
use crate::support::endpoint::{Endpoint, Task};
use crate::support::process::{find_program, stdout};
use crate::support::require::require;
use serde_json::Value;
use std::process::Command;

/// The newest `stats` record of a container.
fn newest(container: &Container) -> Value {
    let mut all = records(&container.logs().stderr).into_iter().filter(|record| record["epitaph"] == "stats");
    all.next_back().unwrap_or_else(|| panic!("no statistics: {:#?}", container.logs()))
}

/// What PID 1 says of a program that ends at once.
fn of_pid_1(engine: &'static Engine, options: &[&str], endpoint: Option<&Endpoint>) -> Value {
    let options = [options, &["--entrypoint=/epitaph"]].concat();
    let container = engine.create(IMAGE, &options, &["--stats", "1h", "--", "true"]);
    if let Some(endpoint) = endpoint {
        endpoint.set_docker_id(container.id());
    }
    container.start();
    assert_eq!(container.wait(SOON), 0, "{:#?}", container.logs());
    newest(&container)
}

#[test]
fn the_network_of_a_task_is_shared_and_one_of_its_own_is_not() {
    let Some(engine) = engine() else { return };
    let Some(ip) = require("iproute2", find_program("ip", "iproute2")) else { return };
    let Some(nsenter) = require("nsenter", find_program("nsenter", "util-linux")) else { return };
    let Some(network) = require("busybox", TaskNetwork::new(engine)) else { return };
    // An interface beside lo, so that there are bytes to tell of.
    let mut command = Command::new(nsenter);
    command.arg(format!("--net=/proc/{}/ns/net", network.pause().pid())).arg(ip);
    stdout(command.args(["link", "add", "eth0", "type", "veth", "peer", "name", "eth1"]), SOON).unwrap();
    for (mode, is_shared) in [("awsvpc", true), ("bridge", false), ("host", true)] {
        let endpoint =
            Endpoint::serve(network.listen(), Task { network_mode: mode.into(), ..Task::default() });
        let uri = format!("--env=ECS_CONTAINER_METADATA_URI_V4={}", endpoint.uri_v4());
        let options = [network.option(), uri];
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let record = of_pid_1(engine, &options, Some(&endpoint));
        let check = |record: &Value| {
            assert!(record["net_rx_bytes"].is_u64(), "{mode}: {record}");
            assert_eq!(record.get("net_shared") == Some(&1.into()), is_shared, "{mode}: {record}");
        };
        check(&record);
        // A health check hears of it in its first run, and tells it in the second.
        let container = engine.create(IMAGE, &options, &["/bin/sleep", "infinity"]);
        endpoint.set_docker_id(container.id());
        container.start();
        for _ in 0..2 {
            assert_eq!(exec(engine, &container, &[], &["--stats", "1s", "--", "sleep", "1.1"]).0, 0);
        }
        check(&newest(&container));
    }
}

#[test]
fn the_network_of_the_host_is_shared_where_the_kernel_tells() {
    let Some(engine) = engine() else { return };
    let host = of_pid_1(engine, &["--network=host"], None);
    // As the machine itself shows it, on whatever kernel.
    let link = std::fs::read_link("/proc/self/ns/net").unwrap();
    let is_told = link.to_str() == Some("net:[4026531833]");
    assert_eq!(host.get("net_shared") == Some(&1.into()), is_told, "{host}");
    let Some(network) = require("busybox", TaskNetwork::new(engine)) else { return };
    let own = of_pid_1(engine, &[&network.option()], None);
    assert_eq!(own.get("net_shared"), None, "{own}");
}
