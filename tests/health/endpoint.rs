//! Who the container is: asked once, and kept.

use crate::machine::{IMAGE, SOON, engine, exec, health_records};
use crate::records::records;
use crate::support::docker::{Container, Engine, TaskNetwork};
use crate::support::endpoint::{Endpoint, Fault, Task};
use crate::support::process::wait_until;
use crate::support::require::require;

/// A container that an endpoint tells of.
fn in_a_task() -> Option<(&'static Engine, TaskNetwork<'static>, Endpoint, Container<'static>)> {
    let engine = engine()?;
    let network = require("busybox", TaskNetwork::new(engine))?;
    let endpoint = Endpoint::serve(network.listen(), Task::default());
    let uri = format!("--env=ECS_CONTAINER_METADATA_URI_V4={}", endpoint.uri_v4());
    let container = engine.run(IMAGE, &[&network.option(), &uri], &["/bin/sleep", "infinity"]);
    endpoint.set_docker_id(container.id());
    Some((engine, network, endpoint, container))
}

#[test]
fn the_endpoint_is_asked_in_the_first_check_alone() {
    let Some((engine, _network, endpoint, container)) = in_a_task() else { return };
    let arn = endpoint.task().arn;
    for check in ["true", "false", "true"] {
        exec(engine, &container, &[], &["--", check]);
    }
    assert_eq!(endpoint.requests().len(), 2, "{:?}", endpoint.requests());
    let records = health_records(&container);
    assert_eq!(records.len(), 3);
    assert!(records.iter().all(|record| record["task_arn"] == arn.as_str()), "{records:#?}");
}

#[test]
fn an_endpoint_that_is_silent_costs_half_of_the_time_and_not_the_check() {
    let Some((engine, _network, endpoint, container)) = in_a_task() else { return };
    endpoint.set_fault(Some(Fault::Silent));
    let (code, _) = exec(engine, &container, &[], &["--timeout", "1s", "--", "true"]);
    assert_eq!(code, 0);
    let record = &health_records(&container)[0];
    assert_eq!(
        (record["outcome"].as_str(), record["container_id"].as_str()),
        (Some("passed"), Some(container.id()))
    );
}

#[test]
fn statistics_of_a_check_are_metrics_too_where_that_is_wanted() {
    let Some((engine, _network, endpoint, container)) = in_a_task() else { return };
    let check = ["--stats", "1s", "--stats-format", "emf", "--", "true"];
    // The second check and what follows have the identity from the file of the first.
    let told = wait_until("statistics", SOON, || {
        assert_eq!(exec(engine, &container, &[], &check).0, 0);
        records(&container.logs().stderr).into_iter().find(|record| record["epitaph"] == "stats")
    });
    let told = told.unwrap();
    let directive = &told["_aws"]["CloudWatchMetrics"][0];
    assert_eq!(directive["Namespace"], "Epitaph", "{told}");
    let names = directive["Dimensions"][0].as_array().unwrap();
    assert!(!names.is_empty() && names.iter().all(|name| told[name.as_str().unwrap()].is_string()), "{told}");
    let metrics = directive["Metrics"].as_array().unwrap();
    assert!(
        metrics.iter().any(|metric| metric["Name"] == "memory_percent" || metric["Name"] == "memory_used"),
        "{told}"
    );
    assert_eq!(endpoint.requests().len(), 2, "{:?}", endpoint.requests());
}
